"""Starts the demo's processes; none of them outlives the demo."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from controller.demo.reaper import GRACE_S

_TAIL_LINES = 15


class DemoError(Exception):
    """A part of the demo did not start, or ended; the message names it and shows its last output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Child:
    name: str
    log: Path
    process: subprocess.Popen[bytes]


class Processes:
    """The processes of the demo; a context manager that ends them and their children.

    Each process leads a process group of its own. A guard (`controller.demo.reaper`) ends the groups as soon as its
    standard input closes: when this context ends, and just as well when the demo is killed and can end nothing itself.
    """

    def __init__(self, folder: Path) -> None:
        """What a process prints goes to `NAME.log` in the folder."""
        self._folder = folder
        self._children: list[_Child] = []
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "controller.demo.reaper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal reaches the whole session; ending things is the demo's part
        )

    def __enter__(self) -> Self:
        """The guard is already there."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """End everything; returns when it has ended."""
        assert self._guard.stdin is not None  # noqa: S101 - asked for with PIPE
        self._guard.stdin.close()
        for child in self._children:
            _reap(child.process)
        self._guard.wait()

    def start(self, name: str, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Start a command under a name for people."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._children.append(_Child(name=name, log=log, process=process))
        assert self._guard.stdin is not None  # noqa: S101 - asked for with PIPE
        self._guard.stdin.write(f"{process.pid}\n")
        self._guard.stdin.flush()

    def check(self) -> None:
        """Raises DemoError when one of them has ended."""
        for child in self._children:
            status = child.process.poll()
            if status is not None:
                raise DemoError(f"{child.name} ended with exit status {status}; its last words:\n{_tail(child.log)}")

    def recent_output(self) -> str:
        """Return the end of what each process has printed."""
        return "\n".join(f"{child.name} has printed:\n{_tail(child.log)}" for child in self._children)


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=GRACE_S + 2)
    except subprocess.TimeoutExpired:  # somebody has ended the guard
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:]) or "  (none)"
