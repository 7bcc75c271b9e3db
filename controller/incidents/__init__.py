"""Incidents: what broke, the evidence, what was done about it, and what people say of it."""
