"""Sessions in one SQLite file: a writer with group commit, readers beside it."""
