"""Controller, cli."""
