"""How good predictions are, over all processes."""
