"""Controller, incidents."""
