"""Controller, demo."""
