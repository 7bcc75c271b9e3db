"""The budget in a running service: real probes over HTTP, a real database, and targets at a price of their own."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer

from controller.cli.main import main
from controller.service.service import Service
from monitor.budget import summary
from monitor.budget.allocation import month_of
from monitor.budget.summary import read_summary
from monitor.budget.tracker import Throttling, to_json
from monitor.config.settings import Blips, BudgetSettings, ConnectivitySettings, ControllerSettings, Settings
from monitor.detection.detector import Detector
from monitor.health import Health
from monitor.storage.database import open_reader, open_writer
from monitor.storage.store import Store
from probes.target import Price
from tests.support.builders import T0, observation, settings

PAID, OWN = "openai/gpt-6-luna", "own/model"
#: A probe of about twenty tokens costs some tenths of a cent.
DEAR = Price(input_usd=100.0, output_usd=100.0)
PATIENCE_S = 20.0


@pytest.fixture
def provider() -> Iterator[LLMockServer]:
    """A provider that says what it is asked to."""
    with LLMockServer(responses=MockResponseSettings(response_style="echo")) as server:
        yield server


def configuration(folder: Path, cap: float | None, *, url: str = "https://api.example/v1") -> Settings:
    """A target that costs money and one that does not, each at a second, and a route over both."""
    # Thresholds for blips that last many intervals take seconds to find.
    quick = ControllerSettings(blips=Blips(length=(0.05, 0.1)))
    plain = settings(folder, PAID, OWN, controller=quick)
    paid, own = (
        replace(one, provider=replace(one.provider, base_url=url), interval_s=1.0, price=price)
        for one, price in zip(plain.targets, (DEAR, Price(input_usd=0, output_usd=0)), strict=True)
    )
    nowhere = ConnectivitySettings(endpoints=())
    return replace(plain, targets=(paid, own), budget=BudgetSettings(usd_per_month=cap), connectivity=nowhere)


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    """What the database holds."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/hotspare.db?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def wait(until: Callable[[], bool]) -> None:
    """Until that holds, or the patience is over."""
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s"
        time.sleep(0.05)


async def serve(wanted: Settings, until: Callable[[], bool]) -> None:
    """Run the service until that holds."""
    stop = asyncio.Event()
    with Service(wanted) as service:
        running = asyncio.create_task(service.run(stop))
        try:
            await asyncio.to_thread(wait, until)
        finally:
            stop.set()
            await running


def probes_of(folder: Path, target: str) -> int:
    """How many probes of it are stored."""
    [(count,)] = rows(folder, f"SELECT COUNT(*) FROM observations WHERE target = '{target}'")  # noqa: S608 - ours
    return int(str(count))


@pytest.mark.slow
async def test_a_spent_budget_is_told_once_and_nobody_fails_over(tmp_path: Path, provider: LLMockServer) -> None:
    """What costs money is asked no more and becomes unknown, what is free goes on, the route holds; and no restart
    changes anything of it.
    """
    wanted = configuration(tmp_path, 0.004, url=f"{provider.url}/v1")
    spent = "SELECT text, telling FROM events WHERE kind = 'probing_stopped'"

    await serve(wanted, lambda: bool(rows(tmp_path, spent)) and probes_of(tmp_path, OWN) >= 2)
    asked = probes_of(tmp_path, PAID)
    assert asked == 1
    await serve(wanted, lambda: probes_of(tmp_path, OWN) >= 5)

    assert probes_of(tmp_path, PAID) == asked
    ends = f"{month_of(datetime.now(UTC)).ends:%Y-%m-%d}"
    told = f"{PAID} will not be probed until {ends}: the budget of $0.004 is spent, and no route moves because of that"
    assert rows(tmp_path, spent) == [(told, "due")]
    [(health, reason)] = rows(tmp_path, f"SELECT health, reason FROM target_states WHERE target = '{PAID}'")  # noqa: S608
    assert (health, reason) == ("unknown", f"{PAID} is unknown: not probed until {ends}: the budget of $0.004 is spent")
    assert rows(tmp_path, "SELECT target, move FROM decisions") == [(PAID, "first")]
    [(usd,)] = rows(tmp_path, "SELECT SUM(usd) FROM spending")
    assert 0 < float(str(usd)) <= 0.004 * 1.02

    engine = open_reader(wanted.database)
    found = read_summary(wanted, Store(engine), datetime.now(UTC))
    engine.dispose()
    assert found.exhausted
    assert found.alarm is not None
    assert found.alarm.startswith("The budget of $0.004 is spent: paid targets are not probed until ")


@pytest.mark.slow
async def test_intervals_stretch_from_the_first_probe_on(tmp_path: Path, provider: LLMockServer) -> None:
    """With money for a probe in a minute or so, what costs money is asked once at the start, what is free as ever."""
    wanted = configuration(tmp_path, 50.0, url=f"{provider.url}/v1")
    await serve(wanted, lambda: probes_of(tmp_path, OWN) >= 5 and probes_of(tmp_path, PAID) >= 1)
    assert probes_of(tmp_path, PAID) == 1
    [(kind, telling)] = rows(tmp_path, "SELECT kind, telling FROM events WHERE subject = 'budget'")
    assert (kind, telling) == ("interval_stretched", "due")
    [(paid,)] = rows(tmp_path, f"SELECT health FROM target_states WHERE target = '{PAID}'")  # noqa: S608 - ours
    assert paid == "up"


@pytest.mark.slow
def test_a_purse_goes_on_from_the_ledger(tmp_path: Path) -> None:
    """What was spent, what probes cost lately, and the pace of the service before."""
    wanted = configuration(tmp_path, 1.0)
    engine = open_writer(wanted.database)
    store = Store(engine)
    store.record([replace(observation(name=PAID), cost_usd=0.25), replace(observation(name=OWN), cost_usd=9.0)])
    pace = Throttling(month=month_of(T0).begins, cap_usd=1.0, stretches={PAID: 4096.0})
    store.save_throttling(to_json(pace), T0)
    purse = summary.open_tracker(wanted, store, T0)
    engine.dispose()
    assert purse.spent_usd == 0.25
    assert purse.throttling == pace
    # By the mean of what was paid, not by the price of the usual tokens: three more, not hundreds.
    assert [purse.reserve_probe(PAID, T0), purse.grant_extra((PAID,), T0)] == [True, ()]
    assert not purse.is_newly_exhausted(PAID)


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
    assert list(summary.warnings(replace(wanted, targets=(paid, wanted.targets[1])), T0)) == expected


@pytest.mark.slow
def test_check_warns_of_it(tmp_path: Path, provider: LLMockServer, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, beside the configuration's own warnings."""
    path = tmp_path / "hotspare.yaml"
    models = {"m": {"price": {"input": 100, "output": 100}}}
    openai = {"dialect": "openai-chat", "base_url": f"{provider.url}/v1", "api_key": "made-up-key", "models": models}
    document = {
        "providers": {"openai": openai},
        "routes": {"chat": {"candidates": ["openai/m"]}},
        "budget": {"usd_per_month": 5},
        "connectivity": {"endpoints": []},
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    main(["check", "-c", str(path)])
    assert "warning: budget.usd_per_month: paid targets are probed less often (30s → " in capsys.readouterr().err


def test_nobody_asked_is_nobody_known(tmp_path: Path) -> None:
    """Unknown for that reason, once; up again with the next answer; what is down stays so, for nothing proved it is
    back.
    """
    judge = Detector(settings(tmp_path, PAID, OWN), T0)
    judge.observe(observation(name=PAID))
    [changed] = judge.stop_watching(PAID, T0, "the budget is spent")
    assert (changed.before, changed.after) == (Health.UP, Health.UNKNOWN)
    assert changed.reason == f"{PAID} is unknown: the budget is spent"
    assert judge.stop_watching(PAID, T0, "the budget is spent") == ()
    [back] = judge.observe(observation(at_s=30, name=PAID))
    assert back.after is Health.UP

    for number in range(40):
        judge.observe(observation("x", at_s=60 + number * 5, name=PAID))
    assert judge.health[PAID].health is Health.DOWN
    assert judge.stop_watching(PAID, T0, "the budget is spent") == ()
    assert judge.health[PAID].health is Health.DOWN
