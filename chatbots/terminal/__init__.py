"""One client, one screen."""
