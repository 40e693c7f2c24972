"""OpenAI and everything that speaks its API; no other room says its name."""
