"""Monitor, detection."""
