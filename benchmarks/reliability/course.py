"""An outage begins under a fault: how long the route takes to move, and SIGTERM, and what a restart makes of it."""

import time
from functools import partial
from pathlib import Path

from benchmarks.probing.processes import peak_memory_mb
from benchmarks.reliability.faults import InjectedFault
from benchmarks.reliability.lab import FIRST, SECOND, BrokenPromiseError, Lab
from benchmarks.reliability.trial import FaultReport, Figure

_STAYS_S = 3.0


def measure(fault: InjectedFault, folder: Path, report: FaultReport) -> None:
    """The outage twice: the fault is taken back while the service runs, and the service is stopped under it.

    Raises BrokenPromiseError: the route did not move, or was moved back, …
    """
    lab = Lab(folder, disks=fault.disks, faked_time=fault.faked_time, can_hang=fault.hangs)
    try:
        service = lab.start()
        lab.until(lab.both_up, "both targets up")
        if fault.in_quiet:
            _change_nothing(lab, fault)
        moved_s, state = _fail_over(lab, fault)
        report.figures["moved after"] = Figure(value=moved_s)
        fault.settled(lab, state)
        fault.undo(lab, state)
        caught_up_s = lab.until(lambda: lab.journalled() >= lab.table()["generation"], "the decision in the database")
        memory = peak_memory_mb(service.pid)
        _fail_back(lab)
        moved_again_s, state = _fail_over(lab, fault)
        report.figures["moved after"] = Figure(value=max(moved_s, moved_again_s))
        fault.settled(lab, state)
        undo = partial(fault.undo, lab, state)
        report.figures["SIGTERM"] = Figure(value=lab.stop(service, undo if fault.hangs else None))
        report.figures["journalled after"] = Figure(value=caught_up_s)
        report.figures["memory at the most"] = Figure(value=memory, unit="MiB")
        if not fault.hangs:
            undo()
        lab.start()
        _stay(lab)
    finally:
        lab.close()
        report.wrong += sorted(set(lab.watch.wrong))


def _fail_over(lab: Lab, fault: InjectedFault) -> tuple[float, object]:
    fault.before(lab)
    lab.servers.failing = {"one"}
    began = time.monotonic()
    state = fault.provoke(lab)
    lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
    return time.monotonic() - began, state


def _change_nothing(lab: Lab, fault: InjectedFault) -> None:
    """While the providers are well, the fault alone moves nothing."""
    state = fault.provoke(lab)
    ends = time.monotonic() + _STAYS_S
    while time.monotonic() < ends:
        if lab.target() != FIRST:
            raise BrokenPromiseError(f"the route moved to {lab.target()} although both providers answer")
        time.sleep(0.02)
    fault.undo(lab, state)
    lab.until(lab.both_up, "both targets up again")


def _fail_back(lab: Lab) -> None:
    lab.servers.failing = set()
    lab.until(lab.both_up, "the route back")


def _stay(lab: Lab) -> None:
    """The restarted service leaves the route where users are."""
    written = lab.table()["written_at"]
    lab.until(lambda: lab.table()["written_at"] != written, "the file written by the restarted service")
    ends = time.monotonic() + _STAYS_S
    while time.monotonic() < ends:
        if lab.target() != SECOND:
            raise BrokenPromiseError(f"a restart moved the route back to {FIRST}")
        time.sleep(0.02)
