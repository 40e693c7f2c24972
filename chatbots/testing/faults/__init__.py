"""Every way an upstream can fail, by name: each a small function from an answer to steps."""
