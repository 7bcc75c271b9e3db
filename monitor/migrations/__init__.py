"""Changes of the schema, oldest first in `versions`; `monitor.database` runs what is missing when the writer opens.

To change the schema: edit `monitor/tables.py`, add the next file to `versions` by hand, and raise `SCHEMA` in
`monitor/database.py`; `tests/test_migrations.py` compares the two. A migration adds columns with `op.add_column`
where it can: a batch operation rebuilds the table, and must name `sqlite_strict` and `sqlite_with_rowid` again. A new
word in an old column (an outcome, a health, a move) is a change too: an older version could not read it.
"""
