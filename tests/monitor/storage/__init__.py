"""Monitor, storage."""
