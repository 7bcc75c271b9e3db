"""What four minutes of full disks at 30 probes a second cost: memory, the heartbeat, and what is left behind."""

import subprocess
import time
from pathlib import Path
from typing import Final

from benchmarks.probing.processes import memory_mb
from benchmarks.reliability.faults import empty_both, fill_both
from benchmarks.reliability.lab import SECOND, Lab
from benchmarks.reliability.trial import FaultReport, Figure

_FULL_S: Final = 240.0
_MORE_MODELS: Final = 13
"""With the other two, 15 targets at 500 ms."""
_CALM_S: Final = 20.0
_STALE_S: Final = 30.0
"""So long a reader trusts a file."""


def endure(folder: Path, report: FaultReport) -> None:
    """Both disks full for four minutes, then room again."""
    lab = Lab(folder, disks=True, faked_time=False, more=_MORE_MODELS)
    try:
        service = lab.start()
        lab.until(lab.both_up, "both targets up")
        time.sleep(_CALM_S)
        _note_memory(report, "memory before", memory_mb(service.pid))
        fill_both(lab)
        longest_s, most = _watch(lab, service)
        empty_both(lab)
        lab.servers.failing = {"one"}
        moved_s = lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
        caught_up_s = lab.until(lambda: lab.journalled() >= lab.table()["generation"], "the decision in the database")
        time.sleep(_CALM_S)
        _note_memory(report, "at the most", most)
        _note_memory(report, f"{_CALM_S:g} s after", memory_mb(service.pid))
        report.figures["longest between two files"] = Figure(value=longest_s)
        report.figures["moved after"] = Figure(value=moved_s)
        report.figures["journalled after"] = Figure(value=caught_up_s)
        report.figures["SIGTERM"] = Figure(value=lab.stop(service))
    finally:
        lab.close()
        report.wrong += sorted(set(lab.watch.wrong))
    if longest_s > _STALE_S:
        report.wrong.append(f"no routing file for {longest_s:.1f} s")


def _note_memory(report: FaultReport, what: str, mib: float) -> None:
    report.figures[what] = Figure(value=mib, unit="MiB")


def _watch(lab: Lab, service: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """The longest time without a new file, and the most memory."""
    began = seen_s = time.monotonic()
    written, longest_s, most = "", 0.0, 0.0
    while (now_s := time.monotonic()) - began < _FULL_S:
        at = str(lab.table().get("written_at"))
        if at != written:
            longest_s, seen_s, written = max(longest_s, now_s - seen_s), now_s, at
        most = max(most, memory_mb(service.pid))
        time.sleep(0.2)
    return max(longest_s, time.monotonic() - seen_s), most
