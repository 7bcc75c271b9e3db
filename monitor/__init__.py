"""Probe on schedule, remember, judge who is healthy."""
