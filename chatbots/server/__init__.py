"""Many clients, one process."""
