"""Controller, alerts."""
