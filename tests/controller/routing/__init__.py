"""Controller, routing."""
