"""Reads what the database knows of an incident besides its row: how it began, its probes in numbers, where routes were.

Core statements: they count and scan observations, the largest table.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select

from controller.incidents.failed_requests import FailedSum, failed_requests
from controller.incidents.impact import (
    BY_PROVIDER,
    BY_US,
    RoutePeriod,
    failure_periods,
    route_periods,
    seconds_on_failing,
)
from controller.incidents.incident import (
    FIRST_REQUESTS,
    EntryKind,
    Incident,
    IncidentKind,
    TargetNumbers,
    TimelineEntry,
)
from controller.routing.decision import Decision
from controller.routing.store import decision_from_row
from monitor.detection.reasons import REPORTED
from monitor.health import Health, TargetHealth, Transition, WeighedProbe
from monitor.history.rollup import HOUR, MINUTE, span_start
from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.observation_reads import in_slots, newest_first, read_newest
from monitor.storage.row_conversions import transition_of
from monitor.storage.tables import DECISIONS, OBSERVATIONS, TRANSITIONS
from monitor.storage.traffic_store import read_outcomes
from monitor.traffic.request_counts import failed_of
from probes.outcome import Effect, Outcome

#: At most so many request ids are read.
MAX_REQUEST_IDS = 5
#: A verdict follows within this on the first suspicion, and a probe ends within `_LONGEST_PROBE`.
_LOOK_BACK = timedelta(hours=1)
_LONGEST_PROBE = timedelta(minutes=10)
_LONGEST_RUN = 30
_MAX_TRANSITIONS = 10_000
#: An open incident's headline says how probes ended in so much of it.
_LATELY = timedelta(hours=1)
#: So much of it, from the hour on in which it began, is read by minute.
_BY_MINUTE = timedelta(hours=3)
_OF_CONFIGURATION = sorted(outcome for outcome in Outcome if outcome.effect is Effect.MISCONFIGURED)
_Time = tuple[datetime, datetime]
_PROBE = OBSERVATIONS.c
_ended_ms = _PROBE.started_ms + _PROBE.duration_s * 1000
_LATEST = newest_first(
    select(_PROBE.started_ms, _PROBE.duration_s, _PROBE.outcome).where(
        _PROBE.target == bindparam("of"), _PROBE.started_ms <= bindparam("until")
    ),
    _LONGEST_RUN,
)


def read_facts(connection: Connection, incident: Incident, now: datetime) -> tuple[Incident, tuple[RoutePeriod, ...]]:
    """The incident with its figures until the resolution, or until now, and where its routes pointed meanwhile.

    Figures that are not stored any more stay as they are. Some range scans of the affected targets' own keys. Probes
    count that ended in a bad period, whose fault lies where the incident's does: not those that failed on this side,
    nor in an incident of the provider those that say that our configuration is at fault.
    """
    until = incident.resolved_at or now
    times = [(period.began_at, period.ended_at or until) for period in incident.bad_periods]
    decisions = read_decisions(connection, [impact.route for impact in incident.routes], incident.onset, until)
    periods = route_periods(incident, decisions, until)
    targets = {affected.target for affected in incident.affected}
    transitions = read_transitions(connection, targets, incident.onset - _LOOK_BACK, until)
    ours = incident.kind is IncidentKind.CONFIGURATION
    counted = replace(
        incident,
        numbers=_numbers(connection, incident, times) or incident.numbers,
        request_ids=() if ours else _request_ids(connection, incident, times) or incident.request_ids,
        on_failing_s=seconds_on_failing(periods, failure_periods(transitions, until, BY_US if ours else BY_PROVIDER)),
        failed_requests=failed_requests(periods, _failed_sums(connection, periods, incident.onset, until))
        or incident.failed_requests,
    )
    return counted, periods


def _failed_sums(
    connection: Connection, periods: Sequence[RoutePeriod], since: datetime, until: datetime
) -> Iterator[FailedSum]:
    """The failed requests to where the routes pointed, by minute and, of a long incident, later by hour."""
    targets, by_hour_from = {period.target for period in periods}, span_start(since, HOUR) + _BY_MINUTE
    for span, begin, end in (
        (MINUTE, span_start(since, MINUTE), min(until, by_hour_from)),
        (HOUR, by_hour_from, until),
    ):
        if targets and begin < end:
            for stored in read_outcomes(connection, sorted(targets), span, since=begin, until=end):
                yield stored.target, stored.route, stored.begins_at, sum(failed_of(stored.outcomes).values())


def read_numbers_lately(connection: Connection, incident: Incident, now: datetime) -> tuple[TargetNumbers, ...]:
    """How the probes of an open incident ended in its present bad period, of the last hour at most."""
    began_at = incident.bad_periods[-1].began_at
    return _numbers(connection, incident, [(max(began_at, now - _LATELY), now)])


def read_onsets(connection: Connection, bad: Collection[TargetHealth]) -> dict[str, list[TimelineEntry]]:
    """The first failed probe and the first suspicion of each of these, by target; empty where nothing is known."""
    since = [state.since for state in bad]
    targets = {state.target for state in bad}
    transitions = read_transitions(connection, targets, min(since) - _LOOK_BACK, max(since))
    return {state.target: list(_onset(connection, state, transitions)) for state in bad}


def _onset(connection: Connection, state: TargetHealth, transitions: Sequence[Transition]) -> Iterator[TimelineEntry]:
    own = [change for change in transitions if change.target == state.target and change.at <= state.since]
    verdict = own[-1] if own and own[-1].after is state.health else None
    before = own[-2] if verdict and len(own) > 1 else None
    suspect = before if before and before.after is Health.SUSPECT else None
    suspect = verdict if verdict and state.health is Health.SUSPECT else suspect
    trail = [*(verdict.trail if verdict else ()), *(suspect.trail if suspect else ())]
    failures = (probe for probe in trail if probe.is_bad)
    failed = min(failures, key=lambda probe: probe.at, default=None) or _first_failure(connection, state)
    if failed:
        what = "late answer" if failed.late else f"failed probe: {failed.outcome}"
        yield TimelineEntry(at=failed.at, text=f"First {what} from {failed.target}", kind=EntryKind.FIRST_FAILURE)
    elif suspect and REPORTED in suspect.reason:
        first = f"{FIRST_REQUESTS} to {state.target}, as applications report"
        yield TimelineEntry(at=suspect.at, text=first, kind=EntryKind.FIRST_FAILURE)
    if suspect:
        yield TimelineEntry(at=suspect.at, text=suspect.reason, kind=EntryKind.SUSPECT)


def _first_failure(connection: Connection, state: TargetHealth) -> WeighedProbe | None:
    """The first of the failed probes in a row after which the target went bad."""
    since_ms = to_ms(state.since)
    values = {"of": storable(state.target), "until": since_ms}
    latest = read_newest(connection, _LATEST, _LONGEST_RUN, since_ms, values)
    failed = list(takewhile(lambda row: row.outcome != Outcome.OK.value, latest))
    if not failed:
        return None
    first = failed[-1]
    at = from_ms(first.started_ms) + timedelta(seconds=first.duration_s)
    return WeighedProbe(at=at, target=state.target, outcome=Outcome(first.outcome), evidence=0.0)


def read_transitions(
    connection: Connection, targets: Collection[str], since: datetime, until: datetime
) -> list[Transition]:
    """The transitions of these targets in that time, oldest first."""
    at = TRANSITIONS.c.at_ms
    of_targets = TRANSITIONS.c.target.in_([storable(target) for target in targets])
    query = select(TRANSITIONS).where(at >= to_ms(since), at <= to_ms(until), of_targets)
    rows = connection.execute(query.order_by(at.desc(), TRANSITIONS.c.id.desc()).limit(_MAX_TRANSITIONS))
    return [transition_of(row) for row in rows][::-1]


def read_decisions(connection: Connection, routes: Sequence[str], since: datetime, until: datetime) -> list[Decision]:
    """The published decisions of these routes, oldest first: of each the last before `since`, and all from then on."""
    if not routes:
        return []
    at, since_ms = DECISIONS.c.at_ms, to_ms(since)
    published = (DECISIONS.c.route.in_([storable(route) for route in routes]), DECISIONS.c.dry_run.is_(None))
    last_before = select(func.max(DECISIONS.c.id)).where(*published, at < since_ms).group_by(DECISIONS.c.route)
    in_time = and_(at >= since_ms, at <= to_ms(until))
    query = select(DECISIONS).where(*published, or_(in_time, DECISIONS.c.id.in_(last_before)))
    return [decision_from_row(row) for row in connection.execute(query.order_by(at, DECISIONS.c.id))]


def _probes_of(incident: Incident, target: str, times: Sequence[_Time]) -> list[ColumnElement[bool]]:
    """The condition for the probes of one target that ended in one of these times, and say something of the fault."""
    within = [
        and_(
            _PROBE.started_ms >= to_ms(since - _LONGEST_PROBE),
            _PROBE.started_ms <= to_ms(until),
            _ended_ms >= to_ms(since) - 2,  # stored instants are rounded down, durations are not
        )
        for since, until in times
    ]
    others = [] if incident.kind is IncidentKind.CONFIGURATION else [_PROBE.outcome.not_in(_OF_CONFIGURATION)]
    begins, ends = min(since for since, _ in times) - _LONGEST_PROBE, max(until for _, until in times)
    in_time = in_slots(to_ms(begins), to_ms(ends)), or_(*within)
    return [_PROBE.target == storable(target), _PROBE.failed_here == 0, *in_time, *others]


def _numbers(connection: Connection, incident: Incident, times: Sequence[_Time]) -> tuple[TargetNumbers, ...]:
    numbers = []
    for affected in incident.affected:
        query = select(_PROBE.outcome, func.count().label("n")).where(*_probes_of(incident, affected.target, times))
        counts = {row.outcome: row.n for row in connection.execute(query.group_by(_PROBE.outcome))}
        most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        outcomes = tuple((Outcome(outcome), count) for outcome, count in most_first)
        if outcomes:
            numbers.append(TargetNumbers(target=affected.target, outcomes=outcomes))
    return tuple(numbers)


def _request_ids(connection: Connection, incident: Incident, times: Sequence[_Time]) -> tuple[str, ...]:
    """Of the newest failed probes, those of every target before the second ones of any."""
    ranked: list[tuple[int, int, str]] = []
    for affected in incident.affected:
        failed = (_PROBE.outcome != Outcome.OK.value, _PROBE.request_id.is_not(None))
        query = select(_PROBE.request_id, _PROBE.started_ms).where(
            *_probes_of(incident, affected.target, times), *failed
        )
        rows = connection.execute(query.order_by(_PROBE.started_ms.desc()).limit(MAX_REQUEST_IDS)).all()
        ranked += [(rank, -row.started_ms, row.request_id) for rank, row in enumerate(rows)]
    return tuple(dict.fromkeys(request_id for _, _, request_id in sorted(ranked)))[:MAX_REQUEST_IDS]
