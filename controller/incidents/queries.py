"""What the database knows of an incident besides its row: how it began, its probes in numbers, where routes were."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from controller.incidents.cycle_facts import FailureOnset
from controller.incidents.impact import RoutePeriod, failure_periods, route_periods, seconds_on_failing
from controller.incidents.incident import Incident, IncidentNumbers, TargetNumbers
from controller.routing.decision import Decision
from controller.routing.store import decision_from_row
from monitor.health import Health, TargetHealth, Transition, WeighedProbe
from monitor.storage.columns import from_ms, storable, to_ms
from monitor.storage.rows import transition_of
from monitor.storage.tables import DECISIONS, OBSERVATIONS, TRANSITIONS
from probes.outcome import Outcome

#: At most so many request ids say enough.
MAX_REQUEST_IDS = 5
#: A verdict follows within this on the first suspicion, and a probe ends within it.
_LOOK_BACK = timedelta(hours=1)
_PROBE = timedelta(minutes=10)
_LONGEST_RUN = 30
_MOST_ROWS = 10_000
_SEEN = OBSERVATIONS.c
_ended_ms = _SEEN.started_ms + _SEEN.duration_s * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFacts:
    """What is known of an incident until a certain instant."""

    numbers: IncidentNumbers | None
    """None where no probe of its targets is stored (any more)."""
    request_ids: tuple[str, ...]
    route_periods: tuple[RoutePeriod, ...]
    on_failing_s: tuple[tuple[str, float], ...]

    def added_to(self, incident: Incident) -> Incident:
        """The incident with these figures; those that it has already and that are not stored any more stay."""
        return replace(
            incident,
            numbers=self.numbers or incident.numbers,
            request_ids=self.request_ids or incident.request_ids,
            on_failing_s=self.on_failing_s,
        )


def read_facts(connection: Connection, incident: Incident, now: datetime) -> IncidentFacts:
    """The facts until the resolution, or until now; some range scans of the affected targets' own keys."""
    until = incident.resolved_at or now
    where = route_periods(incident, _decisions(connection, incident, until), until)
    failing = failure_periods(_transitions(connection, incident, until), until)
    return IncidentFacts(
        numbers=_numbers(connection, incident, until),
        request_ids=_request_ids(connection, incident, until),
        route_periods=where,
        on_failing_s=seconds_on_failing(where, failing),
    )


def read_onsets(connection: Connection, bad: Collection[TargetHealth]) -> dict[str, FailureOnset]:
    """How each of these came to be bad, by target; nothing of those of which nothing is known."""
    if not bad:
        return {}
    since = [seen.since for seen in bad]
    around = (to_ms(min(since) - _LOOK_BACK), to_ms(max(since)))
    changes = _changes(connection, {seen.target for seen in bad}, *around)
    found = {seen.target: _onset(connection, seen, changes) for seen in bad}
    return {target: one for target, one in found.items() if one.failed or one.suspect_at}


def _onset(connection: Connection, seen: TargetHealth, changes: Sequence[Transition]) -> FailureOnset:
    own = [one for one in changes if one.target == seen.target and one.at <= seen.since]
    verdict = own[-1] if own and own[-1].after is seen.health else None
    before = own[-2] if verdict and len(own) > 1 else None
    suspect = before if before and before.after is Health.SUSPECT else None
    trail = [*(verdict.trail if verdict else ()), *(suspect.trail if suspect else ())]
    failed = min((one for one in trail if one.outcome is not Outcome.OK), key=lambda one: one.at, default=None)
    return FailureOnset(
        failed=failed or _first_failure(connection, seen),
        suspect_at=suspect.at if suspect else None,
        suspect=suspect.reason if suspect else "",
    )


def _first_failure(connection: Connection, seen: TargetHealth) -> WeighedProbe | None:
    """The first of the failed probes in a row that ended when it went bad."""
    latest = (
        select(_SEEN.started_ms, _SEEN.duration_s, _SEEN.outcome)
        .where(_SEEN.target == storable(seen.target), _SEEN.started_ms <= to_ms(seen.since))
        .order_by(_SEEN.started_ms.desc())
        .limit(_LONGEST_RUN)
    )
    run = list(takewhile(lambda row: row.outcome != Outcome.OK.value, connection.execute(latest)))
    if not run:
        return None
    first = run[-1]
    at = from_ms(first.started_ms) + timedelta(seconds=first.duration_s)
    return WeighedProbe(at=at, target=seen.target, outcome=Outcome(first.outcome), evidence=0.0)


def _transitions(connection: Connection, incident: Incident, until: datetime) -> list[Transition]:
    names = {one.target for one in incident.affected}
    return _changes(connection, names, to_ms(incident.onset - _LOOK_BACK), to_ms(until)) if names else []


def _changes(connection: Connection, targets: Iterable[str], after_ms: int, until_ms: int) -> list[Transition]:
    """The transitions of these targets in that time, oldest first."""
    at = TRANSITIONS.c.at_ms
    wanted = select(TRANSITIONS).where(
        at >= after_ms, at <= until_ms, TRANSITIONS.c.target.in_([storable(name) for name in targets])
    )
    rows = connection.execute(wanted.order_by(at.desc(), TRANSITIONS.c.id.desc()).limit(_MOST_ROWS))
    return [transition_of(row) for row in rows][::-1]


def _decisions(connection: Connection, incident: Incident, until: datetime) -> list[Decision]:
    """Those that were published of the touched routes: of each the last before the onset, and all since."""
    names = [storable(route.route) for route in incident.routes]
    if not names:
        return []
    at, onset_ms = DECISIONS.c.at_ms, to_ms(incident.onset)
    real = select(DECISIONS).where(DECISIONS.c.route.in_(names), DECISIONS.c.dry_run.is_(None))
    last = select(func.max(DECISIONS.c.id)).where(at < onset_ms, DECISIONS.c.dry_run.is_(None))
    last = last.where(DECISIONS.c.route.in_(names)).group_by(DECISIONS.c.route)
    since = and_(at >= onset_ms, at <= to_ms(until))
    wanted = real.where(or_(since, DECISIONS.c.id.in_(last))).order_by(at, DECISIONS.c.id)
    return [decision_from_row(row) for row in connection.execute(wanted)]


def _probes(incident: Incident, until: datetime, target: str) -> list[ColumnElement[bool]]:
    """The probes of one target that ended from the onset on."""
    onset_ms = to_ms(incident.onset)
    started = (_SEEN.started_ms >= to_ms(incident.onset - _PROBE), _SEEN.started_ms <= to_ms(until))
    # Kept instants are rounded down, durations are not.
    return [_SEEN.target == storable(target), *started, _ended_ms >= onset_ms - 2]


def _numbers(connection: Connection, incident: Incident, until: datetime) -> IncidentNumbers | None:
    found = []
    for one in incident.affected:
        wanted = select(_SEEN.outcome, func.count().label("n")).where(*_probes(incident, until, one.target))
        counts = Counter({row.outcome: row.n for row in connection.execute(wanted.group_by(_SEEN.outcome))})
        outcomes = tuple((Outcome(word), count) for word, count in sorted(counts.items(), key=_most_first))
        if outcomes:
            found.append(TargetNumbers(target=one.target, outcomes=outcomes))
    return IncidentNumbers(targets=tuple(found)) if found else None


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _request_ids(connection: Connection, incident: Incident, until: datetime) -> tuple[str, ...]:
    """Of the first failed probes, those of every target before the second ones of any."""
    found: list[tuple[int, int, str]] = []
    for one in incident.affected:
        failed = (_SEEN.outcome != Outcome.OK.value, _SEEN.request_id.is_not(None))
        wanted = select(_SEEN.request_id, _SEEN.started_ms).where(*_probes(incident, until, one.target), *failed)
        rows = connection.execute(wanted.order_by(_SEEN.started_ms).limit(MAX_REQUEST_IDS)).all()
        found += [(place, row.started_ms, row.request_id) for place, row in enumerate(rows)]
    return tuple(dict.fromkeys(request_id for _, _, request_id in sorted(found)))[:MAX_REQUEST_IDS]
