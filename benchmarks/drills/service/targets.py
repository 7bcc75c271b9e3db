"""Thousands of targets for long: what they cost at the end must be what they cost at the beginning."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.drills.service.growth import ROUNDS, Figure, grown, least_s
from benchmarks.probing.processes import BESIDE, MEASURED, cpu_s, memory_mb, probed_server, start_process
from benchmarks.reliability.lab import wait_until
from benchmarks.scale import INTERVAL_S, configure, percentile, read_probes
from monitor.storage.held_file import longest_hold

#: A target is late by how much later in its interval it is asked than at its soonest, of so many.
_WINDOW_S: Final = 4.0 * INTERVAL_S
_MOST_LATE_S: Final = 0.1
#: Of the probes that are due and no longer wait to be stored, so many must be found.
_FOUND: Final = 0.9
_STARTED_A_SECOND, _STOPS_S = 250, 20.0
#: Probes that have waited long enough are stored in turn.
_IN_TURN_S: Final = 15.0
_LATE: Final = "late (p99)"
_COMMAND: Final = (sys.executable, "-m", "controller.cli.main")


@dataclass(kw_only=True)
class TargetsReport:
    """What they cost in the first two minutes after the start, and in the last two."""

    targets: int
    seconds: float
    probes: int = 0
    """In these four minutes."""
    not_ok: int = 0
    first: dict[str, Figure] = field(default_factory=dict)
    last: dict[str, Figure] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def watch_targets(
    targets: int, seconds: float, starts_s: float = INTERVAL_S, window_s: float = _WINDOW_S, rounds: int = ROUNDS
) -> TargetsReport:
    """Probe so many every thirty seconds for so long, on a core of their own where there are two.

    They are looked at from `starts_s` and a second for 250 targets after the first file, so that all were asked.
    """
    report = TargetsReport(targets=targets, seconds=seconds)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, BESIDE)
    try:
        with ExitStack() as stack:
            folder, port = Path(stack.enter_context(TemporaryDirectory())), stack.enter_context(probed_server())
            config = configure(folder, port, targets)
            service = stack.enter_context(start_process([*_COMMAND, "run", "-c", str(config)], MEASURED))
            stack.callback(service.kill)
            wait_until(config.with_name("routing.json").exists, "a routing file")
            time.sleep(starts_s + targets / _STARTED_A_SECOND)
            report.first = _window(service, config, report, window_s, rounds)
            time.sleep(max(0.0, seconds - 2 * window_s))
            report.last = _window(service, config, report, window_s, rounds)
            if service.poll() is not None:
                report.wrong.append(f"the service ended by itself: exit code {service.returncode}")
            _stop(service, report)
    finally:
        os.sched_setaffinity(0, cores)
    report.wrong += [*beyond_bounds(report), *grown(report.first, report.last)]
    return report


def beyond_bounds(report: TargetsReport) -> Iterator[str]:
    """Probes that are not ok, and lateness of 100 ms or more."""
    if report.not_ok:
        yield f"{report.not_ok:,} of {report.probes:,} probes are not ok"
    for when, figures in (("in the beginning", report.first), ("in the end", report.last)):
        if (late := figures[_LATE]).value >= _MOST_LATE_S:
            yield f"{when} they are {late} late (p99), less than {_MOST_LATE_S:g} s is allowed"


def _window(
    service: "subprocess.Popen[str]", config: Path, report: TargetsReport, window_s: float, rounds: int
) -> dict[str, Figure]:
    began_s, used_s = time.time(), cpu_s(service.pid)
    time.sleep(window_s)
    share = (cpu_s(service.pid) - used_s) / (time.time() - began_s)
    memory, files = memory_mb(service.pid), len(list(Path(f"/proc/{service.pid}/fd").iterdir()))
    probes, not_ok, _, late_s = read_probes(config.with_name("hotspare.db"), began_s, began_s + window_s)
    report.probes, report.not_ok = report.probes + probes, report.not_ok + not_ok
    stored_s = max(0.0, window_s - longest_hold(report.targets).total_seconds() - _IN_TURN_S)
    if probes < (due := max(1, int(_FOUND * report.targets * stored_s / INTERVAL_S))):
        report.wrong.append(f"{probes:,} probes are found of {window_s:g} s, at least {due:,} were due")
    return {
        "memory": Figure(value=memory, unit="MiB"),
        "open files": Figure(value=files, unit=""),
        _LATE: Figure(value=percentile(late_s, 0.99), unit="s"),
        "processor, of a second": Figure(value=share, unit="s"),
        "hotspare status": Figure(value=least_s(rounds, _call, "status", "-c", str(config)), unit="s"),
    }


def _call(*words: str) -> None:
    subprocess.run([*_COMMAND, *words], capture_output=True, check=False)


def _stop(service: "subprocess.Popen[str]", report: TargetsReport) -> None:
    service.send_signal(signal.SIGTERM)
    try:
        service.wait(_STOPS_S)
    except subprocess.TimeoutExpired:
        report.wrong.append(f"SIGTERM did not end it within {_STOPS_S:g} s")
