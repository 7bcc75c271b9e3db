"""Prints what four minutes of full disks at 30 probes a second cost: memory, the heartbeat, and what is left behind."""

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.probing.processes import memory_mb
from benchmarks.reliability.faults import InjectedFault
from benchmarks.reliability.lab import Lab

_FULL_S: Final = 240.0
_MORE_MODELS: Final = 13
"""With the other two, 15 targets at 500 ms."""
_CALM_S: Final = 20.0


def endure(fault: InjectedFault, full_s: float = _FULL_S) -> None:
    """Both disks full for so long, then room again."""
    with tempfile.TemporaryDirectory() as name:
        lab = Lab(Path(name), disks=True, faked_time=False, more=_MORE_MODELS)
        try:
            service = lab.start()
            lab.until(lab.both_up, "both targets up")
            time.sleep(_CALM_S)
            before = memory_mb(service.pid)
            state = fault.provoke(lab)
            longest_s, most = _watch(lab, service, full_s)
            fault.undo(lab, state)
            lab.servers.failing = {"one"}
            moved_s = lab.until(lambda: lab.target() == "two/a", "the route on two/a")
            caught_up_s = lab.until(
                lambda: lab.journalled() >= lab.table()["generation"], "the decision in the database"
            )
            time.sleep(_CALM_S)
            after = memory_mb(service.pid)
            stopped_s = lab.stop(service)
        finally:
            lab.close()
    print(f"memory before, at the most, {_CALM_S:g} s after: {before:.0f}, {most:.0f}, {after:.0f} MiB")
    print(f"longest time between two routing files meanwhile: {longest_s:.1f} s")
    print(f"an outage right after: moved after {moved_s:.1f} s, journalled {caught_up_s:.1f} s later")
    print(f"SIGTERM: {stopped_s:.1f} s")


def _watch(lab: Lab, service: "subprocess.Popen[bytes]", full_s: float) -> tuple[float, float]:
    """The longest time without a new file, and the most memory."""
    began = seen_s = time.monotonic()
    written, longest_s, most = "", 0.0, 0.0
    while (now_s := time.monotonic()) - began < full_s:
        at = str(lab.table().get("written_at"))
        if at != written:
            longest_s, seen_s, written = max(longest_s, now_s - seen_s), now_s, at
        most = max(most, memory_mb(service.pid))
        time.sleep(0.2)
    return max(longest_s, time.monotonic() - seen_s), most
