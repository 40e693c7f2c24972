"""One small program per client, each as the client's own documentation shows it."""
