"""The budget when the service starts: it goes on from the ledger, and warns of what it will do to probing."""

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.budget.allocation import month_of
from monitor.budget.summary import open_tracker, warnings
from monitor.budget.tracker import Throttling, to_json
from monitor.config.settings import BudgetSettings, Settings
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from probes.target import Price
from tests.support.builders import T0, observation, settings

PAID, OWN = "openai/gpt-6-luna", "own/model"
#: A probe of about twenty tokens costs some tenths of a cent.
DEAR = Price(input_usd=100.0, output_usd=100.0)


def configuration(folder: Path, cap: float | None) -> Settings:
    """A target that costs money and one that does not, each at a second."""
    plain = settings(folder, PAID, OWN)
    paid, own = (
        replace(
            target, provider=replace(target.provider, base_url="https://api.example/v1"), interval_s=1.0, price=price
        )
        for target, price in zip(plain.targets, (DEAR, Price(input_usd=0, output_usd=0)), strict=True)
    )
    return replace(plain, targets=(paid, own), budget=BudgetSettings(usd_per_month=cap))


@pytest.mark.slow
def test_a_tracker_goes_on_from_the_ledger(tmp_path: Path) -> None:
    """What was spent, what probes cost lately, and the pace of the service before."""
    wanted = configuration(tmp_path, 1.0)
    engine = open_writer(wanted.database)
    store = Store(engine)
    store.record([replace(observation(name=PAID), cost_usd=0.25), replace(observation(name=OWN), cost_usd=9.0)])
    pace = Throttling(month=month_of(T0).begins, cap_usd=1.0, stretches={PAID: 4096.0})
    store.save_throttling(to_json(pace), T0)
    tracker = open_tracker(wanted, store, T0)
    engine.dispose()
    assert tracker.spent_usd == 0.25
    assert tracker.throttling == pace
    # By the mean of what was paid, not by the price of the usual tokens: three more, not hundreds.
    assert [tracker.reserve_probe(PAID, T0), tracker.grant_extra((PAID,), T0)] == [True, ()]
    assert not tracker.is_newly_exhausted(PAID)


LONGER = "budget.usd_per_month: paid targets are probed less often (1s → {}) to keep {} a month; the configured"
CONFIGURED = " intervals cost $7,776 (`hotspare plan` says what that means)"
NOT_EVEN = (
    "budget.usd_per_month: $1 does not pay for even one probe an hour of openai/no-such-model: the money for those"
    " probes lasts 13 d 21 h, and none of them is made after that until the next month"
)
NO_PRICE = (
    "budget.usd_per_month: the price of openai/no-such-model is unknown and not counted; write it into the"
    " configuration (price: {input: …, output: …}, in dollars per million tokens)"
)


@pytest.mark.parametrize(
    ("cap", "price", "expected"),
    [
        pytest.param(None, DEAR, [], id="no budget, no warning"),
        pytest.param(1e6, DEAR, [], id="money enough"),
        pytest.param(5_000.0, DEAR, [LONGER.format("2s", "$5,000") + CONFIGURED], id="a longer interval"),
        pytest.param(1.0, DEAR, [LONGER.format("1h", "$1") + CONFIGURED, NOT_EVEN], id="not even one an hour"),
        pytest.param(1.0, None, [NO_PRICE], id="an unknown price"),
    ],
)
def test_what_a_budget_will_do_is_known_before(
    tmp_path: Path, cap: float | None, price: Price | None, expected: list[str]
) -> None:
    """As far as prices tell, in 30 days of November."""
    wanted = configuration(tmp_path, cap)
    paid = replace(wanted.targets[0], price=price, model="no-such-model")
    assert list(warnings(replace(wanted, targets=(paid, wanted.targets[1])), T0)) == expected
