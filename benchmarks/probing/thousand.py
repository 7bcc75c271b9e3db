"""A thousand targets every 30 s: the whole service as it runs, what it uses, and how late it asks."""

import contextlib
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.probing.processes import MEASURED, cpu_s, memory_mb, start_process

_PROVIDERS, _MODELS, _INTERVAL_S = 250, 4, 30
_HEAD = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
defaults: {{interval: {interval}s}}
connectivity: {{endpoints: []}}
routes: {{chat: {{candidates: [p0/m0, p1/m0]}}}}
providers:
"""
_PROVIDER = """\
  p{n}: {{dialect: openai-chat, base_url: "http://127.0.0.1:{port}/{n}/{first}/{rest}/v1", api_key: key,
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
    """How much later than planned each probe began, sorted."""
    lag_s: list[float]
    """How late the event loop was during each probe, sorted."""


def lived_through(port: int, length_s: float) -> Run:
    """Run the service against the server at this port for so long."""
    with tempfile.TemporaryDirectory() as name:
        folder, dice = Path(name), random.Random("thousand")
        config = folder / "hotspare.yaml"
        providers = (
            _PROVIDER.format(n=n, port=port, first=dice.randint(100, 3000), rest=30) for n in range(_PROVIDERS)
        )
        config.write_text(_HEAD.format(folder=folder, interval=_INTERVAL_S) + "".join(providers))
        command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)]
        with start_process(command, MEASURED) as service:
            try:
                time.sleep(_INTERVAL_S / 2)  # the start is measured elsewhere
                used_s, began = cpu_s(service.pid), time.monotonic()
                time.sleep(length_s)
                share = (cpu_s(service.pid) - used_s) / (time.monotonic() - began)
                memory = memory_mb(service.pid)
            finally:
                os.kill(service.pid, signal.SIGTERM)
        return _read(folder / "hotspare.db", share, memory)


def _read(database: Path, share: float, memory: float) -> Run:
    with contextlib.closing(sqlite3.connect(database)) as store:
        rows = store.execute("SELECT target, started_ms, outcome, loop_lag_s FROM observations ORDER BY 2").fetchall()
    began: dict[str, list[float]] = {}
    for target, started_ms, _, _ in rows:
        began.setdefault(target, []).append(started_ms / 1000)
    # The plan is even: the soonest that any target came, against its place, is when it began.
    planned = {
        f"p{p}/m{m}": (m + p / _PROVIDERS) / _MODELS * _INTERVAL_S for p in range(_PROVIDERS) for m in range(_MODELS)
    }
    start_s = min(times[0] - planned[target] for target, times in began.items())
    late = [
        at_s - start_s - planned[target] - number * _INTERVAL_S
        for target, times in began.items()
        for number, at_s in enumerate(times)
    ]
    return Run(
        probes=len(rows),
        not_ok=sum(outcome != "ok" for _, _, outcome, _ in rows),
        core_share=share,
        memory_mb=memory,
        late_s=sorted(late),
        lag_s=sorted(lag for *_, lag in rows),
    )
