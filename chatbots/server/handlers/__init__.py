"""One request type per file: what it carries, how it is answered."""
