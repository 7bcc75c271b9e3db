"""The PostgreSQL of a fleet of the drill: its disk can be full, and a standby can take its place."""

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import make_url

from tests.support.postgres import PostgresServer, server_folder

#: A new cluster has some 60 MB; what a fleet of the drill writes needs no more than this.
_DISK: Final = "size=400m"
_WAL: Final = ("max_wal_size = '64MB'", "min_wal_size = '32MB'")
_BLOCK: Final = b"\0" * (1 << 20)


class FleetDatabase:
    """One database, on whatever server has it now; with `disks` each server has a small disk of its own (as root)."""

    def __init__(self, *, disks: bool) -> None:
        self._disks = disks
        self._folder = self._new_folder()
        self._server = PostgresServer(self._folder)
        for setting in _WAL:
            self._server.admin(f"ALTER SYSTEM SET {setting}")
        self._server.admin("SELECT pg_reload_conf()")
        self.url = self._server.new_database()

    @property
    def plain_url(self) -> str:
        """For psycopg."""
        return self.url.replace("+psycopg", "")

    def start(self) -> None:
        """Let the server run, unless it does."""
        self._server.start()

    def stop(self) -> None:
        """As for a restart."""
        self._server.stop()

    def fill(self) -> None:
        """Leave its disk no room."""
        with suppress(OSError), (self._folder.parent / "filler").open("wb", buffering=0) as file:
            while file.write(_BLOCK) == len(_BLOCK):
                pass

    def spend_wal(self) -> None:
        """Let a new file of its log be due; on a full disk that ends the server."""
        with suppress(psycopg.Error), psycopg.connect(self.plain_url, autocommit=True, connect_timeout=2) as connection:
            for _ in range(8):
                connection.execute("SELECT pg_switch_wal(), txid_current(), pg_sleep(0.1)")

    def free(self) -> None:
        """Give the room back; a server that has ended because of it runs again."""
        (self._folder.parent / "filler").unlink(missing_ok=True)
        self.start()

    def fail_over(self, *, lost_s: float = 0.0) -> None:
        """The server crashes, and its standby is the primary: `url` is another one then.

        With `lost_s` the standby knows nothing of so many last seconds; otherwise it is synchronous.
        """
        folder, former = self._new_folder(), (self._folder, self._server)
        other = self._server.standby(folder, synchronous=not lost_s)
        if lost_s:
            other.admin("ALTER SYSTEM SET primary_conninfo = ''")
            other.admin("SELECT pg_reload_conf()")
            time.sleep(lost_s)
        self._server.kill()
        other.promote()
        self._folder, self._server = folder, other
        self.url = other.url(str(make_url(self.url).database))
        former[1].close()
        self._remove(former[0])

    def rows(self, query: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        """What the database says; nothing where it cannot be asked."""
        with (
            suppress(psycopg.Error),
            psycopg.connect(self.plain_url, row_factory=dict_row, connect_timeout=2) as connection,
        ):
            return connection.execute(query, values).fetchall()
        return []

    def close(self) -> None:
        """End all of it."""
        self._server.close()
        self._remove(self._folder)

    def _new_folder(self) -> Path:
        """For a server's data; it is not there yet."""
        folder = server_folder()
        if not self._disks:
            return folder
        folder.mkdir()
        subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", _DISK, "tmpfs", str(folder)], check=True)
        return folder / "data"

    def _remove(self, folder: Path) -> None:
        if self._disks:
            subprocess.run(["/bin/umount", "-l", str(folder.parent)], check=True)
            folder.parent.rmdir()


def can_mount() -> bool:
    """Whether disks can be made."""
    return os.geteuid() == 0
