"""How single observations are found.

SQLite keeps them in the order in which they came, and finds them by one index: by slots of two minutes, in each by
target. So a batch touches the end of the table and the newest slots alone, and the history of a target is a seek for
each slot. PostgreSQL keeps them by day and target.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from monitor.storage.column_conversions import storable
from monitor.storage.partitions import has_partitions
from monitor.storage.pruning import subjects_of
from monitor.storage.rollup_tables import ROLLUPS
from monitor.storage.tables import OBSERVATIONS, SLOT_MS, slot_of

_HOUR_MS: Final = 3_600_000
#: What is not found in one stretch of time is looked for in one so much longer.
_FURTHER: Final = 8
_LARGEST: Final = 2**62
_STARTED: Final = OBSERVATIONS.c.started_ms
_OF_TARGET: Final = OBSERVATIONS.c.target == bindparam("of")
_SINCE: Final[ColumnElement[int]] = bindparam("since")
_UNTIL: Final[ColumnElement[int]] = bindparam("until")


class InSlots(FunctionElement[bool]):
    """Whether an observation is of one of the slots of a time; PostgreSQL, which has none, is not asked."""

    inherit_cache = True
    type = NullType()  # type: ignore[assignment]
    """Of a Boolean SQLAlchemy writes `= 1`, and SQLite then searches nothing by it."""


#: The slots that have observations, each found as the least above the last. Written out: built, it would cost each
#: statement more than it costs the database.
_IN_SLOTS: Final = f"""observations.started_ms / {SLOT_MS} IN (
WITH RECURSIVE slots (slot) AS (
    SELECT min(started_ms / {SLOT_MS}) FROM observations WHERE started_ms / {SLOT_MS} >= {{since}} / {SLOT_MS}
    UNION ALL
    SELECT (SELECT min(started_ms / {SLOT_MS}) FROM observations WHERE started_ms / {SLOT_MS} > slot{{until}})
    FROM slots WHERE slot IS NOT NULL
) SELECT slot FROM slots)"""  # noqa: S608 - our own numbers
_UNTIL_SLOT: Final = f" AND started_ms / {SLOT_MS} <= {{}} / {SLOT_MS}"


@compiles(InSlots)
def _compile(element: InSlots, compiler: SQLCompiler, **options: Any) -> str:
    since, *until = (compiler.process(end, **options) for end in element.clauses)
    return _IN_SLOTS.format(since=since, until="".join(map(_UNTIL_SLOT.format, until)))


@compiles(InSlots, "postgresql")
def _compile_nothing(_element: InSlots, _compiler: SQLCompiler, **_options: Any) -> str:
    return "true"


def in_slots(since_ms: ColumnElement[int] | int, until_ms: ColumnElement[int] | int | None = None) -> InSlots:
    """The condition by which SQLite finds what started in this time, beside the exact one; without an end, any later.

    It costs two seeks for each slot that has observations, however long the time.
    """
    return InSlots(since_ms) if until_ms is None else InSlots(since_ms, until_ms)


def newest_first(wanted: Select[Any], most: int) -> Select[Any]:
    """The statement for `read_newest`: of the observations wanted, which are of one target, the newest `most`."""
    return wanted.where(_STARTED >= _SINCE, in_slots(_SINCE)).order_by(_STARTED.desc()).limit(most)


def read_newest(
    connection: Connection, statement: Select[Any], most: int, at_ms: int, values: Mapping[str, object] | None = None
) -> Sequence[Row[Any]]:
    """What a statement of `newest_first` finds, the newest first; looks back from `at_ms` only as far as it must."""
    rows: Sequence[Row[Any]] = ()
    for since_ms in _further_back(connection, at_ms):
        rows = connection.execute(statement, {**(values or {}), "since": since_ms}).all()
        if len(rows) >= most:
            break
    return rows


def _further_back(connection: Connection, at_ms: int) -> Iterator[int]:
    """Instants, each so much earlier; the last is before all observations."""
    if has_partitions(connection):
        yield 0
        return
    back_ms = _HOUR_MS
    yield at_ms - back_ms
    oldest_ms = _slot_ms(connection, func.min)
    while oldest_ms is not None and at_ms - back_ms > oldest_ms:
        back_ms *= _FURTHER
        yield at_ms - back_ms


def first_started(connection: Connection, target: str, since_ms: int = 0) -> int | None:
    """When the target's first observation from then on started (milliseconds); None where there is none."""
    for begins_ms, ends_ms in _further_on(connection, since_ms):
        at_ms = connection.scalar(_FIRST, {"of": storable(target), "since": begins_ms, "until": ends_ms})
        if at_ms is not None:
            return int(at_ms)
    return None


def _further_on(connection: Connection, since_ms: int) -> Iterator[tuple[int, int]]:
    """Stretches of time one after the other, each so much longer; the last reaches past all observations."""
    if has_partitions(connection):
        yield since_ms, _LARGEST
        return
    reach_ms, oldest_ms, newest_ms = _HOUR_MS, _slot_ms(connection, func.min), _slot_ms(connection, func.max)
    begins_ms = max(since_ms, oldest_ms or 0)
    while newest_ms is not None and begins_ms < newest_ms + SLOT_MS:
        yield begins_ms, begins_ms + reach_ms
        begins_ms, reach_ms = begins_ms + reach_ms, reach_ms * _FURTHER


def _slot_ms(connection: Connection, end: Callable[..., ColumnElement[int]]) -> int | None:
    """When the first slot that has observations begins, or the last one."""
    slot = connection.scalar(select(end(slot_of(_STARTED))))
    return None if slot is None else int(slot) * SLOT_MS


def last_started(connection: Connection, target: str) -> int | None:
    """When the target's last observation started (milliseconds); None where there is none."""
    at_ms = 0 if has_partitions(connection) else _slot_ms(connection, func.max)
    rows = read_newest(connection, _LAST, 1, at_ms or 0, {"of": storable(target)})
    return int(rows[0][0]) if rows else None


def observed_targets(connection: Connection) -> Sequence[str]:
    """The targets that have sums, and so had observations."""
    return connection.scalars(subjects_of(ROLLUPS)).all()


def observed_since(connection: Connection, after_ms: Mapping[str, int]) -> list[str]:
    """Of these targets those that may have been observed after their instants: one read tells it for most of them.

    What is long past is not looked for here.
    """
    lately_ms = max(after_ms.values(), default=0) - _HOUR_MS
    since_ms = min((at for at in after_ms.values() if at >= lately_ms), default=0)
    newest = _NEWEST_OF_EACH if has_partitions(connection) else _NEWEST.params(since=since_ms)
    newest_ms = {row.target: row.newest for row in connection.execute(newest)}
    return [target for target, at in after_ms.items() if at < lately_ms or newest_ms.get(target, at) > at]


#: Core, and built once.
_FIRST: Final = select(func.min(_STARTED)).where(
    _OF_TARGET, _STARTED >= _SINCE, _STARTED <= _UNTIL, in_slots(_SINCE, _UNTIL)
)
_LAST: Final = newest_first(select(_STARTED).where(_OF_TARGET), 1)
_NEWEST: Final = (
    select(OBSERVATIONS.c.target, func.max(_STARTED).label("newest"))
    .where(_STARTED > _SINCE, in_slots(_SINCE))
    .group_by(OBSERVATIONS.c.target)
)
_TARGETS: Final = subjects_of(OBSERVATIONS).subquery()
#: PostgreSQL's: a few seeks per target.
_NEWEST_OF_EACH: Final = select(
    _TARGETS.c.subject.label("target"),
    select(func.max(_STARTED)).where(OBSERVATIONS.c.target == _TARGETS.c.subject).scalar_subquery().label("newest"),
)
