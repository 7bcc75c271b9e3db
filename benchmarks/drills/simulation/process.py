"""One process of the service: what decides, and the locks and the database that it opens."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import TypeVar

from benchmarks.drills.simulation.controller import Controller
from benchmarks.drills.simulation.disk import SimulatedDisk
from benchmarks.drills.simulation.world import RememberingSlack
from controller.routing.ballast import Ballast
from controller.routing.routing_file import RoutingFile
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError
from monitor.storage.lock import HeldError, InstanceLock, LockError
from monitor.storage.sqlite_engine import database_path
from monitor.storage.sqlite_writer import SqliteWriter

T = TypeVar("T")


async def _at_once(function: Callable[[], T], /) -> T:
    return function()


class Process(Controller):
    """From the locks on the files to the delivery of messages."""

    def __init__(
        self,
        settings: Settings,
        disk: SimulatedDisk,
        slack: RememberingSlack,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        endpoints: Callable[[], frozenset[str]],
    ) -> None:
        """`endpoints` says which of the neutral ones answer now."""
        published = settings.routing_file
        self._folder = InstanceLock(published.parent, card=published.with_name(f"{published.name}.lock"), folder=True)
        self._file = RoutingFile(published, ballast=Ballast(published), folder=self._folder)
        super().__init__(
            settings,
            self._file,
            SqliteWriter(database_path(settings.database), monotonic=monotonic, busy_s=0.0, calls=disk.calls),
            slack,
            in_database=_at_once,
            clock=clock,
            monotonic=monotonic,
            endpoints=endpoints,
        )
        self._opened = ExitStack()

    def start(self) -> None:
        """Take the locks, open the database, go on where the last one stopped, publish; raises as `Service` does."""
        self._folder.acquire()
        self._opened.callback(self._folder.release)
        self._opened.callback(self.database.close)
        try:
            self.database.open()
        except HeldError:
            raise
        except (DatabaseError, LockError):
            if not self._file.read_targets():
                raise
            self.database.recover(self._clock())
        self.go_on()

    def close(self) -> None:
        """Let go of everything."""
        self._opened.close()
