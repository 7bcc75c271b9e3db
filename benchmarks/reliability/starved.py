"""Half of two thousand targets hang while two other processes want the service's core: the route leaves the first."""

import os
from pathlib import Path
from typing import Final

from benchmarks import scale
from benchmarks.probing.processes import BESIDE
from benchmarks.reliability.trial import FaultReport, Figure

_TARGETS: Final = 2_000
_MEASURED_S: Final = 120.0


def hang_half(_: Path, report: FaultReport) -> None:
    """What the others prove at the same moment tells a provider that hangs from a machine without time for it."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, BESIDE)
    try:
        measured = scale.run(_TARGETS, _MEASURED_S, hanging=_TARGETS // 2, beside=2)
    finally:
        os.sched_setaffinity(0, cores)
    report.figures["probes"] = Figure(value=measured.probes, unit="")
    report.figures["late at p99"] = Figure(value=scale.percentile(measured.late_s, 0.99))
    report.figures["files"] = Figure(value=measured.files, unit="")
    if measured.moved_after_s is None:
        report.wrong.append(f"the route stayed on a target that hangs for {_MEASURED_S:.0f} s")
    else:
        report.figures["moved after"] = Figure(value=measured.moved_after_s)
