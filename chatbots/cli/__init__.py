"""The commands: flags to calls."""
