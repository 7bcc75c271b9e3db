"""What page and status say about money: never nothing, never zero for what is not known."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from controller.status.document import status_document
from controller.status.headline import Level
from controller.status.overview import read
from monitor.budget.allocation import stretched
from monitor.budget.summary import BudgetSummary, read_summary, without_price
from monitor.budget.tracker import Throttling, to_json
from monitor.config.settings import BudgetSettings, Settings
from monitor.liveness import ServiceBeat
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from probes.target import Price
from tests.support.builders import T0, observation, settings
from ui import sections as view
from ui.components import money as cell

PAID, OWN = "openai/gpt-6-luna", "own/model"
NOVEMBER, DECEMBER = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def money(**changed: object) -> BudgetSummary:
    """A dollar of five."""
    plain = BudgetSummary(month_begins=NOVEMBER, month_ends=DECEMBER, spent_usd=1.0, cap_usd=5.0)
    return replace(plain, **changed)  # type: ignore[arg-type] # the keywords are the fields' names


def configuration(folder: Path, cap: float | None = 5.0) -> Settings:
    """A target that costs money and one that does not."""
    plain = settings(folder, PAID, OWN)
    paid = replace(plain.targets[0], price=Price(input_usd=1.0, output_usd=1.0))
    return replace(plain, targets=(paid, plain.targets[1]), budget=BudgetSettings(usd_per_month=cap))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(database_url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(money(cap_usd=None), "$1 spent this month", id="no budget"),
        pytest.param(money(), "$1 of the budget of $5 spent this month", id="money enough"),
        pytest.param(
            money(stretches={PAID: 4.0}, stretch_text="paid targets are probed less often (30s → 2m)"),
            "$1 of the budget of $5 spent this month; paid targets are probed less often (30s → 2m)",
            id="stretched",
        ),
        pytest.param(
            money(
                stopped=(PAID,),
                throttling=Throttling(month=NOVEMBER, reserve_used_up=True),
                stretches={PAID: 128.0},
                stretch_text="…",
            ),
            "$1 of the budget of $5 spent this month; paid targets are not probed until 2026-12-01",
            id="spent",
        ),
        pytest.param(
            money(
                stopped=(PAID,),
                probed=("x/y",),
                stretches={PAID: 128.0},
                stretch_text="one target is probed less often (…)",
            ),
            f"$1 of the budget of $5 spent this month; no money for {PAID}: not probed until 2026-12-01; one target is"
            " probed less often (…)",
            id="spent for one of them",
        ),
        pytest.param(
            money(throttling=Throttling(month=datetime(2026, 10, 1, tzinfo=UTC), reserve_used_up=True)),
            "$1 of the budget of $5 spent this month",
            id="no reserve left last month, which is over",
        ),
        pytest.param(
            money(throttling=Throttling(month=NOVEMBER, reserve_used_up=True)),
            "$1 of the budget of $5 spent this month; the reserve for extra probes is used up",
            id="no reserve left",
        ),
        pytest.param(
            money(cap_usd=None, unknown=(PAID,)),
            "$1 spent this month; the price of 1 target is unknown and not counted",
            id="an unknown price",
        ),
    ],
)
def test_money_in_words(found: BudgetSummary, words: str) -> None:
    """What is spent, and what follows from it."""
    assert found.sentence == words


def test_it_is_read_from_what_the_service_stored(tmp_path: Path, engine: Engine) -> None:
    """What counts and was spent in November, and the pace; without a budget, of everything that has a price."""
    store = Store(engine)
    store.record([replace(observation(name=PAID), cost_usd=0.25), replace(observation(name=OWN), cost_usd=9.0)])
    store.record([replace(observation(name="gone/model"), cost_usd=0.5)])
    store.record([replace(observation(name=PAID, at_s=-30 * 86400), cost_usd=100.0)])
    store.save_throttling(to_json(Throttling(month=NOVEMBER, cap_usd=5.0, stretches={PAID: 4.0, OWN: 2.0})), T0)
    wanted = configuration(tmp_path)
    found = read_summary(wanted, store, T0)
    assert (found.spent_usd, found.stretches) == (0.75, {PAID: 4.0})
    assert found.stretch_text == "paid targets are probed less often (30s → 2m)"
    assert [target.interval_s for target in stretched(wanted, found.stretches).targets] == [120.0, 30.0]
    free = configuration(tmp_path, None)
    assert read_summary(free, store, T0).spent_usd == 9.75
    assert stretched(free, read_summary(free, store, T0).stretches) is free


@pytest.mark.parametrize(
    ("stopped", "month", "empty", "alarm"),
    [
        pytest.param((PAID,), NOVEMBER, True, True, id="all that costs money"),
        pytest.param(("gone/model",), NOVEMBER, False, False, id="one that is not configured any more"),
        pytest.param((PAID,), datetime(2026, 10, 1, tzinfo=UTC), False, False, id="last month, which is over"),
    ],
)
def test_a_spent_budget_is_that_of_this_month_and_of_all(
    tmp_path: Path, engine: Engine, stopped: tuple[str, ...], month: datetime, empty: bool, alarm: bool
) -> None:
    """Nobody watches what costs money: that is the headline, and nothing less is."""
    store = Store(engine)
    store.save_throttling(to_json(Throttling(month=month, cap_usd=5.0, stopped=stopped)), T0)
    found = read_summary(configuration(tmp_path), store, T0)
    assert (found.exhausted, found.alarm is not None) == (empty, alarm)


def test_page_and_status_say_that_nobody_watches(tmp_path: Path, engine: Engine) -> None:
    """The headline is bad news, and the document says until when."""
    store = Store(engine)
    store.record([observation(name=PAID), observation(name=OWN)])
    store.save_throttling(to_json(Throttling(month=NOVEMBER, cap_usd=5.0, stopped=(PAID,))), T0)
    store.beat(ServiceBeat(pid=1, host="h", version="1", started_at=T0, beat_at=T0))
    seen = read(configuration(tmp_path), engine, T0 + timedelta(seconds=1))
    assert seen.level is Level.BAD
    assert seen.headline == "The budget of $5 is spent: paid targets are not probed until 2026-12-01"
    said = status_document(seen)["money"]
    assert (said["spent"], said["month_ends"], said["price_unknown"]) == (True, "2026-12-01T00:00:00.000Z", [PAID])
    assert (said["stopped"], said["stretches"]) == ([PAID], {})
    assert "Paid targets are not probed" not in view.money(replace(seen, money=None))
    assert "paid targets are not probed until 2026-12-01" in view.money(seen)


def test_an_unknown_price_is_called_unknown(tmp_path: Path) -> None:
    """Of what has answered; of what has not, nothing is known at all; an own model has none."""
    wanted = configuration(tmp_path)
    assert without_price(wanted, {PAID: None, OWN: None}, [PAID, OWN]) == (PAID,)
    assert without_price(wanted, {PAID: 0.0}, [PAID]) == ()
    assert without_price(wanted, {PAID: None}, []) == ()
    assert "unknown" in cell(None, answered=True)
    assert "–" in cell(None)
    assert cell(0.0) == "$0.00"


def test_a_hostile_name_is_text(tmp_path: Path, engine: Engine) -> None:
    """Names of models come from the configuration, and are escaped all the same."""
    seen = read(configuration(tmp_path), engine, T0)
    hostile = replace(seen, money=money(unknown=('<script>"x/y',)))
    assert "<script>" not in view.money(hostile)
