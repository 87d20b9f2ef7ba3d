"""How good predictions are, and what a simple model reaches on the same data."""
