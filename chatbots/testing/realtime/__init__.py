"""The fake server's realtime half: conversations over WebSockets, with faults."""
