"""Tells failures of our own network from failures of providers, by checks of neutral endpoints.

Comes in: observations and the endpoints that answer. Goes out: the observations that must not be judged, and notes.
"""
