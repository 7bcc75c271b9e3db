"""The SQL of the read model: history, evidence, recent details and events of an overview."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby, islice
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, bindparam, func, select
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from controller.incidents.incident import Incident
from controller.status.probe_history import (
    BUCKETS,
    HOUR,
    LATELY,
    LATELY_PROBES,
    VERDICT_EFFECTS,
    Bucket,
    EvidenceTrail,
    ProbeHistory,
    RecentDetails,
    build_buckets,
    led_to_verdict,
    quantile,
)
from controller.status.region_views import RegionView, region_views
from monitor.config.database_url import is_postgres
from monitor.config.settings import Settings
from monitor.detection import notices, reasons
from monitor.health import UNHEALTHY, Health, low_limit
from monitor.history.rollup import OutcomeCounts, counts_of
from monitor.liveness import Leader
from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.fleet_tables import LEASES
from monitor.storage.lease_fence import LEADER
from monitor.storage.observation_reads import in_slots, newest_first, read_newest
from monitor.storage.probe_report_store import ReportInbox
from monitor.storage.rollup_rows import MaintenanceSpan, is_maintained
from monitor.storage.rollup_tables import ROLLUPS
from monitor.storage.row_conversions import read_trail
from monitor.storage.tables import OBSERVATIONS, TRANSITIONS, EventRow
from probes.outcome import ANSWERED, Effect, Outcome
from probes.target import Target

#: The most evidence trails of one incident.
MOST_TRAILS: Final = 3
_DAY: Final = timedelta(hours=24)
#: How many of the newest observations are searched for details, and how many request ids are shown.
_SEARCHED: Final = 50
_IDS: Final = 3

_OBSERVED = OBSERVATIONS.c
_OF_TARGET = _OBSERVED.target == bindparam("of")
_SINCE = _OBSERVED.started_ms >= bindparam("since")
# Core, and built once: these are the page's hot reads, and building a statement costs more than running it.
_ROWS = (
    select(
        *(_OBSERVED.started_ms, _OBSERVED.outcome, _OBSERVED.duration_s, _OBSERVED.first_token_s),
        _OBSERVED.failed_here,
    )
    .where(_OF_TARGET, _SINCE, in_slots(bindparam("since")))
    .order_by(_OBSERVED.started_ms)
)
#: Outcomes that no vendor need be asked about: what is our own fault, and what is none.
_NO_TICKET = frozenset({Outcome.OK, *(each for each in Outcome if each.effect is Effect.MISCONFIGURED)})
_HOUR_SUM = ROLLUPS.c
_LAST_DAY = select(
    *(_HOUR_SUM.target, _HOUR_SUM.asked, _HOUR_SUM.failed_here, _HOUR_SUM.cost_usd, _HOUR_SUM.unpriced)
).where(
    _HOUR_SUM.target.in_(bindparam("targets", expanding=True)),
    _HOUR_SUM.span_s == int(HOUR.total_seconds()),
    _HOUR_SUM.start_ms >= bindparam("since"),
)
_ENDED_MS = _OBSERVED.started_ms + _OBSERVED.duration_s * 1000
_NEWEST = newest_first(
    select(_OBSERVED.check_, _OBSERVED.outcome, _OBSERVED.detail, _OBSERVED.failed_here)
    .add_columns(_OBSERVED.request_id, _OBSERVED.model, _OBSERVED.deprecation)
    .add_columns(_OBSERVED.limit_left, _OBSERVED.limit_resets_s, _ENDED_MS.label("ended_ms"))
    .where(_OF_TARGET),
    _SEARCHED,
)
_CHANGE = TRANSITIONS.c
_RETURNS = (
    select(_CHANGE.target, func.max(_CHANGE.at_ms).label("at_ms"))
    .where(_CHANGE.at_ms >= bindparam("since"), _CHANGE.after == Health.UP.value)
    .where(_CHANGE.before.in_(sorted(UNHEALTHY)))
    .group_by(_CHANGE.target)
)


def read_returns(connection: Connection, now: datetime) -> dict[str, datetime]:
    """When each target that has come back within the hour did so last."""
    rows = connection.execute(_RETURNS, {"since": to_ms(now - HOUR)})
    return {row.target: from_ms(row.at_ms) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDay:
    """The hours of a target that began within the last 24."""

    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    cost_usd: float | None = None
    """None when no price is known."""


def read_last_day(connection: Connection, targets: Sequence[str], now: datetime) -> dict[str, LastDay]:
    """The last day of each target that was probed, from the sums of its hours: one query for all."""
    parts: dict[str, list[RowMapping]] = {}
    values = {"targets": list(map(storable, targets)), "since": to_ms(now - _DAY)}
    for row in connection.execute(_LAST_DAY, values).mappings():
        parts.setdefault(row["target"], []).append(row)
    return {target: _last_day(rows) for target, rows in parts.items()}


def _last_day(hours: Sequence[RowMapping]) -> LastDay:
    asked: Counter[str] = Counter()
    for hour in hours:
        asked.update(json.loads(hour["asked"]))
    counts = counts_of(asked, sum(hour["failed_here"] for hour in hours))
    is_priced = counts.total > sum(hour["unpriced"] for hour in hours)
    return LastDay(counts=counts, cost_usd=sum(hour["cost_usd"] for hour in hours) if is_priced else None)


def read_history(
    connection: Connection,
    target: Target,
    now: datetime,
    *,
    day: LastDay,
    maintained: Sequence[MaintenanceSpan] = (),
    back_at: datetime | None = None,
    held: timedelta = timedelta(),
) -> ProbeHistory:
    """The history of `target` as of `now`; a range scan of its own key, never of the whole table.

    `maintained` is the maintenance since `earliest_read`; `back_at` is when it came back, where that was within the
    hour; an answer is stored up to `held` after its end.
    """
    bucket = _bucket(target)
    rows = connection.execute(_ROWS, {"of": target.id, "since": to_ms(now - _read_back(target))}).all()
    lately_ms, strip_ms = to_ms(now - max(LATELY, bucket * LATELY_PROBES)), to_ms(now - bucket * (BUCKETS + 2))
    answers = [row for row in rows if row.started_ms >= lately_ms and row.outcome in ANSWERED]
    durations = [row.duration_s for row in answers]
    first_tokens = [row.first_token_s for row in answers if row.first_token_s is not None]
    counted = rows
    if maintained:
        counted = [row for row in rows if not is_maintained(target.id, from_ms(row.started_ms), maintained)]
    last_hour = _counts_since(counted, now - HOUR)
    return ProbeHistory(
        last_hour=last_hour,
        since_back=_counts_since(counted, back_at) if back_at else last_hour,
        last_day=day.counts,
        p50_s=quantile(durations, 0.50),
        p95_s=quantile(durations, 0.95),
        first_token_p50_s=quantile(first_tokens, 0.50),
        first_token_p95_s=quantile(first_tokens, 0.95),
        cost_day_usd=day.cost_usd,
        bucket_s=bucket.total_seconds(),
        strip=partial(
            _strip,
            [(row.started_ms, row.outcome) for row in rows if row.started_ms >= strip_ms],
            now=now,
            bucket=bucket,
            patience=timedelta(seconds=target.timeouts.total_s) + held,
        ),
    )


def _bucket(target: Target) -> timedelta:
    return timedelta(seconds=max(target.interval_s, 1.0))


def _read_back(target: Target) -> timedelta:
    return max(HOUR, _bucket(target) * (BUCKETS + 2))


def earliest_read(targets: Iterable[Target], now: datetime) -> datetime:
    """The oldest instant that `read_history` looks at for any of them."""
    return now - max(map(_read_back, targets), default=HOUR)


def _strip(
    started: Iterable[tuple[int, str]], *, now: datetime, bucket: timedelta, patience: timedelta
) -> tuple[Bucket, ...]:
    observations = [(from_ms(at_ms), Outcome(outcome)) for at_ms, outcome in started]
    return build_buckets(observations, now=now, bucket=bucket, patience=patience)


def _counts_since(rows: Sequence[Any], since: datetime) -> OutcomeCounts:
    """How those of the probes that started since then ended."""
    since_ms = to_ms(since)
    lately = [row for row in rows if row.started_ms >= since_ms]
    asked = Counter(row.outcome for row in lately if not row.failed_here)
    return counts_of(asked, len(lately) - asked.total())


def read_recent_details(connection: Connection, target: str, now: datetime) -> RecentDetails:
    """The details of the newest observations of `target`; reads the newest end of its history only."""
    rows = read_newest(connection, _NEWEST, _SEARCHED, to_ms(now), {"of": target})
    answered = {row.check_: row for row in reversed(rows) if row.outcome in ANSWERED}
    sentences = [notices.model_texts(target, row.model, row.deprecation).values() for row in answered.values()]
    texts = [text for texts in sentences for text in texts]
    if rows and (low := low_limit(from_ms(rows[0].ended_ms), rows[0].limit_left, rows[0].limit_resets_s)):
        texts += [f"{target} is close to a limit: {left}"] if (left := low.text(now)) else []
    of_provider = (row for row in rows if row.outcome not in _NO_TICKET and not row.failed_here)
    failed = [row.request_id for row in of_provider if row.request_id]
    return RecentDetails(
        last=(Outcome(rows[0].outcome), rows[0].detail) if rows else None,
        notices=tuple(dict.fromkeys(texts)),
        request_ids=tuple(dict.fromkeys(failed))[:_IDS],
        failed_here=bool(rows and rows[0].failed_here and rows[0].outcome == Outcome.BAD_REQUEST),
    )


def read_evidence_trails(connection: Connection, incidents: Iterable[Incident]) -> dict[int, tuple[EvidenceTrail, ...]]:
    """The newest evidence trails by incident id, at most `MOST_TRAILS` each, the newest first; none where none is kept.

    An incident knows to the millisecond when its targets changed: it costs one seek of the index for each change.
    """
    trails = {incident.id: _newest_trails(connection, incident) for incident in incidents}
    return {number: newest for number, newest in trails.items() if newest}


def _newest_trails(connection: Connection, incident: Incident) -> tuple[EvidenceTrail, ...]:
    instants = {to_ms(entry.at) for entry in incident.timeline} | {to_ms(target.since) for target in incident.affected}
    provider = storable(f"{incident.provider}/")
    verdicts = (
        select(TRANSITIONS)
        .where(
            _CHANGE.at_ms.in_(sorted(instants)), _CHANGE.after.in_(list(VERDICT_EFFECTS)), _CHANGE.trail.is_not(None)
        )
        .where(func.substr(_CHANGE.target, 1, len(provider)) == provider)
        .order_by(_CHANGE.at_ms.desc(), _CHANGE.after, _CHANGE.trail, _CHANGE.target)
    )
    with connection.execute(verdicts).mappings() as rows:
        # The targets of a provider that fails share one verdict, and its trail.
        shared = groupby(rows, key=lambda row: (row["at_ms"], row["after"], row["trail"]))
        return tuple(islice(filter(None, (_trail(list(alike)) for _, alike in shared)), MOST_TRAILS))


def read_target_trails(
    connection: Connection, target: str, since: datetime, until: datetime, most: int
) -> tuple[EvidenceTrail, ...]:
    """The evidence behind the target's own verdicts of that time, at most so many, the newest first."""
    verdicts = select(TRANSITIONS).where(
        _CHANGE.at_ms >= to_ms(since),
        _CHANGE.at_ms <= to_ms(until),
        _CHANGE.target == storable(target),
        _CHANGE.after.in_(list(VERDICT_EFFECTS)),
        _CHANGE.trail.is_not(None),
    )
    with connection.execute(verdicts.order_by(_CHANGE.at_ms.desc(), _CHANGE.id.desc())).mappings() as rows:
        return tuple(islice(filter(None, (_trail([row]) for row in rows)), most))


def _trail(alike: Sequence[RowMapping]) -> EvidenceTrail | None:
    """The trail of transitions that differ in their target alone; None when the verdict did not come from it."""
    row = alike[0]
    trail = EvidenceTrail(
        targets=tuple(row["target"] for row in alike),
        at=from_ms(row["at_ms"]),
        health=Health(row["after"]),
        evidence=row["evidence"],
        threshold=row["threshold"],
        probes=read_trail(row["trail"]),
    )
    return trail if led_to_verdict(trail, Health(row["before"])) else None


def read_events(connection: Connection, most: int) -> Sequence[EventRow]:
    """The newest events, at most `most`, the newest first."""
    with Session(connection) as session:
        return session.exec(select_rows(EventRow).order_by(col(EventRow.id).desc()).limit(most)).all()


def read_leader(connection: Connection) -> Leader | None:
    """Who leads; None where the service is one machine on its own."""
    row = connection.execute(select(LEASES).where(LEASES.c.name == LEADER)).one_or_none()
    return Leader(holder=row.holder, epoch=row.epoch, until=from_ms(row.until_ms)) if row else None


def read_regions(settings: Settings, engine: Engine) -> tuple[RegionView, ...]:
    """When each region last reported; none where there are none, or their machines share no database."""
    if not settings.regions or not is_postgres(settings.database):
        return ()
    return region_views(settings.regions, ReportInbox(engine).regions())


def read_machine_notice(connection: Connection) -> EventRow | None:
    """The notice that probes fail on this machine, where people were not told yet that it is over; else None."""
    kind, text = col(EventRow.kind), col(EventRow.text)
    either = (kind == notices.WELL_AGAIN) | (kind == notices.NEEDS_ATTENTION) & text.contains(reasons.FAILS_HERE)
    told = col(EventRow.telling).is_not(None)  # has an index, which the kind has not
    newest = select_rows(EventRow).where(told, either).order_by(col(EventRow.id).desc()).limit(1)
    with Session(connection) as session:
        notice = session.exec(newest).first()
    return notice if notice and notice.kind == notices.NEEDS_ATTENTION else None
