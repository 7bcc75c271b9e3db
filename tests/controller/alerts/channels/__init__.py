"""Controller, alerts, channels."""
