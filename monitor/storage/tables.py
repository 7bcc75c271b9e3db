"""The tables. Rows stay inside the stores, queries and the journal: `table=True` validates nothing.

Instants are epoch milliseconds (UTC) as integers, durations are seconds as floats.
"""

from typing import Any, Final

from sqlalchemy import DDL, ColumnElement, bindparam, event, literal_column
from sqlmodel import SQLModel

from monitor.storage.table_columns import (
    KeyedTable,
    StrictTable,
    counter_column,
    integer_column,
    real_column,
    serial_column,
    text_column,
)


class ObservationRow(StrictTable, table=True):
    """One observation. PostgreSQL has the key, which starts with the target; SQLite an index by slots of time.

    In SQLite the rows lie in the order in which they came: `monitor.storage.observation_reads` says why.
    """

    __tablename__ = "observations"

    target: str = text_column(key=True)
    started_ms: int = integer_column(key=True)
    check: str = text_column(key=True, name="check_")
    region: str = text_column(key=True)
    outcome: str = text_column()
    duration_s: float = real_column()
    connected_s: float | None = real_column(null=True)
    first_byte_s: float | None = real_column(null=True)
    first_token_s: float | None = real_column(null=True)
    http_status: int | None = integer_column(null=True)
    retry_after_s: float | None = real_column(null=True)
    input_tokens: int | None = integer_column(null=True)
    output_tokens: int | None = integer_column(null=True)
    cost_usd: float | None = real_column(null=True)
    loop_lag_s: float = real_column()
    request_id: str | None = text_column(null=True)
    detail: str = text_column()
    resolved_s: float | None = real_column(null=True)
    tcp_s: float | None = real_column(null=True)
    sent_s: float | None = real_column(null=True)
    last_byte_s: float | None = real_column(null=True)
    longest_stall_s: float | None = real_column(null=True)
    reused: int | None = integer_column(null=True)
    """1: the connection had been used before; None: it was opened for this probe."""
    cached_tokens: int | None = integer_column(null=True)
    reasoning_tokens: int | None = integer_column(null=True)
    model: str | None = text_column(null=True)
    """The model that answered, where it is not the one that was asked."""
    deprecation: str | None = text_column(null=True)
    failed_here: int = counter_column()
    """1: it failed on this side, by a fault of this machine or of our own network."""
    afresh: int | None = integer_column(null=True)
    """1: asked beside the schedule, to see whether a failure lasts; None: not."""
    limit_left: str | None = text_column(null=True)
    limit_resets_s: float | None = real_column(null=True)


class TransitionRow(StrictTable, table=True):
    """One change of a target's health."""

    __tablename__ = "transitions"

    id: int | None = serial_column()
    target: str = text_column()
    at_ms: int = integer_column(index=True)
    before: str = text_column()
    after: str = text_column()
    reason: str = text_column()
    evidence: float = real_column()
    threshold: float = real_column()
    trail: str | None = text_column(null=True)
    """The probes that the verdict rests on, as JSON; None where none was kept."""


class TargetStateRow(KeyedTable, table=True):
    """The present health of a target, and what the detector needs to go on after a restart."""

    __tablename__ = "target_states"

    target: str = text_column(key=True)
    at_ms: int = integer_column()
    health: str = text_column()
    since_ms: int = integer_column()
    reason: str = text_column()
    evidence: float = real_column()
    threshold: float = real_column()
    last_ok_ms: int | None = integer_column(null=True)
    record: str = text_column()
    """The detector's state as JSON; only the detector reads it."""


class QuietProgressRow(KeyedTable, table=True):
    """What good answers have changed in the state of a target since it was stored; nothing else has."""

    __tablename__ = "quiet_progress"

    target: str = text_column(key=True)
    at_ms: int = integer_column()
    clean_pending: int = integer_column()
    last_started_ms: int = integer_column()
    last_seen_ms: int = integer_column()
    regular_ms: int | None = integer_column(null=True)
    latency: str = text_column()
    """The detector's JSON; only the detector reads it."""


class PoolRow(KeyedTable, table=True):
    """The evidence against a whole provider, enough to go on after a restart."""

    __tablename__ = "pools"

    provider: str = text_column(key=True)
    at_ms: int = integer_column()
    pool: str = text_column()
    """The detector's JSON; only the detector reads it."""


class ConnectivityRow(StrictTable, table=True):
    """The answers of the neutral endpoints, which tell whether our own network works."""

    __tablename__ = "connectivity"

    id: int | None = serial_column()
    at_ms: int = integer_column(index=True)
    sight: str = text_column()
    """`online`, `blind` or `untrusted`."""
    asked: str = text_column()
    """The endpoints that were asked, as a JSON list."""
    answered: str = text_column()
    """Those of them that answered, as a JSON list."""


class SpendingRow(KeyedTable, table=True):
    """The cost of one target's probes on one day (UTC); kept longer than the observations."""

    __tablename__ = "spending"

    day_ms: int = integer_column(key=True)
    """Midnight."""
    target: str = text_column(key=True)
    usd: float = real_column()
    probes: int = integer_column()
    unpriced: int = integer_column()
    """Probes whose cost is not known."""


class BudgetRow(StrictTable, table=True):
    """How the budget throttles paid targets now; one row, with id 1."""

    __tablename__ = "budget"

    id: int = integer_column(key=True)
    at_ms: int = integer_column()
    """When this throttling began."""
    pace: str = text_column()
    """The budget tracker's JSON."""


class VendorReportRow(StrictTable, table=True):
    """One change of what a vendor's status page says."""

    __tablename__ = "vendor_reports"

    id: int | None = serial_column()
    provider: str = text_column()
    at_ms: int = integer_column(index=True)
    """When it was read."""
    state: str = text_column()
    headline: str = text_column()
    since_ms: int | None = integer_column(null=True)
    """Since when, according to the vendor."""
    url: str | None = text_column(null=True)


class DecisionRow(StrictTable, table=True):
    """One change of a route."""

    __tablename__ = "decisions"

    id: int | None = serial_column()
    route: str = text_column()
    at_ms: int = integer_column(index=True)
    move: str = text_column()
    before: str | None = text_column(null=True)
    target: str = text_column()
    reason: str = text_column()
    generation: int = integer_column()
    weights: str | None = text_column(null=True)
    """Percent by target as JSON; None: all to `target`."""
    dry_run: int | None = integer_column(null=True)
    """1 when it was only recorded and the route stayed as configured."""
    epoch: int = counter_column()
    """Of who decided; 0: one machine alone."""


class OverrideRow(StrictTable, table=True):
    """An operator's override of a route, a target or a provider."""

    __tablename__ = "overrides"

    id: int | None = serial_column()
    kind: str = text_column()
    """`pin`, `drain` or `pause`."""
    subject: str = text_column()
    """What it applies to: a route, a target, a provider, or `all`."""
    target: str | None = text_column(null=True)
    """Where a pinned route points."""
    author: str = text_column()
    reason: str = text_column()
    forced: int = integer_column()
    at_ms: int = integer_column(index=True)
    until_ms: int = integer_column()
    ended_ms: int | None = integer_column(null=True)
    """When it was ended or replaced, or when the service noted that it had expired; None until then."""
    ended_by: str | None = text_column(null=True)
    """None when it expired by itself."""
    ended_reason: str | None = text_column(null=True)
    heeded_ms: int | None = integer_column(null=True)
    """When the service published its effect; None again from its end until the end is published."""
    warned_ms: int | None = integer_column(null=True)
    """When people were last warned that it points at a failing target."""


class IncidentRow(StrictTable, table=True):
    """One incident, and what Slack shows of it."""

    __tablename__ = "incidents"

    id: int | None = serial_column()
    provider: str = text_column()
    kind: str = text_column()
    opened_ms: int = integer_column(index=True)
    resolved_ms: int | None = integer_column(null=True)
    document: str = text_column()
    """Affected targets, timeline and routes as JSON."""
    revision: int = integer_column()
    told_revision: int = integer_column()
    """The revision that Slack shows; 0 when it shows none."""
    slack_channel: str | None = text_column(null=True)
    slack_ts: str | None = text_column(null=True)
    delivery_error: str | None = text_column(null=True)
    """Why the last attempt to tell people failed; None once it succeeded."""
    lead_id: int | None = integer_column(null=True)
    """The incident under whose headline Slack shows it."""
    reopened: int = counter_column()
    told_lines: int = counter_column()
    """The lines of its timeline up to this number stand in Slack's thread."""
    acknowledged_by: str | None = text_column(null=True)


class DeliveryRow(KeyedTable, table=True):
    """One message to one channel: begun before it is sent, done once the channel has taken it.

    Marks, which are no messages, are kept here too; they have no attempts.
    """

    __tablename__ = "deliveries"

    key: str = text_column(key=True)
    """A unique name for logs and lookups, such as `slack incident 7`; nothing is read from it."""
    sink: str = text_column()
    """The channel: `slack`, `webhook`, `apprise 1`; `digest` and `buttons` for their own rows."""
    kind: str = text_column()
    """A `controller.alerts.delivery.DeliveryKind`."""
    incident_id: int | None = integer_column(null=True, index=True)
    event_id: int | None = integer_column(null=True, index=True)
    revision: int | None = integer_column(null=True)
    """The revision of the incident that an alert tells."""
    call: int | None = integer_column(null=True)
    """The number of the call for a person that the message makes, from 1; None: it calls nobody."""
    subject: str | None = text_column(null=True)
    """What it is about where that is neither an incident nor an event: the day of a digest, a channel's name."""
    begun_ms: int = integer_column(index=True)
    done_ms: int | None = integer_column(null=True)
    """None: begun, and perhaps sent; to be looked up before it is sent again."""
    channel: str | None = text_column(null=True)
    """Slack's id of the channel; until it is done, where it was to go."""
    ts: str | None = text_column(null=True)
    """Slack's id of the message; until it is done, that of the message whose thread it was to go to."""
    alert_kind: str | None = text_column(null=True)
    """What an alert told: a `controller.alerts.alert.AlertKind`."""
    severity: str | None = text_column(null=True)
    """How urgent that alert was."""
    attempts: int = counter_column()
    error: str | None = text_column(null=True)
    """Why the last attempt failed."""


class ChannelStateRow(KeyedTable, table=True):
    """The last failure of a channel, or of a part of it."""

    __tablename__ = "channel_states"

    sink: str = text_column(key=True)
    """`slack`, `webhook`, `apprise 1`, `heartbeat`."""
    part: str = text_column(key=True)
    """`channel #oncall`, `lookup`, `buttons`; empty: all of it."""
    since_ms: int = integer_column()
    over_ms: int | None = integer_column(null=True)
    """When it worked again; None: it still fails."""
    failures: int = counter_column()
    error: str | None = text_column(null=True)
    """Why, and what to do."""


class EventRow(StrictTable, table=True):
    """Something worth knowing that is neither a transition nor a decision."""

    __tablename__ = "events"

    id: int | None = serial_column()
    at_ms: int = integer_column(index=True)
    kind: str = text_column()
    """A past-tense name: `probe_skipped`, `routing_file_restored`, `service_started`, …"""
    subject: str = text_column()
    text: str = text_column()
    telling: str | None = text_column(null=True, index=True)
    """`due` until Slack has taken it, then `told`, or `stale` when it was too late; None: not for Slack."""
    delivery_error: str | None = text_column(null=True)
    """Why the last attempt to tell people failed."""


class ComparisonRow(StrictTable, table=True):
    """One run of `hotspare compare`."""

    __tablename__ = "comparisons"

    id: int | None = serial_column()
    route: str = text_column()
    golden_set: str = text_column()
    """A digest of its questions."""
    at_ms: int = integer_column()
    document: str = text_column()
    """How each candidate did, as JSON."""


class ServiceRow(StrictTable, table=True):
    """The service's last beat; one row, with id 1."""

    __tablename__ = "service"

    id: int = integer_column(key=True)
    pid: int = integer_column()
    host: str = text_column()
    version: str = text_column()
    started_ms: int = integer_column()
    beat_ms: int = integer_column()
    stopped_ms: int | None = integer_column(null=True)
    """When it stopped in good order; None while it runs, and after a crash."""
    revision: str | None = text_column(null=True)
    """Of the configuration in force, read at `loaded_ms`; `refused` says why a newer one is not."""
    loaded_ms: int | None = integer_column(null=True)
    refused: str | None = text_column(null=True)


#: The tables for Core: bulk writes, upserts, hot reads, pruning. Observations, spending and overrides use Core alone.
_TABLES = SQLModel.metadata.tables

OBSERVATIONS: Final = _TABLES["observations"]
OBSERVATIONS.primary_key.ddl_if(dialect="postgresql")
SLOT_MS: Final = 120_000
"""How long a slot is: the shorter, the fewer pages of the index a batch touches, and the more slots a day has."""


def slot_of(started_ms: ColumnElement[int] | int) -> ColumnElement[int]:
    """The number of the slot that an instant (milliseconds) lies in, written as the index has it."""
    instant: ColumnElement[Any] = bindparam(None, started_ms) if isinstance(started_ms, int) else started_ms
    return instant.op("/")(literal_column(str(SLOT_MS)))


_BY_SLOT: Final = DDL(  # type: ignore[no-untyped-call]
    "CREATE UNIQUE INDEX observations_by_slot ON observations"
    f" (started_ms / {SLOT_MS}, target, started_ms, check_, region)"
)
event.listen(OBSERVATIONS, "after_create", _BY_SLOT.execute_if(dialect="sqlite"))
TRANSITIONS: Final = _TABLES["transitions"]
TARGET_STATES: Final = _TABLES["target_states"]
QUIET_PROGRESS: Final = _TABLES["quiet_progress"]
POOLS: Final = _TABLES["pools"]
CONNECTIVITY: Final = _TABLES["connectivity"]
SPENDING: Final = _TABLES["spending"]
VENDOR_REPORTS: Final = _TABLES["vendor_reports"]
OVERRIDES: Final = _TABLES["overrides"]
DECISIONS: Final = _TABLES["decisions"]
INCIDENTS: Final = _TABLES["incidents"]
DELIVERIES: Final = _TABLES["deliveries"]
CHANNEL_STATES: Final = _TABLES["channel_states"]
EVENTS: Final = _TABLES["events"]
COMPARISONS: Final = _TABLES["comparisons"]
