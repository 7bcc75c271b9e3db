"""What to ask next, after what came (pure)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from hotspare_client.failure import Failure
from hotspare_client.target import Target

#: Nothing is sent there unless the route itself points there.
_OUT_OF_USE = {"down", "unusable", "misconfigured"}
#: The answer of the provider is the answer: another target is asked nothing.
_FINAL = {"bad_request", "refused", "budget_spent"}
#: The same target may do better a moment later.
_PASSING = {"server_error", "unreachable", "bad_answer", "broken_stream"}
#: Many clients are told so at once: they spread out before they ask somebody else.
_CROWDED = {"rate_limited", "overloaded"}
#: A target whose answers are in doubt, so that a second request at the same time is worth its price.
_IN_DOUBT = {"suspect", "degraded"}
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.25


@dataclass(frozen=True)
class Step:
    """The next request."""

    target: Target
    pause_s: float = 0.0
    """What to wait before it."""


@dataclass(frozen=True)
class Situation:
    """What is known when a request has failed."""

    pick: Target | None
    """Where the route points now."""
    candidates: tuple[Target, ...]
    """All targets of the route now, in the order of preference."""
    failed: Target
    """What was asked last, as the file describes it now where it still does."""
    tried: Collection[str]
    """The ids of all that were asked, the last one included."""
    was_repeated: bool
    """Whether one of them was asked twice."""
    failed_elsewhere: bool
    """Whether another request of this process has failed at `failed` in the last seconds."""
    has_begun: bool
    """Whether the caller already holds a part of the answer."""
    left_s: float
    """Until the deadline."""
    wait_s: float
    """The longest Retry-After to wait for."""
    stateful: bool


def is_final(failure: Failure) -> bool:
    """Whether the failure says nothing about the target, only about the request, or about the application."""
    return failure.outcome in _FINAL and not failure.too_long


def choose_first(pick: Target, candidates: tuple[Target, ...], is_failing: Callable[[str], bool]) -> Target:
    """The target to ask first: where the route points, unless it has just failed and another one can stand in."""
    if not is_failing(pick.id):
        return pick
    return next((each for each in candidates if stands_in(each) and not is_failing(each.id)), pick)


def choose_next(
    failure: Failure,
    situation: Situation,
    *,
    is_failing: Callable[[str], bool],
    may_repeat: Callable[[], bool],
    draw: Callable[[], float],
) -> Step | None:
    """The next request after `failure`; None where its error is the answer.

    `is_failing` says of an id whether this process just saw it fail; `may_repeat` takes one repeat from the budget;
    `draw` gives a number from 0 to 1, which spreads the pauses of many clients.
    """
    if is_final(failure) or situation.left_s <= 0:
        return None
    pause_s = _pause_before_repeat(failure, situation, draw)
    if pause_s is not None and pause_s < situation.left_s and may_repeat():
        return Step(situation.failed, pause_s)
    target = None if situation.stateful else _other(failure, situation, is_failing)
    if target is None:
        return None
    pause_s = _spread(draw) if failure.outcome in _CROWDED else 0.0
    return Step(target, min(pause_s, situation.left_s / 2))


def hedge_after_s(target: Target) -> float | None:
    """How long to wait before another target is asked as well; None where the target is not in doubt."""
    return target.limits.p95_s if target.health in _IN_DOUBT else None


def choose_hedge(
    candidates: tuple[Target, ...], tried: Collection[str], is_failing: Callable[[str], bool]
) -> Target | None:
    """The target to ask as well: the first that is in no doubt itself."""
    return next(
        (
            each
            for each in candidates
            if each.id not in tried and stands_in(each) and each.health not in _IN_DOUBT and not is_failing(each.id)
        ),
        None,
    )


def _pause_before_repeat(failure: Failure, situation: Situation, draw: Callable[[], float]) -> float | None:
    """How long to wait before the same target is asked again; None where it is not."""
    if situation.was_repeated or situation.has_begun or (situation.stateful and failure.begun):
        return None
    if failure.outcome == "rate_limited" and failure.retry_after_s is not None:
        # A little later than asked, because others were asked to come back at that moment, too.
        return failure.retry_after_s + _spread(draw) if failure.retry_after_s <= situation.wait_s else None
    if situation.stateful:
        return _spread(draw)
    spoke = failure.outcome == "unreachable" and failure.status is not None  # something that is not the API
    healthy = situation.failed.health == "up" and not situation.failed_elsewhere
    return 0.0 if failure.outcome in _PASSING and not spoke and healthy else None


def _other(failure: Failure, situation: Situation, is_failing: Callable[[str], bool]) -> Target | None:
    """The next target that was not asked: where the route points now, then in the order of preference."""
    pick = (situation.pick,) if situation.pick else ()
    others = [
        each
        for each in (*pick, *situation.candidates)
        if each.id not in situation.tried and (stands_in(each) or each is situation.pick)
    ]
    if failure.too_long:
        known = situation.failed.context
        others = [each for each in others if known and each.context and each.context > known]
    return next((each for each in others if not is_failing(each.id)), others[0] if others else None)


def stands_in(target: Target) -> bool:
    """Whether requests may go there although the route does not point there."""
    return target.health not in _OUT_OF_USE and not target.drained


def _spread(draw: Callable[[], float]) -> float:
    return _SHORTEST_PAUSE_S + (_LONGEST_PAUSE_S - _SHORTEST_PAUSE_S) * draw()
