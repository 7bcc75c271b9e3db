"""Runs the migrations inside the transaction of the connection that `monitor.storage.database` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
