"""A rollup counts as the observations themselves would be counted."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.history.rollup import DAY, HOUR, Rollup, span_start
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check

NOW = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)


def _observation(outcome: Outcome, *, failed_here: bool = False, cost_usd: float | None = 0.5) -> Observation:
    return Observation(
        target="a/b",
        check=Check.STREAM,
        started_at=NOW,
        outcome=outcome,
        duration_s=2.0,
        first_token_s=0.5,
        failed_here=failed_here,
        cost_usd=cost_usd,
        input_tokens=10,
    )


def test_shares_are_those_of_the_observations() -> None:
    """Refusals count against *served* alone; what failed here against neither."""
    rollup = Rollup.of(
        [
            *[_observation(Outcome.OK)] * 6,
            _observation(Outcome.SLOW),
            _observation(Outcome.SERVER_ERROR),
            *[_observation(Outcome.RATE_LIMITED)] * 2,
            _observation(Outcome.TIMEOUT, failed_here=True, cost_usd=None),
        ]
    )
    counts = rollup.counts
    assert counts.availability == pytest.approx(6 / 8)
    assert counts.served == pytest.approx(7 / 10)
    assert (counts.total, counts.failed_here, counts.refused) == (11, 1, 2)
    assert (rollup.cost_usd, rollup.unpriced, rollup.input_tokens) == (5.0, 1, 110)


def test_only_answers_have_a_latency() -> None:
    """A failure says nothing about how long an answer takes."""
    rollup = Rollup.of([_observation(Outcome.OK), _observation(Outcome.SLOW), _observation(Outcome.SERVER_ERROR)])
    assert (rollup.duration.total, rollup.first_token.total) == (2, 2)


def test_hours_and_days_are_of_utc() -> None:
    """The viewer's zone moves instants only."""
    east = NOW.astimezone(tz=None) + timedelta(hours=0)
    assert span_start(east, HOUR) == datetime(2026, 11, 21, 18, tzinfo=UTC)
    assert span_start(NOW, DAY) == datetime(2026, 11, 21, tzinfo=UTC)
    assert span_start(datetime(1969, 12, 31, 23, 59, tzinfo=UTC), DAY) == datetime(1969, 12, 31, tzinfo=UTC)
