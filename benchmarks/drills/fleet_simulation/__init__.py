"""A fleet in virtual time: its machines, their database and its followers, in one process.

The machines run `FleetNode` and all that belongs to it on event loops and threads of virtual time (`timeline`), on a
PostgreSQL that is SQLite behind psycopg's interface (`driver`, `server`, `translation`). A history (`history`) is drawn
from a seed; `watch` notes what must not be.
"""
