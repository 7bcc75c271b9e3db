"""Drills on the real service: a process of its own, with its files, its providers and its Slack on this machine."""
