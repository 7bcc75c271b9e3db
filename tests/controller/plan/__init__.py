"""Controller, plan."""
