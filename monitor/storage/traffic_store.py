"""The sums of what applications report: by ten seconds, by minute for two weeks, by hour as long as those of probes."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from sqlalchemy import ColumnElement, Connection, Engine, delete, select

from monitor.history.rollup import HOUR, MINUTE, TEN_SECONDS, Rollup, span_start
from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.database import reading
from monitor.storage.pruning import subjects_of
from monitor.storage.rollup_rows import rollup_of, sum_columns
from monitor.storage.rollup_tables import TRAFFIC_ROLLUPS
from monitor.storage.upsert import replace_rows, rows_of
from monitor.traffic.traffic_sums import TrafficKey
from probes.outcome import Outcome

_KEY: Final = list(TRAFFIC_ROLLUPS.primary_key.columns)
_SHORT_S: Final = int(TEN_SECONDS.total_seconds())
#: How long the sums of ten seconds are kept.
_SHORT_KEPT: Final = timedelta(minutes=5)
_C: Final = TRAFFIC_ROLLUPS.c


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTraffic:
    """The requests to a target, by route and tag, of one minute or hour."""

    key: TrafficKey
    begins_at: datetime
    sums: Rollup


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutcomes:
    """How the requests to a target by a route ended in one minute or hour, of one tag."""

    target: str
    route: str
    begins_at: datetime
    outcomes: Mapping[Outcome, int]


def read_outcomes(
    connection: Connection, targets: Sequence[str], span: timedelta, *, since: datetime, until: datetime
) -> Iterator[StoredOutcomes]:
    """As `TrafficStore.sums`, without times, tokens and costs."""
    wanted = select(_C.target, _C.route, _C.start_ms, _C.asked).where(*_within(targets, span, since, until))
    for target, route, start_ms, asked in connection.execute(wanted.order_by(_C.start_ms)):
        outcomes = {Outcome(name): count for name, count in json.loads(asked).items()}
        yield StoredOutcomes(target=target, route=route, begins_at=from_ms(start_ms), outcomes=outcomes)


def _within(
    targets: Sequence[str], span: timedelta, since: datetime, until: datetime
) -> tuple[ColumnElement[bool], ...]:
    of_targets = _C.target.in_(map(storable, targets)), _C.span_s == int(span.total_seconds())
    return (*of_targets, _C.start_ms >= to_ms(since), _C.start_ms < to_ms(until))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTotals:
    """What the requests of some hours come to."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    """Requests whose cost is not known."""

    def __add__(self, other: Self) -> Self:
        """Both together."""
        return type(self)(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            unpriced=self.unpriced + other.unpriced,
        )


class TrafficStore:
    """The table of sums, on an engine of `open_writer`, or of `open_reader` for what only reads.

    Every method raises `monitor.storage.database.DatabaseError` when it did not happen.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = reading(engine)

    def add(self, sums: Mapping[tuple[TrafficKey, datetime], Rollup]) -> None:
        """Add to the sums of each key what ended in the ten seconds that begin then; remove old ones of ten seconds."""
        groups: dict[tuple[object, ...], Rollup] = defaultdict(Rollup)
        for (key, begins_at), rollup in sums.items():
            target, route, tag = map(storable, key)
            for span in (TEN_SECONDS, MINUTE, HOUR):
                start_ms = to_ms(span_start(begins_at, span))
                groups[target, int(span.total_seconds()), start_ms, route, tag] += rollup
        if not groups:
            return
        keys, names = list(groups), [column.name for column in _KEY]
        with self._engine.begin() as connection:
            stored = rows_of(connection, TRAFFIC_ROLLUPS, keys)
            before = {tuple(row[c] for c in _KEY): rollup_of(row) for row in stored}
            rows = [
                {**dict(zip(names, key, strict=True)), **sum_columns(before.get(key, Rollup()) + groups[key])}
                for key in keys
            ]
            replace_rows(connection, TRAFFIC_ROLLUPS, rows)
            old_ms = to_ms(max(begins_at for _, begins_at in sums) - _SHORT_KEPT)
            # By target, as the key begins with it: the table holds two weeks of minutes.
            for target in connection.scalars(subjects_of(TRAFFIC_ROLLUPS)).all():
                is_old = _C.target == target, _C.span_s == _SHORT_S, _C.start_ms < old_ms
                connection.execute(delete(TRAFFIC_ROLLUPS).where(*is_old))

    def totals(self, *, since: datetime, until: datetime) -> tuple[Mapping[TrafficKey, RequestTotals], datetime]:
        """The totals of the hours that begin in that time, by target, route and tag, and when the first one began."""
        columns = (_C.start_ms, _C.asked, _C.input_tokens, _C.output_tokens, _C.cost_usd, _C.unpriced)
        totals: dict[TrafficKey, RequestTotals] = defaultdict(RequestTotals)
        first_ms = to_ms(until)
        with self._reading.connect() as connection:
            within = _within(connection.scalars(subjects_of(TRAFFIC_ROLLUPS)).all(), HOUR, since, until)
            for row in connection.execute(select(_C.target, _C.route, _C.tag, *columns).where(*within)):
                first_ms = min(first_ms, row.start_ms)
                totals[row.target, row.route, row.tag] += RequestTotals(
                    requests=sum(json.loads(row.asked).values()),
                    input_tokens=row.input_tokens,
                    output_tokens=row.output_tokens,
                    cost_usd=row.cost_usd,
                    unpriced=row.unpriced,
                )
        return totals, from_ms(first_ms)

    def sums(
        self, targets: Sequence[str], span: timedelta, *, since: datetime, until: datetime
    ) -> Iterable[StoredTraffic]:
        """The sums of these targets by ten seconds, minute or hour that begin in that time, oldest first."""
        wanted = select(TRAFFIC_ROLLUPS).where(*_within(targets, span, since, until)).order_by(_C.start_ms)
        with self._reading.connect() as connection:
            rows = connection.execute(wanted).mappings().all()
        return [
            StoredTraffic(
                key=(row["target"], row["route"], row["tag"]), begins_at=from_ms(row["start_ms"]), sums=rollup_of(row)
            )
            for row in rows
        ]
