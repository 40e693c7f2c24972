"""How deltas travel from a bot to whoever reads them."""
