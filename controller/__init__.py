"""Turns health into routing: decides, publishes the routing file, alerts people, and serves the commands.

In come health and transitions of `monitor`; out go decisions, the routing file, incidents and alerts.
"""
