"""The database: its tables and migrations, the stores of the monitor, and the lock that keeps it to one service.

In come observations, transitions, events and connectivity; out come the same values, for a restart, the page and
replay. SQL stands here and in the stores and queries of `controller`, nowhere else.
"""
