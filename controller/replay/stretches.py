"""How the budget had stretched the intervals, by when the probes came: only the last stretches are stored (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from operator import itemgetter

from monitor.budget.allocation import STRETCHES, stretched_s

Stretches = Sequence[tuple[datetime, Mapping[str, float]]]
"""From when on which targets were probed so many times as seldom as configured, by id; oldest first, others stay."""

#: So many gaps of the same length in a row are an interval.
_GAPS = 3
#: Gaps differ by less from the interval: the possible ones are further apart.
_TOLERANCE = 0.06
#: The service changes the intervals of all targets together, at most so often.
_REVIEW = timedelta(minutes=1)


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
    """The stretches of all targets together. What was first counts from the begin; where nothing is known, `stored`.

    The changes of a minute are taken together: judging by other intervals costs as much for one target as for all. An
    interval is longer from its begin on and shorter from its end on, so that no target is silent meanwhile.
    """
    first = {target: known[0][1] if known else stored.get(target, 1.0) for target, known in changes.items()}
    together = dict[datetime, dict[str, float]]()
    for target, known in changes.items():
        last_at = begins_at
        for (_, before), (at, stretch) in pairwise(known):
            into = (at - begins_at) % _REVIEW
            minute = at - into if stretch > before or not into else at - into + _REVIEW
            last_at = max(last_at, minute)
            together.setdefault(last_at, {})[target] = stretch
    return [(begins_at, first), *sorted(together.items(), key=itemgetter(0))]


def _stretch(gap_s: float, interval_s: float) -> float | None:
    """The stretch at which probes come so far apart; None where none does."""
    likely = (each for each in STRETCHES if abs(gap_s / stretched_s(interval_s, each) - 1) <= _TOLERANCE)
    return next(likely, None)
