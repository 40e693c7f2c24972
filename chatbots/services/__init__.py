"""Bots: each is one way of answering."""
