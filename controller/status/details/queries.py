"""The SQL behind the pages of one route and one target: sums, and bounded ranges of the keys of observations."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, select

from controller.history.store import RouteHistory
from controller.incidents.impact import periods_of_route
from controller.incidents.queries import read_decisions, read_transitions
from controller.journal import Journal
from controller.routing.decision import Decision
from controller.routing.overrides import touched_routes
from controller.routing.store import decision_from_row
from controller.status.details.ranges import summed_by
from controller.status.details.route import RouteDetail, RouteSummary, health_periods
from controller.status.details.target import FailedProbe, TargetDetail, phase_medians, sum_checks, sum_parts
from controller.status.queries import read_target_trails
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.detection.latency import LatencyBaseline
from monitor.detection.quiet_progress import read_state
from monitor.health import not_observed
from monitor.history.rollup import DAY, HOUR, OutcomeCounts, Rollup, span_start
from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.observation_reads import in_slots, newest_first, read_newest
from monitor.storage.rollup_rows import rollup_of
from monitor.storage.rollup_tables import ROLLUPS
from monitor.storage.row_conversions import SavedTargetState, observation_of
from monitor.storage.store import Store
from monitor.storage.tables import DECISIONS, OBSERVATIONS
from probes.observation import Observation
from probes.outcome import ANSWERED, Outcome
from probes.target import Target

#: A time with more probes than this is shown by its sums; and so many of the newest say where the time of answers goes.
_MOST_PROBES: Final = 2_000
_PHASED: Final = 300
#: A short time is shown in so many parts.
_PARTS: Final = 30
_MOST_FAILURES: Final = 12
#: Failures are looked for in so many of the newest hours that have any.
_MOST_HOURS: Final = 30
_MOST_VERDICTS: Final = 6
_MOST_CHANGES: Final = 30
_MOST_DECISIONS: Final = 500
_MOST_OVERRIDES: Final = 200
#: Stored instants are whole milliseconds.
_TICK: Final = timedelta(milliseconds=1)
_PROBE: Final = OBSERVATIONS.c
_NEWEST: Final = newest_first(select(OBSERVATIONS).where(_PROBE.target == bindparam("of")), _PHASED)


def read_target_detail(engine: Engine, target: Target, length: timedelta, now: datetime) -> TargetDetail:
    """The target over the time of this length until now; raises DatabaseError."""
    store, since = Store(engine), now - length
    saved = store.states().get(target.id)
    by_hour = store.outcome_counts([target.id], HOUR, since=span_start(now - max(length, 7 * DAY), HOUR))
    hours = {at: counts for at, counts in by_hour.get(target.id, {}).items() if at <= now}
    if length <= 6 * HOUR and length.total_seconds() / target.interval_s <= _MOST_PROBES:
        probes, width = store.observations(target.id, after=since - _TICK, limit=10 * _MOST_PROBES), length / _PARTS
        course, checks = sum_parts(probes, width), sum_checks(probes)
    else:
        width = summed_by(length)
        with engine.connect() as connection:
            course, checks = _summed(connection, target.id, width, span_start(since, width), now)
    with engine.connect() as connection:
        newest = _newest(connection, target.id, now)
        transitions = read_transitions(connection, {target.id}, since, now)
        trails = read_target_trails(connection, target.id, since, now, _MOST_VERDICTS)
        failures = tuple(islice(_failures(connection, target.id, hours, since, now), _MOST_FAILURES))
    return TargetDetail(
        target=target.id,
        since=since,
        until=now,
        state=saved.health if saved else not_observed(target.id, now),
        slow_s=target.slow_s,
        usual=_usual(saved),
        width=width,
        course=course,
        checks=checks,
        hours=hours,
        phases=phase_medians(newest),
        transitions=tuple(reversed(transitions[-_MOST_CHANGES:])),
        trails=trails,
        failures=failures,
    )


def read_route_summaries(engine: Engine, settings: Settings, length: timedelta, now: datetime) -> list[RouteSummary]:
    """What users of every route felt since the beginning of the hour, or of the day, so long ago."""
    history, since = RouteHistory(engine, settings), span_start(now - length, summed_by(length))
    return [
        RouteSummary(route=route.name, total=history.total(route.name, since=since, until=now), slo=route.slo)
        for route in settings.routes
    ]


def read_route_detail(
    engine: Engine, settings: Settings, route: Route, length: timedelta, now: datetime
) -> RouteDetail:
    """The route over the time of this length until now; raises DatabaseError."""
    since, width = now - length, summed_by(length)
    journal, saved = Journal(engine), Store(engine).states()
    with engine.connect() as connection:
        decisions = read_decisions(connection, [route.name], since, now)
        path = tuple(periods_of_route(route.name, route.candidates[0], decisions, since, now))
        lanes = tuple(dict.fromkeys((*route.candidates, *(period.target for period in path))))
        transitions = read_transitions(connection, set(lanes), since, now)
        would_have = _dry_run_decisions(connection, route.name, since, now)
    touching = (
        override
        for override in journal.overrides.latest(_MOST_OVERRIDES)
        if route in touched_routes(override.kind, override.subject, settings)
    )
    present = {target: saved[target].health if target in saved else not_observed(target, now) for target in lanes}
    return RouteDetail(
        route=route.name,
        since=since,
        until=now,
        lanes=lanes,
        path=path,
        moves=tuple(decision for decision in reversed(decisions) if decision.at >= since)[:_MOST_DECISIONS],
        would_have=would_have,
        health=tuple(health_periods(transitions, present, since, now)),
        overrides=tuple(each for each in touching if (each.ended_at or each.until) > since),
        width=width,
        course=RouteHistory(engine, settings).rollups(route.name, width, since=span_start(since, width), until=now),
    )


def _usual(saved: SavedTargetState | None) -> dict[str, LatencyBaseline]:
    state = read_state(saved.record, saved.progress) if saved else None
    return dict(state.latency.usual) if state else {}


def _newest(connection: Connection, target: str, now: datetime) -> list[Observation]:
    """The newest observations of the target, oldest first."""
    rows = read_newest(connection, _NEWEST, _PHASED, to_ms(now), {"of": storable(target)})
    return [observation_of(row._asdict()) for row in reversed(rows)]


def _summed(
    connection: Connection, target: str, span: timedelta, since: datetime, until: datetime
) -> tuple[list[tuple[datetime, Rollup]], dict[str, Rollup]]:
    """The sums of that time by hour or day, and by check."""
    table = ROLLUPS.c
    wanted = select(ROLLUPS).where(
        table.target == storable(target),
        table.span_s == int(span.total_seconds()),
        table.start_ms >= to_ms(since),
        table.start_ms < to_ms(until),
    )
    rows = connection.execute(wanted.order_by(table.start_ms)).mappings().all()
    parts = [(row["start_ms"], row["check_"], rollup_of(row)) for row in rows]
    checks: dict[str, Rollup] = {}
    for _, check, rollup in parts:
        checks[check] = checks.get(check, Rollup()) + rollup
    course = [
        (from_ms(start_ms), sum((rollup for _, _, rollup in alike), start=Rollup()))
        for start_ms, alike in groupby(parts, key=lambda part: part[0])
    ]
    return course, dict(sorted(checks.items()))


def _failures(
    connection: Connection, target: str, hours: dict[datetime, OutcomeCounts], since: datetime, now: datetime
) -> Iterable[FailedProbe]:
    """The failed probes of that time, the newest first; only hours that have any are read."""
    failed = (at for at, counts in hours.items() if counts.total > counts.answered and at + HOUR > since)
    for hour in islice(sorted(failed, reverse=True), _MOST_HOURS):
        wanted = select(OBSERVATIONS).where(
            _PROBE.target == storable(target),
            _PROBE.started_ms >= to_ms(max(hour, since)),
            _PROBE.started_ms < to_ms(min(hour + HOUR, now)),
            in_slots(to_ms(max(hour, since)), to_ms(min(hour + HOUR, now))),
            _PROBE.outcome.not_in(sorted(ANSWERED)),
        )
        rows = connection.execute(wanted.order_by(_PROBE.started_ms.desc()).limit(_MOST_FAILURES)).mappings()
        yield from (
            FailedProbe(
                at=from_ms(row["started_ms"]),
                check=row["check_"],
                outcome=Outcome(row["outcome"]),
                detail=row["detail"],
                http_status=row["http_status"],
                request_id=row["request_id"],
                failed_here=bool(row["failed_here"]),
            )
            for row in rows
        )


def _dry_run_decisions(connection: Connection, route: str, since: datetime, until: datetime) -> tuple[Decision, ...]:
    """What a dry run decided in that time, the newest first."""
    at = DECISIONS.c.at_ms
    wanted = select(DECISIONS).where(
        DECISIONS.c.route == storable(route), DECISIONS.c.dry_run == 1, at >= to_ms(since), at <= to_ms(until)
    )
    rows = connection.execute(wanted.order_by(at.desc(), DECISIONS.c.id.desc()).limit(_MOST_DECISIONS))
    return tuple(decision_from_row(row) for row in rows)
