"""Thousands of targets every 30 s: the whole service as it runs, what it uses and writes, and how late it asks.

`make bench ARGS=scale` prints the table; `python -m benchmarks.scale 2000 --hanging 1000 --beside 2` is one row: half
of the providers accept and never answer from a minute on, and two other processes want the service's core.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.probing.processes import BESIDE, MEASURED, cpu_s, memory_mb, probed_server, start_process
from monitor.storage.database import open_writer
from monitor.storage.row_conversions import observation_row
from monitor.storage.tables import OBSERVATIONS
from probes.observation import Observation
from probes.outcome import Outcome

_MODELS, INTERVAL_S = 4, 30
_SIZES, _MEASURED_S = (1_000, 3_000, 10_000), 120.0
#: So many observations of each target are there before: a new one lies on another page than its neighbour's.
_BEFORE = 100
_HEAD = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
defaults: {{interval: {interval}s}}
connectivity: {{endpoints: []}}
api: {{listen: none}}
routes: {{chat: {{candidates: [p0/m0, p{last}/m0]}}}}
providers:
"""
_PROVIDER = """\
  p{n}: {{dialect: openai-chat, base_url: "http://127.0.0.1:{port}/{kind}{n}/{first}/30/v1", api_key: key,
    models: {{m0: {{}}, m1: {{}}, m2: {{}}, m3: {{}}}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the service used and how late it was, once it had started."""

    probes: int
    not_ok: int
    core_share: float
    memory_mb: float
    late_s: list[float]
    """How much later than planned each probe began, sorted; of targets that answer."""
    written: float
    """Bytes that the disk was given, for each byte of a stored observation."""
    files: int
    """Descriptors at the end."""
    moved_after_s: float | None
    """Seconds from the first of the hanging probes until the route left its target."""


def main() -> None:
    """Print the table, in about nine minutes."""
    os.sched_setaffinity(0, BESIDE)
    print("|targets every 30 s|probes, not `ok`|share of a core|late, p50, p99, worst|memory|bytes written per byte|")
    print("|---|---|---|---|---|---|")
    for size in _SIZES:
        print_row(size, run(size, _MEASURED_S))


def print_row(size: int, measured: Run) -> None:
    """One row of the table."""
    late = ", ".join(f"{percentile(measured.late_s, share) * 1000:.0f}" for share in (0.5, 0.99, 1))
    print(
        f"|{size:,}|{measured.probes:,}, {measured.not_ok}|{measured.core_share:.0%}|{late} ms"
        f"|{measured.memory_mb:.0f} MB|{measured.written:.1f}|",
        flush=True,
    )


def run(size: int, length_s: float, *, hanging: int = 0, beside: int = 0) -> Run:
    """Run the service with so many targets; the first `hanging` of them stop answering when the measurement begins."""
    with ExitStack() as stack:
        folder, port = Path(stack.enter_context(tempfile.TemporaryDirectory())), stack.enter_context(probed_server())
        config = configure(folder, port, size, hanging)
        _fill(folder / "hotspare.db", size)
        command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)]
        with start_process(command, MEASURED) as service:
            try:
                time.sleep(1.5 * INTERVAL_S + size / 250)  # the start is measured elsewhere
                assert service.poll() is None, "the service ended"
                for _ in range(beside):
                    stack.enter_context(_busy())
                _ask(port, "/hang")
                began_s, began = time.time(), time.monotonic()
                used_s, written = cpu_s(service.pid), _bytes_written(service.pid)
                time.sleep(length_s)
                share = (cpu_s(service.pid) - used_s) / (time.monotonic() - began)
                written = _bytes_written(service.pid) - written
                memory, files = memory_mb(service.pid), len(list(Path(f"/proc/{service.pid}/fd").iterdir()))
                to = json.loads((folder / "routing.json").read_text())["routes"]["chat"]
            finally:
                os.kill(service.pid, signal.SIGTERM)
        probes, not_ok, row_bytes, late_s = read_probes(folder / "hotspare.db", began_s, began_s + length_s)
        moved = _moved_s(folder / "hotspare.db", began_s) if to["target"] != "p0/m0" else None
        return Run(
            probes=probes,
            not_ok=not_ok,
            core_share=share,
            memory_mb=memory,
            late_s=late_s,
            written=written / row_bytes if row_bytes else 0.0,
            files=files,
            moved_after_s=moved,
        )


def configure(folder: Path, port: int, size: int, hanging: int = 0) -> Path:
    """A configuration of so many targets that the server behind this port answers."""
    config, dice, count = folder / "hotspare.yaml", random.Random("scale"), size // _MODELS
    config.write_text(
        _HEAD.format(folder=folder, interval=INTERVAL_S, last=count - 1)
        + "".join(
            _PROVIDER.format(
                n=n, port=port, first=dice.randint(100, 3000), kind="hangs" if n * _MODELS < hanging else "p"
            )
            for n in range(count)
        )
    )
    return config


def _fill(database: Path, size: int) -> None:
    """As if the service had run for a while."""
    engine, now = open_writer(f"sqlite:///{database}"), datetime.now(UTC) - timedelta(hours=1)
    for number in range(size):
        observations = [
            Observation(
                target=f"p{number // _MODELS}/m{number % _MODELS}",
                check="chat",
                started_at=now - timedelta(seconds=INTERVAL_S * row),
                outcome=Outcome.OK,
                duration_s=0.5,
                first_byte_s=0.4,
                last_byte_s=0.5,
            )
            for row in range(_BEFORE)
        ]
        with engine.begin() as connection:
            connection.execute(OBSERVATIONS.insert(), list(map(observation_row, observations)))
    engine.dispose()


def read_probes(database: Path, since_s: float, until_s: float) -> tuple[int, int, int, list[float]]:
    """How many probes began meanwhile, how many were not ok, the bytes of their rows, and how late they were."""
    with contextlib.closing(sqlite3.connect(database)) as store:
        rows = store.execute(
            "SELECT * FROM observations WHERE started_ms BETWEEN ? AND ?", (since_s * 1000, until_s * 1000)
        )
        names = [column[0] for column in rows.description]
        seen = [dict(zip(names, row, strict=True)) for row in rows]
    size = sum(
        sum(8 if isinstance(value, float) else len(str(value)) for value in row.values() if value is not None)
        for row in seen
    )
    hung = {row["target"] for row in seen if row["outcome"] != "ok"}
    began: dict[str, list[float]] = {}
    for row in sorted(seen, key=lambda row: row["started_ms"]):
        if row["target"] not in hung:
            began.setdefault(row["target"], []).append(row["started_ms"] / 1000 % INTERVAL_S)
    # The plan repeats every interval: what is later than the soonest of its target is late.
    late = [
        (at_s - min(times) + INTERVAL_S / 2) % INTERVAL_S - INTERVAL_S / 2 for times in began.values() for at_s in times
    ]
    return len(seen), sum(row["outcome"] != "ok" for row in seen), size, sorted(late)


def _moved_s(database: Path, since_s: float) -> float | None:
    with contextlib.closing(sqlite3.connect(database)) as store:
        [at_ms] = store.execute("SELECT max(at_ms) FROM decisions WHERE route = 'chat'").fetchone()
    return at_ms / 1000 - since_s if at_ms else None


def _bytes_written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


@contextmanager
def _busy() -> Iterator[None]:
    """Another process that wants the service's core."""
    with start_process([sys.executable, "-c", "while True: pass"], MEASURED) as process:
        try:
            yield
        finally:
            process.kill()


def _ask(port: int, path: str) -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}{path}').read()",
        ],
        check=True,
    )


def percentile(ordered: list[float], share: float) -> float:
    """What so much of the values, in their order, is at the most."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _one() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", type=int)
    parser.add_argument("--seconds", type=float, default=_MEASURED_S)
    parser.add_argument("--hanging", type=int, default=0)
    parser.add_argument("--beside", type=int, default=0)
    chosen = parser.parse_args()
    os.sched_setaffinity(0, BESIDE)
    measured = run(chosen.targets, chosen.seconds, hanging=chosen.hanging, beside=chosen.beside)
    print_row(chosen.targets, measured)
    if chosen.hanging:
        moved = "never" if measured.moved_after_s is None else f"after {measured.moved_after_s:.0f} s"
        print(f"the route moved {moved}; {measured.files} descriptors")


if __name__ == "__main__":
    _one()
