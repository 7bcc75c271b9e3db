"""Pairs what was decided then with what would be decided now: same, earlier, later, or only on one side (pure).

Decisions of a route match when they make the same move to the same target with the same weights. They are paired in
order, by sequence alignment: a pair costs its distance in seconds, a decision left alone costs an hour, and the
alignment of the lowest total cost is taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.routing.decision import Decision, MoveKind

#: Decisions that differ by less are the same: cycles are up to half a second apart, more on a busy machine.
SAME_S = 2.0

_ALONE_S = 3600.0
_MAX_SECTION = 1000


class DecisionDifference(StrEnum):
    """How a decision of the replay compares with the recorded one."""

    SAME = "same"
    EARLIER = "earlier"
    LATER = "later"
    ONLY_THEN = "only_then"
    ONLY_NOW = "only_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPair:
    """A recorded decision and the matching one of the replay; one of them may be missing."""

    then: Decision | None = None
    now: Decision | None = None

    @property
    def apart_s(self) -> float:
        """Seconds by which the replay decided later; negative when earlier, 0 when one is missing."""
        return (self.now.at - self.then.at).total_seconds() if self.then and self.now else 0.0

    @property
    def change(self) -> DecisionDifference:
        """The difference, in one word."""
        if self.then is None or self.now is None:
            return DecisionDifference.ONLY_NOW if self.then is None else DecisionDifference.ONLY_THEN
        if abs(self.apart_s) <= SAME_S:
            return DecisionDifference.SAME
        return DecisionDifference.EARLIER if self.apart_s < 0 else DecisionDifference.LATER

    @property
    def decision(self) -> Decision:
        """The decision of the replay if there is one, else the recorded one."""
        decision = self.now or self.then
        if decision is None:
            raise ValueError("a pair without a decision")
        return decision


def compare(then: Sequence[Decision], now: Sequence[Decision]) -> list[DecisionPair]:
    """Return every decision of both sides once, in order of time; both must be in order of time.

    The first decision of a new route does not depend on the detector and is left out.
    """
    routes = dict.fromkeys(decision.route for decision in (*then, *now))
    pairs = [
        pair
        for route in routes
        for left, right in _sections(_moves_of(route, then), _moves_of(route, now))
        for pair in _align(left, right)
    ]
    return sorted(pairs, key=lambda pair: (pair.decision.at, pair.decision.route))


def _moves_of(route: str, decisions: Sequence[Decision]) -> list[Decision]:
    return [decision for decision in decisions if decision.route == route and decision.move is not MoveKind.FIRST]


def _sections(then: Sequence[Decision], now: Sequence[Decision]) -> Iterator[tuple[list[Decision], list[Decision]]]:
    """Cut both where nothing was decided for so long that no pair can span it, or where a section gets too long."""
    left: list[Decision] = []
    right: list[Decision] = []
    last: datetime | None = None
    for at, _, is_now, decision in sorted(
        (decision.at, number, is_now, decision)
        for is_now, side in enumerate((then, now))
        for number, decision in enumerate(side)
    ):
        far = last is not None and (at - last).total_seconds() > _ALONE_S
        if far or len(left) + len(right) >= _MAX_SECTION:
            yield left, right
            left, right = [], []
        (right if is_now else left).append(decision)
        last = at
    if left or right:
        yield left, right


def _align(then: Sequence[Decision], now: Sequence[Decision]) -> list[DecisionPair]:
    """The alignment of the lowest cost, by dynamic programming over the costs of what is left."""
    rows, columns = len(then), len(now)
    cost = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows, -1, -1):
        for j in range(columns, -1, -1):
            if i < rows or j < columns:
                cost[i][j] = min(_steps(then, now, cost, i, j))[0]
    pairs, i, j = [], 0, 0
    while i < rows or j < columns:
        _, more_then, more_now = min(_steps(then, now, cost, i, j))
        pairs.append(DecisionPair(then=then[i] if more_then else None, now=now[j] if more_now else None))
        i, j = i + more_then, j + more_now
    return pairs


def _steps(
    then: Sequence[Decision], now: Sequence[Decision], cost: Sequence[Sequence[float]], i: int, j: int
) -> Iterator[tuple[float, int, int]]:
    """The possible next steps: the cost of all that is left, and how many decisions of each side it takes."""
    if i < len(then) and j < len(now):
        apart_s = abs((now[j].at - then[i].at).total_seconds())
        if apart_s <= _ALONE_S and _match(then[i], now[j]):
            yield apart_s + cost[i + 1][j + 1], 1, 1
    if i < len(then):
        yield _ALONE_S + cost[i + 1][j], 1, 0
    if j < len(now):
        yield _ALONE_S + cost[i][j + 1], 0, 1


def _match(then: Decision, now: Decision) -> bool:
    return (then.move, then.target, then.weights) == (now.move, now.target, now.weights)
