"""Probes, streaming."""
