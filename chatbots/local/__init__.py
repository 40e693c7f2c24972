"""The embedded default: a real model on this machine."""
