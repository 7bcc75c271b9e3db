"""Probes on schedule, stores what came of it, and judges who is healthy.

In come the configuration and observations; out go settings, health, transitions and what the database holds. Imports
`probes` alone.
"""
