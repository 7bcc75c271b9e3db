"""Controller, fleet."""
