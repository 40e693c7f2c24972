"""A realtime server that hears and speaks on this machine."""
