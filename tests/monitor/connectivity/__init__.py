"""Monitor, connectivity."""
