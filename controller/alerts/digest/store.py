"""Reads what the database knows of a week, and stores which weekly digests were made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, and_, bindparam, case, exists, func, not_, or_, select
from sqlmodel import Session

from controller.alerts.digest.digest import DIGEST, WEEK, RouteWeek, TargetWeek, Week
from controller.incidents.impact import FailurePeriod, failure_periods, periods_of_route, seconds_on_failing
from controller.incidents.queries import read_decisions
from controller.incidents.store import incident_of
from controller.routing.decision import Decision, MoveKind
from monitor.budget.summary import read_summary
from monitor.config.settings import Settings
from monitor.health import Transition
from monitor.history.rollup import DAY
from monitor.storage.column_conversions import maybe_from_ms, storable, to_ms
from monitor.storage.database import durable, open_reader
from monitor.storage.observation_reads import in_slots
from monitor.storage.row_conversions import event_row, transition_of
from monitor.storage.store import Store
from monitor.storage.tables import DELIVERIES, INCIDENTS, OBSERVATIONS, OVERRIDES, TRANSITIONS, DeliveryRow
from probes.outcome import ANSWERED

_SINK: Final = "digest"
_OBSERVED = OBSERVATIONS.c
#: Availability leaves these out.
_LEFT_OUT = or_(
    _OBSERVED.failed_here == 1,
    exists().where(
        OVERRIDES.c.kind == "maintenance",
        or_(
            OVERRIDES.c.subject == _OBSERVED.target,
            OVERRIDES.c.subject + "/" == func.substr(_OBSERVED.target, 1, func.length(OVERRIDES.c.subject) + 1),
        ),
        OVERRIDES.c.at_ms <= _OBSERVED.started_ms,
        func.coalesce(OVERRIDES.c.ended_ms, OVERRIDES.c.until_ms) > _OBSERVED.started_ms,
    ),
)
_ANSWERED = _OBSERVED.outcome.in_(sorted(ANSWERED))
#: Of all targets at once: those of one lie far apart.
_TOTALS = (
    select(
        _OBSERVED.target,
        func.count().label("total"),
        func.min(_OBSERVED.started_ms).label("first_ms"),
        func.count().filter(_LEFT_OUT).label("left_out"),
        func.count().filter(_ANSWERED, not_(_LEFT_OUT)).label("answered"),
        func.count().filter(_ANSWERED).label("answers"),
        func.sum(case((_ANSWERED, _OBSERVED.duration_s))).label("answers_s"),
        func.sum(_OBSERVED.cost_usd).label("usd"),
    )
    .where(
        _OBSERVED.started_ms >= bindparam("begins"),
        _OBSERVED.started_ms < bindparam("ends"),
        in_slots(bindparam("begins"), bindparam("ends")),
    )
    .group_by(_OBSERVED.target)
)


def last_digest_day(engine: Engine) -> date | None:
    """The day of the last digest that was made; None when there was none. Raises DatabaseError."""
    row = DELIVERIES.c
    newest = select(row.subject).where(row.sink == _SINK).order_by(row.begun_ms.desc()).limit(1)
    with engine.connect() as connection:
        day = connection.scalar(newest)
    return date.fromisoformat(day) if day else None


def keep_digest(engine: Engine, day: date, text: str, at: datetime) -> None:
    """It is made, and people must be told: both, or neither. Raises DatabaseError."""
    made = DeliveryRow(key=f"{_SINK} {day}", sink=_SINK, kind="digest", subject=str(day))
    made.begun_ms = made.done_ms = to_ms(at)
    with Session(durable(engine)) as session, session.begin():
        session.add(made)
        session.add(event_row(at, DIGEST, str(day), text, notify=True))


def read_week(settings: Settings, ends: datetime) -> Week:
    """The seven days before `ends`, on a connection of its own: it reads a week of probes. Raises DatabaseError."""
    begins = ends - WEEK
    engine = open_reader(settings.database)
    money = read_summary(settings, Store(engine), ends)
    with engine.connect() as connection:
        failing = failure_periods(_transitions(connection, begins, ends), ends)
        days = _days(connection, begins, ends)
        targets = [_target(target.id, days.get(storable(target.id), [])) for target in settings.targets]
        decisions = read_decisions(connection, [route.name for route in settings.routes], begins, ends)
        opened, still_open, incident_s = _incidents(connection, begins, ends)
    fell = Counter(target for target, since, _ in failing if since >= begins)
    return Week(
        begins=begins,
        ends=ends,
        known_from=min((first for first, _ in targets if first), default=None),
        targets=tuple(replace(target, fell=fell[target.target]) for _, target in targets),
        routes=tuple(
            _route(route.name, [made for made in decisions if made.route == route.name], failing, begins, ends)
            for route in settings.routes
        ),
        incidents=opened,
        still_open=still_open,
        incident_s=incident_s,
        money=money.sentence,
    )


def _days(connection: Connection, begins: datetime, ends: datetime) -> dict[str, list[Row[Any]]]:
    """The totals of each day of every target, by target."""
    days: dict[str, list[Row[Any]]] = {}
    while begins < ends:
        until = min(begins + DAY, ends)
        for row in connection.execute(_TOTALS, {"begins": to_ms(begins), "ends": to_ms(until)}):
            days.setdefault(row.target, []).append(row)
        begins = until
    return days


def _target(target: str, days: Sequence[Row[Any]]) -> tuple[datetime | None, TargetWeek]:
    """Its first observation of the week, and the week without the number of its failures."""
    answers = sum(day.answers for day in days)
    week = TargetWeek(
        target=target,
        answered=sum(day.answered for day in days),
        asked=sum(day.total - day.left_out for day in days),
        answer_s=sum(day.answers_s or 0.0 for day in days) / answers if answers else None,
        usd=sum(day.usd or 0.0 for day in days),
    )
    return maybe_from_ms(min((day.first_ms for day in days), default=None)), week


def _transitions(connection: Connection, begins: datetime, ends: datetime) -> list[Transition]:
    """Those of the week and the last one of each target before it, oldest first."""
    row = TRANSITIONS.c
    last = select(func.max(row.id)).where(row.at_ms < to_ms(begins)).group_by(row.target)
    wanted = select(TRANSITIONS).where(or_(and_(row.at_ms >= to_ms(begins), row.at_ms < to_ms(ends)), row.id.in_(last)))
    return [transition_of(found) for found in connection.execute(wanted.order_by(row.at_ms, row.id))]


def _route(
    name: str, decisions: Sequence[Decision], failing: Sequence[FailurePeriod], begins: datetime, ends: datetime
) -> RouteWeek:
    since = max(begins, decisions[0].at) if decisions else ends
    seconds = seconds_on_failing(periods_of_route(name, "", decisions, since, ends), failing)
    in_week = (decision for decision in decisions if begins <= decision.at < ends)
    flips = sum(decision.is_flip and decision.move not in {MoveKind.CONFIGURED, MoveKind.DRILL} for decision in in_week)
    return RouteWeek(route=name, on_failing_s=sum(failing_s for _, failing_s in seconds), flips=flips)


def _incidents(connection: Connection, begins: datetime, ends: datetime) -> tuple[int, int, float]:
    """How many were opened in the week, how many are open, and how long they lasted in it together."""
    row = INCIDENTS.c
    touched = or_(row.resolved_ms.is_(None), row.resolved_ms >= to_ms(begins))
    wanted = select(INCIDENTS).where(touched, row.opened_ms < to_ms(ends))
    incidents = [incident_of(found) for found in connection.execute(wanted)]
    lasted_s = (
        max(0.0, (min(period.ended_at or ends, ends) - max(period.opened_at, begins)).total_seconds())
        for incident in incidents
        for period in incident.bad_periods
    )
    opened = sum(incident.opened_at >= begins for incident in incidents)
    still_open = sum(incident.resolved_at is None for incident in incidents)
    return opened, still_open, sum(lasted_s)
