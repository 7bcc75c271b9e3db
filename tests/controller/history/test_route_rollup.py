"""What users of a route felt, from where it pointed and how its targets were."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.history.route_rollup import RouteRollup, failing_seconds, sum_up_route
from controller.incidents.impact import RoutePeriod

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
STANDS = timedelta(seconds=90)


def _at(second: float) -> datetime:
    return NOW + timedelta(seconds=second)


def _period(target: str, since: float, until: float) -> RoutePeriod:
    return RoutePeriod(route="chat", target=target, since=_at(since), until=_at(until))


def test_a_probe_stands_until_the_next() -> None:
    """Of a burst, each for its seconds; the last one for a while, and no longer."""
    probes = [(_at(0), False), (_at(30), True), (_at(34), False), (_at(38), True), (_at(60), False)]
    assert failing_seconds(probes, _at(0), _at(600), stands_for=STANDS) == (150.0, 26.0)
    assert failing_seconds(probes, _at(32), _at(40), stands_for=STANDS) == (8.0, 4.0)
    assert failing_seconds((), _at(0), _at(600), stands_for=STANDS) == (0.0, 0.0)


def test_half_an_outage_is_felt_half() -> None:
    """A minute on a target that fails half of its requests is half a minute; the failover ends it."""
    failing = [(_at(2 * second), second % 2 == 0) for second in range(300)]
    well = [(_at(2 * second), False) for second in range(300)]
    felt = sum_up_route(
        [_period("a/x", 0, 60), _period("b/y", 60, 600)],
        "a/x",
        {"a/x": failing, "b/y": well},
        {"a/x": STANDS, "b/y": STANDS},
    )
    assert felt.on_target_s == {"a/x": 60.0, "b/y": 540.0}
    assert (felt.observed_s, felt.felt_s, felt.without_s) == (600.0, 30.0, 300.0)
    assert felt.served == pytest.approx(0.95)


def test_nothing_is_said_of_a_target_that_nobody_asked() -> None:
    """No data is neither felt nor well."""
    felt = sum_up_route([_period("a/x", 0, 600)], "a/x", {}, {"a/x": STANDS})
    assert (felt.on_target_s, felt.observed_s, felt.served) == ({"a/x": 600.0}, 0.0, None)


@given(st.lists(st.tuples(st.integers(0, 3_600), st.booleans()), max_size=40), st.integers(1, 3_599))
def test_two_parts_are_the_whole(moments: list[tuple[int, bool]], cut: int) -> None:
    """Wherever the time is cut in two."""
    probes = sorted((_at(second), failed) for second, failed in moments)
    parts = [failing_seconds(probes, _at(a), _at(b), stands_for=STANDS) for a, b in ((0, cut), (cut, 3_600))]
    whole = failing_seconds(probes, _at(0), _at(3_600), stands_for=STANDS)
    assert whole == pytest.approx(tuple(map(sum, zip(*parts, strict=True))))
    assert whole[1] <= whole[0] <= 3_600


def test_sums_add_up() -> None:
    """Times by target, and the rest."""
    one = RouteRollup(on_target_s={"a/x": 10.0}, observed_s=10.0, felt_s=1.0, without_s=2.0, flips=1)
    other = RouteRollup(on_target_s={"a/x": 1.0, "b/y": 5.0}, observed_s=6.0)
    assert one + other == RouteRollup(
        on_target_s={"a/x": 11.0, "b/y": 5.0}, observed_s=16.0, felt_s=1.0, without_s=2.0, flips=1
    )
