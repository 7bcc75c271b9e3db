"""Reports how requests ended to Hotspare: from a thread of its own, fire and forget, lost without harm."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import socket
import threading
import time
import weakref
from collections import deque
from typing import Final

from hotspare_client.datagram import Ended, Sender, datagrams, rows

#: The application is named in these where it does not say otherwise: where to report, and the key that signs.
ADDRESS_VARIABLE: Final = "HOTSPARE_TRAFFIC"
KEY_VARIABLE: Final = "HOTSPARE_TRAFFIC_KEY"
#: What ended is sent so often.
_EVERY_S: Final = 0.5
#: Requests that wait for the thread at most; beyond them the oldest are lost.
_MOST_WAITING: Final = 50_000
_MOST_HOST: Final = 60


class Reporter:
    """The reports of one process. Thread-safe, and it survives a fork."""

    def __init__(self, address: str | None = None, *, key: str | None = None, host: str | None = None) -> None:
        """`address`: `unix:` and the path of a socket, or `udp://host:port`; empty or wrong: nothing is sent.

        Without it, that of the variable HOTSPARE_TRAFFIC; without a `key`, that of HOTSPARE_TRAFFIC_KEY.
        """
        own = os.environ.get(ADDRESS_VARIABLE) or None if address is None else address
        self._is_told = own is not None
        self._address = _parse(own or "")
        self._key = (key if key is not None else os.environ.get(KEY_VARIABLE, "")).encode() or None
        self._host = (host or socket.gethostname())[:_MOST_HOST]
        self._tags: set[str] = set()
        self._begin()
        _REPORTERS.add(self)

    def _begin(self) -> None:
        """In a new process."""
        self._ended: deque[Ended] = deque(maxlen=_MOST_WAITING)
        self._sender = Sender(self._host, secrets.token_hex(8), self._key)
        self._number = 0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._sending = threading.Lock()
        self._sent_at = time.monotonic()
        self._sockets: dict[int, socket.socket] = {}

    @property
    def is_on(self) -> bool:
        """Whether there is anybody to report to."""
        return self._address is not None

    def use(self, address: str) -> None:
        """Report there from now on, unless the application has said where."""
        if not self._is_told:
            self._address = _parse(address)

    def report(
        self,
        target: str,
        outcome: str,
        duration_s: float | None = None,
        *,
        first_token_s: float | None = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        route: str = "",
        tag: str = "",
    ) -> None:
        """A request to `target` (`provider/model`) has ended. Never raises, never waits."""
        if self._address is not None:
            self._ended.append((target, outcome, duration_s, first_token_s, input_tokens, output_tokens, route, tag))
            if self._thread is None:
                self._start()

    def flush(self) -> None:
        """Send what has ended until now. Never raises."""
        with contextlib.suppress(Exception), self._sending:
            self._send()

    def _start(self) -> None:
        with contextlib.suppress(RuntimeError), self._starting:  # the interpreter may be ending
            if self._thread is None:
                self._sent_at = time.monotonic()
                self._thread = threading.Thread(
                    target=_run, args=(weakref.ref(self),), name="hotspare-reports", daemon=True
                )
                self._thread.start()

    def _send(self) -> None:
        now = time.monotonic()
        span_s, self._sent_at = now - self._sent_at, now
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        address = self._address
        if not ended or address is None:
            return
        every = rows(ended, self._tags)
        for data in datagrams(self._sender, every, first=self._number, at=time.time(), span_s=span_s):
            self._number += 1
            with contextlib.suppress(OSError):  # nobody listens, or it is full
                self._open(address).sendto(data, address)

    def _open(self, address: str | tuple[str, int]) -> socket.socket:
        family = (
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        )
        if family not in self._sockets:
            self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
            self._sockets[family].setblocking(False)
            weakref.finalize(self, self._sockets[family].close)
        return self._sockets[family]


def _run(reference: weakref.ref[Reporter]) -> None:
    while True:
        time.sleep(_EVERY_S)
        reporter = reference()
        if reporter is None or reporter._thread is not threading.current_thread():  # noqa: SLF001 - its own thread
            return
        reporter.flush()
        del reporter


def _parse(address: str) -> str | tuple[str, int] | None:
    """The socket's address; None where it is none."""
    if address.startswith("unix:") and hasattr(socket, "AF_UNIX"):
        return address.removeprefix("unix:") or None
    if address.startswith("udp://"):
        host, _, port = address.removeprefix("udp://").rpartition(":")
        if host and port.isdecimal() and 0 < int(port) < 65536:
            return host.strip("[]"), int(port)
    return None


_REPORTERS: weakref.WeakSet[Reporter] = weakref.WeakSet()


def _after_fork() -> None:
    for reporter in tuple(_REPORTERS):
        reporter._begin()  # noqa: SLF001 - of this module


def _at_exit() -> None:
    for reporter in tuple(_REPORTERS):
        reporter.flush()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
