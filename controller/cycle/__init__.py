"""One control cycle: what the service does with each batch of observations.

Observations and the time come in; health, decisions and incidents are stored, and the routing file is published.
"""
