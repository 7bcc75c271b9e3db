"""The outage drill of `hotspare demo`: simulated providers, a fake Slack, the real service and page, and applications.

In: `--once`, `--json`, a port. Out: a timeline on the terminal and the summary of each drill; needs no keys.
"""
