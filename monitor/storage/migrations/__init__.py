"""Alembic migrations: each brings the tables from one schema number to the next, at start, without losing a row.

In: a connection to a database of any released schema. Out: the tables that `monitor.storage.tables` declares.
"""
