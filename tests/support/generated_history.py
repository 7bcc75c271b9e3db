"""A database with a long past, the same each time: for speed figures, and for the pictures of the documents.

Sums of hours and days are made from a few kinds of days, single observations of the last days are written as rows: what
a service would have stored, without the time that it would have taken.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import Engine

from controller.incidents.incident import (
    AffectedTarget,
    EntryKind,
    Incident,
    IncidentKind,
    RouteImpact,
    TimelineEntry,
)
from controller.journal import Journal
from controller.routing.decision import Decision, MoveKind
from monitor.config.loader import load
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import Health, TargetHealth
from monitor.history.rollup import DAY, HOUR, Rollup, span_start
from monitor.liveness import ServiceBeat
from monitor.storage.column_conversions import to_ms
from monitor.storage.database import open_writer
from monitor.storage.rollup_rows import row_of
from monitor.storage.rollup_tables import ROLLUPS, ROUTE_ROLLUPS
from monitor.storage.row_conversions import SavedTargetState, observation_row
from monitor.storage.store import Store
from monitor.storage.tables import OBSERVATIONS, SPENDING
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.seeded_database import publish

_EVERY_S: Final = 30
_PER_HOUR: Final = 3600 // _EVERY_S
_NAMES: Final = ("openai", "anthropic", "gemini", "mistral", "deepseek", "xai", "groq", "cohere", "azure", "bedrock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of a past there is."""

    providers: int = 10
    models: int = 5
    routes: int = 6
    days: int = 90
    """Of sums by day."""
    hour_days: int = 90
    """Of sums by hour."""
    raw_days: int = 1
    """Of single observations."""

    @property
    def targets(self) -> int:
        """How many there are."""
        return self.providers * self.models


@dataclass(frozen=True, slots=True)
class _DayKind:
    """A kind of day: its hours, and their sum."""

    hours: tuple[Rollup, ...]
    hour_rows: tuple[dict[str, Any], ...]
    """Without their keys."""
    whole_row: dict[str, Any]


def write_config(folder: Path, extent: Extent, more: str = "") -> Path:
    """`hotspare.yaml` in the folder; its providers are asked nowhere. `more` is appended."""
    names = [_NAMES[n] if n < len(_NAMES) else f"provider-{n}" for n in range(extent.providers)]
    providers = "\n".join(
        f'  {name}: {{dialect: openai-chat, base_url: "http://127.0.0.1:9/v1", api_key: sk-nobody-nobody-nobody,'
        f" models: {{{', '.join(f'model-{model + 1}: {{}}' for model in range(extent.models))}}}}}"
        for name in names
    )
    routes = "\n".join(
        f'  route-{n + 1}: {{candidates: [{", ".join(_candidates(names, n))}], slo: "99.9%"}}'
        for n in range(extent.routes)
    )
    path = folder / "hotspare.yaml"
    path.write_text(
        f"database: sqlite:///{folder}/hotspare.db\nrouting_file: {folder}/routing.json\n"
        f"connectivity: {{endpoints: []}}\nproviders:\n{providers}\nroutes:\n{routes}\n{more}",
        encoding="utf-8",
    )
    return path


def _candidates(names: Sequence[str], first: int) -> list[str]:
    return [f"{names[(first + n) % len(names)]}/model-1" for n in range(min(3, len(names)))]


def generate(config: Path, extent: Extent, now: datetime, *, seed: int = 15) -> Settings:
    """Fill the database of this configuration with a past that ends now, while everything is well; same seed, same."""
    settings, dice = load(config, {}), Random(seed)
    engine = open_writer(settings.database)
    raw_from = span_start(now, DAY) - (extent.raw_days - 1) * DAY
    _write_sums(engine, settings, extent, now, dice)
    _write_observations(engine, settings, raw_from, now)
    _write_journal(engine, settings, extent, now, dice)
    store = Store(engine)
    store.save_states([_up(target.id, now - DAY * extent.days) for target in settings.targets], [])
    began = now - timedelta(days=3)
    store.beat(ServiceBeat(pid=1, host="watch-1", version="0.1.0", started_at=began, beat_at=now))
    engine.dispose()
    publish(settings, now)
    return settings


def _up(target: str, since: datetime) -> SavedTargetState:
    health = TargetHealth(target=target, health=Health.UP, since=since, reason=f"{target} is up", threshold=9.8)
    return SavedTargetState(health=health, at=since, record="{}")


def _observations(dice: Random, *, failing: float) -> list[Observation]:
    return [
        Observation(
            target="",
            check="stream",
            started_at=datetime.fromtimestamp(0).astimezone(),
            outcome=Outcome.SERVER_ERROR if dice.random() < failing else Outcome.OK,
            duration_s=dice.lognormvariate(0, 0.4),
            first_token_s=dice.lognormvariate(-1, 0.4),
            input_tokens=20,
            output_tokens=10,
            cost_usd=0.00002,
            detail="",
        )
        for _ in range(_PER_HOUR)
    ]


def _kinds(dice: Random) -> tuple[list[_DayKind], list[_DayKind]]:
    """Quiet days, and days with an outage of some hours or minutes."""

    def day(failing: Sequence[float]) -> _DayKind:
        hours = tuple(Rollup.of(_observations(dice, failing=share)) for share in failing)
        return _DayKind(hours, tuple(map(_columns, hours)), _columns(sum(hours, start=Rollup())))

    quiet = [day([0.002] * 24) for _ in range(6)]
    outages = ((3, 1), (9, 3), (20, 2))
    bad = [day([0.002] * at + [0.5] * length + [0.002] * (24 - at - length)) for at, length in outages]
    return quiet, [*bad, day([0.002] * 14 + [0.06] + [0.002] * 9)]


def _columns(rollup: Rollup) -> dict[str, Any]:
    return row_of(("", 0, 0, "stream", ""), rollup)


def _write_sums(engine: Engine, settings: Settings, extent: Extent, now: datetime, dice: Random) -> None:
    quiet, bad = _kinds(dice)
    today = span_start(now, DAY)
    outages = {
        (provider.name, day)
        for provider in settings.providers
        for day in dice.sample(range(1, extent.days), k=max(1, extent.days // 30))
    }

    def kind_of(provider: str, day: int) -> _DayKind:
        return dice.choice(bad) if (provider, day) in outages else dice.choice(quiet)

    for target in settings.targets:
        kinds = [kind_of(target.provider.name, day) for day in range(max(extent.days, extent.hour_days))]
        rows = list(_target_rows(target.id, kinds, extent, today, now))
        _insert(engine, ROLLUPS, rows)
        costs = [
            {"day_ms": row["start_ms"], "target": target.id, "usd": row["cost_usd"], "probes": 24 * _PER_HOUR}
            | {"unpriced": 0}
            for row in rows
            if row["span_s"] == int(DAY.total_seconds())
        ]
        _insert(engine, SPENDING, costs)
    for route in settings.routes:
        _insert(engine, ROUTE_ROLLUPS, list(_route_rows(route, outages, extent, today, now)))


def _target_rows(
    target: str, kinds: Sequence[_DayKind], extent: Extent, today: datetime, now: datetime
) -> Iterator[dict[str, Any]]:
    for ago, kind in enumerate(kinds):
        day = today - ago * DAY
        over = 24 if ago else int((now - day) / HOUR)
        key = {"target": target, "span_s": int(HOUR.total_seconds())}
        for n, row in enumerate(kind.hour_rows[: over if ago < extent.hour_days else 0]):
            yield row | key | {"start_ms": to_ms(day + n * HOUR)}
        if ago < extent.days:
            whole = kind.whole_row if ago else _columns(sum(kind.hours[:over], start=Rollup()))
            yield whole | {"target": target, "span_s": int(DAY.total_seconds()), "start_ms": to_ms(day)}


def _route_rows(
    route: Route, outages: set[tuple[str, int]], extent: Extent, today: datetime, now: datetime
) -> Iterator[dict[str, Any]]:
    home = route.candidates[0]
    for ago in range(max(extent.days, extent.hour_days)):
        day, is_bad = today - ago * DAY, (home.partition("/")[0], ago) in outages
        for span, begins in ((DAY, [day]), (HOUR, [day + n * HOUR for n in range(24)])):
            if ago >= (extent.days if span == DAY else extent.hour_days):
                continue
            for at in begins:
                seconds = min(span, now - at).total_seconds()
                if seconds > 0:
                    hit = is_bad and (span == DAY or at == day + 9 * HOUR)
                    yield {
                        "route": route.name,
                        "span_s": int(span.total_seconds()),
                        "start_ms": to_ms(at),
                        "on_target_s": json.dumps({home: seconds}),
                        "observed_s": seconds,
                        "felt_s": 31.0 if hit else 0.0,
                        "without_s": 1_840.0 if hit else 0.0,
                        "flips": 2 if hit else 0,
                    }


def _write_observations(engine: Engine, settings: Settings, since: datetime, now: datetime) -> None:
    """One every 30 s of each target, in the rhythm of a schedule."""
    dice = Random(1)
    made = [observation_row(replace(each, region="")) for each in _observations(dice, failing=0.002)]
    count = int((now - since).total_seconds()) // _EVERY_S
    for number, target in enumerate(settings.targets):
        begins = since + timedelta(seconds=number % _EVERY_S)
        rows = (
            {**made[n % len(made)], "target": target.id, "started_ms": to_ms(begins) + n * _EVERY_S * 1000}
            for n in range(count)
        )
        _insert(engine, OBSERVATIONS, list(rows))


def _insert(engine: Engine, table: Any, rows: list[dict[str, Any]]) -> None:
    """By the driver: SQLAlchemy would take ten times as long."""
    if rows:
        names = list(rows[0])
        marks = ", ".join("?" * len(names))
        with engine.begin() as connection:
            statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - our own names
            connection.exec_driver_sql(statement, [tuple(row.values()) for row in rows])


def _write_journal(engine: Engine, settings: Settings, extent: Extent, now: datetime, dice: Random) -> None:
    """Where the routes pointed, with moves and the incidents behind them."""
    journal, generation = Journal(engine), 1
    began = now - extent.days * DAY
    first = [
        Decision(route=route.name, target=route.candidates[0], at=began, move=MoveKind.FIRST, reason="", generation=1)
        for route in settings.routes
    ]
    journal.commit(first, [])
    for ago in sorted(dice.sample(range(1, extent.days), k=min(12, extent.days - 1)), reverse=True):
        route = dice.choice(settings.routes)
        generation = _write_outage(journal, route, now - ago * DAY, generation)


def _write_outage(journal: Journal, route: Route, at: datetime, generation: int) -> int:
    home, refuge = route.candidates[:2]
    began, over = at - timedelta(seconds=41), at + timedelta(minutes=31)
    reason = f"{home} is down: 9 of 14 probes failed in 41 s (server_error)"
    incident = Incident(
        id=0,
        provider=home.partition("/")[0],
        kind=IncidentKind.OUTAGE,
        opened_at=at,
        resolved_at=over,
        affected=(AffectedTarget(target=home, health=Health.UP, since=over, reason=reason),),
        timeline=(
            TimelineEntry(at=began, text=f"A probe of {home} failed", kind=EntryKind.FIRST_FAILURE),
            TimelineEntry(at=at, text=reason, kind=EntryKind.HEALTH),
            TimelineEntry(at=at, text=f"Route {route.name} moved from {home} to {refuge}", kind=EntryKind.MOVED),
            TimelineEntry(at=over, text=f"{home} is up again", kind=EntryKind.RESOLVED),
        ),
        routes=(RouteImpact(route=route.name, target=home),),
    )
    there = Decision(
        route=route.name,
        target=refuge,
        before=home,
        at=at,
        move=MoveKind.FAILOVER,
        reason=reason,
        generation=generation + 1,
    )
    back = replace(there, target=home, before=refuge, at=over, move=MoveKind.FAILBACK, generation=generation + 2)
    journal.commit([there, back], [incident])
    return generation + 2
