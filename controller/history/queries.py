"""Reads the report of a period, and what the page shows of the past: sums, never single observations but the newest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, select

from controller.history.availability import (
    PERIODS,
    DayServed,
    TargetAvailability,
    incidents_by_day,
    last_days,
    route_days,
    target_availability,
)
from controller.history.report import Report, RouteReport, TargetReport
from controller.history.request_costs import RequestCosts, request_costs
from controller.history.route_rollup import RouteRollup
from controller.history.store import RouteHistory
from controller.journal import Journal
from controller.routing.drill import drill_sentence, last_drills
from monitor.budget.allocation import month_of
from monitor.config.settings import Settings
from monitor.history.rollup import DAY, HOUR, Rollup, span_start
from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.rollup_tables import ROLLUPS
from monitor.storage.store import Store
from monitor.storage.traffic_store import TrafficStore
from probes import pricing

#: Shorter periods begin with an hour, longer ones with a day (UTC).
_MOST_INCIDENTS: Final = 500
_BY_HOUR: Final = timedelta(days=2)


def read_report(engine: Engine, settings: Settings, length: timedelta, now: datetime) -> Report:
    """The report of the time until now; it begins with the hour, or from two days on with the day, that it began in."""
    span = HOUR if length <= _BY_HOUR else DAY
    since = span_start(now - length, span)
    history = RouteHistory(engine, settings)
    targets = [target.id for target in settings.targets]
    sums = Store(engine).rollups(targets, span, since=since, until=now)
    usual_usd = {target.id: pricing.usual_usd(target) for target in settings.targets}
    journal = Journal(engine)
    drills = last_drills(journal.overrides.drills())
    past = journal.resolved_since(since)
    still_open = journal.open_incidents()
    lasted = [(incident.resolved_at or now) - max(incident.opened_at, since) for incident in (*past, *still_open)]
    return Report(
        since=since,
        until=now,
        routes=[
            RouteReport(
                route=route.name,
                history=history.total(route.name, since=since, until=now),
                slo=route.slo,
                first=route.candidates[0],
                drill=drill_sentence(drills[route.name], now) if route.name in drills else None,
                usual_usd=usual_usd,
            )
            for route in settings.routes
        ],
        targets=[
            TargetReport(target=target, history=sum((r for _, r in sums.get(target, ())), start=Rollup()))
            for target in targets
        ],
        incidents=sorted((*past, *still_open), key=lambda incident: incident.opened_at, reverse=True),
        incident_s=sum(lasted, start=timedelta()).total_seconds(),
        still_open=len(still_open),
        requests=read_request_costs(engine, settings, now),
    )


def read_request_costs(engine: Engine, settings: Settings, now: datetime) -> RequestCosts | None:
    """What the requests of this month cost, from the sums of hours; None where none are reported."""
    totals, first_at = TrafficStore(engine).totals(since=month_of(now).begins, until=now)
    prices = {target.id: pricing.token_prices_usd(target) for target in settings.targets} if totals else {}
    return request_costs(settings, totals, first_at, now, prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDays:
    """One route over the last 90 days."""

    route: str
    days: tuple[DayServed, ...]
    month: RouteRollup
    """The last 30 days, from midnight on."""


def _route_days(route: str, days: Mapping[datetime, RouteRollup], now: datetime) -> RouteDays:
    since = span_start(now - PERIODS["30 d"], DAY)
    month = sum((rollup for day, rollup in days.items() if day >= since), start=RouteRollup())
    return RouteDays(route=route, days=route_days(days, now), month=month)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the page shows of the past."""

    now: datetime
    routes: tuple[RouteDays, ...]
    """In the order of the configuration, like the targets."""
    targets: tuple[TargetAvailability, ...]
    incidents_by_day: Mapping[str, Mapping[datetime, tuple[int, ...]]] = field(default_factory=dict)
    """The incidents that a target was affected by on a day (UTC), by target and midnight, oldest first."""


def read_past(engine: Engine, settings: Settings, now: datetime) -> History:
    """The last 90 days of every route and target, from their sums."""
    store, history, dates = Store(engine), RouteHistory(engine, settings), last_days(now)
    names = [target.id for target in settings.targets]
    days = store.outcome_counts(names, DAY, since=dates[0])
    hours = store.outcome_counts(names, HOUR, since=now - DAY)
    return History(
        now=now,
        routes=tuple(
            _route_days(route.name, history.days(route.name, since=dates[0], until=now), now)
            for route in settings.routes
        ),
        targets=tuple(target_availability(name, days.get(name, {}), hours.get(name, {}), now) for name in names),
        incidents_by_day=incidents_by_day(Journal(engine).incidents(_MOST_INCIDENTS), since=dates[0], until=now),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCost:
    """The probes of one target with one check on one day (UTC)."""

    day: datetime
    target: str
    check: str
    usd: float
    """As far as it is known."""
    probes: int
    unpriced: int
    """Those of them whose cost is not known."""

    @property
    def provider(self) -> str:
        """The target's."""
        return self.target.partition("/")[0]


def read_costs(engine: Engine, targets: Sequence[str], *, since: datetime) -> list[CheckCost]:
    """The costs of these targets from that day on, oldest first, from the sums of days; raises DatabaseError."""
    row = ROLLUPS.c
    wanted = select(row.start_ms, row.target, row.check_, row.cost_usd, row.unpriced, row.asked, row.failed_here).where(
        row.target.in_(map(storable, targets)),
        row.span_s == int(DAY.total_seconds()),
        row.start_ms >= to_ms(since),
    )
    with engine.connect() as connection:
        rows = connection.execute(wanted.order_by(row.start_ms, row.target, row.check_)).all()
    return [
        CheckCost(
            day=from_ms(start_ms),
            target=target,
            check=check,
            usd=usd,
            probes=sum(json.loads(asked).values()) + failed_here,
            unpriced=unpriced,
        )
        for start_ms, target, check, usd, unpriced, asked, failed_here in rows
    ]
