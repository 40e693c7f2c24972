"""What is remembered: a session holds turns, a store keeps sessions."""
