"""An outage begins under a fault: how long the route takes to move, and SIGTERM, and what a restart makes of it."""

import time
from functools import partial
from pathlib import Path

from benchmarks.probing.processes import peak_memory_mb
from benchmarks.reliability.effort import measure_effort, multiplied
from benchmarks.reliability.faults import InjectedFault
from benchmarks.reliability.lab import FIRST, PATIENCE_S, SECOND, BrokenPromiseError, Lab
from benchmarks.reliability.trial import FaultReport, Figure

_STAYS_S = 3.0


def measure(fault: InjectedFault, folder: Path, report: FaultReport, *, patience_s: float = PATIENCE_S) -> None:
    """The outage twice: the fault is taken back while the service runs, and the service is stopped under it.

    Raises BrokenPromiseError: the route did not move, or was moved back, …
    """
    lab = Lab(
        folder,
        disks=fault.disks,
        faked_time=fault.faked_time,
        can_hang=fault.hangs,
        can_block=fault.blocks_loop,
        patience_s=patience_s,
    )
    try:
        service = lab.start()
        lab.until(lab.both_up, "both targets up")
        if fault.in_quiet:
            _change_nothing(lab, fault, report)
        moved_s, state = _fail_over(lab, fault)
        report.figures["moved after"] = Figure(value=moved_s)
        if fault.told:
            report.figures["told after"] = Figure(value=moved_s + lab.until_told(fault.told))
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


def _change_nothing(lab: Lab, fault: InjectedFault, report: FaultReport) -> None:
    """While the providers are well, the fault alone moves nothing, counts against nobody, and is no more work."""
    service = lab.processes[-1]
    fault.before(lab)
    before, known = measure_effort(lab, service), lab.changes()
    state = fault.provoke(lab)
    after = measure_effort(lab, service)
    report.wrong += multiplied(before, after)
    fault.undo(lab, state)
    lab.until(lab.both_up, "both targets up again")
    report.wrong += lab.changes(known)
    [(ours,)] = lab.rows("SELECT count(*) FROM observations WHERE failed_here = 1")
    report.figures["probes that are ours to blame"] = Figure(value=ours, unit="")


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
