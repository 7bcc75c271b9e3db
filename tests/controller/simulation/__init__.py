"""Controller, simulation."""
