"""Probes, dialects."""
