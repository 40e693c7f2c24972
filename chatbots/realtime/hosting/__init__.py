"""The server's side of a realtime conversation, without its socket."""
