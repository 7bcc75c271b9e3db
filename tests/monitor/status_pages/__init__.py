"""Monitor, status pages."""
