"""Controller, alerts, slack."""
