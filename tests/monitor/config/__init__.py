"""Monitor, config."""
