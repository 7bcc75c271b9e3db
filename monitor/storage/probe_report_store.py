"""Reports of probes on their way from the machines that probe a region to the one that leads (PostgreSQL).

Each region has a sequence of its own, and the row that holds it is locked from the moment that it grows until the
commit: so reports of a region are committed in the order of their numbers, and whoever has read up to one has missed
none before it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, text

from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.database import DatabaseError, reading
from monitor.storage.observation_rows import add_observations
from monitor.storage.probe_report import ProbeReport, decode
from monitor.storage.store import insert_event
from probes.observation import Observation, replaced

log = logging.getLogger(__name__)

_AT_ONCE: Final = 32
"""Reports that are read at a time, the same number of each region as far as there are."""
_MOST: Final = 2_000
"""Observations that are stored in one transaction, unless one report has more."""
#: What was probed at another time is of a clock that is wrong: a partition of its own would be made for it.
_OLDEST, _NEWEST = timedelta(days=7), timedelta(hours=1)
_NOW_MS: Final = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)"
#: One statement: a process that hangs, or is cut off, in the midst of a transaction would hold the row.
_SEND: Final = text(f"""
WITH raised AS (
    INSERT INTO regions (region, sequence, reported_ms, reporter)
    VALUES (:region, :count, {_NOW_MS}, :reporter)
    ON CONFLICT (region) DO UPDATE SET sequence = regions.sequence + excluded.sequence,
        reported_ms = excluded.reported_ms, reporter = excluded.reporter
    RETURNING sequence
)
INSERT INTO probe_reports (region, sequence, at_ms, content)
SELECT :region, raised.sequence - :count + sent.place, {_NOW_MS}, sent.content
FROM raised, unnest(CAST(:contents AS text[])) WITH ORDINALITY AS sent (content, place)
""")  # noqa: S608 - our own words
_WAITING: Final = text(f"""
SELECT next.region, next.sequence, next.content
FROM regions r CROSS JOIN LATERAL (
    SELECT p.region, p.sequence, p.content, row_number() OVER (ORDER BY p.sequence) AS place
    FROM probe_reports p WHERE p.region = r.region AND p.sequence > r.taken
    ORDER BY p.sequence LIMIT {_AT_ONCE}
) AS next
ORDER BY next.place, next.region LIMIT {_AT_ONCE}
""")  # noqa: S608 - our own numbers
#: That a report is gone says that it is taken; the number spares a look at where they were. So nobody is waited for.
_TAKEN: Final = text(
    "UPDATE regions SET taken = :sequence WHERE region ="
    " (SELECT region FROM regions WHERE region = :region FOR NO KEY UPDATE SKIP LOCKED)"
)
_REGIONS: Final = text(f"""
SELECT r.region, r.reporter, r.reported_ms, {_NOW_MS} AS now_ms,
    (SELECT count(*) FROM probe_reports p WHERE p.region = r.region AND p.sequence > r.taken) AS waiting
FROM regions r ORDER BY r.region
""")  # noqa: S608 - our own words
_LAST_EVENTS: Final = text(
    "SELECT DISTINCT ON (subject) subject, kind FROM events WHERE kind = ANY(:kinds) ORDER BY subject, id DESC"
)
_KNOWN_EVENT: Final = text(
    "SELECT EXISTS (SELECT FROM events WHERE at_ms = :at_ms AND kind = :kind AND subject = :subject AND text = :text)"
)
REPORTED_KINDS: Final = frozenset({"key_refused", "key_accepted"})
"""The events that machines may report; what only a later version reports is left out."""
_REMOVE: Final = text("DELETE FROM probe_reports WHERE region = :region AND sequence <= :sequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRegion:
    """How far a region has reported."""

    region: str
    reporter: str
    """The machine that did so last."""
    reported_at: datetime
    """By the time of the database, as `silent_s`."""
    silent_s: float
    """For how long it has not."""
    waiting: int
    """Its reports that are not taken yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenReports:
    """What was taken."""

    observations: tuple[Observation, ...] = ()
    """Those that were not known, of each region in order; also those of probes under way, which are not stored."""
    blind_since: Mapping[str, datetime | None] = field(default_factory=dict)
    """Of each region that has reported, since when its network is lost."""
    more: bool = False
    """Whether others wait."""


class _Waiting(NamedTuple):
    region: str
    sequence: int
    report: ProbeReport


class ReportOutbox:
    """For a machine that probes; on an engine of `open_reporter`."""

    def __init__(self, engine: Engine, *, region: str, reporter: str) -> None:
        self._engine = engine
        self._row = {"region": region, "reporter": storable(reporter)}

    def send(self, reports: Sequence[str]) -> None:
        """Send these, in order, all of them or none; without any, that there is nothing to say. Raises DatabaseError.

        They may have arrived all the same then: send them again, and they count once.
        """
        try:
            with self._engine.connect() as connection:
                connection.execute(_SEND, {**self._row, "count": len(reports), "contents": list(reports)})
        except DatabaseError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._engine.dispose()


class ReportInbox:
    """For the machine that leads; `take` on its writer's engine, `regions` on any."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = reading(engine)

    def take(self, now: datetime) -> TakenReports:
        """Store the observations that wait, each once, and forget their reports; raises DatabaseError.

        Both in one transaction. Whoever is killed before they are judged finds them in the database.
        """
        with self._reading.connect() as connection:
            waiting = [_Waiting(row.region, row.sequence, decode(row.content)) for row in connection.execute(_WAITING)]
        if not waiting:
            return TakenReports()
        taken = list(_first(waiting))
        try:
            new = self._store(taken, now)
        except DatabaseError as error:
            taken = taken[:1]  # what the database refuses must not hold up the rest for ever
            try:
                new = self._store(taken, now)
            except DatabaseError:
                new = self._store([each._replace(report=ProbeReport()) for each in taken], now)
                log.error("report_left_out region=%s sequence=%d: %s", *taken[0][:2], error)
        for each in taken:
            if each.report.damaged:
                log.warning(
                    "report_left_out region=%s sequence=%d: %d probes of it are damaged", *each[:2], each.report.damaged
                )
        return TakenReports(
            observations=tuple(new),
            blind_since={each.region: each.report.blind_since for each in taken},
            more=len(taken) < len(waiting) or len(waiting) == _AT_ONCE,
        )

    def regions(self) -> list[ReportedRegion]:
        """Those that have ever reported, by name; raises DatabaseError."""
        with self._reading.connect() as connection:
            return [
                ReportedRegion(
                    region=row.region,
                    reporter=row.reporter or "",
                    reported_at=from_ms(row.reported_ms or 0),
                    silent_s=max(0.0, (row.now_ms - (row.reported_ms or 0)) / 1000),
                    waiting=row.waiting,
                )
                for row in connection.execute(_REGIONS)
            ]

    def last_events(self, kinds: Sequence[str]) -> dict[str, str]:
        """The kind of the last event of these about each region, by region; raises DatabaseError."""
        with self._reading.connect() as connection:
            rows = connection.execute(_LAST_EVENTS, {"kinds": list(kinds)})
            return {row.subject: row.kind for row in rows}

    def _store(self, taken: Sequence[_Waiting], now: datetime) -> list[Observation]:
        """The new ones of these."""
        read = [_as_of(each.region, found) for each in taken for found in each.report.observations]
        sane = [each for each in read if now - _OLDEST <= each.started_at <= now + _NEWEST]
        last = {each.region: each.sequence for each in taken}
        rows = [{"region": region, "sequence": sequence} for region, sequence in last.items()]
        with self._engine.begin() as connection:
            stored = add_observations(connection, [each for each in sane if not each.under_way])
            for each in taken:
                _add_events(connection, each)
            connection.execute(_REMOVE, rows)
            connection.execute(_TAKEN, rows)
        new = set(map(id, stored))
        return [each for each in sane if each.under_way or id(each) in new]


def _add_events(connection: Connection, taken: _Waiting) -> None:
    """Those of a report; a report may come twice, and nothing is told twice."""
    for event in taken.report.events:
        if event.kind not in REPORTED_KINDS:
            continue
        text = f"in {taken.region}: {event.text}"
        same = {"at_ms": to_ms(event.at), "kind": event.kind, "subject": event.subject, "text": text}
        if not connection.scalar(_KNOWN_EVENT, same):
            insert_event(connection, event.at, event.kind, event.subject, text, notify=True)
            log.warning("%s subject=%s: %s", event.kind, event.subject, text)


def _first(waiting: Sequence[_Waiting]) -> Iterator[_Waiting]:
    """As many as are taken in one transaction, at least one."""
    left = _MOST
    for each in waiting:
        left -= len(each.report.observations)
        if left < 0 and left + len(each.report.observations) < _MOST:
            return
        yield each


def _as_of(region: str, observation: Observation) -> Observation:
    return replaced(observation, region=region)
