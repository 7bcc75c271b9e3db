"""An outage begins while something of the service's own fails: the route moves, and nothing is decided twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.reliability.course import measure
from benchmarks.reliability.effort import Effort, multiplied
from benchmarks.reliability.faults import FAULTS
from benchmarks.reliability.lab import BrokenPromiseError, CannotProvokeError
from benchmarks.reliability.trial import FaultReport, Trial

#: Other tests may want all cores.
PATIENCE_S = 300.0
#: `make drills ARGS=reliability` provokes all of them, also while the providers are well.
SOME = (
    "database's disk hangs",
    "database locked for writing",
    "database's pages overwritten",
    "lock files removed, second service",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME)
def test_the_route_moves_whatever_fails(name: str, tmp_path: Path) -> None:
    """It moves, is journalled once the fault is over, and a restart leaves it where users are."""
    [fault] = [fault for fault in FAULTS if fault.name == name]
    report = FaultReport(name=name)
    try:
        measure(replace(fault, in_quiet=False, told=None), tmp_path, report, patience_s=PATIENCE_S)
    except CannotProvokeError as error:
        pytest.skip(str(error))
    assert report.wrong == []
    assert report.figures["moved after"].value > 0


def _break(folder: Path, _: FaultReport) -> None:
    (folder / "log").write_text("what it said")
    raise BrokenPromiseError("the route stayed")


def _lack(folder: Path, _: FaultReport) -> None:
    raise CannotProvokeError(f"{folder.name} is no disk")


def test_what_did_not_hold_is_listed_with_the_log() -> None:
    """A fault that cannot be provoked here is not among it."""
    broken, lacking = Trial(name="a", play=_break).report(), Trial(name="b", play=_lack).report()
    assert broken.wrong == ["the route stayed"]
    assert broken.log is not None
    log = Path(broken.log)
    assert log.read_text() == "what it said"
    log.unlink()
    assert (lacking.wrong, lacking.log) == ([], None)
    assert str(lacking).startswith("b: not provoked: ")


@pytest.mark.parametrize(
    ("after", "is_more"),
    [
        (Effort(cpu_s=1.2, probes=41, most_at_once=3, rows=60), False),
        (Effort(cpu_s=9.0, probes=40, most_at_once=3, rows=50), True),
        (Effort(cpu_s=1.0, probes=90, most_at_once=3, rows=50), True),
        (Effort(cpu_s=1.0, probes=40, most_at_once=30, rows=50), True),
        (Effort(cpu_s=1.0, probes=40, most_at_once=3, rows=8_760), True),
    ],
)
def test_work_in_proportion_to_a_step_of_the_clock_is_found(after: Effort, is_more: bool) -> None:
    """Processor time, probes, probes at once, or rows; not what is done once."""
    before = Effort(cpu_s=1.0, probes=40, most_at_once=3, rows=50)
    assert bool(list(multiplied(before, after))) == is_more
