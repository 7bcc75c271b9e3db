"""`hotspare status --watch`: shows the state anew until it is interrupted."""

import json
import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from controller.cli import output
from controller.routing.operator_requests import RefusedError
from monitor.storage.database import DatabaseError

_EVERY_S: Final = 2.0
T = TypeVar("T")


def watch_documents(read: Callable[[], Mapping[str, Any]]) -> NoReturn:
    """Print a document on each line, for scripts, until KeyboardInterrupt or what `read` raises."""
    with _waiting() as wait:
        while True:
            print(json.dumps(read()), flush=True)  # noqa: T201 - what was asked for
            wait()


def watch_screen(read: Callable[[], T], lay_out: Callable[[T, Console, int], list[Text]]) -> NoReturn:
    """Fill the terminal until KeyboardInterrupt; it is laid out anew when its size changes.

    Raises RefusedError where standard output is no terminal, and what `read` raises at first; a database that cannot
    be read later is shown as such, until it can.
    """
    console = output.terminal()
    if not console.is_terminal or console.is_dumb_terminal:
        raise RefusedError("--watch needs a terminal; in a pipe, `--json --watch` prints one document on each line")
    lines = lay_out(read(), console, console.height)
    with _waiting() as wait, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(Group(*lines), refresh=True)
            wait()
            try:
                lines = lay_out(read(), console, console.height)
            except DatabaseError as error:
                lines = [Text(str(error), style="bold red")]


@contextmanager
def _waiting() -> Iterator[Callable[[], None]]:
    """Yield a function that waits for the next time, or until the size of the terminal changes."""
    reads, writes = os.pipe()
    for end in (reads, writes):
        os.set_blocking(end, False)
    before = signal.signal(signal.SIGWINCH, lambda *_: None)  # a signal that has no handler wakes nobody
    woken_by = signal.set_wakeup_fd(writes, warn_on_full_buffer=False)

    def wait() -> None:
        if select.select([reads], [], [], _EVERY_S)[0]:
            os.read(reads, 4096)

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(woken_by)
        signal.signal(signal.SIGWINCH, before)
        os.close(reads)
        os.close(writes)
