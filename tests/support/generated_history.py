"""A database with a long past, the same each time: for speed figures, and for the pictures of the documents.

Sums of hours and days are made from a few kinds of days, single observations of the last days are written as rows: what
a service would have stored, without the time that it would have taken.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import pi, sin
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
from monitor.health import Health, TargetHealth, Transition
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
from probes.target import Target
from tests.support.seeded_database import publish

_EVERY_S: Final = 30
#: So many rounds of all targets are written together, as they would come.
_AT_ONCE: Final = 100
_PER_HOUR: Final = 3600 // _EVERY_S
_OUTAGE_AT: Final = 9
_OUTAGE_HOURS: Final = (1, 2, 3)
_PACES: Final = (0.9, 1.3, 0.7)
"""How long answers of the first providers take, in seconds."""
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


#: The hours that an outage lasted, by provider and how many days ago it was.
_Outages = Mapping[tuple[str, int], int]


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
    outages = _outages(settings, extent, dice)
    _write_sums(engine, settings, extent, now, dice, outages)
    _write_observations(engine, settings, raw_from, now)
    _write_journal(engine, settings, extent, now, outages)
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


def _busy(hour: int) -> float:
    """How much slower models are in the afternoon (UTC), when most people ask."""
    return 1 + 0.35 * max(0.0, sin((hour - 8) * pi / 12))


def _observations(dice: Random, *, failing: float, pace: float) -> list[Observation]:
    return [
        Observation(
            target="",
            check="stream",
            started_at=datetime.fromtimestamp(0).astimezone(),
            outcome=Outcome.SERVER_ERROR if dice.random() < failing else Outcome.OK,
            duration_s=pace * dice.lognormvariate(0, 0.3),
            first_token_s=pace * dice.lognormvariate(-1, 0.3),
            input_tokens=20,
            output_tokens=10,
            cost_usd=0.00002,
            detail="",
        )
        for _ in range(_PER_HOUR)
    ]


def _kinds(dice: Random, pace: float) -> tuple[list[_DayKind], list[_DayKind]]:
    """Quiet days, and days with an outage of each of `_OUTAGE_HOURS`."""

    def day(failing: Sequence[float]) -> _DayKind:
        hours = tuple(
            Rollup.of(_observations(dice, failing=share, pace=pace * _busy(hour))) for hour, share in enumerate(failing)
        )
        return _DayKind(hours, tuple(map(_columns, hours)), _columns(sum(hours, start=Rollup())))

    quiet = [day([0.002] * 24) for _ in range(4)]
    bad = [
        day([0.002] * _OUTAGE_AT + [0.5] * length + [0.002] * (24 - _OUTAGE_AT - length)) for length in _OUTAGE_HOURS
    ]
    return quiet, bad


def _columns(rollup: Rollup) -> dict[str, Any]:
    return row_of(("", 0, 0, "stream", ""), rollup)


def _outages(settings: Settings, extent: Extent, dice: Random) -> _Outages:
    return {
        (provider.name, day): dice.choice(_OUTAGE_HOURS)
        for provider in settings.providers
        for day in dice.sample(range(1, extent.days), k=max(1, extent.days // 30))
    }


def _pace(settings: Settings, target: Target) -> float:
    """How slow the provider is."""
    names = [provider.name for provider in settings.providers]
    return _PACES[names.index(target.provider.name) % len(_PACES)]


def _write_sums(
    engine: Engine, settings: Settings, extent: Extent, now: datetime, dice: Random, outages: _Outages
) -> None:
    kinds_at = {pace: _kinds(dice, pace) for pace in _PACES}
    today = span_start(now, DAY)

    def kind_of(target: Target, day: int) -> _DayKind:
        quiet, bad = kinds_at[_pace(settings, target)]
        length = outages.get((target.provider.name, day))
        return dice.choice(quiet) if length is None else bad[_OUTAGE_HOURS.index(length)]

    for target in settings.targets:
        kinds = [kind_of(target, day) for day in range(max(extent.days, extent.hour_days))]
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
    route: Route, outages: _Outages, extent: Extent, today: datetime, now: datetime
) -> Iterator[dict[str, Any]]:
    home = route.candidates[0]
    for ago in range(max(extent.days, extent.hour_days)):
        day, length = today - ago * DAY, outages.get((home.partition("/")[0], ago))
        for span, begins in ((DAY, [day]), (HOUR, [day + n * HOUR for n in range(24)])):
            if ago >= (extent.days if span == DAY else extent.hour_days):
                continue
            for at in begins:
                seconds = min(span, now - at).total_seconds()
                if seconds > 0:
                    hours = 0 if length is None else length if span == DAY else 1
                    first = bool(hours) and (span == DAY or at == day + _OUTAGE_AT * HOUR)
                    hit = hours and (first or timedelta(0) < at - day - _OUTAGE_AT * HOUR < (length or 0) * HOUR)
                    yield {
                        "route": route.name,
                        "span_s": int(span.total_seconds()),
                        "start_ms": to_ms(at),
                        "on_target_s": json.dumps({home: seconds}),
                        "observed_s": seconds,
                        "felt_s": 31.0 if first else 0.0,
                        "without_s": 1_790.0 * hours if hit else 0.0,
                        "flips": 2 if first else 0,
                    }


def _write_observations(engine: Engine, settings: Settings, since: datetime, now: datetime) -> None:
    """One every 30 s of each target, in the rhythm of a schedule."""
    dice = Random(1)
    made_at = {
        pace: [observation_row(replace(each, region="")) for each in _observations(dice, failing=0.002, pace=pace)]
        for pace in _PACES
    }
    paces = {target.id: made_at[_pace(settings, target)] for target in settings.targets}
    first_ms = {target.id: to_ms(since) + number % _EVERY_S * 1000 for number, target in enumerate(settings.targets)}
    count = int((now - since).total_seconds()) // _EVERY_S
    for begin in range(0, count, _AT_ONCE):
        rows = (
            {**made[n % len(made)], "target": name, "started_ms": first_ms[name] + n * _EVERY_S * 1000}
            for n in range(begin, min(begin + _AT_ONCE, count))
            for name, made in paces.items()
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


def _write_journal(engine: Engine, settings: Settings, extent: Extent, now: datetime, outages: _Outages) -> None:
    """Where the routes pointed, with moves, the verdicts and incidents behind them."""
    journal, store, generation = Journal(engine), Store(engine), 1
    began, today = now - extent.days * DAY, span_start(now, DAY)
    first = [
        Decision(route=route.name, target=route.candidates[0], at=began, move=MoveKind.FIRST, reason="", generation=1)
        for route in settings.routes
    ]
    journal.commit(first, [])
    known = (Health.UNKNOWN, Health.UP)
    store.save_states([], [_verdict(target.id, began, *known, "it answers") for target in settings.targets])
    for (provider, ago), length in sorted(outages.items(), key=lambda item: -item[0][1]):
        at = today - ago * DAY + _OUTAGE_AT * HOUR
        for route in settings.routes:
            if route.candidates[0].partition("/")[0] == provider:
                generation = write_outage(journal, store, route, at, length * HOUR, generation)


def _verdict(target: str, at: datetime, before: Health, after: Health, reason: str) -> Transition:
    return Transition(
        target=target, at=at, before=before, after=after, reason=f"{target} is {after}: {reason}", threshold=9.8
    )


def write_outage(
    journal: Journal, store: Store, route: Route, began: datetime, lasted: timedelta, generation: int
) -> int:
    """The route's first candidate fails for so long: verdicts, an incident, moves there and back; the generation."""
    home, refuge = route.candidates[:2]
    at, over = began + timedelta(seconds=41), began + lasted
    why = "9 of 14 probes failed in 41 s (server_error)"
    reason = f"{home} is down: {why}"
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
    well = f"{home} is up: it answers again"
    back = replace(
        there, target=home, before=refuge, at=over, move=MoveKind.FAILBACK, reason=well, generation=generation + 2
    )
    journal.commit([there, back], [incident])
    verdicts = [
        _verdict(home, began, Health.UP, Health.SUSPECT, "the last probe failed (server_error)"),
        replace(_verdict(home, at, Health.SUSPECT, Health.DOWN, why), evidence=10.4),
        _verdict(home, over, Health.DOWN, Health.UP, "it answers again"),
    ]
    store.save_states([], verdicts)
    return generation + 2
