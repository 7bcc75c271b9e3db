"""Runs Alembic. It costs a third of a second to import, so `monitor.storage.database` imports this late."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlmodel import SQLModel

from monitor.storage import fleet_tables, rollup_tables, tables  # noqa: F401 - they register their tables
from monitor.storage.partitions import PARTITIONED_BY_TIME

SCRIPTS: Final = Path(__file__).parent
"""The folder of the migrations."""


def migrate(connection: Connection, *, current: str | None, wanted: str, scripts: Path = SCRIPTS) -> None:
    """Bring the schema from one revision (None: no tables yet) to another, in the connection's own transaction.

    Raises LookupError when the current revision is not one of ours.
    """
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise LookupError(current)
    if current is None and connection.dialect.name == "postgresql":
        # The first revisions are of times when there was SQLite alone.
        tables.OBSERVATIONS.dialect_kwargs.update(PARTITIONED_BY_TIME)
        SQLModel.metadata.create_all(connection)
        command.stamp(config, wanted)
    else:
        command.upgrade(config, wanted)
