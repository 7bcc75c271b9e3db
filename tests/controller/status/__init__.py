"""Controller, status."""
