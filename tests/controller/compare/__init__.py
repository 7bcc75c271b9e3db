"""Controller, compare."""
