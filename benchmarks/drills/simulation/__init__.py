"""The service in virtual time on a disk, database, clock and network that fail as a seed says: what must hold, holds.

A seed gives a history (`history.py`): outages of providers, faults of our own, what operators do. `service.py` plays
it on the real objects, with a fault between any two steps of disk and database (`disk.py`); `watch.py` says what was
wrong.
"""
