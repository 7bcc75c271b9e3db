"""The clock is set while a target that failed must prove itself: its hold is neither longer nor shorter for it."""

import time
from pathlib import Path

from benchmarks.reliability.lab import FAILBACK_HOLD_S, FIRST, SECOND, Lab
from benchmarks.reliability.trial import FaultReport, Figure


def set_clock_in_hold(folder: Path, report: FaultReport, *, step_s: int) -> None:
    """The first provider fails and comes back; once it is recovering, the clock is set. Raises BrokenPromiseError."""
    lab = Lab(folder, disks=False, faked_time=True)
    try:
        lab.start()
        lab.until(lab.both_up, "both targets up")
        lab.servers.failing = {"one"}
        lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
        lab.servers.failing = set()
        began, moves = time.monotonic(), len(lab.moves())
        lab.until(lambda: lab.health(FIRST) == "recovering", f"{FIRST} recovering")
        lab.set_clock(step_s)
        lab.until(lab.both_up, "the route back")
        held_s = time.monotonic() - began
        report.figures["back after"] = Figure(value=held_s)
        if held_s < FAILBACK_HOLD_S:
            report.wrong.append(f"the route went back after {held_s:.1f} s, within the hold of {FAILBACK_HOLD_S:g} s")
        if len(lab.moves()) != moves + 1:
            report.wrong.append(f"more than one move: {lab.moves()[moves:]}")
        lab.servers.failing = {"one"}
        moved_s = lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
        report.figures["an outage afterwards moved after"] = Figure(value=moved_s)
    finally:
        lab.close()
        report.wrong += sorted(set(lab.watch.wrong))
