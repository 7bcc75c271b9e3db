"""Prints how far each way of timing is from the server's own clock and what it costs."""

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.probing import blackbox
from benchmarks.probing.client import CLIENTS
from benchmarks.probing.jobs import LOADS, Load, Times
from benchmarks.probing.processes import BESIDE, MEASURED, cpu_s, memory_mb, probed_server, read_line, start_process

_OURS = "hotspare"
_ROUNDS = 2


@dataclass(slots=True, kw_only=True)
class Measured:
    """The errors and the cost of one client under one load, all rounds together."""

    first_s: list[float]
    last_s: list[float]
    """Errors against the server's clock."""
    cpu_s: float = 0.0
    requests: int = 0
    memory_mb: float = 0.0

    @property
    def cpu_ms(self) -> float:
        """Processor time per request."""
        return self.cpu_s / self.requests * 1000

    def add(self, times: Times, truth: Times, *, cpu_s: float, memory_mb: float) -> None:
        """Add one round."""
        self.first_s += [abs(times[name][0] - truth[name][0]) for name in times]
        self.last_s += [abs(times[name][1] - truth[name][1]) for name in times]
        self.cpu_s += cpu_s
        self.requests += len(times)
        self.memory_mb = max(self.memory_mb, memory_mb)


def main() -> None:
    """Run and print all loads, in about ten minutes."""
    _run(LOADS, _ROUNDS)


def quick() -> None:
    """Run one small load, to see that it works; less than a minute."""
    _run([Load(in_flight=10, requests=30)], 1)


def _run(loads: Sequence[Load], rounds: int) -> None:
    os.sched_setaffinity(0, BESIDE)
    print("Milliseconds between the recorded time and the server's own, 50th/95th/99th percentile/worst;")
    print("in brackets the 99th percentile, and the CPU time, as multiples of hotspare's.\n")
    print("|in flight|who|until the first byte|until the last byte|CPU per request, ms|memory, MB|")
    print("|---|---|---|---|---|---|")
    for load in loads:
        measured = _measured(load, rounds)
        for who, figures in measured.items():
            print(_row(load, who, figures, measured[_OURS]), flush=True)
    if not blackbox.installed():
        print(f"\n{blackbox.EXPORTER} is not installed and was left out.")


def _measured(load: Load, rounds: int) -> dict[str, Measured]:
    """Alternates between the clients round by round, so that other load on the machine hits all alike."""
    names = [*CLIENTS, *([blackbox.EXPORTER] if blackbox.installed() else [])]
    measurements = {name: Measured(first_s=[], last_s=[]) for name in names}
    for _ in range(rounds):
        for name, measured in measurements.items():
            with probed_server() as port:
                _measure(name, load, port, measured)
    return measurements


def _measure(name: str, load: Load, port: int, measured: Measured) -> None:
    if name == blackbox.EXPORTER:
        with blackbox.exporter() as (pid, exporter):
            used_s = cpu_s(pid)
            times = asyncio.run(blackbox.times(load, server=port, exporter=exporter))
            measured.add(times, _truth(port), cpu_s=cpu_s(pid) - used_s, memory_mb=memory_mb(pid))
        return
    command = [sys.executable, "-m", "benchmarks.probing.client", name, str(port), json.dumps(asdict(load))]
    with start_process(command, MEASURED) as client:
        result = json.loads(read_line(client))
    measured.add(result["times"], _truth(port), cpu_s=result["cpu_s"], memory_mb=result["memory_mb"])


def _truth(port: int) -> Times:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/truth") as answer:
        truth: Times = json.load(answer)
        return truth


def _row(load: Load, who: str, figures: Measured, ours: Measured) -> str:
    first, last = _spread(figures.first_s, ours.first_s), _spread(figures.last_s, ours.last_s)
    cpu = f"{figures.cpu_ms:.2f} ({figures.cpu_ms / ours.cpu_ms:.1f})"
    return f"|{load.label}|{who}|{first}|{last}|{cpu}|{figures.memory_mb:.0f}|"


def _spread(errors_s: list[float], ours_s: list[float]) -> str:
    ordered = sorted(errors_s)
    ratio = _at(ordered, 0.99) / _at(sorted(ours_s), 0.99)
    return "/".join(f"{_at(ordered, share) * 1000:.1f}" for share in (0.5, 0.95, 0.99, 1)) + f" ({ratio:.1f})"


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
