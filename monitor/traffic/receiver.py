"""The socket that reports come in by, read by a thread of its own, so that no datagram delays a probe."""

import contextlib
import errno
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from monitor.config.traffic_settings import TrafficSettings
from monitor.traffic.datagram import MOST_BYTES
from monitor.traffic.intake import THIS_MACHINE, Intake
from monitor.traffic.request_counts import RequestCounts

log = logging.getLogger(__name__)

#: So many datagrams in so long are read at most; what comes beside them the system drops.
_SLICE_S, _MOST_IN_SLICE = 0.1, 100
#: How often it is looked whether the socket is still ours; where it is not, or cannot be made, it is made anew.
_LOOK_EVERY_S = 1.0
#: Counts that wait to be judged at the most.
_MOST_WAITING = 20_000
_RECEIVE_BYTES = 1 << 20
#: Who may read the routing file may report.
_MODE: Final = 0o666
FLOODED: Final = "beyond a thousand a second"
CROWDED: Final = "that nobody judges in time"


class TrafficReceiver:
    """Listens from `start` to `stop`; `take` gives what has come in since the last call, to any one thread."""

    def __init__(self, settings: TrafficSettings, intake: Intake, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._intake = intake
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[RequestCounts] = []
        self._news: list[str] = []
        self._stop = threading.Event()
        self._socket: socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        self._problem = ""
        self._looked_at = 0.0
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        """Begin to listen; a socket that cannot be made is told, and tried again."""
        self._thread.start()

    def stop(self) -> None:
        """End within half a second, and remove the socket."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def take(self) -> list[RequestCounts]:
        """The counts since the last call."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken

    def take_news(self) -> list[str]:
        """What people should know since the last call: what was refused, and why nothing comes in."""
        with self._lock:
            news, self._news = self._news, []
        return news

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
                if self._socket is None:
                    self._stop.wait(_SLICE_S)
                    continue
                self._read_slice(self._socket)
            except OSError as error:
                self._close()
                self._tell_problem(f"cannot be read: {error.strerror or error}")
        self._close()
        self._remove()

    def _read_slice(self, opened: socket.socket) -> None:
        """Read what comes in within a tenth of a second, up to a bound."""
        ends_at, came = time.monotonic() + _SLICE_S, 0
        taken: list[RequestCounts] = []
        while came < _MOST_IN_SLICE and (left_s := ends_at - time.monotonic()) > 0:
            opened.settimeout(left_s)
            try:
                data, address = opened.recvfrom(MOST_BYTES + 1)
            except TimeoutError:
                break
            came += 1
            taken += self._intake.take(data, _source(address), self._clock())
        if came == _MOST_IN_SLICE:
            self._intake.refused[FLOODED] += 1
        self._hand_over(taken)
        if came == _MOST_IN_SLICE:
            self._stop.wait(max(0.0, ends_at - time.monotonic()))

    def _hand_over(self, taken: list[RequestCounts]) -> None:
        with self._lock:
            room = _MOST_WAITING - len(self._waiting)
            if len(taken) > room:
                self._intake.refused[CROWDED] += len(taken) - room
            self._waiting += taken[: max(0, room)]
            self._news += self._intake.take_news()

    def _look(self) -> None:
        """Open the socket where there is none, or where its path does not lead to it any more."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_EVERY_S and self._looked_at:
            return
        self._looked_at = now
        if self._socket and self._settings.address is None and _inode(self._settings.socket_path) != self._inode:
            self._close()
        if self._socket is None:
            try:
                self._socket = self._open()
            except OSError as error:
                self._tell_problem(f"cannot be opened: {error.strerror or error}")
            else:
                self._problem = ""
                log.info("traffic_listening at=%s", self._settings.listen)

    def _open(self) -> socket.socket:
        address = self._settings.address
        if address:
            family = socket.AF_INET6 if ip_address(address[0]).version == 6 else socket.AF_INET
            return _bound(family, address)
        path = self._settings.socket_path
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        _make_room(path)
        opened = _bound(socket.AF_UNIX, path)
        with contextlib.suppress(OSError):
            Path(path).chmod(_MODE)
        self._inode = _inode(path)
        return opened

    def _close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def _remove(self) -> None:
        path = self._settings.socket_path
        if self._settings.address is None and self._inode and _inode(path) == self._inode:
            with contextlib.suppress(OSError):
                Path(path).unlink()

    def _tell_problem(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            with self._lock:
                self._news.append(f"{self._settings.listen} {problem}; nothing that applications report comes in")


def _bound(family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


def _make_room(path: str) -> None:
    """Remove a socket that a process left behind which is gone; raises OSError where something else is there."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "something that is no socket is there")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as other:
        try:
            other.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
    raise OSError(errno.EADDRINUSE, "another process listens there")


def _inode(path: str) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        stats = os.lstat(path)
        return stats.st_dev, stats.st_ino
    return None


def _source(address: object) -> str:
    """The host that a datagram came from: all of this machine are one."""
    if not isinstance(address, tuple):
        return THIS_MACHINE
    source = str(address[0]).partition("%")[0]
    return THIS_MACHINE if ip_address(source).is_loopback else source
