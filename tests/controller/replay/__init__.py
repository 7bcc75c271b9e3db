"""Controller, replay."""
