"""What was decided then beside what would be decided now: which decisions are the same, sooner, later, or only on one
side (pure).

Decisions of a route are alike when they make the same move to the same target with the same weights. They are paired
in order (an alignment, as of two texts): a pair costs its distance in time, a decision left alone costs an hour, and
the cheapest whole is taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.routing.decision import Decision, Move

#: Control cycles come up to half a second apart, and later on a busy machine.
SAME_S = 2.0

_ALONE_S = 3600.0
_MOST_TOGETHER = 1000


class Change(StrEnum):
    """How a decision of now stands to one of then."""

    SAME = "same"
    EARLIER = "earlier"
    LATER = "later"
    ONLY_THEN = "only_then"
    ONLY_NOW = "only_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A decision of then and the one of now that is like it; one of them may be missing."""

    then: Decision | None = None
    now: Decision | None = None

    @property
    def apart_s(self) -> float:
        """How much later the one of now is; negative when it is earlier, 0 for one alone."""
        return (self.now.at - self.then.at).total_seconds() if self.then and self.now else 0.0

    @property
    def change(self) -> Change:
        """What the difference is."""
        if self.then is None or self.now is None:
            return Change.ONLY_NOW if self.then is None else Change.ONLY_THEN
        if abs(self.apart_s) <= SAME_S:
            return Change.SAME
        return Change.EARLIER if self.apart_s < 0 else Change.LATER

    @property
    def one(self) -> Decision:
        """The one of now if there is one, else that of then."""
        found = self.now or self.then
        if found is None:
            raise ValueError("a pair of nothing")
        return found


def compare(then: Sequence[Decision], now: Sequence[Decision]) -> list[Pair]:
    """Every decision of both sides once, in order of time; both must be in order of time.

    The first decision of a new route says nothing about judging and is left out.
    """
    routes = dict.fromkeys(one.route for one in (*then, *now))
    pairs = [
        pair
        for route in routes
        for left, right in _stretches(
            [one for one in then if one.route == route and one.move is not Move.FIRST],
            [one for one in now if one.route == route and one.move is not Move.FIRST],
        )
        for pair in _aligned(left, right)
    ]
    return sorted(pairs, key=lambda pair: (pair.one.at, pair.one.route))


def _stretches(then: Sequence[Decision], now: Sequence[Decision]) -> Iterator[tuple[list[Decision], list[Decision]]]:
    """Both cut where nothing was decided for so long that no pair can span it, or where they get too many."""
    left: list[Decision] = []
    right: list[Decision] = []
    last: datetime | None = None
    for at, _, is_now, one in sorted(
        (one.at, number, is_now, one) for is_now, side in enumerate((then, now)) for number, one in enumerate(side)
    ):
        far = last is not None and (at - last).total_seconds() > _ALONE_S
        if far or len(left) + len(right) >= _MOST_TOGETHER:
            yield left, right
            left, right = [], []
        (right if is_now else left).append(one)
        last = at
    if left or right:
        yield left, right


def _aligned(then: Sequence[Decision], now: Sequence[Decision]) -> list[Pair]:
    """The cheapest pairing in order, by the costs of all pairings of the rests."""
    rows, columns = len(then), len(now)
    cost = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows, -1, -1):
        for j in range(columns, -1, -1):
            if i < rows or j < columns:
                cost[i][j] = min(_ways(then, now, cost, i, j))[0]
    pairs, i, j = [], 0, 0
    while i < rows or j < columns:
        _, more_then, more_now = min(_ways(then, now, cost, i, j))
        pairs.append(Pair(then=then[i] if more_then else None, now=now[j] if more_now else None))
        i, j = i + more_then, j + more_now
    return pairs


def _ways(
    then: Sequence[Decision], now: Sequence[Decision], cost: Sequence[Sequence[float]], i: int, j: int
) -> Iterator[tuple[float, int, int]]:
    """What can be done with the next ones: the cost of all that is left, and how many of each side are taken."""
    if i < len(then) and j < len(now):
        apart_s = abs((now[j].at - then[i].at).total_seconds())
        if apart_s <= _ALONE_S and _alike(then[i], now[j]):
            yield apart_s + cost[i + 1][j + 1], 1, 1
    if i < len(then):
        yield _ALONE_S + cost[i + 1][j], 1, 0
    if j < len(now):
        yield _ALONE_S + cost[i][j + 1], 0, 1


def _alike(then: Decision, now: Decision) -> bool:
    return (then.move, then.target, then.weights) == (now.move, now.target, now.weights)
