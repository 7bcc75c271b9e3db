"""Controller, alerts, slack, buttons."""
