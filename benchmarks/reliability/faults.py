"""The faults: each is provoked the moment an outage begins, and taken back once the route has moved."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.reliability.lab import BrokenPromiseError, Lab


@dataclass(frozen=True, kw_only=True)
class InjectedFault:
    """One fault; what `provoke` returns, `undo` is given."""

    name: str
    provoke: Callable[[Lab], Any]
    undo: Callable[[Lab, Any], None] = field(default=lambda _lab, _state: None)
    settled: Callable[[Lab, Any], None] = field(default=lambda _lab, _state: None)
    """What must have come about before the service is stopped."""
    disks: bool = False
    """It needs disks of its own."""
    hangs: bool = False
    """The database's disk hangs; whoever writes to it cannot even be killed until it is taken back."""
    blocks_loop: bool = False
    """It needs a C compiler, to block the event loop."""
    told: str | None = None
    """What people must be told while it lasts."""
    faked_time: bool = False
    """It needs a C compiler, for a clock of its own."""
    in_quiet: bool = False
    """It is provoked once while all is well, too, when it must change nothing."""
    before: Callable[[Lab], Any] = field(default=lambda _lab: None)
    """What is done while all is well."""


def fill(folder: Path) -> None:
    """Leave no byte of the folder's disk."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)
    with suppress(OSError), (folder / "filler").open("ab", buffering=0) as file:
        while True:
            file.write(b"x")


def empty(folder: Path) -> None:
    """There is room again on the folder's disk."""
    (folder / "filler").unlink()


def fill_both(lab: Lab) -> None:
    """Fill the disks of the database and of the routing file."""
    fill(lab.database.parent)
    fill(lab.routing.parent)


def empty_both(lab: Lab) -> None:
    """There is room again on both."""
    empty(lab.database.parent)
    empty(lab.routing.parent)


def _hold(lab: Lab) -> sqlite3.Connection:
    connection = sqlite3.connect(lab.database, isolation_level=None, timeout=30)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def _checkpoint(lab: Lab) -> None:
    """Everything into the file itself: what is still in the log would survive there."""
    connection = sqlite3.connect(lab.database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _overwrite(lab: Lab) -> None:
    size = lab.database.stat().st_size
    with lab.database.open("r+b") as file:
        for page in range(0, size, 4096):
            file.seek(page)
            file.write(os.urandom(min(4096, size - page)))


def _delete(lab: Lab) -> None:
    for path in lab.database.parent.glob("hotspare.db*"):
        path.unlink()


def _back_up(lab: Lab) -> None:
    source, copy = sqlite3.connect(lab.database), sqlite3.connect(lab.database.parent / "backup.db")
    source.backup(copy)
    source.close()
    copy.close()


def _restore(lab: Lab) -> None:
    (lab.database.parent / "backup.db").rename(lab.database)


def _replace(lab: Lab) -> None:
    fresh = lab.database.parent / "fresh.db"
    fresh.touch()
    fresh.rename(lab.database)


def _second_service(lab: Lab) -> "subprocess.Popen[bytes]":
    for path in (*lab.database.parent.glob("*.lock"), *lab.routing.parent.glob("*.lock")):
        path.unlink()
    return lab.start()


def _hard_linked_service(lab: Lab) -> "subprocess.Popen[bytes]":
    linked, elsewhere = lab.database.parent / "linked.db", lab.config.with_name("elsewhere")
    if not linked.exists():
        os.link(lab.database, linked)
    text = lab.config.read_text(encoding="utf-8")
    text = text.replace(str(lab.database), str(linked)).replace(str(lab.routing.parent), str(elsewhere))
    lab.config.with_name("linked.yaml").write_text(text, encoding="utf-8")
    return lab.start(lab.config.with_name("linked.yaml"))


def _refused(lab: Lab, second: "subprocess.Popen[bytes]") -> None:
    try:
        second.wait(20)
    except subprocess.TimeoutExpired:
        raise BrokenPromiseError("a second service decides beside the first") from None
    lab.processes.remove(second)


def _folder_to_link(lab: Lab) -> None:
    folder = lab.routing.parent
    moved = folder.with_name("routes-moved")
    if not moved.exists():
        folder.rename(moved)
        folder.symlink_to(moved)


def _slack(lab: Lab, how: str) -> None:
    lab.servers.slack = how


def _answer_slowly(lab: Lab) -> None:
    """Most of the time a probe is on its way: what is ours to blame happens to it."""
    lab.servers.takes_s = _SLOWLY_S


def _stall(lab: Lab) -> None:
    """The whole process stands still, as when its machine is suspended."""
    lab.processes[-1].send_signal(signal.SIGSTOP)
    time.sleep(_STALL_S)
    lab.processes[-1].send_signal(signal.SIGCONT)


def _block(lab: Lab) -> None:
    """The event loop alone stands still, as in a callback that takes so long."""
    lab.block_loop(blocked=True)
    time.sleep(_BEGINS_S)
    answers = len(lab.servers.answers)
    time.sleep(_STALL_S)
    if len(lab.servers.answers) > answers:
        raise BrokenPromiseError("the event loop was not blocked")
    lab.block_loop(blocked=False)


def _starve(_: Lab) -> list["subprocess.Popen[bytes]"]:
    """So many processes that never rest, and come before the service where we may say so."""
    niceness = [] if os.geteuid() else ["/usr/bin/nice", "-n", "-5"]
    command = [*niceness, sys.executable, "-c", "while True: pass"]
    return [subprocess.Popen(command) for _ in range(_HOGS_PER_CORE * (os.cpu_count() or 1))]


def _feed(_: Lab, hogs: list["subprocess.Popen[bytes]"]) -> None:
    for hog in hogs:
        hog.kill()
        hog.wait()


def _clock(name: str, step_s: int) -> InjectedFault:
    return InjectedFault(
        name=f"clock {name}",
        faked_time=True,
        in_quiet=True,
        provoke=lambda lab: lab.set_clock(step_s),
        undo=lambda lab, _: lab.set_clock(0),
    )


_STALL_S, _HOGS_PER_CORE = 5.0, 4
_SLOWLY_S = 0.3
#: So long after it is blocked, the event loop has ended what it was about.
_BEGINS_S = 1.0
_HOUR_S, _DAY_S = 3600, 86_400
CANNOT_WRITE: Final = "I cannot write; I still watch and route"
"""What people are told of a database that cannot be written."""
FAULTS = (
    InjectedFault(name="none", provoke=lambda _: None),
    InjectedFault(
        name="routing file's disk full",
        disks=True,
        provoke=lambda lab: fill(lab.routing.parent),
        undo=lambda lab, _: empty(lab.routing.parent),
    ),
    InjectedFault(
        name="database's disk full",
        disks=True,
        told=CANNOT_WRITE,
        provoke=lambda lab: fill(lab.database.parent),
        undo=lambda lab, _: empty(lab.database.parent),
    ),
    InjectedFault(
        name="both disks full", disks=True, told=CANNOT_WRITE, provoke=fill_both, undo=lambda lab, _: empty_both(lab)
    ),
    InjectedFault(
        name="database's disk hangs",
        hangs=True,
        told=CANNOT_WRITE,
        provoke=lambda lab: lab.freeze(frozen=True),
        undo=lambda lab, _: lab.freeze(frozen=False),
    ),
    InjectedFault(
        name="database locked for writing", told=CANNOT_WRITE, provoke=_hold, undo=lambda _, held: held.close()
    ),
    InjectedFault(name="database's pages overwritten", before=_checkpoint, provoke=_overwrite),
    InjectedFault(name="database truncated", before=_checkpoint, provoke=lambda lab: os.truncate(lab.database, 0)),
    InjectedFault(
        name="database cut in the middle",
        before=_checkpoint,
        provoke=lambda lab: os.truncate(lab.database, lab.database.stat().st_size // 8192 * 4096),
    ),
    InjectedFault(name="database deleted", provoke=_delete),
    InjectedFault(name="database replaced by an empty file", provoke=_replace),
    InjectedFault(name="older backup restored", before=_back_up, provoke=_restore),
    InjectedFault(name="lock files removed, second service", provoke=_second_service, settled=_refused),
    InjectedFault(name="second service by a hard link", provoke=_hard_linked_service, settled=_refused),
    InjectedFault(name="routing folder replaced by a link", provoke=_folder_to_link),
    InjectedFault(name="process stands still for 5 s", in_quiet=True, before=_answer_slowly, provoke=_stall),
    InjectedFault(
        name="event loop blocked for 5 s", blocks_loop=True, in_quiet=True, before=_answer_slowly, provoke=_block
    ),
    InjectedFault(name="processor starved", in_quiet=True, provoke=_starve, undo=_feed),
    _clock("+1 hour", _HOUR_S),
    _clock("-1 hour", -_HOUR_S),
    _clock("-1 year", -365 * _DAY_S),
    _clock("+400 days", 400 * _DAY_S),
    _clock("to 1970 and forward", -56 * 365 * _DAY_S),
    InjectedFault(name="Slack drips", provoke=lambda lab: _slack(lab, "drip"), undo=lambda lab, _: _slack(lab, "well")),
    InjectedFault(
        name="Slack floods", provoke=lambda lab: _slack(lab, "flood"), undo=lambda lab, _: _slack(lab, "well")
    ),
)
