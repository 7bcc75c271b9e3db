"""What other programs read and operate over HTTP (`api`), on a thread and an event loop of their own.

In comes the read model of page and `status`, and the routing file as it was published; out go its views: JSON, metrics,
Statuspage's documents, badges. Nothing here computes anything of its own.
"""
