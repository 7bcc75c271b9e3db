"""The process stands still for minutes, as on a suspended machine: that is a gap, and nothing but a gap."""

import json
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.reliability.effort import measure_effort, multiplied
from benchmarks.reliability.lab import SECOND, BrokenPromiseError, Lab
from benchmarks.reliability.trial import FaultReport, Figure

#: What one observation says of the time around it, and what it takes to stop a process.
_MARGIN_S = 10.0


def stand_still(folder: Path, report: FaultReport, *, stands_s: float) -> None:
    """Stop the service for so long; afterwards nothing has changed, and a real outage still moves the route.

    Raises BrokenPromiseError.
    """
    lab = Lab(folder, disks=False, faked_time=False)
    try:
        service, began_s = lab.start(), time.time()
        lab.until(lab.both_up, "both targets up")
        before, known = measure_effort(lab, service), lab.changes()
        service.send_signal(signal.SIGSTOP)
        stopped_s = time.time()
        time.sleep(stands_s)
        goes_on_s = time.time()
        service.send_signal(signal.SIGCONT)
        after = measure_effort(lab, service)
        report.figures["probes before"] = Figure(value=before.probes, unit="")
        report.figures["after"] = Figure(value=after.probes, unit="")
        report.figures["at the most in half a second"] = Figure(value=after.most_at_once, unit="")
        lab.until(lab.both_up, "both targets up again")
        report.wrong += [*multiplied(before, after), *lab.changes(known)]
        _look_back(lab, report, stopped_s, goes_on_s)
        watched_s = time.time() - began_s - stands_s
        _ask(lab, report, watched_s, stopped_s, goes_on_s)
        lab.servers.failing = {"one"}
        report.figures["moved after"] = Figure(
            value=lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
        )
        report.figures["SIGTERM"] = Figure(value=lab.stop(service))
    finally:
        lab.close()
        report.wrong += sorted(set(lab.watch.wrong))


def _look_back(lab: Lab, report: FaultReport, stopped_s: float, goes_on_s: float) -> None:
    """Nothing was observed meanwhile."""
    question = "SELECT count(*) FROM observations WHERE started_ms > ? AND started_ms < ?"
    [(meanwhile,)] = lab.rows(question, 1000 * stopped_s, 1000 * goes_on_s)
    if meanwhile:
        report.wrong.append(f"{meanwhile} observations of the time in which it stood still")


def _ask(lab: Lab, report: FaultReport, watched_s: float, stopped_s: float, goes_on_s: float) -> None:
    """What `report` and `replay` make of it: the time does not count, and is a gap."""
    told = _answer(lab, "report")
    for target in told["targets"]:
        if target["availability"] != 1:
            report.wrong.append(f"{target['target']}: availability {target['availability']}, though nothing failed")
    [route] = told["routes"]
    report.figures["observed"] = Figure(value=route["observed_s"])
    if route["felt_s"] or not 0 < route["observed_s"] <= watched_s + _MARGIN_S:
        report.wrong.append(f"the route was observed for {route['observed_s']:.0f} s, failing for {route['felt_s']} s")
    gaps = [(_seconds(gap["since"]), _seconds(gap["until"])) for gap in _answer(lab, "replay")["gaps"]]
    if not any(abs(since - stopped_s) < _MARGIN_S and abs(until - goes_on_s) < _MARGIN_S for since, until in gaps):
        report.wrong.append(f"`replay` knows no gap from {stopped_s:.0f} to {goes_on_s:.0f}, but {gaps}")


def _answer(lab: Lab, command: str) -> dict[str, Any]:
    asked = lab.ask(command, "--since", "1h", "--json")
    try:
        document: dict[str, Any] = json.loads(asked.stdout)
    except ValueError:
        raise BrokenPromiseError(f"`{command}` ended with {asked.returncode}: {asked.stderr[:200]}") from None
    return document


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
