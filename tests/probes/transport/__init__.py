"""Probes, transport."""
