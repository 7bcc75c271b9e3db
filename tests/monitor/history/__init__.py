"""Monitor, history."""
