"""What bounds those who ask: how many, how much, how slowly."""

import socket
import time
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

MOST_HEAD: Final = 32 * 1024
MOST_BODY: Final = 64 * 1024
_ACCEPTED_AT_ONCE: Final = 32
#: A reason for refusing is told once in so long, with how often there was one.
_TOLD_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a connection may take, in seconds."""

    request_s: float = 10.0
    """For a whole request."""
    idle_s: float = 90.0
    """Without a request."""
    unread_s: float = 15.0
    """Without reading what was answered."""


PATIENCE: Final = Patience()


@dataclass(kw_only=True)
class RefusedClients:
    """Counts who was refused, and tells it now and then: an attack must not fill the log."""

    tell: Callable[[str, str], None]
    """Is given the event and a text."""
    monotonic: Callable[[], float] = time.monotonic
    counts: Counter[str] = field(default_factory=Counter)
    """By event, since the start."""
    _told: dict[str, tuple[float, int]] = field(default_factory=dict)

    def refuse(self, event: str, text: str) -> None:
        """Count it, and tell it unless that was just done."""
        self.counts[event] += 1
        told_s, told = self._told.get(event, (float("-inf"), 0))
        now_s = self.monotonic()
        if now_s - told_s < _TOLD_EVERY_S:
            return
        self._told[event] = now_s, self.counts[event]
        since = self.counts[event] - told
        self.tell(event, f"{text} ({since} times)" if since > 1 else text)


class _Connection(socket.socket):
    """Counts as open until it is closed, and no longer: collecting it as garbage may come much later."""

    def __init__(self, accepted: socket.socket, closing: "Callable[[_Connection], None]") -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self._closing = closing

    def close(self) -> None:
        self._closing(self)
        super().close()


class BoundedListener(socket.socket):
    """A listening socket for so many connections at once.

    Beyond them the longest idle one gives way to the next, so that who asks for its health gets an answer; where none
    is idle, the one whose encryption has taken longest to come about; else the next is closed before anything is read.
    """

    def __init__(self, family: socket.AddressFamily, *, most: int, make_room: Callable[[int], bool]) -> None:
        """`make_room` is given the bound; whether it could close an idle connection."""
        super().__init__(family, socket.SOCK_STREAM)
        self._batch = 0
        self.open_now: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._unready: dict[int, _Connection] = {}
        """By number of file: those of which the protocol knows nothing yet, the oldest first."""
        self.most, self._make_room = most, make_room

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection within the bound; raises BlockingIOError where there is none."""
        self._batch = (self._batch + 1) % _ACCEPTED_AT_ONCE
        if not self._batch:
            raise BlockingIOError  # the loop comes back, after those that ask already
        connection, address = super().accept()
        if len(self.open_now) >= self.most and not (self._make_room(self.most) or self._drop_unready()):
            connection.close()
            raise BlockingIOError
        counted = _Connection(connection, self._forget)
        self.open_now.add(counted)
        self._unready[counted.fileno()] = counted
        return counted, address

    def ready(self, file: int) -> None:
        """The connection of this number is the protocol's from now on."""
        self._unready.pop(file, None)

    def _drop_unready(self) -> bool:
        for file, connection in self._unready.items():
            self.ready(file)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # the loop then closes it
            return True
        return False

    def _forget(self, connection: _Connection) -> None:
        self.open_now.discard(connection)
        self.ready(connection.fileno())
