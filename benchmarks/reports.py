"""What reports cost: the service that takes them in, and the application that makes them.

Twenty processes report 500 requests a second each over the service's socket, while it probes forty targets every four
seconds; beside it the same service without them.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hotspare_client.reporter import Reporter

from benchmarks.probing.processes import BESIDE, MEASURED, cpu_s, memory_mb, start_process
from benchmarks.reliability.servers import Servers

_PROCESSES, _PER_S, _PROVIDERS, _INTERVAL_S = 20, 500, 10, 4
_START_S, _MEASURED_S = 15.0, 60.0
_REPORTS = 200_000
_HEAD = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
defaults: {{interval: {interval}s}}
connectivity: {{endpoints: []}}
traffic: {{listen: "unix:{folder}/traffic.sock"}}
routes: {{chat: {{candidates: [p0/m0, p1/m0]}}}}
providers:
"""
_PROVIDER = '  p{n}: {{dialect: openai-chat, base_url: "{url}/p{n}/v1", api_key: nobody, models: {models}}}\n'
_SENDER = """\
import sys, time
from hotspare_client.reporter import Reporter
reporter, number, began = Reporter(sys.argv[1]), 0, time.monotonic()
while True:
    for _ in range(10):
        outcome = "server_error" if number % 200 == 0 else "ok"
        reporter.report("p0/m0", outcome, 0.8, first_token_s=0.2, input_tokens=900, output_tokens=210, route="chat")
        number += 1
    time.sleep(max(0.0, began + number / float(sys.argv[2]) - time.monotonic()))
"""
#: Reports between two marks, of which the tracer sees what the thread asks of the system.
_TRACED = """\
import os, time
from hotspare_client.reporter import Reporter
reporter = Reporter("unix:/nowhere/traffic.sock")
reporter.report("a/b", "ok", 0.8)
time.sleep(0.1)
os.write(2, b"mark")
for _ in range(1000):
    reporter.report("a/b", "ok", 0.8, first_token_s=0.2, input_tokens=900, output_tokens=210, route="chat")
os.write(2, b"mark")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the service used and how late it was."""

    core_share: float
    memory_mb: tuple[float, float]
    """At the beginning and at the end."""
    late_s: list[float]
    """How much later than the soonest of its target each probe began, sorted."""
    requests: int
    """How many reports of them are stored."""


def main(measured_s: float = _MEASURED_S) -> None:
    """Print both tables; about three minutes."""
    print("|reports a second|core|memory, begin and end|probes late, p99|latest|probes|requests stored|")
    print("|---|---|---|---|---|---|---|")
    for processes in (0, _PROCESSES):
        load = _lived_through(processes, measured_s)
        begin, end = load.memory_mb
        print(
            f"|{processes * _PER_S:,}|{load.core_share:.1%}|{begin:.0f}, {end:.0f} MB|"
            f"{1000 * load.late_s[int(0.99 * len(load.late_s))]:.0f} ms|{1000 * load.late_s[-1]:.0f} ms"
            f"|{len(load.late_s):,}|{load.requests:,}|",
            flush=True,
        )
    print(f"\na report takes {report_us():.2f} µs of its caller, and {_system_calls()} system calls in a thousand")


def quick() -> None:
    """Ten seconds of each."""
    main(10.0)


def report_us() -> float:
    """Microseconds that a report takes, the best of five rounds; its thread sends meanwhile."""
    reporter = Reporter("unix:/nowhere/traffic.sock")
    report = partial(reporter.report, "a/b", "ok", 0.8, first_token_s=0.2, input_tokens=900, route="chat", tag="search")
    return min(timeit.repeat(report, number=_REPORTS, repeat=5)) / _REPORTS * 1e6


def _system_calls() -> int | str:
    """How many a thread makes for a thousand reports; needs strace."""
    if not (strace := shutil.which("strace")):
        return "an unknown number of"
    with tempfile.NamedTemporaryFile() as log:
        command = [strace, "-o", log.name, sys.executable, "-c", _TRACED]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        lines = Path(log.name).read_text(encoding="utf-8", errors="replace").splitlines()
    first, last = [number for number, line in enumerate(lines) if '"mark"' in line]
    # The interpreter's threads hand each other its lock.
    return sum("futex" not in line for line in lines[first + 1 : last])


@contextmanager
def _service(folder: Path, url: str) -> Iterator[int]:
    models = "{" + ", ".join(f"m{number}: {{}}" for number in range(4)) + "}"
    providers = (_PROVIDER.format(n=n, url=url, models=models) for n in range(_PROVIDERS))
    config = folder / "hotspare.yaml"
    config.write_text(_HEAD.format(folder=folder, interval=_INTERVAL_S) + "".join(providers), encoding="utf-8")
    with start_process([sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)], MEASURED) as service:
        try:
            yield service.pid
        finally:
            os.kill(service.pid, signal.SIGTERM)


def _lived_through(processes: int, measured_s: float) -> Load:
    with tempfile.TemporaryDirectory() as name:
        servers = Servers()
        folder = Path(name)
        with ExitStack() as senders, _service(folder, servers.url) as service:
            time.sleep(_START_S / 2)
            command = [sys.executable, "-c", _SENDER, f"unix:{folder}/traffic.sock", str(_PER_S)]
            for _ in range(processes):
                sender = senders.enter_context(start_process(command, BESIDE))
                senders.callback(sender.kill)
            time.sleep(_START_S / 2)
            used_s, began, memory = cpu_s(service), time.monotonic(), memory_mb(service)
            since_ms = 1000 * time.time()
            time.sleep(measured_s)
            share = (cpu_s(service) - used_s) / (time.monotonic() - began)
            memories = memory, memory_mb(service)
        servers.shutdown()
        late_s, requests = _read(folder / "hotspare.db", since_ms)
    return Load(core_share=share, memory_mb=memories, late_s=late_s, requests=requests)


def _read(database: Path, since_ms: float) -> tuple[list[float], int]:
    with closing(sqlite3.connect(database)) as store:
        rows = store.execute(
            "SELECT target, started_ms / 1000.0 FROM observations WHERE started_ms > ? ORDER BY 2", [since_ms]
        ).fetchall()
        asked = "SELECT sum(value) FROM traffic_rollups, json_each(asked) WHERE span_s = 3600"
        [(requests,)] = store.execute(asked).fetchall()
    phases: dict[str, list[float]] = {}
    for target, at_s in rows:
        phases.setdefault(target, []).append(at_s)
    late = []
    for times in phases.values():
        offsets = [at_s - times[0] - _INTERVAL_S * round((at_s - times[0]) / _INTERVAL_S) for at_s in times]
        late += [offset - min(offsets) for offset in offsets]
    return sorted(late), requests or 0
