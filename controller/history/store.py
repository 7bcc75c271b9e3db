"""Sums up the past hours of routes once they are over, and reads these sums."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, RowMapping, func, select

from controller.history.route_rollup import Probes, RouteRollup, sum_up_route
from controller.incidents.impact import periods_of_route
from controller.incidents.queries import read_decisions
from controller.routing.decision import MoveKind
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.history.rollup import DAY, HOUR, span_start
from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.observation_reads import first_started, in_slots
from monitor.storage.rollup_rows import is_maintained, maintenance_spans
from monitor.storage.rollup_tables import ROUTE_ROLLUPS
from monitor.storage.tables import OBSERVATIONS
from monitor.storage.upsert import replace_rows
from probes.outcome import ANSWERED

#: An hour is summed up this long after its end: a probe is stored when it ends.
_LATEST_PROBE: Final = timedelta(minutes=10)
#: How long one observation says how its target is: so many intervals, where the interval is known.
_INTERVALS: Final = 3
_UNKNOWN: Final = HOUR
_PROBE: Final = OBSERVATIONS.c
_HOURS_AT_ONCE: Final = 24
_LOOK_EVERY: Final = timedelta(minutes=1)


class RouteHistory:
    """The sums of every configured route by hour and day, on an engine of `open_writer`, or of `open_reader` to read.

    Raises `monitor.storage.database.DatabaseError` when the database cannot be used: call it again.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        self._routes = {route.name: route for route in settings.routes}
        self._stands_for = defaultdict(
            lambda: _UNKNOWN,
            {target.id: timedelta(seconds=_INTERVALS * target.interval_s) for target in settings.targets},
        )

    def sum_up(self, now: datetime) -> int:
        """Sum up hours that are over and not stored yet, at most 24 of all routes; returns how many.

        Hours without any probe of the route's candidates are left out, so that a clock that was set costs nothing.
        """
        count = 0
        if abs(now - self._looked_at) >= _LOOK_EVERY:
            with self._engine.begin() as connection:
                for route in self._routes.values():
                    count += self._sum_up_hours(connection, route, now, _HOURS_AT_ONCE - count)
            self._looked_at = now if not count else self._looked_at
        return count

    def rollups(
        self, route: str, span: timedelta, *, since: datetime, until: datetime
    ) -> list[tuple[datetime, RouteRollup]]:
        """The stored sums of the hours or days that begin at `since` or later and before `until`, oldest first."""
        with self._engine.connect() as connection:
            return _stored(connection, route, span, since, until)

    def days(self, route: str, *, since: datetime, until: datetime) -> dict[datetime, RouteRollup]:
        """The sums of the days from `since` on; what no hour holds yet is calculated, of the last two hours at most."""
        with self._engine.connect() as connection:
            days = dict(_stored(connection, route, DAY, since, until))
            begins = span_start(until, HOUR) - 2 * HOUR
            hours = _stored(connection, route, HOUR, begins, until)
            begins = max((at + HOUR for at, _ in hours), default=begins)
            while begins < until:
                day = span_start(begins, DAY)
                ends = min(day + DAY, until)
                rest = self._sum(connection, self._routes[route], begins, ends)
                days[day] = days.get(day, RouteRollup()) + rest
                begins = ends
        return days

    def total(self, route: str, *, since: datetime, until: datetime) -> RouteRollup:
        """The sum from `since`, the beginning of an hour, until then: what is stored, and the rest as it is now.

        Where `since` begins a day, whole days are read as days, so that years are no more work than a month.
        """
        with self._engine.connect() as connection:
            days = [] if since - span_start(since, DAY) else _stored(connection, route, DAY, since, until)[:-1]
            days_until = max((at + DAY for at, _ in days), default=since)
            hours = _stored(connection, route, HOUR, days_until, until)
            hours_until = max((at + HOUR for at, _ in hours), default=days_until)
            rest = self._sum(connection, self._routes[route], hours_until, until)
        return sum((rollup for _, rollup in (*days, *hours)), start=rest)

    def _sum_up_hours(self, connection: Connection, route: Route, now: datetime, at_most: int) -> int:
        last = connection.scalar(
            select(func.max(ROUTE_ROLLUPS.c.start_ms)).where(
                ROUTE_ROLLUPS.c.route == storable(route.name),
                ROUTE_ROLLUPS.c.span_s == int(HOUR.total_seconds()),
                ROUTE_ROLLUPS.c.start_ms <= to_ms(now),
            )
        )
        begins = None if last is None else from_ms(last) + HOUR
        for count in range(at_most):
            probed_at = _first_probe(connection, route.candidates, begins)
            if probed_at is None or span_start(probed_at, HOUR) + HOUR + _LATEST_PROBE > now:
                return count
            hour = span_start(probed_at, HOUR)
            begins = hour + HOUR
            _store(connection, route.name, HOUR, hour, self._sum(connection, route, hour, begins))
            day = span_start(hour, DAY)
            hours = _stored(connection, route.name, HOUR, day, day + DAY)
            _store(connection, route.name, DAY, day, sum((r for _, r in hours), start=RouteRollup()))
        return at_most

    def _sum(self, connection: Connection, route: Route, since: datetime, until: datetime) -> RouteRollup:
        """The sum of that time, from decisions and observations; of the time before the first one nothing is known."""
        decisions = read_decisions(connection, [route.name], since, until)
        begins = max(since, _first_probe(connection, route.candidates, None) or until)
        periods = list(periods_of_route(route.name, route.candidates[0], decisions, begins, until))
        targets = {period.target for period in periods} | {route.candidates[0]}
        probes = {target: _probes(connection, target, since - self._stands_for[target], until) for target in targets}
        summed = sum_up_route(periods, route.candidates[0], probes, self._stands_for)
        moves = (decision for decision in decisions if decision.is_flip and decision.move is not MoveKind.DRILL)
        flips = sum(since <= decision.at < until for decision in moves)
        return summed + RouteRollup(flips=flips)


def _first_probe(connection: Connection, targets: Iterable[str], since: datetime | None) -> datetime | None:
    """When the first probe of these targets started, from then on; None where there is none."""
    since_ms = to_ms(since) if since else 0
    found_ms = (first_started(connection, target, since_ms) for target in targets)
    return min((from_ms(ms) for ms in found_ms if ms is not None), default=None)


def _probes(connection: Connection, target: str, since: datetime, until: datetime) -> Probes:
    """The probes of that time, outside of maintenance, that say whether users would have been failed."""
    started = (_PROBE.started_ms >= to_ms(since), _PROBE.started_ms < to_ms(until))
    rows = select(_PROBE.started_ms, _PROBE.outcome).where(
        _PROBE.target == storable(target),
        *started,
        in_slots(to_ms(since), to_ms(until)),
        _PROBE.failed_here == 0,
    )
    probes = [
        (from_ms(row.started_ms), row.outcome not in ANSWERED)
        for row in connection.execute(rows.order_by(_PROBE.started_ms))
    ]
    spans = maintenance_spans(connection, [at for at, _ in probes])
    return [(at, failed) for at, failed in probes if not is_maintained(target, at, spans)]


def _stored(
    connection: Connection, route: str, span: timedelta, since: datetime, until: datetime
) -> list[tuple[datetime, RouteRollup]]:
    table = ROUTE_ROLLUPS.c
    begins = (table.start_ms >= to_ms(since), table.start_ms < to_ms(until))
    wanted = select(ROUTE_ROLLUPS).where(
        table.route == storable(route), table.span_s == int(span.total_seconds()), *begins
    )
    rows = connection.execute(wanted.order_by(table.start_ms)).mappings()
    return [(from_ms(row["start_ms"]), _rollup(row)) for row in rows]


def _rollup(row: RowMapping) -> RouteRollup:
    figures = {name: row[name] for name in ("observed_s", "felt_s", "without_s", "flips")}
    return RouteRollup(on_target_s=json.loads(row["on_target_s"]), **figures)


def _store(connection: Connection, route: str, span: timedelta, start: datetime, rollup: RouteRollup) -> None:
    key = {"route": storable(route), "span_s": int(span.total_seconds()), "start_ms": to_ms(start)}
    on_target_s = json.dumps({storable(target): round(s, 3) for target, s in rollup.on_target_s.items()})
    figures = {"observed_s": rollup.observed_s, "felt_s": rollup.felt_s, "without_s": rollup.without_s}
    row = {**key, **figures, "on_target_s": on_target_s, "flips": rollup.flips}
    replace_rows(connection, ROUTE_ROLLUPS, [row])
