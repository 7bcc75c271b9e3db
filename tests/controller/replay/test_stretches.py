"""How the budget had stretched intervals, by when the probes came."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random

import pytest

from controller.replay.stretches import all_changes, stretch_changes
from monitor.budget.allocation import LONGEST_STRETCHED_S, STRETCHES, stretched_s
from tests.support.builders import T0

INTERVAL_S = 30.0


def starts(gaps_s: Iterable[float]) -> list[datetime | None]:
    """When probes so far apart began, from T0 on."""
    begun: list[datetime | None] = [T0]
    at = T0
    for gap_s in gaps_s:
        at += timedelta(seconds=gap_s)
        begun.append(at)
    return begun


@pytest.mark.parametrize("stretch", STRETCHES)
def test_each_stretch_is_found_from_its_first_gap_on(stretch: float) -> None:
    """Probes do not begin on the millisecond; an interval is never longer than an hour."""
    dice, longer_s = Random(1), stretched_s(INTERVAL_S, stretch)
    begun = starts([30.0] * 5 + [longer_s + dice.uniform(-0.5, 0.5) for _ in range(5)])
    found = dict(stretch_changes(begun, INTERVAL_S))
    assert found.pop(T0) == 1.0
    if stretch == 1.0:
        assert not found
        return
    [(at, known)] = found.items()
    assert stretched_s(INTERVAL_S, known) == longer_s <= LONGEST_STRETCHED_S
    assert at == T0 + timedelta(seconds=150)


@pytest.mark.parametrize(
    "gaps_s",
    [
        pytest.param([30.0] * 4 + [5.0, 1.0, 24.0] * 9, id="bursts"),
        pytest.param([30.0] * 4 + [240.0, 30.0, 30.0] * 9, id="single gaps"),
        pytest.param([30.0] * 4 + [52.0] * 9, id="gaps that are no stretch"),
    ],
)
def test_nothing_else_is_taken_for_one(gaps_s: list[float]) -> None:
    """What does not last is no interval."""
    assert [stretch for _, stretch in stretch_changes(starts(gaps_s), INTERVAL_S)] == [1.0]


def test_what_a_target_is_probed_at_while_it_recovers_is_none() -> None:
    """Six times the interval, and a third of that during a hold, which looks like twice the interval."""
    recovering = [None] * 20
    begun = [*starts([180.0] * 5), *recovering, *(T0 + timedelta(hours=2, minutes=3 * n) for n in range(5))]
    assert list(stretch_changes(begun, INTERVAL_S)) == [(T0, 6.0)]


def test_the_targets_are_taken_together() -> None:
    """The first known stretch of each counts from the begin; of what is not known, the stored one."""
    later = T0 + timedelta(hours=1)
    changes = {"a/m": [(T0 + timedelta(minutes=5), 2.0), (later, 4.0)], "b/m": list[tuple[datetime, float]]()}
    assert all_changes(T0, changes, {"b/m": 3.0, "gone/m": 8.0}) == [
        (T0, {"a/m": 2.0, "b/m": 3.0}),
        (later, {"a/m": 4.0}),
    ]


def test_the_changes_of_a_minute_are_one() -> None:
    """Two thousand targets are judged by other intervals once, not each by itself."""
    hour, second = timedelta(hours=1), timedelta(seconds=1)
    slower = {f"a/m{n}": [(T0, 1.0), (T0 + hour + n * second / 40, 4.0)] for n in range(2000)}
    known = {each: [*changes, (T0 + 2 * hour + second, 1.0)] for each, changes in slower.items()}
    first, longer, shorter = all_changes(T0, known, {})
    assert first == (T0, dict.fromkeys(known, 1.0))
    assert longer == (T0 + hour, dict.fromkeys(known, 4.0))
    assert shorter == (T0 + 2 * hour + 60 * second, dict.fromkeys(known, 1.0))


def test_the_changes_of_one_target_keep_their_order() -> None:
    """One that becomes shorter and longer within a minute is longer after it."""
    changes = [(T0 + timedelta(seconds=at), stretch) for at, stretch in ((0, 4.0), (70, 1.0), (100, 4.0))]
    assert all_changes(T0, {"a/m": changes}, {})[1:] == [(T0 + timedelta(seconds=120), {"a/m": 4.0})]
