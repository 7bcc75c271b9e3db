"""All faults of one machine that are provoked for real, by name."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from benchmarks.reliability.course import measure
from benchmarks.reliability.endurance import endure
from benchmarks.reliability.faults import FAULTS
from benchmarks.reliability.trial import FaultReport, Trial
from benchmarks.reliability.waiting import measure_waiting

_ALL = (
    *(Trial(name=fault.name, play=partial(measure, fault)) for fault in FAULTS),
    Trial(name="what waits for the database", play=lambda _, report: measure_waiting(report)),
    Trial(name="both disks full for 240 s", play=endure),
)
TRIALS: Final[Mapping[str, Trial]] = {trial.name: trial for trial in _ALL}


def provoke(names: Sequence[str] = ()) -> Iterator[FaultReport]:
    """Provoke those of these names, or all, one after the other."""
    for name in names or TRIALS:
        yield TRIALS[name].report()
