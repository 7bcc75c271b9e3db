"""Keeps the cost of probing within a monthly budget.

Comes in: the cost of each probe. Goes out: longer intervals, refused probes, events, and a summary for page and status.
"""
