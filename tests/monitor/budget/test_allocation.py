"""A cap on money becomes longer intervals: the arithmetic of it."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.budget import allocation
from monitor.budget.allocation import LONGEST_STRETCHED_S, RESERVE, STRETCHES, BudgetAllocation, PaidTarget, month_of
from tests.support.builders import settings

MONTH = month_of(datetime(2026, 11, 21, 18, 0, tzinfo=UTC))


def paid(*intervals_s: float, usd: float = 1e-5) -> list[PaidTarget]:
    """Targets at these intervals, each probe of the same cost."""
    return [PaidTarget(target=f"openai/m{n}", interval_s=s, usd=usd) for n, s in enumerate(intervals_s)]


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
    assert month.contains(month.begins)
    assert not month.contains(month.ends)


@pytest.mark.parametrize(
    ("targets", "factor", "expected"),
    [
        pytest.param(paid(30), 1.0, 1.0, id="what fits is not stretched"),
        pytest.param(paid(30), 0.99, 1.25, id="the next step when it does not"),
        pytest.param(paid(30), 0.5, 2.0, id="half of the money, twice the interval"),
        pytest.param(paid(30), 1 / 100, 128.0, id="the longest interval is an hour"),
        pytest.param(paid(30), 0.0, 128.0, id="no money at all: once an hour"),
        pytest.param(paid(7200), 0.1, 1.0, id="what is configured longer than an hour stays so"),
        pytest.param(paid(30, usd=0.0), 0.0, 1.0, id="unknown prices stretch nothing"),
        pytest.param([], 1.0, 1.0, id="nothing that costs money"),
    ],
)
def test_intervals_stretch_until_they_fit(targets: list[PaidTarget], factor: float, expected: float) -> None:
    """By the smallest step at which the cost is a `factor` of that of the configured intervals, or all are at 1 h."""
    found = allocation.allocate(targets, factor * allocation.usd_per_s(targets)).stretches
    assert found == ({one.target: expected for one in targets} if expected > 1 else {})


def test_every_interval_can_reach_an_hour() -> None:
    """There are enough steps for the shortest interval that may be configured."""
    assert allocation.stretched_s(0.5, STRETCHES[-1]) == LONGEST_STRETCHED_S
    assert list(STRETCHES) == sorted(set(STRETCHES))


def test_a_shorter_interval_needs_money_to_spare() -> None:
    """At the edge between two steps a little noise moves nothing: up at once, down only with a tenth to spare."""
    [one] = targets = paid(30)
    two, three = (BudgetAllocation(stretches={one.target: stretch}) for stretch in (2.0, 3.0))
    edge = allocation.usd_per_s(targets, two.stretches)
    assert allocation.allocate(targets, edge * 0.999, present=two) == three
    assert allocation.allocate(targets, edge * 1.05, present=three) == three
    assert allocation.allocate(targets, edge / (1 - 0.1) * 1.001, present=three) == two


def usd(**costs: float) -> list[PaidTarget]:
    """Targets of these names at 30 s, each of its own cost a probe."""
    return [PaidTarget(target=name, interval_s=30.0, usd=cost) for name, cost in costs.items()]


@pytest.mark.parametrize(
    ("targets", "allowed", "stretches", "beyond"),
    [
        pytest.param(usd(a=3e-5, b=30e-5), 6e-6, {"b": 2.0}, set(), id="the dear one alone, to what is left"),
        pytest.param(usd(a=3e-5, b=30e-5), 1.5e-6, {"a": 1.5, "b": 16.0}, set(), id="both to the same rate"),
        pytest.param(
            [
                replace(one, interval_s=interval_s)
                for one, interval_s in zip(usd(a=3e-5, b=3e-5), (30, 300), strict=True)
            ],
            6e-7,
            {"a": 2.0},
            set(),
            id="of two that cost the same, the one that is asked more often",
        ),
        pytest.param(
            usd(a=3e-5, b=3.6e-3), 2e-6, {"b": 128.0}, set(), id="one probe an hour for all, while half pays for it"
        ),
        pytest.param(usd(a=3e-5, b=0.036), 2e-6, {"b": 128.0}, {"b"}, id="one that a probe an hour is too much for"),
        pytest.param(usd(a=3e-5, b=36.0), 2e-6, {"b": 128.0}, {"b"}, id="however dear it is"),
        pytest.param(usd(a=3e-5, b=0.0), 0.0, {"a": 128.0}, {"a"}, id="no money: all whose price is known"),
    ],
)
def test_the_dearest_are_stretched_first(
    targets: list[PaidTarget], allowed: float, stretches: dict[str, float], beyond: set[str]
) -> None:
    """Nobody costs more than the others may; who costs less keeps the interval."""
    found = allocation.allocate(targets, allowed)
    assert found == BudgetAllocation(stretches=stretches, beyond=frozenset(beyond))


@pytest.mark.parametrize("seed", range(20))
def test_shares_never_cost_more_than_is_allowed(seed: int) -> None:
    """Whatever the costs and intervals, without those beyond; and none is stretched more than one that costs more."""
    chance = random.Random(seed)
    some = [
        PaidTarget(
            target=f"t{n}", interval_s=chance.choice((5.0, 30.0, 300.0, 7200.0)), usd=10 ** chance.uniform(-7, -1)
        )
        for n in range(chance.randint(1, 30))
    ]
    allowed = allocation.usd_per_s(some) * chance.choice((0.001, 0.01, 0.1, 0.5, 0.99))
    present = allocation.allocate(some, allowed * chance.uniform(0.5, 2))
    found = allocation.allocate(some, allowed, present=present)
    assert (
        allocation.usd_per_s((one for one in some if one.target not in found.beyond), found.stretches)
        <= allowed * 1.0001
    )
    plain = allocation.allocate(some, allowed)
    for interval_s in (5.0, 30.0, 300.0):
        alike = sorted((one.usd, plain.stretches.get(one.target, 1.0)) for one in some if one.interval_s == interval_s)
        assert [stretch for _, stretch in alike] == sorted(stretch for _, stretch in alike)


@pytest.mark.parametrize(
    ("stretches", "text"),
    [
        pytest.param({}, "", id="nobody"),
        pytest.param(dict.fromkeys("abcd", 2.0), "paid targets are probed less often (30s → 1m)", id="all alike"),
        pytest.param({"b": 128.0}, "one target is probed less often (b 30s → 1h)", id="one of several"),
        pytest.param(
            {"a": 1.5, "b": 128.0, "c": 1.5},
            "some targets are probed less often (b 30s → 1h, 2 targets 30s → 45s)",
            id="the most stretched first",
        ),
        pytest.param(
            {"a": 1.5, "b": 128.0, "c": 3.0, "d": 2.0},
            "some targets are probed less often (b 30s → 1h, c 30s → 1.5m and 2 more)",
            id="not all of them",
        ),
    ],
)
def test_who_is_probed_less_often_is_said(stretches: dict[str, float], text: str) -> None:
    """Each target's own interval, as far as that fits into a sentence."""
    assert allocation.describe_stretches(usd(a=1.0, b=1.0, c=1.0, d=1.0), stretches) == text


def test_only_paid_targets_are_stretched(tmp_path: Path) -> None:
    """Those that cost nothing keep their interval; nothing else of the settings changes."""
    plain = settings(tmp_path, "openai/a", "own/b")
    longer = allocation.stretched(plain, {"openai/a": 4.0})
    assert [target.interval_s for target in longer.targets] == [120.0, 30.0]
    assert longer.routes == plain.routes
    assert allocation.stretched(plain, {}) is plain


def test_the_reserve_is_what_regular_probes_do_not_need() -> None:
    """Fifteen per cent of the cap without a day's regular probes; nothing once bursts have used that up."""
    day = (1 - RESERVE) * 10 / 30
    assert allocation.reserve_usd(10.0, 10.0, MONTH, MONTH.begins) == pytest.approx(10 * RESERVE - day)
    half = MONTH.begins + timedelta(seconds=MONTH.seconds / 2)
    assert allocation.reserve_usd(10.0, 10 - 10 * (1 - RESERVE) / 2, MONTH, half) == pytest.approx(10 * RESERVE - day)
    assert allocation.reserve_usd(10.0, 10 * (1 - RESERVE) / 2 + day, MONTH, half) == pytest.approx(0)


def test_what_bursts_may_use_does_not_lengthen_the_intervals() -> None:
    """With the reserve all gone, what is left still pays for the pace of the whole month, at any time of it."""
    for day in range(30):
        now = MONTH.begins + timedelta(days=day)
        left = 10.0 - allocation.reserve_usd(10.0, 10.0, MONTH, now)
        assert allocation.rest_usd_per_s(left, MONTH, now) > allocation.all_month_usd_per_s(10.0, MONTH)


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
    said = allocation.forecast(cap, paid(30), MONTH)
    assert said.usd_per_month == pytest.approx(0.864)
    assert said.stretches.get("openai/m0", 1.0) == stretch
    assert (said.lasts_s is None) is lasts
    assert said.beyond == (() if lasts else ("openai/m0",))
    assert not lasts or allocation.usd_per_s(paid(30), said.stretches) * MONTH.seconds <= cap


def test_what_the_dearest_gets_is_foreseen() -> None:
    """Of one beyond the budget, how long the rest of the money lasts; of one that it does not pay for once, nothing."""
    said = allocation.forecast(5.0, usd(cheap=1e-6, dear=0.012), MONTH)
    assert (said.beyond, said.stretches) == (("dear",), {"dear": 128.0})
    assert said.lasts_s == pytest.approx((5.0 - 0.75 - 0.0864) / 0.012 * 3600)
    said = allocation.forecast(5.0, usd(cheap=1e-6, dear=6.0), MONTH)
    assert (said.beyond, said.lasts_s, said.stretches) == (("dear",), 0.0, {"dear": 128.0})


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (5, "$5"),
        (2.5, "$2.50"),
        (0.00421, "$0.0042"),
        (0.0000412, "less than $0.0001"),
        (1234.5, "$1,234.50"),
        (0, "$0"),
    ],
)
def test_money_is_readable(amount: float, text: str) -> None:
    """Cents where there are any, and small sums not rounded to nothing."""
    assert allocation.format_usd(amount) == text
