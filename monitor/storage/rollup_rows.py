"""Keeps the rollups of observations exact: what is stored is added to its hour and its day in the same transaction."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, RowMapping, func, select

from monitor.history.histogram import Histogram
from monitor.history.rollup import HOUR, SPANS, Rollup, span_start
from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.rollup_tables import ROLLUPS
from monitor.storage.tables import OVERRIDES
from monitor.storage.upsert import replace_rows, rows_of
from probes.observation import Observation

#: Target, span in seconds, start in epoch milliseconds, check, region.
_Key = tuple[str, int, int, str, str]
_KEY: Final = tuple(column.name for column in ROLLUPS.primary_key.columns)
_key_of: Final = itemgetter(*_KEY)
_LARGEST: Final = 2**63 - 1
#: So many observations are added together: their rollups take 30 kB each, for a moment.
_AT_ONCE: Final = 100
_JSON: Final = json.JSONEncoder(separators=(",", ":")).encode


class MaintenanceSpan(NamedTuple):
    """From when to when a target or a provider was in maintenance."""

    subject: str
    begins: datetime
    ends: datetime


def add_to_rollups(connection: Connection, observations: Iterable[Observation]) -> None:
    """Add observations that were not stored before to the rollups of their hours and days.

    What was observed during a maintenance counts as failed on this side: availability leaves it out.
    """
    added = list(observations)
    spans = maintenance_spans(connection, [observation.started_at for observation in added])
    for begin in range(0, len(added), _AT_ONCE):
        sums = _sums_of(_left_out(each, spans) for each in added[begin : begin + _AT_ONCE])
        stored = rows_of(connection, ROLLUPS, list(sums))
        before = {_key_of(row): rollup_of(row) for row in stored}
        rows = [row_of(key, before[key] + new if key in before else new) for key, new in sums.items()]
        replace_rows(connection, ROLLUPS, rows)


def _sums_of(observations: Iterable[Observation]) -> dict[_Key, Rollup]:
    """The sums of these by hour and by day; a day is the sum of its hours."""
    of_hours: dict[tuple[datetime, str, str, str], list[Observation]] = defaultdict(list)
    for each in observations:
        of_hours[span_start(each.started_at, HOUR), each.target, each.check, each.region].append(each)
    sums: dict[_Key, Rollup] = {}
    for (hour, target, check, region), alike in of_hours.items():
        part = Rollup.of(alike)
        for span in SPANS:
            whose, start_ms = storable(target), to_ms(span_start(hour, span))
            key = whose, int(span.total_seconds()), start_ms, storable(check), storable(region)
            sums[key] = sums[key] + part if key in sums else part
    return sums


def maintenance_spans(connection: Connection, instants: Collection[datetime]) -> list[MaintenanceSpan]:
    """The maintenance between the first and the last of these instants, by target or provider."""
    if not instants:
        return []
    ended_ms = func.coalesce(OVERRIDES.c.ended_ms, OVERRIDES.c.until_ms)
    wanted = select(OVERRIDES.c.subject, OVERRIDES.c.at_ms, ended_ms.label("ended_ms")).where(
        OVERRIDES.c.kind == "maintenance", OVERRIDES.c.at_ms <= to_ms(max(instants)), ended_ms > to_ms(min(instants))
    )
    rows = connection.execute(wanted)
    return [MaintenanceSpan(row.subject, from_ms(row.at_ms), from_ms(row.ended_ms)) for row in rows]


def is_maintained(target: str, at: datetime, spans: Iterable[MaintenanceSpan]) -> bool:
    """Whether the target, or its provider, was in maintenance at that instant."""
    names = {target, target.partition("/")[0]}
    return any(span.subject in names and span.begins <= at < span.ends for span in spans)


def _left_out(observation: Observation, spans: Iterable[MaintenanceSpan]) -> Observation:
    out = is_maintained(observation.target, observation.started_at, spans)
    return replace(observation, failed_here=True) if out else observation


def rollup_of(row: RowMapping) -> Rollup:
    """The rollup of a row."""
    return Rollup(
        asked=json.loads(row["asked"]),
        failed_here=row.get("failed_here", 0),
        duration=Histogram.parse(row["duration"]),
        first_token=Histogram.parse(row["first_token"]),
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cost_usd=row["cost_usd"],
        unpriced=row["unpriced"],
    )


def row_of(key: _Key, rollup: Rollup) -> dict[str, Any]:
    """The row of a rollup; `key` is target, span in seconds, start in epoch milliseconds, check and region."""
    return {
        **dict(zip(_KEY, key, strict=True)),
        "failed_here": rollup.failed_here,
        **sum_columns(rollup),
    }


def sum_columns(rollup: Rollup) -> dict[str, Any]:
    """The columns that the rollups of probes and of requests share."""
    return {
        "asked": _JSON(dict(rollup.asked)),
        "duration": rollup.duration.text(),
        "first_token": rollup.first_token.text(),
        # A provider may claim any number of tokens.
        "input_tokens": min(rollup.input_tokens, _LARGEST),
        "output_tokens": min(rollup.output_tokens, _LARGEST),
        "cost_usd": rollup.cost_usd,
        "unpriced": rollup.unpriced,
    }
