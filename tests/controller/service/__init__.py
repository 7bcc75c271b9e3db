"""Controller, service."""
