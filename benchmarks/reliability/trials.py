"""All faults of one machine that are provoked for real, by name."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from benchmarks.reliability.backup import back_up_without_room
from benchmarks.reliability.course import measure
from benchmarks.reliability.endurance import endure
from benchmarks.reliability.faults import FAULTS
from benchmarks.reliability.hold import set_clock_in_hold
from benchmarks.reliability.hour_end import fill_as_hour_ends
from benchmarks.reliability.standstill import stand_still
from benchmarks.reliability.starved import hang_half
from benchmarks.reliability.trial import FaultReport, Trial
from benchmarks.reliability.waiting import measure_waiting

_HOUR_S = 3600
_ALL = (
    *(Trial(name=fault.name, play=partial(measure, fault)) for fault in FAULTS),
    Trial(name="clock set back in a hold", play=partial(set_clock_in_hold, step_s=-_HOUR_S)),
    Trial(name="clock set forward in a hold", play=partial(set_clock_in_hold, step_s=_HOUR_S)),
    Trial(name="backup onto a full disk", play=back_up_without_room),
    Trial(name="database's disk full as an hour ends", play=fill_as_hour_ends),
    Trial(name="what waits for the database", play=lambda _, report: measure_waiting(report)),
    Trial(name="both disks full for 240 s", play=endure),
    Trial(name="half of 2,000 targets hang, the processor is starved", play=hang_half),
    Trial(name="process stands still for 300 s", play=partial(stand_still, stands_s=300.0)),
)
TRIALS: Final[Mapping[str, Trial]] = {trial.name: trial for trial in _ALL}


def provoke(names: Sequence[str] = ()) -> Iterator[FaultReport]:
    """Provoke those of these names, or all, one after the other."""
    for name in names or TRIALS:
        yield TRIALS[name].report()
