"""How a route's candidates were, without a gap, from the changes that are known."""

from datetime import timedelta
from itertools import pairwise

from controller.status.details.route import health_periods
from monitor.health import Health, TargetHealth, Transition
from tests.support.builders import T0

A = "openai/a"
UNTIL = T0 + timedelta(hours=1)


def _at(minutes: float, before: Health, after: Health) -> Transition:
    at = T0 + timedelta(minutes=minutes)
    return Transition(target=A, at=at, before=before, after=after, reason="why", evidence=0.0, threshold=0.0, trail=())


def _now(health: Health, minutes: float) -> dict[str, TargetHealth]:
    return {A: TargetHealth(target=A, health=health, since=T0 + timedelta(minutes=minutes), reason="why")}


def _minutes(*changes: Transition, present: dict[str, TargetHealth]) -> list[tuple[str, float]]:
    periods = health_periods(changes, present, T0, UNTIL)
    assert all(a.until == b.since for a, b in pairwise(periods))
    return [(period.health.value, (period.until - period.since).total_seconds() / 60) for period in periods]


def test_periods_follow_the_changes() -> None:
    """From the health before the first change to the one after the last."""
    down, up = _at(10, Health.UP, Health.DOWN), _at(40, Health.DOWN, Health.UP)
    assert _minutes(down, up, present=_now(Health.UP, 40)) == [("up", 10), ("down", 30), ("up", 20)]


def test_without_a_change_it_was_as_it_is() -> None:
    """All the time, or since it is known."""
    assert _minutes(present=_now(Health.DOWN, -500)) == [("down", 60)]
    assert _minutes(present=_now(Health.UP, 45)) == [("up", 15)]


def test_changes_of_others_and_of_other_times_count_for_nothing() -> None:
    """Also one at the very beginning."""
    old, late = _at(-5, Health.UP, Health.DOWN), _at(90, Health.DOWN, Health.UP)
    assert _minutes(old, late, present=_now(Health.DOWN, -5)) == [("down", 60)]
