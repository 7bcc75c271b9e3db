"""The month's budget is kept, whatever happens in the month; nothing is left unwatched before it is spent."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.budget import tracker as budget_tracker
from monitor.budget.allocation import stretched_s
from monitor.budget.summary import unread_tracker
from monitor.budget.tracker import BudgetTracker, Throttling
from monitor.config.settings import BudgetSettings, Settings
from probes.context_check import CONTEXT
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check, Price
from tests.support.builders import settings

BEGIN, DECEMBER = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
DOLLAR = Price(input_usd=1.0, output_usd=1.0)
MINUTE = timedelta(minutes=1)


def configuration(folder: Path, cap: float | None, *, targets: int = 2, interval_s: float = 300.0) -> Settings:
    """So many targets that cost money, and one of this machine that does not."""
    plain = settings(folder, *(f"openai/m{number}" for number in range(targets)), "own/model")
    paid = tuple(replace(one, price=DOLLAR, interval_s=interval_s) for one in plain.targets[:-1])
    return replace(plain, targets=(*paid, plain.targets[-1]), budget=BudgetSettings(usd_per_month=cap))


def new_tracker(
    folder: Path, cap: float | None, *, now: datetime = BEGIN, spent: float = 0.0, usual: float | None = 1e-4
) -> BudgetTracker:
    """A purse in which `openai/m0` has spent so much this month."""
    made = configuration(folder, cap)
    means = {target.id: usual for target in made.targets}
    return BudgetTracker(made, now=now, spent={"openai/m0": spent}, usual=means)


def seen(target: str, at: datetime, usd: float | None) -> Observation:
    """A probe that cost so much."""
    return Observation(target=target, check=Check.CHAT, started_at=at, outcome=Outcome.OK, duration_s=0.1, cost_usd=usd)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("cap", "lasts"),
    [
        pytest.param(100.0, True, id="more than enough"),
        pytest.param(1.9, True, id="hardly enough"),
        pytest.param(0.6, True, id="a third of it"),
        pytest.param(0.12, False, id="not even for one an hour"),
    ],
)
def test_the_budget_is_kept(tmp_path: Path, cap: float, lasts: bool, seed: int) -> None:
    """Over a month with random bursts and prices that rise and fall by half, at most 2 % more is spent, and until it
    cannot be paid any more every target is probed at least once an hour.
    """
    chance = random.Random(seed)
    made = configuration(tmp_path, cap)
    paid = [target.id for target in made.targets[:-1]]
    kept = BudgetTracker(made, now=BEGIN, spent={}, usual=dict.fromkeys(paid, 1e-4))
    cost = dict.fromkeys(paid, 1e-4)
    due = dict.fromkeys(paid, BEGIN)
    last = dict.fromkeys(paid, BEGIN)
    total, longest_s, bursting, at, extras, stopped = 0.0, 0.0, 0, BEGIN, 0, set[str]()
    while at < DECEMBER and at < BEGIN + timedelta(days=30):
        kept.review(at)
        stopped.update(kept.throttling.stopped)
        if chance.random() < 1 / 400:
            cost = {name: 1e-4 * chance.uniform(0.5, 1.5) for name in paid}
        bursting = 12 if chance.random() < 1 / 50 else max(0, bursting - 1)
        intervals = {one.id: one.interval_s for one in kept.throttled_settings().targets}
        for name in paid:
            if at >= due[name] and kept.reserve_probe(name, at):
                kept.add_cost(seen(name, at, cost[name]))
                longest_s = max(longest_s, 0.0 if name in stopped else (at - last[name]).total_seconds())
                total, last[name], due[name] = total + cost[name], at, at + timedelta(seconds=intervals[name])
            if bursting and kept.grant_extra((name,), at) and kept.reserve_probe(name, at):
                kept.add_cost(seen(name, at, cost[name]))
                total, last[name], extras = total + cost[name], at, extras + 1
        at += 5 * MINUTE
    assert total <= 1.02 * cap
    assert total == pytest.approx(kept.spent_usd)
    assert longest_s <= 3600 + 300
    assert bool(stopped) is not lasts
    assert extras > 100 or not lasts


def test_what_fits_is_never_stretched(tmp_path: Path) -> None:
    """With money enough, the pace is the configured one all month, and there is nothing to say."""
    rich = new_tracker(tmp_path, 100.0)
    assert not any(rich.review(BEGIN + MINUTE * minute) for minute in range(0, 43_200, 7))
    assert rich.throttling.stretches == {}
    assert rich.throttled_settings().targets == configuration(tmp_path, 100.0).targets


@pytest.mark.slow
def test_the_stretch_does_not_flap(tmp_path: Path) -> None:
    """Costs that scatter about the edge between two stretches change it once, not with every probe."""
    chance = random.Random(7)
    # Two targets at 300 s and 1e-4: $1.728 a month. The edge of no stretch is at a cap of 1.728 / 0.85.
    edge = new_tracker(tmp_path, 1.728 / 0.85)
    changes = 0
    for minute in range(0, 43_200, 5):
        at = BEGIN + MINUTE * minute
        changes += any(news.kind.startswith("interval_") for news in edge.review(at))
        for name in ("openai/m0", "openai/m1"):
            interval_s = stretched_s(300.0, edge.throttling.stretches.get(name, 1.0))
            if minute * 60 % interval_s < 300:
                edge.add_cost(seen(name, at, chance.gauss(1e-4, 1e-5)))
    assert changes <= 3


def test_no_cap_allows_everything(tmp_path: Path) -> None:
    """Without a budget there is nothing to keep, and nothing to say."""
    free = new_tracker(tmp_path, None, spent=1e6)
    assert free.review(BEGIN) == []
    assert free.reserve_probe("openai/m0", BEGIN)
    assert free.grant_extra(("openai/m0",), BEGIN) == ("openai/m0",)
    assert free.throttling == Throttling()


def test_an_own_model_is_never_stretched_nor_stopped(tmp_path: Path) -> None:
    """Whatever the others have spent."""
    empty = new_tracker(tmp_path, 1.0, spent=1.0)
    empty.review(BEGIN)
    assert empty.throttling.stopped == ("openai/m0", "openai/m1")
    assert not empty.reserve_probe("openai/m0", BEGIN)
    assert empty.reserve_probe("own/model", BEGIN)
    assert empty.grant_extra(("openai/m0", "own/model"), BEGIN) == ("own/model",)
    assert empty.throttled_settings().targets[-1].interval_s == 30.0


def test_an_empty_purse_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    """Until the month is over, also by the next service; then probing goes on."""
    first = new_tracker(tmp_path, 1.0, spent=1.0)
    said = [news for news in first.review(BEGIN) if news.kind == "probing_stopped"]
    text = (
        "openai/m0, openai/m1 will not be probed until 2026-12-01: the budget of $1 is spent, and no route moves"
        " because of that"
    )
    assert [(news.notify, news.text) for news in said] == [(True, text)]
    assert first.review(BEGIN + MINUTE) == []

    kept = budget_tracker.from_json(budget_tracker.to_json(first.throttling))
    usual = {"openai/m0": 1e-4, "openai/m1": 1e-4}
    second = BudgetTracker(
        configuration(tmp_path, 1.0), now=BEGIN + MINUTE, spent={"openai/m0": 1.0}, usual=usual, throttling=kept
    )
    assert second.review(BEGIN + 2 * MINUTE) == []
    december = datetime(2026, 12, 1, tzinfo=UTC)
    assert second.reserve_probe("openai/m0", december)
    assert [news.kind for news in second.review(december)] == ["interval_stretched", "probing_resumed"]
    assert second.throttling.stopped == ()


def test_a_higher_budget_counts_at_once(tmp_path: Path) -> None:
    """Whoever pays more need not wait for the next month."""
    both = ("openai/m0", "openai/m1")
    pace = Throttling(month=BEGIN, cap_usd=1.0, stretches=dict.fromkeys(both, 12.0), beyond=both, stopped=both)
    usual = dict.fromkeys(both, 1e-4)
    richer = BudgetTracker(
        configuration(tmp_path, 100.0), now=BEGIN, spent={"openai/m0": 1.0}, usual=usual, throttling=pace
    )
    assert [news.kind for news in richer.review(BEGIN)] == ["interval_restored", "probing_resumed"]
    assert richer.reserve_probe("openai/m0", BEGIN)


def test_what_was_spent_before_a_start_without_database_counts_once_it_is_known(tmp_path: Path) -> None:
    """And not twice: the database has this service's own probes too by then."""
    purse = unread_tracker(configuration(tmp_path, 1.0), BEGIN)
    purse.add_cost(seen("openai/m0", BEGIN, 0.25))
    assert purse.is_unread
    purse.learn_spent({"openai/m0": 0.75, "openai/m1": 0.25, "own/model": 9.0}, BEGIN)
    assert (purse.spent_usd, purse.is_unread) == (1.0, False)
    assert not purse.reserve_probe("openai/m0", BEGIN)
    assert not unread_tracker(configuration(tmp_path, None), BEGIN).is_unread


def test_what_other_processes_spend_counts_too(tmp_path: Path) -> None:
    """Once the database has it; probes that it does not have yet count as before."""
    purse = new_tracker(tmp_path, 1.0, spent=0.25)
    purse.add_cost(seen("openai/m0", BEGIN, 0.04))
    purse.learn_spent({"openai/m0": 0.25}, BEGIN)
    assert purse.spent_usd == 0.29
    purse.learn_spent({"openai/m0": 0.29, "compare: openai/m1": 0.71}, BEGIN)
    assert purse.spent_usd == 1.0
    purse.review(BEGIN)
    assert not purse.reserve_probe("openai/m0", BEGIN)


def test_what_is_under_way_is_set_aside(tmp_path: Path) -> None:
    """Probes that run at the same time cannot all have the last of the money."""
    last = new_tracker(tmp_path, 1.0, spent=1.0 - 1.5e-4)
    assert last.reserve_probe("openai/m0", BEGIN)
    assert not last.reserve_probe("openai/m1", BEGIN)
    last.release_probe("openai/m0")
    assert last.reserve_probe("openai/m1", BEGIN)


def test_the_reserve_ends_bursts_and_is_told_once(tmp_path: Path) -> None:
    """When extra probes have used up what was kept for them, regular ones go on alone."""
    middle = BEGIN + timedelta(days=15)
    bare = new_tracker(tmp_path, 1.0, now=middle, spent=0.6)
    assert bare.grant_extra(("openai/m0",), middle) == ()
    kinds = [news.kind for news in bare.review(middle)]
    assert "reserve_used_up" in kinds
    assert bare.grant_extra(("openai/m0",), middle) == ()
    assert "reserve_used_up" not in [news.kind for news in bare.review(middle + MINUTE)]
    assert bare.reserve_probe("openai/m0", middle)


def test_an_unknown_price_counts_nothing(tmp_path: Path) -> None:
    """It stretches nobody, until a probe has been paid for."""
    unknown = new_tracker(tmp_path, 1.0, usual=None)
    unknown.review(BEGIN)
    assert unknown.throttling.stretches == {}
    unknown.add_cost(seen("openai/m0", BEGIN, None))
    unknown.add_cost(seen("openai/m0", BEGIN, 1e-3))
    unknown.review(BEGIN)
    assert list(unknown.throttling.stretches) == ["openai/m0"]


def test_a_month_begins_anew(tmp_path: Path) -> None:
    """What was spent in November is nothing to December, nor is a probe that began in November."""
    kept = new_tracker(tmp_path, 10.0, spent=5.0)
    december = datetime(2026, 12, 1, tzinfo=UTC)
    kept.review(december)
    assert kept.spent_usd == 0.0
    kept.add_cost(seen("openai/m0", december - MINUTE, 0.04))
    kept.add_cost(seen("openai/m0", december, 0.02))
    assert kept.spent_usd == 0.02


def test_a_clock_that_was_ahead_is_set_back(tmp_path: Path) -> None:
    """The month is that of now, and what was spent in it counts: the cap holds."""
    december = datetime(2026, 12, 1, 6, tzinfo=UTC)
    kept = new_tracker(tmp_path, 1.0, now=BEGIN, spent=1.0)
    kept.review(BEGIN)
    kept.review(december)
    assert kept.reserve_probe("openai/m0", december)
    kept.add_cost(seen("openai/m0", december, 0.02))
    assert [news.kind for news in kept.review(BEGIN + MINUTE)] == ["interval_stretched", "probing_stopped"]
    assert kept.spent_usd == 1.0
    assert not kept.reserve_probe("openai/m0", BEGIN + MINUTE)
    kept.review(december)
    assert kept.spent_usd == 0.02


def mixed(folder: Path, cap: float, dear_usd: float, *, now: datetime = BEGIN, spent: float = 0.0) -> BudgetTracker:
    """A purse for `openai/m0`, whose probes cost next to nothing, and `openai/m1`, which costs so much."""
    made = configuration(folder, cap, interval_s=30.0)
    usual = {"openai/m0": 1e-6, "openai/m1": dear_usd}
    return BudgetTracker(made, now=now, spent={"openai/m0": spent}, usual=usual)


def test_one_dear_target_does_not_slow_the_others(tmp_path: Path) -> None:
    """It alone is asked less often, and once its share is spent no more; the cheap one goes on to the month's end, at
    its own interval and with the reserve for its bursts untouched.
    """
    both = mixed(tmp_path, 5.0, 0.012)
    at, due, asked, news = BEGIN, BEGIN, 0, both.review(BEGIN)
    assert [target.interval_s for target in both.throttled_settings().targets] == [30.0, 3600.0, 30.0]
    while at < DECEMBER:
        news += both.review(at)
        if at >= due and both.reserve_probe("openai/m1", at):
            both.add_cost(seen("openai/m1", at, 0.012))
            asked, due = asked + 1, at + timedelta(hours=1)
        assert both.reserve_probe("openai/m0", at)
        both.add_cost(seen("openai/m0", at, 1e-6))
        at += 10 * MINUTE
    assert [one.kind for one in news] == ["interval_stretched", "probing_stopped"]
    assert news[0].text.startswith("one target is probed less often (openai/m1 30s → 1h), and outages there are found")
    assert 300 < asked < 355
    assert both.spent_usd < 5.0 - 0.7
    assert both.throttling.stopped == ("openai/m1",)
    assert both.throttled_settings().targets[0].interval_s == 30.0


def test_a_probe_that_costs_more_than_the_budget_stops_nobody_else(tmp_path: Path) -> None:
    """Those that can be paid go on as if it was not there, and what is said names the one."""
    both = mixed(tmp_path, 5.0, 6.0)
    news = both.review(BEGIN)
    text = (
        "openai/m1 will not be probed until 2026-12-01: the rest of the budget of $5 does not pay for that, and no"
        " route moves because of that"
    )
    assert [one.text for one in news if one.kind == "probing_stopped"] == [text]
    assert both.throttling.stopped == ("openai/m1",)
    assert both.throttled_settings().targets[0].interval_s == 30.0
    assert [both.reserve_probe(name, BEGIN) for name in ("openai/m0", "openai/m1")] == [True, False]
    assert both.grant_extra(("openai/m1", "openai/m0"), BEGIN) == ("openai/m0",)
    assert both.review(BEGIN + MINUTE) == []
    assert not both.throttling.reserve_used_up


def test_the_last_money_is_for_those_that_it_pays_for(tmp_path: Path) -> None:
    """What is left at the end stops the dear one first; the cheap one goes on."""
    late = BEGIN + timedelta(days=29, hours=23)
    both = mixed(tmp_path, 1.0, 0.02, now=late, spent=0.99)
    both.review(late)
    assert both.throttling.stopped == ("openai/m1",)
    assert both.reserve_probe("openai/m0", late)


@pytest.mark.parametrize("said", [pytest.param(9.9, id="a high one"), pytest.param(float("nan"), id="no number")])
def test_a_cost_that_cannot_be_is_not_believed(tmp_path: Path, said: float) -> None:
    """One answer of a provider does not spend the money that all live on."""
    both = mixed(tmp_path, 5.0, 1e-6)
    both.review(BEGIN)
    both.add_cost(seen("openai/m1", BEGIN, said))
    assert both.review(BEGIN + MINUTE) == []
    assert (both.spent_usd, both.throttling.stopped) == (0.0, ())


@pytest.mark.slow
def test_the_shares_do_not_flap(tmp_path: Path) -> None:
    """Costs that scatter change the intervals of a cheap and a dear target a few times in a month, not every minute."""
    chance = random.Random(3)
    made = configuration(tmp_path, 5.0, targets=6, interval_s=300.0)
    mean = {f"openai/m{number}": 5e-5 * 3.0**number for number in range(6)}
    kept = BudgetTracker(made, now=BEGIN, spent={}, usual=mean)
    changes, due = -1, dict.fromkeys(mean, BEGIN)
    for minute in range(0, 43_200, 5):
        at = BEGIN + MINUTE * minute
        changes += any(news.kind.startswith("interval_") for news in kept.review(at))
        intervals = {target.id: target.interval_s for target in kept.throttled_settings().targets}
        for name, usd in mean.items():
            if at >= due[name] and kept.reserve_probe(name, at):
                kept.add_cost(seen(name, at, abs(chance.gauss(usd, usd / 5))))
                due[name] = at + timedelta(seconds=intervals[name])
    assert changes <= 5
    assert kept.spent_usd <= 5.0


def test_a_stretch_says_why(tmp_path: Path) -> None:
    """With the intervals, what it would cost, and what is left."""
    tight = new_tracker(tmp_path, 1.0)
    [news] = tight.review(BEGIN)
    assert news.notify
    assert news.text == (
        "paid targets are probed less often (5m → 15m), and outages there are found later: at the configured"
        " intervals probing costs $1.73 a month; $0 of the budget of $1 spent, 30 d of the month left"
    )


def test_a_pace_of_another_version_is_found_anew() -> None:
    """What cannot be read is nothing to go on from."""
    assert budget_tracker.from_json('{"stretches": "much"}') is None
    assert budget_tracker.from_json('{"stretch": 2.0, "empty": true}') == Throttling()


def test_the_check_context_counts_as_spent_and_stretches_by_its_own_cost(tmp_path: Path) -> None:
    """It is no usual probe, by whose cost the intervals are made; what it takes of the cap is not theirs."""
    made = configuration(tmp_path, 12.0, targets=1, interval_s=30.0)
    usual = {target.id: 1e-4 for target in made.targets}

    def tracker(context_usd_per_s: float) -> BudgetTracker:
        return BudgetTracker(made, now=BEGIN, spent={}, usual=usual, context_usd_per_s=context_usd_per_s)

    plain = tracker(0.0)
    plain.add_cost(replace(seen("openai/m0", BEGIN, 0.04), check=CONTEXT))
    plain.review(BEGIN + MINUTE)
    assert (plain.spent_usd, plain.throttling.stretches) == (0.04, {})
    beside = tracker(5.0 / (30 * 86_400))
    beside.review(BEGIN + MINUTE)
    assert beside.throttling.stretches["openai/m0"] == 1.5
    more_than_all = tracker(20.0 / (30 * 86_400))
    more_than_all.review(BEGIN + MINUTE)
    assert more_than_all.throttled_settings().targets[0].interval_s == 3600.0
