"""Years of sums by hour: what reads, prunes and serves them must cost in the end what it did after two months.

The history is what the service's own stores make of probes, outages and housekeeping, by a clock that is moved on from
day to day.
"""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.drills.service.growth import ROUNDS, Figure, cpu_of, grown, least_s
from benchmarks.page import READS, Viewer, served
from benchmarks.probing.processes import cpu_s, memory_mb
from benchmarks.reliability.lab import PATIENCE_S, BrokenPromiseError, wait_until
from benchmarks.reliability.servers import Servers
from controller.history.store import RouteHistory
from controller.journal import Journal
from controller.routing.decision import Decision, MoveKind
from controller.service.housekeeping import oldest_sums
from monitor.config.loader import load
from monitor.config.settings import Settings
from monitor.history.rollup import DAY, HOUR, span_start
from monitor.storage.database import open_reader, open_writer
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.generated_history import Extent, write_config, write_outage

#: Every fifth day the provider whose turn it is fails for two hours.
_OUTAGE_EVERY, _OUTAGE_AT, _OUTAGE = 5, 9 * HOUR, 2 * HOUR
_PRUNED, _RUNS_S = 1_000, 20.0
_COMMAND: Final = (sys.executable, "-m", "controller.cli.main")


@dataclass(kw_only=True)
class HistoryReport:
    """What it costs after a short history, and after a long one."""

    targets: int
    days: int
    short: dict[str, Figure] = field(default_factory=dict)
    long: dict[str, Figure] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def outlive_history(targets: int, days: int, short_days: int) -> HistoryReport:
    """Let so many days come about, and look at what they cost; likewise `short_days` before."""
    report = HistoryReport(targets=targets, days=days)
    try:
        report.short = live_and_measure(targets, short_days)
        report.long = live_and_measure(targets, days)
    except BrokenPromiseError as error:
        report.wrong.append(str(error))
    report.wrong += grown(report.short, report.long)
    return report


def live_and_measure(targets: int, days: int, runs_s: float = _RUNS_S, rounds: int = ROUNDS) -> dict[str, Figure]:
    """Let so many days come about, up to now, and measure what they cost; the service runs for `runs_s`."""
    extent = Extent(providers=10, models=max(1, targets // 10), days=days)
    with TemporaryDirectory() as name, Servers() as servers:
        config = write_config(Path(name), extent)
        config.write_text(config.read_text().replace("http://127.0.0.1:9/", f"{servers.url}/one/"))
        try:
            figures = _live(load(config, {}), days)
            return figures | _read(config, rounds) | _run(config, runs_s) | _serve_page(config, runs_s)
        finally:
            servers.shutdown()


def _live(settings: Settings, days: int) -> dict[str, Figure]:
    """One probe of each target an hour for so many days, with outages, and what the service does beside; until now."""
    engine = open_writer(settings.database)
    store, journal, routes, dice = Store(engine), Journal(engine), RouteHistory(engine, settings), Random(days)
    generation, until = 1, span_start(datetime.now(UTC), HOUR)
    day = until - days * DAY
    journal.commit(
        [
            Decision(route=route.name, target=route.candidates[0], at=day, move=MoveKind.FIRST, reason="", generation=1)
            for route in settings.routes
        ],
        [],
    )
    steps_s, began_s = list[float](), time.process_time()
    for number in range(days):
        failing = settings.providers[number // _OUTAGE_EVERY % len(settings.providers)].name
        fails_from = day + _OUTAGE_AT if number % _OUTAGE_EVERY == 0 else until
        store.record(list(_probes(settings, day, failing, fails_from, dice)))
        for route in settings.routes:
            if fails_from < until and route.candidates[0].startswith(f"{failing}/"):
                generation = write_outage(journal, store, route, fails_from, _OUTAGE, generation)
        day += DAY
        while routes.sum_up(day):
            pass
        steps_s = [*_prune(store, settings, day)]
    used_s = time.process_time() - began_s
    engine.dispose()
    return {
        "a day of history": Figure(value=used_s / days, unit="s"),
        "the longest step of pruning": Figure(value=max(steps_s), unit="s"),
        "a round of pruning": Figure(value=sum(steps_s), unit="s"),
    }


def _probes(
    settings: Settings, day: datetime, failing: str, fails_from: datetime, dice: Random
) -> Iterator[Observation]:
    for number, target in enumerate(settings.targets):
        for hour in range(24):
            at = day + hour * HOUR + timedelta(seconds=number)
            fails = target.provider.name == failing and fails_from <= at < fails_from + _OUTAGE
            took_s = dice.lognormvariate(0, 0.3)
            yield Observation(
                target=target.id,
                check="stream",
                started_at=at,
                outcome=Outcome.SERVER_ERROR if fails else Outcome.OK,
                duration_s=took_s,
                first_token_s=None if fails else took_s / 3,
                input_tokens=20,
                output_tokens=10,
                cost_usd=0.00002,
            )


def _prune(store: Store, settings: Settings, now: datetime) -> Iterator[float]:
    """One round; the seconds that each step takes."""
    before = now - timedelta(seconds=settings.retention.raw_s)
    is_over = False
    while not is_over:
        began_s = time.process_time()
        store.prune(before, rollups_before=oldest_sums(settings.retention, now), at_most=_PRUNED)
        is_over = store.pruner.is_over
        yield time.process_time() - began_s


def _read(config: Path, rounds: int) -> dict[str, Figure]:
    """What is read, by the page's queries and by commands."""
    settings, copy = load(config, {}), config.with_name("copy.db")
    engine, now = open_reader(settings.database), datetime.now(UTC)
    figures = {
        f"read for the page: {name}": Figure(value=least_s(rounds, read, settings, engine, now), unit="s")
        for name, read in READS.items()
    }
    engine.dispose()
    commands = {"status": (), "report": ("--since", "30d"), "incidents": ()}
    for name, words in commands.items():
        figures[f"hotspare {name}"] = Figure(value=least_s(rounds, _call, config, name, *words), unit="s")
    figures["a backup"] = Figure(value=cpu_of(_call, config, "db", "backup", str(copy)), unit="s", is_bounded=False)
    figures["its size"] = Figure(value=copy.stat().st_size / 2**20, unit="MiB", is_bounded=False)
    return figures


def _run(config: Path, runs_s: float) -> dict[str, Figure]:
    """The service on this history: to its first file, and after a while."""
    file = load(config, {}).routing_file
    file.unlink(missing_ok=True)
    process = subprocess.Popen([*_COMMAND, "run", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_until(file.exists, "a routing file")
        started_s = cpu_s(process.pid)
        time.sleep(runs_s)
        used_s, files = cpu_s(process.pid) - started_s, len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        memory = memory_mb(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    return {
        "the service to its first file": Figure(value=started_s, unit="s"),
        f"the service in {runs_s:g} s": Figure(value=used_s, unit="s"),
        "its memory": Figure(value=memory, unit="MiB"),
        "its open files": Figure(value=files, unit=""),
    }


def _serve_page(config: Path, runs_s: float) -> dict[str, Figure]:
    """The page in Streamlit, and somebody who looks at it."""
    with served([sys.executable, "-m", "ui.server", "-c", str(config), "--port"]) as (url, pid):
        asyncio.run(Viewer(url).watch(runs_s / 4))  # the first one imports everything
        before_s, viewer = cpu_s(pid), Viewer(url)
        asyncio.run(viewer.watch(runs_s))
        used_s = (cpu_s(pid) - before_s) / (1 + len(viewer.refreshes_s))
        return {
            "the page, a refresh": Figure(value=used_s, unit="s"),
            "the page's memory": Figure(value=memory_mb(pid), unit="MiB"),
        }


def _call(config: Path, *words: str) -> None:
    done = subprocess.run([*_COMMAND, *words, "-c", str(config)], capture_output=True, text=True, check=False)
    if done.returncode > 1:
        raise BrokenPromiseError(f"hotspare {' '.join(words)}: exit status {done.returncode}: {done.stderr}")
