"""Runs Alembic. It costs a third of a second to import, so `monitor.storage.schema` imports this late."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

SCRIPTS: Final = Path(__file__).parent
"""The folder of the migrations."""


def migrate(connection: Connection, *, current: str | None, wanted: str, scripts: Path = SCRIPTS) -> None:
    """Bring the schema from one revision to another, in the connection's own transaction.

    From None, no tables yet, the first revisions lead through times when there was SQLite alone. Raises LookupError
    when the current revision is not one of ours.
    """
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise LookupError(current)
    command.upgrade(config, wanted)
