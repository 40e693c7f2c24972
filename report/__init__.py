"""What clients make of an upstream that fails, each asked the same way: `python -m report`."""
