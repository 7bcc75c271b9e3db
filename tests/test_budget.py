"""A cap on money becomes longer intervals: the arithmetic of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor import budget
from monitor.budget import RESERVE, STRETCHES, Paid, month_of
from monitor.settings import LONGEST_STRETCHED_S
from tests.builders import settings

MONTH = month_of(datetime(2026, 11, 21, 18, 0, tzinfo=UTC))


def paid(*intervals_s: float, usd: float = 1e-5) -> list[Paid]:
    """Targets at these intervals, each probe of the same cost."""
    return [Paid(target=f"openai/m{n}", interval_s=s, usd=usd) for n, s in enumerate(intervals_s)]


@pytest.mark.parametrize(
    ("at", "begins", "ends"),
    [
        pytest.param("2026-11-30T23:59:59+00:00", "2026-11-01", "2026-12-01", id="the last second"),
        pytest.param("2026-12-01T00:00:00+00:00", "2026-12-01", "2027-01-01", id="the first instant of December"),
        pytest.param("2028-02-29T12:00:00+00:00", "2028-02-01", "2028-03-01", id="a leap day"),
    ],
)
def test_months_are_those_of_the_calendar(at: str, begins: str, ends: str) -> None:
    """From midnight to midnight in UTC."""
    month = month_of(datetime.fromisoformat(at))
    assert (f"{month.begins:%F %T}", f"{month.ends:%F %T}") == (f"{begins} 00:00:00", f"{ends} 00:00:00")
    assert month.begins.tzinfo is UTC
    assert month.holds(month.begins)
    assert not month.holds(month.ends)


@pytest.mark.parametrize(
    ("targets", "factor", "expected"),
    [
        pytest.param(paid(30), 1.0, 1.0, id="what fits is not stretched"),
        pytest.param(paid(30), 0.99, 1.25, id="the next step when it does not"),
        pytest.param(paid(30), 0.5, 2.0, id="half of the money, twice the interval"),
        pytest.param(paid(30), 1 / 100, 128.0, id="the longest interval is an hour"),
        pytest.param(paid(30), 0.0, 128.0, id="no money at all: once an hour"),
        pytest.param(paid(1800, 30), 0.5, 2.0, id="different intervals, one factor"),
        pytest.param(paid(7200), 0.1, 1.0, id="what is configured longer than an hour stays so"),
        pytest.param(paid(30, usd=0.0), 0.0, 1.0, id="unknown prices stretch nothing"),
        pytest.param([], 1.0, 1.0, id="nothing that costs money"),
    ],
)
def test_intervals_stretch_until_they_fit(targets: list[Paid], factor: float, expected: float) -> None:
    """By the smallest step at which the cost is a `factor` of that of the configured intervals, or all are at 1 h."""
    assert budget.stretch_for(targets, factor * budget.usd_per_s(targets)) == expected


def test_every_interval_can_reach_an_hour() -> None:
    """There are enough steps for the shortest interval that may be configured."""
    assert budget.stretched_s(0.5, STRETCHES[-1]) == LONGEST_STRETCHED_S
    assert list(STRETCHES) == sorted(set(STRETCHES))


def test_a_shorter_interval_needs_money_to_spare() -> None:
    """At the edge between two steps a little noise moves nothing: up at once, down only with a tenth to spare."""
    targets = paid(30)
    edge = budget.usd_per_s(targets, 2.0)
    assert budget.stretch_for(targets, edge * 0.999, present=2.0) == 3.0
    assert budget.stretch_for(targets, edge * 1.05, present=3.0) == 3.0
    assert budget.stretch_for(targets, edge / (1 - 0.1) * 1.001, present=3.0) == 2.0


def test_only_paid_targets_are_stretched(tmp_path: Path) -> None:
    """Those that cost nothing keep their interval; nothing else of the settings changes."""
    plain = settings(tmp_path, "openai/a", "own/b")
    longer = budget.stretched(plain, ["openai/a"], 4.0)
    assert [target.interval_s for target in longer.targets] == [120.0, 30.0]
    assert longer.routes == plain.routes
    assert budget.stretched(plain, ["openai/a"], 1.0) is plain


def test_the_reserve_is_what_regular_probes_do_not_need() -> None:
    """Fifteen per cent of the cap without a day's regular probes; nothing once bursts have used that up."""
    day = (1 - RESERVE) * 10 / 30
    assert budget.reserve_usd(10.0, 10.0, MONTH, MONTH.begins) == pytest.approx(10 * RESERVE - day)
    half = MONTH.begins + timedelta(seconds=MONTH.seconds / 2)
    assert budget.reserve_usd(10.0, 10 - 10 * (1 - RESERVE) / 2, MONTH, half) == pytest.approx(10 * RESERVE - day)
    assert budget.reserve_usd(10.0, 10 * (1 - RESERVE) / 2 + day, MONTH, half) == pytest.approx(0)


def test_what_bursts_may_use_does_not_lengthen_the_intervals() -> None:
    """With the reserve all gone, what is left still pays for the pace of the whole month, at any time of it."""
    for day in range(30):
        now = MONTH.begins + timedelta(days=day)
        left = 10.0 - budget.reserve_usd(10.0, 10.0, MONTH, now)
        assert budget.rest_usd_per_s(left, MONTH, now) > budget.all_month_usd_per_s(10.0, MONTH)


@pytest.mark.parametrize(
    ("cap", "stretch", "lasts"),
    [
        pytest.param(100.0, 1.0, True, id="enough"),
        pytest.param(0.864, 1.25, True, id="just what probing costs: the reserve must come from somewhere"),
        pytest.param(0.1, 12.0, True, id="a tenth"),
        pytest.param(0.001, 128.0, False, id="less than a probe an hour"),
    ],
)
def test_a_month_can_be_foreseen(cap: float, stretch: float, lasts: bool) -> None:
    """One target at 30 s and a hundred-thousandth of a dollar a probe costs $0.864 in 30 days."""
    said = budget.forecast(cap, paid(30), MONTH)
    assert said.usd_per_month == pytest.approx(0.864)
    assert said.stretch == stretch
    assert (said.lasts_s is None) is lasts
    assert said.stretched_usd_per_month <= cap


@pytest.mark.parametrize(
    ("usd", "text"), [(5, "$5"), (2.5, "$2.50"), (0.00421, "$0.0042"), (1234.5, "$1,234.50"), (0, "$0")]
)
def test_money_is_readable(usd: float, text: str) -> None:
    """Cents where there are any, and small sums not rounded to nothing."""
    assert budget.money(usd) == text
