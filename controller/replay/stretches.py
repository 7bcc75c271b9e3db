"""How the budget had stretched the intervals, by when the probes came: only the last stretches are stored (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from monitor.budget.allocation import STRETCHES, stretched_s

Stretches = Sequence[tuple[datetime, Mapping[str, float]]]
"""From when on which targets were probed so many times as seldom as configured, by id; oldest first."""

#: So many gaps of the same length in a row are an interval.
_GAPS = 3
#: Gaps differ by less from the interval: the possible ones are further apart.
_TOLERANCE = 0.06


def stretch_changes(starts: Iterable[datetime | None], interval_s: float) -> Iterator[tuple[datetime, float]]:
    """When the interval of a target was stretched anew, and by how much; `interval_s` is the configured one.

    `starts` are when its probes began, oldest first; None where it was not up meanwhile, and so probed otherwise.
    """
    found: tuple[datetime, float] | None = None
    stated, gaps = 0.0, 0
    for before, at in pairwise(starts):
        stretch = _stretch((at - before).total_seconds(), interval_s) if before and at else None
        if before is None or stretch is None:
            found, gaps = None, 0
            continue
        if found is None or found[1] != stretch:
            found, gaps = (before, stretch), 0
        gaps += 1
        if gaps == _GAPS and stretch != stated:
            stated = stretch
            yield found


def all_changes(
    begins_at: datetime, changes: Mapping[str, Sequence[tuple[datetime, float]]], stored: Mapping[str, float]
) -> Stretches:
    """The stretches of all targets together. What was first counts from the begin; where nothing is known, `stored`."""
    present = {target: known[0][1] if known else stored.get(target, 1.0) for target, known in changes.items()}
    later = sorted((at, target, stretch) for target, known in changes.items() for at, stretch in known[1:])
    stretches = [(begins_at, dict(present))]
    for at, target, stretch in later:
        present[target] = stretch
        stretches.append((at, dict(present)))
    return stretches


def _stretch(gap_s: float, interval_s: float) -> float | None:
    """The stretch at which probes come so far apart; None where none does."""
    likely = (each for each in STRETCHES if abs(gap_s / stretched_s(interval_s, each) - 1) <= _TOLERANCE)
    return next(likely, None)
