"""Starts processes of which none outlives this one.

Run as `python -m controller.service.child_processes`, this is the guard that ends them when their parent has ended, for
whatever reason.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, Self

_GRACE_S = 8.0
_TAIL_LINES = 15


class ChildEndedError(Exception):
    """A process has ended; the message names it and shows its last output."""


class Processes:
    """Processes beside this one; a context manager that ends them and their children.

    Each process leads a process group of its own. The guard ends the groups as soon as its standard input closes: when
    this context ends, and just as well when this process is killed and can end nothing itself.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """What a process prints goes to `NAME.log` in the folder; without one, to where this one prints."""
        self._folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "controller.service.child_processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal reaches the whole session; ending things is our part
        )

    def __enter__(self) -> Self:
        """The guard is already there."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """End everything; returns when it has ended."""
        assert self._guard.stdin is not None  # noqa: S101 - asked for with PIPE
        self._guard.stdin.close()
        for child in self._children.values():
            try:
                child.wait(timeout=_GRACE_S + 2)
            except subprocess.TimeoutExpired:  # somebody has ended the guard
                child.kill()
                child.wait()
        self._guard.wait()

    def start(self, name: str, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Start a command under a name for people."""
        with self._output(name) as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output and subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._children[name] = process
        assert self._guard.stdin is not None  # noqa: S101 - asked for with PIPE
        self._guard.stdin.write(f"{process.pid}\n")
        self._guard.stdin.flush()

    def exit_status(self, name: str) -> int | None:
        """The exit status of one; None while it runs."""
        return self._children[name].poll()

    def check(self) -> None:
        """Raises ChildEndedError when one of them has ended."""
        for name, child in self._children.items():
            status = child.poll()
            if status is not None:
                raise ChildEndedError(f"{name} ended with exit status {status}; its last words:\n{self._tail(name)}")

    def recent_output(self) -> str:
        """Return the end of what each process has printed."""
        return "\n".join(f"{name} has printed:\n{self._tail(name)}" for name in self._children)

    def _output(self, name: str) -> AbstractContextManager[BinaryIO | None]:
        return (self._folder / f"{name}.log").open("wb") if self._folder else nullcontext()

    def _tail(self, name: str) -> str:
        log = self._folder and self._folder / f"{name}.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log else []
        return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:]) or "  (none)"


def _end_groups(groups: Sequence[int]) -> None:
    """End these process groups with SIGTERM, and with SIGKILL those that still exist `_GRACE_S` later."""
    for group in groups:
        _send(group, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while any(_send(group, 0) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in groups:
        _send(group, signal.SIGKILL)


def _send(group: int, number: int) -> bool:
    """Whether the group still exists."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    _end_groups([int(line) for line in sys.stdin])
