"""The budget in a running service: real probes over HTTP, a real database, and targets at a price of their own."""

import asyncio
import contextlib
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer

from controller.service.service import Service
from monitor.budget.allocation import month_of
from monitor.budget.summary import read_summary
from monitor.config.controller_settings import Blips, ControllerSettings
from monitor.config.settings import BudgetSettings, ConnectivitySettings, Settings
from monitor.storage.database import open_reader
from monitor.storage.store import Store
from probes.context_check import ContextCheck
from probes.target import Price
from tests.support.builders import settings

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
async def test_long_requests_are_asked_beside_the_others(tmp_path: Path, provider: LLMockServer) -> None:
    """They are stored, and asked once more where one fails; the target stays up."""
    wanted = configuration(tmp_path, None, url=f"{provider.url}/v1")
    checks = (ContextCheck(tokens=2_000, every_s=1.0), ContextCheck(tokens=2_000, every_s=1.0, timeout_s=0.001))
    asked = (replace(one, context_check=check) for one, check in zip(wanted.targets, checks, strict=True))
    counted = "SELECT target, outcome, COUNT(*) FROM observations WHERE check_ = 'context' GROUP BY 1, 2 ORDER BY 1"

    def enough() -> bool:
        return all(int(str(count)) >= 3 for *_, count in rows(tmp_path, counted)) and bool(rows(tmp_path, told))

    told = "SELECT subject, text FROM events WHERE kind = 'check_failing'"
    await serve(replace(wanted, targets=tuple(asked)), enough)
    assert [row[:2] for row in rows(tmp_path, counted)] == [(PAID, "ok"), (OWN, "timeout")]
    said = f"{OWN}: the check context has failed 3 times in a row (timeout), the others are well"
    assert rows(tmp_path, told) == [(OWN, said)]
    assert rows(tmp_path, "SELECT health FROM target_states") == [("up",), ("up",)]


@pytest.mark.slow
def test_probes_that_hang_take_no_file_that_is_not_there(tmp_path: Path) -> None:
    """What this process has no file for is skipped, and said once a target: nobody is blamed, and nothing fails."""
    models = ", ".join(f"m{number}: {{}}" for number in range(100))
    with socket.create_server(("127.0.0.1", 0), backlog=256) as silent:
        (tmp_path / "hotspare.yaml").write_text(
            f"database: sqlite:///{tmp_path}/hotspare.db\nrouting_file: {tmp_path}/routing.json\n"
            "defaults: {interval: 5s, timeout: {total: 30s}}\nconnectivity: {endpoints: []}\napi: {listen: none}\n"
            "routes: {chat: {candidates: [p/m0, p/m1]}}\n"
            f"providers: {{p: {{dialect: openai-chat, api_key: k,"
            f' base_url: "http://127.0.0.1:{silent.getsockname()[1]}/v1", models: {{{models}}}}}}}\n'
        )
        few = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200));"
        run = f"{few} sys.argv[1:] = ['run', '-c', {str(tmp_path / 'hotspare.yaml')!r}];"
        run += " runpy.run_module('controller.cli.main', run_name='__main__')"
        with subprocess.Popen([sys.executable, "-c", run], stderr=subprocess.DEVNULL) as service:
            try:
                skipped = "SELECT text FROM events WHERE kind = 'probe_skipped'"
                wait(lambda: (tmp_path / "routing.json").exists() and len(rows(tmp_path, skipped)) > 20)
            finally:
                service.terminate()
    texts = {str(text) for (text,) in rows(tmp_path, skipped)}
    assert texts == {"34 probes are under way, and this process may open no more files"}
    assert rows(tmp_path, "SELECT 1 FROM observations WHERE detail LIKE '%open files%'") == []
