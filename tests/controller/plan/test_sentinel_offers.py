"""Sentinels that `plan` offers: the cheapest model of a provider, where it costs no more or the budget pays for it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from controller.plan.runner import plan
from controller.plan.sentinel_offers import SentinelOffer, sentinel_offers
from controller.plan.trials import trial_subjects
from monitor.config.route import Route
from monitor.config.settings import BudgetSettings, Settings
from probes.target import Price
from tests.support.builders import settings

DEAR, OTHER, NANO, STANDBY = NAMES = ("openai/dear", "openai/other", "openai/nano", "anthropic/c")
CHEAP: Mapping[str, float | None] = {DEAR: 0.001, OTHER: 0.001, NANO: 0.0001, STANDBY: 0.001}


def wanted(usd_per_month: float | None = None) -> Settings:
    """Three models of one provider, and one of another."""
    plain = settings(Path("/nowhere"), *NAMES, routes=[Route(name="chat", candidates=(DEAR, STANDBY))])
    price = Price(input_usd=10.0, output_usd=10.0)  # else what is on this machine costs nothing
    targets = tuple(replace(each, price=price) for each in plain.targets)
    return replace(plain, targets=targets, budget=BudgetSettings(usd_per_month=usd_per_month))


def offers(of: Settings, prices: Mapping[str, float | None] = CHEAP) -> list[SentinelOffer]:
    """What is offered for all providers that may fail."""
    return list(sentinel_offers(of, prices, [each for each in trial_subjects(of) if not each.alone]))


def test_the_cheapest_model_is_offered_where_that_costs_no_more() -> None:
    """With the intervals that the key would bring; a provider with one model has nobody who could stand for it."""
    [offer] = offers(wanted())
    assert (offer.subject.name, offer.sentinel) == ("openai", "nano")
    assert {each.id: each.interval_s for each in offer.subject.settings.targets} == {
        DEAR: 45.0,
        OTHER: 45.0,
        NANO: pytest.approx(5.0),
        STANDBY: 30.0,
    }
    assert offer.usd_per_month < offer.usd_per_month_without


@pytest.mark.parametrize(
    "prices",
    [
        pytest.param({**CHEAP, NANO: 0.0005}, id="not cheap enough"),
        pytest.param({**CHEAP, OTHER: None}, id="a price is unknown"),
        pytest.param(dict.fromkeys(NAMES, 0.0), id="all is free"),
    ],
)
def test_none_is_offered_that_does_not_pay(prices: Mapping[str, float | None]) -> None:
    """A sentinel is for those who watch the money."""
    assert not offers(wanted(), prices)


def test_none_is_offered_to_who_has_decided() -> None:
    """One is there already, or the intervals are not equal."""
    plain = wanted()
    named = tuple(replace(each, provider=replace(each.provider, sentinel="other")) for each in plain.targets)
    uneven = (replace(plain.targets[0], interval_s=10.0), *plain.targets[1:])
    assert not offers(replace(plain, targets=named))
    assert not offers(replace(plain, targets=uneven))


def test_a_budget_may_pay_for_one_that_costs_more() -> None:
    """Within what regular probes may cost; where the budget stretches the intervals, with those that it leaves."""
    prices = {**CHEAP, NANO: 0.0005}
    assert [offer.sentinel for offer in offers(wanted(1000.0), prices)] == ["nano"]
    for usd in (20.0, 100.0):
        assert all(offer.usd_per_month <= 0.85 * usd for offer in offers(wanted(usd)))


@pytest.mark.slow
def test_a_plan_tries_what_it_offers() -> None:
    """The outages are found sooner, and the document says so."""
    price, nano = Price(input_usd=10.0, output_usd=10.0), Price(input_usd=0.1, output_usd=0.1)
    plain = wanted()
    targets = tuple(replace(each, price=nano if each.id == NANO else price) for each in plain.targets)
    planned = plan(replace(plain, targets=targets), seeds=10, jobs=1)
    [offer] = planned["sentinel_offers"]
    [half] = [
        outage
        for outage in planned["routes"][0]["outages"]
        if (outage["of"], outage["failure_rate"]) == ("openai", 0.5)
    ]
    assert (offer["provider"], offer["sentinel"], offer["runs"]) == ("openai", "nano", 10)
    assert offer["time_to_flip_s"]["mean"] < half["time_to_flip_s"]["mean"]
