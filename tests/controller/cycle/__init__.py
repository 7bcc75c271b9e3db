"""Controller, cycle."""
