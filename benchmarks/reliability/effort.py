"""How much the service works: what it does after a fault beside what it did before."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.probing.processes import cpu_s
from benchmarks.reliability.lab import Lab

WINDOW_S: Final = 10.0
_SHARE: Final = 2.0
#: What is done once, such as a message, or beginning the sums of another day.
_MORE_CPU_S, _MORE_PROBES, _MORE_ROWS, _MORE_AT_ONCE = 1.0, 4, 60, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What it did in `WINDOW_S` seconds."""

    cpu_s: float
    probes: int
    most_at_once: int
    """Probes in half a second."""
    rows: int
    """That the database has more than before."""

    def __str__(self) -> str:
        return (
            f"{self.cpu_s:.1f} s of processor time, {self.probes} probes ({self.most_at_once} in half a second),"
            f" {self.rows} rows"
        )


def measure_effort(lab: Lab, service: "subprocess.Popen[bytes]") -> Effort:
    """What it does in the next seconds."""
    used_s, rows, began = cpu_s(service.pid), _rows(lab), time.monotonic()
    time.sleep(WINDOW_S)
    asked = [answer.at_s for answer in lab.servers.answers if answer.at_s >= began]
    at_once = max((sum(at <= other < at + 0.5 for other in asked) for at in asked), default=0)
    return Effort(cpu_s=cpu_s(service.pid) - used_s, probes=len(asked), most_at_once=at_once, rows=_rows(lab) - rows)


def multiplied(before: Effort, after: Effort) -> Iterator[str]:
    """What of it is more than twice what it was, beyond what is done once."""
    pairs = (
        (before.cpu_s, after.cpu_s, _MORE_CPU_S),
        (before.probes, after.probes, _MORE_PROBES),
        (before.most_at_once, after.most_at_once, _MORE_AT_ONCE),
        (before.rows, after.rows, _MORE_ROWS),
    )
    if any(last > _SHARE * first + more for first, last, more in pairs):
        yield f"in {WINDOW_S:g} s after the fault {after}; in {WINDOW_S:g} s before it {before}"


def _rows(lab: Lab) -> int:
    tables = lab.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")
    counts = (lab.rows(f'SELECT count(*) FROM "{name}"') for (name,) in tables)  # noqa: S608 - names of its own
    return sum(count for rows in counts for (count,) in rows)
