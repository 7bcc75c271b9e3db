"""Reads what the database knows of a week, and stores which weekly digests were made."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection, Engine, and_, bindparam, case, func, or_, select
from sqlmodel import Session

from controller.alerts.digest.digest import DIGEST, WEEK, RouteWeek, TargetWeek, Week
from controller.incidents.impact import FailurePeriod, RoutePeriod, failure_periods, seconds_on_failing
from controller.routing.decision import Decision, MoveKind
from controller.routing.store import decision_from_row
from monitor.budget.summary import read_summary
from monitor.config.settings import Settings
from monitor.health import Transition
from monitor.storage.conversions import from_ms, maybe_from_ms, storable, to_ms
from monitor.storage.database import durable
from monitor.storage.rows import event_row, transition_of
from monitor.storage.spending import SpendingStore
from monitor.storage.tables import DECISIONS, DELIVERIES, INCIDENTS, OBSERVATIONS, TRANSITIONS, DeliveryRow
from probes.outcome import ANSWERED, EXCLUDED, Outcome

_SINK: Final = "digest"
_OBSERVED = OBSERVATIONS.c
_OF_TARGET = (
    _OBSERVED.target == bindparam("of"),
    _OBSERVED.started_ms >= bindparam("begins"),
    _OBSERVED.started_ms < bindparam("ends"),
)
_TOTALS = select(
    func.count().label("total"),
    func.min(_OBSERVED.started_ms).label("first_ms"),
    func.sum(case((_OBSERVED.outcome.in_(sorted(EXCLUDED)), 1), else_=0)).label("excluded"),
    func.sum(case((_OBSERVED.outcome == Outcome.OK.value, 1), else_=0)).label("ok"),
    func.avg(case((_OBSERVED.outcome.in_(sorted(ANSWERED)), _OBSERVED.duration_s))).label("answer_s"),
    func.sum(_OBSERVED.cost_usd).label("usd"),
).where(*_OF_TARGET)


class DigestStore:
    """Which digests were made, on an engine of `open_writer`; not for several threads at once.

    Raises `monitor.storage.database.DatabaseError`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = durable(engine)

    def last(self) -> date | None:
        """The day of the last one; None when there was none."""
        row = DELIVERIES.c
        newest = select(row.subject).where(row.sink == _SINK).order_by(row.begun_ms.desc()).limit(1)
        with self._engine.connect() as connection:
            day = connection.scalar(newest)
        return date.fromisoformat(day) if day else None

    def keep(self, day: date, text: str, at: datetime) -> None:
        """It is made, and people must be told: both, or neither."""
        made = DeliveryRow(key=f"{_SINK} {day}", sink=_SINK, kind="digest", subject=str(day))
        made.begun_ms = made.done_ms = to_ms(at)
        with Session(self._engine) as session, session.begin():
            session.add(made)
            session.add(event_row(at, DIGEST, str(day), text, tell=True))


def read_week(settings: Settings, engine: Engine, ends: datetime) -> Week:
    """The seven days before `ends`, on an engine of `open_reader`: it reads a week of probes.

    Raises `monitor.storage.database.DatabaseError`.
    """
    begins = ends - WEEK
    money = read_summary(settings, SpendingStore(engine), ends)
    with engine.connect() as connection:
        failing = failure_periods(_transitions(connection, begins, ends), ends)
        targets = [_target(connection, target.id, begins, ends) for target in settings.targets]
        decisions = _decisions(connection, settings, begins, ends)
        opened, still_open, incident_s = _incidents(connection, begins, ends)
    fell = Counter(period.target for period in failing if period.since >= begins)
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


def _target(
    connection: Connection, target: str, begins: datetime, ends: datetime
) -> tuple[datetime | None, TargetWeek]:
    """Its first observation of the week, and the week without the number of its failures."""
    row = connection.execute(_TOTALS, {"of": storable(target), "begins": to_ms(begins), "ends": to_ms(ends)}).one()
    week = TargetWeek(
        target=target,
        ok=row.ok or 0,
        counted=row.total - (row.excluded or 0),
        answer_s=row.answer_s,
        usd=row.usd or 0.0,
    )
    return maybe_from_ms(row.first_ms), week


def _transitions(connection: Connection, begins: datetime, ends: datetime) -> list[Transition]:
    """Those of the week and the last one of each target before it, oldest first."""
    row = TRANSITIONS.c
    last = select(func.max(row.id)).where(row.at_ms < to_ms(begins)).group_by(row.target)
    wanted = select(TRANSITIONS).where(or_(and_(row.at_ms >= to_ms(begins), row.at_ms < to_ms(ends)), row.id.in_(last)))
    return [transition_of(found) for found in connection.execute(wanted.order_by(row.at_ms, row.id))]


def _decisions(connection: Connection, settings: Settings, begins: datetime, ends: datetime) -> list[Decision]:
    """Those that were published in the week and the last one of each route before it, oldest first."""
    row = DECISIONS.c
    names = [storable(route.name) for route in settings.routes]
    real = (row.dry_run.is_(None), row.route.in_(names))
    last = select(func.max(row.id)).where(row.at_ms < to_ms(begins), *real).group_by(row.route)
    in_week = and_(row.at_ms >= to_ms(begins), row.at_ms < to_ms(ends))
    wanted = select(DECISIONS).where(*real, or_(in_week, row.id.in_(last))).order_by(row.at_ms, row.id)
    return [decision_from_row(row) for row in connection.execute(wanted)]


def _route(
    name: str, decisions: Sequence[Decision], failing: Sequence[FailurePeriod], begins: datetime, ends: datetime
) -> RouteWeek:
    seconds = seconds_on_failing(list(_route_periods(name, decisions, begins, ends)), failing)
    in_week = (decision for decision in decisions if decision.at >= begins)
    flips = sum(decision.is_flip and decision.move is not MoveKind.CONFIGURED for decision in in_week)
    return RouteWeek(route=name, on_failing_s=sum(failing_s for _, failing_s in seconds), flips=flips)


def _route_periods(
    route: str, decisions: Sequence[Decision], begins: datetime, ends: datetime
) -> Iterable[RoutePeriod]:
    until = [decision.at for decision in decisions[1:]] + [ends]
    for decision, end in zip(decisions, until, strict=False):
        since = max(decision.at, begins)
        if end > since:
            yield RoutePeriod(route=route, target=decision.target, since=since, until=end)


def _incidents(connection: Connection, begins: datetime, ends: datetime) -> tuple[int, int, float]:
    """How many were opened in the week, how many are open, and how long they lasted in it together."""
    row = INCIDENTS.c
    touched = or_(row.resolved_ms.is_(None), row.resolved_ms >= to_ms(begins))
    wanted = select(row.opened_ms, row.resolved_ms).where(touched, row.opened_ms < to_ms(ends))
    periods = [(from_ms(found.opened_ms), maybe_from_ms(found.resolved_ms)) for found in connection.execute(wanted)]
    lasted_s = ((min(until or ends, ends) - max(since, begins)).total_seconds() for since, until in periods)
    opened = sum(since >= begins for since, _ in periods)
    still_open = sum(until is None for _, until in periods)
    return opened, still_open, sum(lasted_s)
