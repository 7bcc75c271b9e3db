"""Controller, alerts, digest."""
