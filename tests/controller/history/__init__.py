"""Controller, history."""
