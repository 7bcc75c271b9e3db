"""Monitor, budget."""
