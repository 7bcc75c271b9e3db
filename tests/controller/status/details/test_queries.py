"""The details of routes and targets from a real database: complete, bounded, in the time that was asked for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from controller.journal import Journal
from controller.routing.decision import Decision, MoveKind
from controller.routing.override_text import OverrideEvent
from controller.routing.overrides import Override, OverrideKind
from controller.status.details.queries import read_route_detail, read_route_summaries, read_target_detail
from controller.status.details.ranges import RANGES
from monitor.config.settings import Settings
from monitor.health import Health
from monitor.history.rollup import HOUR
from monitor.storage.database import open_reader, open_writer
from monitor.storage.store import Store
from probes.observation import replaced
from tests.support import seeded_database as seeded
from tests.support.builders import T0, observation, settings

A, B = "openai/a", "anthropic/b"
NOW = T0 + timedelta(hours=1)


@pytest.fixture
def configured(tmp_path: Path, database_url: str) -> Settings:
    """A route over two targets."""
    return replace(settings(tmp_path, A, B), database=database_url)


@pytest.fixture
def engine(configured: Settings) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(configured.database)
    yield engine
    engine.dispose()


def _probe(engine: Engine, symbols: str, *, at_s: float = 0.0, every_s: float = 30.0) -> None:
    Store(engine).record(
        [
            replaced(observation(s, name=A, at_s=at_s + every_s * n), request_id=f"req_{n}", http_status=500)
            for n, s in enumerate(symbols)
        ]
    )


@pytest.mark.parametrize("name", RANGES)
def test_every_range_counts_every_probe_once(engine: Engine, configured: Settings, name: str) -> None:
    """Whether it is summed up from single probes, hours or days."""
    _probe(engine, "..x" * 20)
    detail = read_target_detail(engine, configured.target(A), RANGES[name], NOW)
    assert sum(rollup.counts.total for _, rollup in detail.course) == 60
    assert {check: rollup.asked for check, rollup in detail.checks.items()} == {"chat": {"ok": 40, "server_error": 20}}
    assert sum(counts.total for counts in detail.hours.values()) == 60
    assert len(detail.failures) == 12
    newest = detail.failures[0]
    assert (newest.request_id, newest.http_status, newest.at) == ("req_59", 500, T0 + timedelta(seconds=59 * 30))


def test_a_short_range_has_short_parts_where_there_are_few_probes(engine: Engine, configured: Settings) -> None:
    """And hours where there would be too many to read."""
    _probe(engine, "." * 100)
    target = configured.target(A)
    assert read_target_detail(engine, target, RANGES["1h"], NOW).width == timedelta(minutes=2)
    busy = replace(target, interval_s=1.0)
    assert read_target_detail(engine, busy, RANGES["1h"], NOW).width == HOUR


def test_failures_are_those_of_the_time(engine: Engine, configured: Settings) -> None:
    """An older one is not among them, nor what users could use."""
    _probe(engine, "xs.", at_s=-7200)
    _probe(engine, "sx.")
    failures = read_target_detail(engine, configured.target(A), RANGES["1h"], NOW).failures
    assert [failure.at for failure in failures] == [T0 + timedelta(seconds=30)]


def test_verdicts_come_with_their_evidence(tmp_path: Path) -> None:
    """The transition, and the probes behind it."""
    configured = seeded.settings_in(tmp_path)
    seeded.seed(configured, NOW)
    seeded.break_openai(configured, NOW)
    detail = read_target_detail(open_reader(configured.database), configured.target(seeded.LUNA), RANGES["24h"], NOW)
    assert [change.after for change in detail.transitions] == [Health.DOWN]
    assert [len(trail.probes) for trail in detail.trails] == [14]
    assert detail.state.health is Health.DOWN


def _decide(engine: Engine, to: str, before: str | None, minutes: float, *, dry_run: bool = False) -> None:
    at = T0 + timedelta(minutes=minutes)
    move = MoveKind.FAILOVER if before else MoveKind.FIRST
    decision = Decision(route="chat", target=to, before=before, at=at, reason="why", move=move, dry_run=dry_run)
    Journal(engine).commit([decision], [])


def test_the_path_of_a_route(engine: Engine, configured: Settings) -> None:
    """Where it pointed in the time, with the move before it; what a dry run decided is no part of the path."""
    _decide(engine, A, None, -300)
    _decide(engine, B, A, 20)
    _decide(engine, A, B, 30, dry_run=True)
    detail = read_route_detail(engine, configured, configured.routes[0], RANGES["1h"], NOW)
    assert [(period.target, period.lasted_s) for period in detail.path] == [(A, 1200), (B, 2400)]
    assert [move.target for move in detail.moves] == [B]
    assert [move.target for move in detail.would_have] == [A]
    assert detail.lanes == (A, B)


def test_overrides_that_touched_a_route(engine: Engine, configured: Settings) -> None:
    """Those of its candidates and providers too, as long as they reach into the time."""
    overrides = Journal(engine).overrides
    event = OverrideEvent(kind="drained", subject="", text="")
    for subject, ended in (("openai", 10), ("anthropic", -10), (B, 70)):
        at, until = T0 - timedelta(hours=2), T0 + timedelta(minutes=ended)
        drain = Override(kind=OverrideKind.DRAIN, subject=subject, author="ana", reason="", at=at, until=until)
        overrides.begin(drain, lambda _: event)
    detail = read_route_detail(engine, configured, configured.routes[0], RANGES["1h"], NOW)
    assert [each.subject for each in detail.overrides] == [B, "openai"]


def test_what_users_felt_is_that_of_the_report(engine: Engine, configured: Settings) -> None:
    """An outage of the first candidate, left after two minutes."""
    _decide(engine, A, None, -300)
    _probe(engine, "." * 20 + "x" * 100)
    _decide(engine, B, A, 12)
    [summary] = read_route_summaries(engine, configured, RANGES["1h"], NOW)
    assert (summary.total.felt_s, summary.total.without_s, summary.total.flips) == (120.0, 3000.0, 1)
