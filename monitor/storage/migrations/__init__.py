"""Alembic migrations: each brings the tables from one schema number to the next, at start, without losing a row."""
