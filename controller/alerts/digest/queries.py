"""What the database knows of a week: one range of each target's key, and the changes of health and routes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, and_, bindparam, case, func, or_, select

from controller.alerts.digest.digest import WEEK, RouteWeek, TargetWeek, Week
from controller.incidents.impact import FailurePeriod, RoutePeriod, failure_periods, seconds_on_failing
from controller.routing.decision import Decision, Move
from controller.routing.store import decision_from_row
from monitor.budget.summary import read_summary
from monitor.health import Transition
from monitor.settings import Settings
from monitor.storage.columns import from_ms, maybe_from_ms, storable, to_ms
from monitor.storage.rows import transition_of
from monitor.storage.spending import SpendingStore
from monitor.storage.tables import DECISIONS, INCIDENTS, OBSERVATIONS, TRANSITIONS
from probes.outcome import Blame, Outcome

_SEEN = OBSERVATIONS.c
_EXCLUDED = sorted(one.value for one in Outcome if one.blame in {Blame.US, Blame.UNCLEAR})
_ANSWERED = [Outcome.OK.value, Outcome.SLOW.value]
_NO_FLIP = frozenset({Move.FIRST, Move.CONFIGURED})
_OF_TARGET = (
    _SEEN.target == bindparam("of"),
    _SEEN.started_ms >= bindparam("begins"),
    _SEEN.started_ms < bindparam("ends"),
)
_TOTALS = select(
    func.count().label("total"),
    func.min(_SEEN.started_ms).label("first_ms"),
    func.sum(case((_SEEN.outcome.in_(_EXCLUDED), 1), else_=0)).label("excluded"),
    func.sum(case((_SEEN.outcome == Outcome.OK.value, 1), else_=0)).label("ok"),
    func.avg(case((_SEEN.outcome.in_(_ANSWERED), _SEEN.duration_s))).label("answer_s"),
    func.sum(_SEEN.cost_usd).label("usd"),
).where(*_OF_TARGET)


def read_week(settings: Settings, engine: Engine, ends: datetime) -> Week:
    """The seven days before `ends`, on an engine of `open_reader`: it reads a week of probes.

    Raises `monitor.storage.database.DatabaseError`.
    """
    begins = ends - WEEK
    money = read_summary(settings, SpendingStore(engine), ends)
    with engine.connect() as connection:
        failing = failure_periods(_transitions(connection, begins, ends), ends)
        rows = {target.id: _totals(connection, target.id, begins, ends) for target in settings.targets}
        known = [first for first, _ in rows.values() if first]
        decisions = _decisions(connection, settings, begins, ends)
        opened, still_open, incident_s = _incidents(connection, begins, ends)
    fell = Counter(spell.target for spell in failing if spell.since >= begins)
    return Week(
        begins=begins,
        ends=ends,
        known_from=min(known, default=None),
        targets=tuple(_target(name, found, fell[name]) for name, (_, found) in rows.items()),
        routes=tuple(
            _route(route.name, [one for one in decisions if one.route == route.name], failing, begins, ends)
            for route in settings.routes
        ),
        incidents=opened,
        still_open=still_open,
        incident_s=incident_s,
        money=money.sentence,
    )


def _totals(
    connection: Connection, target: str, begins: datetime, ends: datetime
) -> tuple[datetime | None, TargetWeek]:
    named = {"of": storable(target), "begins": to_ms(begins), "ends": to_ms(ends)}
    row = connection.execute(_TOTALS, named).one()
    week = TargetWeek(
        target=target,
        ok=row.ok or 0,
        counted=row.total - (row.excluded or 0),
        answer_s=row.answer_s,
        usd=row.usd or 0.0,
    )
    return maybe_from_ms(row.first_ms), week


def _target(name: str, found: TargetWeek, fell: int) -> TargetWeek:
    return TargetWeek(
        target=name, ok=found.ok, counted=found.counted, answer_s=found.answer_s, usd=found.usd, fell=fell
    )


def _transitions(connection: Connection, begins: datetime, ends: datetime) -> list[Transition]:
    """Those of the week and the last one of each target before it, oldest first."""
    row = TRANSITIONS.c
    last = select(func.max(row.id)).where(row.at_ms < to_ms(begins)).group_by(row.target)
    wanted = select(TRANSITIONS).where(or_(and_(row.at_ms >= to_ms(begins), row.at_ms < to_ms(ends)), row.id.in_(last)))
    return [transition_of(one) for one in connection.execute(wanted.order_by(row.at_ms, row.id))]


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
    name: str, made: Sequence[Decision], failing: Sequence[FailurePeriod], begins: datetime, ends: datetime
) -> RouteWeek:
    where = list(_stays(name, made, begins, ends))
    flips = [one for one in made if one.at >= begins and one.target != one.before and one.move not in _NO_FLIP]
    return RouteWeek(route=name, on_failing_s=sum(s for _, s in seconds_on_failing(where, failing)), flips=len(flips))


def _stays(route: str, made: Sequence[Decision], begins: datetime, ends: datetime) -> Iterable[RoutePeriod]:
    until = [one.at for one in made[1:]] + [ends]
    for decision, end in zip(made, until, strict=False):
        since = max(decision.at, begins)
        if end > since:
            yield RoutePeriod(route=route, target=decision.target, since=since, until=end)


def _incidents(connection: Connection, begins: datetime, ends: datetime) -> tuple[int, int, float]:
    """How many were opened in the week, how many are open, and how long they lasted in it together."""
    row = INCIDENTS.c
    touched = or_(row.resolved_ms.is_(None), row.resolved_ms >= to_ms(begins))
    wanted = select(row.opened_ms, row.resolved_ms).where(touched, row.opened_ms < to_ms(ends))
    found = [(from_ms(one.opened_ms), maybe_from_ms(one.resolved_ms)) for one in connection.execute(wanted)]
    lasted = (min(until or ends, ends) - max(since, begins) for since, until in found)
    opened = sum(since >= begins for since, _ in found)
    still_open = sum(until is None for _, until in found)
    return opened, still_open, sum(one.total_seconds() for one in lasted)
