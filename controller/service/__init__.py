"""The running service: probes, control cycles, alerts and housekeeping in one process.

Settings come in. Observations, health, decisions and incidents are stored, the routing file is published, people are
alerted, until the service is asked to stop.
"""
