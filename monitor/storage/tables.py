"""The tables. Rows stay inside the stores, queries and the journal: `table=True` validates nothing.

Instants are epoch milliseconds (UTC) as integers, durations are seconds as floats.
"""

from functools import partial
from typing import Any, ClassVar, Final

from sqlalchemy import INTEGER, REAL, TEXT, Column, text
from sqlmodel import Field, SQLModel


def _column(kind: Any, *, key: bool = False, null: bool = False, index: bool = False, default: Any = None) -> Any:
    return Field(sa_column=Column(kind, primary_key=key, nullable=null, index=index, server_default=default))


_text = partial(_column, TEXT)
_integer = partial(_column, INTEGER)
_real = partial(_column, REAL)
#: An integer that starts at 0, in older rows too.
_counter = partial(_column, INTEGER, default=text("0"))


def _serial() -> Any:
    return Field(default=None, sa_column=Column(INTEGER, primary_key=True, autoincrement=True))


class _StrictTable(SQLModel):
    __table_args__: ClassVar[dict[str, Any]] = {"sqlite_strict": True}


class _KeyedTable(SQLModel):
    """Rows lie in the order of their key."""

    __table_args__: ClassVar[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}


class ObservationRow(_KeyedTable, table=True):
    """One observation; the key starts with the target, so that one target's history is one range."""

    __tablename__ = "observations"

    target: str = _text(key=True)
    started_ms: int = _integer(key=True)
    check: str = Field(sa_column=Column("check_", TEXT, primary_key=True))
    region: str = _text(key=True)
    outcome: str = _text()
    duration_s: float = _real()
    connected_s: float | None = _real(null=True)
    first_byte_s: float | None = _real(null=True)
    first_token_s: float | None = _real(null=True)
    http_status: int | None = _integer(null=True)
    retry_after_s: float | None = _real(null=True)
    input_tokens: int | None = _integer(null=True)
    output_tokens: int | None = _integer(null=True)
    cost_usd: float | None = _real(null=True)
    loop_lag_s: float = _real()
    request_id: str | None = _text(null=True)
    detail: str = _text()
    resolved_s: float | None = _real(null=True)
    tcp_s: float | None = _real(null=True)
    sent_s: float | None = _real(null=True)
    last_byte_s: float | None = _real(null=True)
    longest_stall_s: float | None = _real(null=True)
    reused: int | None = _integer(null=True)
    """1: the connection had been used before; None: it was opened for this probe."""
    cached_tokens: int | None = _integer(null=True)
    reasoning_tokens: int | None = _integer(null=True)
    model: str | None = _text(null=True)
    """The model that answered, where it is not the one that was asked."""
    deprecation: str | None = _text(null=True)
    failed_here: int = _counter()
    """1: it failed on this side, by a fault of this machine or of our own network."""
    afresh: int | None = _integer(null=True)
    """1: asked beside the schedule, to see whether a failure lasts; None: not."""
    limit_left: str | None = _text(null=True)
    limit_resets_s: float | None = _real(null=True)


class RollupRow(_KeyedTable, table=True):
    """The observations of a target, check and region that started in one hour or day (UTC)."""

    __tablename__ = "rollups"

    target: str = _text(key=True)
    span_s: int = _integer(key=True)
    """3,600 or 86,400."""
    start_ms: int = _integer(key=True)
    check: str = Field(sa_column=Column("check_", TEXT, primary_key=True))
    region: str = _text(key=True)
    asked: str = _text()
    """How many ended how, as a JSON object by outcome; without those that failed here."""
    failed_here: int = _integer()
    duration: str = _text()
    first_token: str = _text()
    """Histograms of how long answers and first tokens took, as JSON (`monitor.history.histogram`)."""
    input_tokens: int = _integer()
    output_tokens: int = _integer()
    cost_usd: float = _real()
    unpriced: int = _integer()


class TrafficRollupRow(_KeyedTable, table=True):
    """The requests of applications to a target, by route and tag, that ended in one minute or hour (UTC)."""

    __tablename__ = "traffic_rollups"

    target: str = _text(key=True)
    span_s: int = _integer(key=True)
    """60 or 3,600."""
    start_ms: int = _integer(key=True)
    route: str = _text(key=True)
    tag: str = _text(key=True)
    asked: str = _text()
    duration: str = _text()
    first_token: str = _text()
    """As of the rollups of probes."""
    input_tokens: int = _integer()
    output_tokens: int = _integer()
    cost_usd: float = _real()
    unpriced: int = _integer()
    """Requests whose cost is not known."""


class TransitionRow(_StrictTable, table=True):
    """One change of a target's health."""

    __tablename__ = "transitions"

    id: int | None = _serial()
    target: str = _text()
    at_ms: int = _integer(index=True)
    before: str = _text()
    after: str = _text()
    reason: str = _text()
    evidence: float = _real()
    threshold: float = _real()
    trail: str | None = _text(null=True)
    """The probes that the verdict rests on, as JSON; None where none was kept."""


class TargetStateRow(_KeyedTable, table=True):
    """The present health of a target, and what the detector needs to go on after a restart."""

    __tablename__ = "target_states"

    target: str = _text(key=True)
    at_ms: int = _integer()
    health: str = _text()
    since_ms: int = _integer()
    reason: str = _text()
    evidence: float = _real()
    threshold: float = _real()
    last_ok_ms: int | None = _integer(null=True)
    record: str = _text()
    """The detector's state as JSON; only the detector reads it."""


class PoolRow(_KeyedTable, table=True):
    """The evidence against a whole provider, enough to go on after a restart."""

    __tablename__ = "pools"

    provider: str = _text(key=True)
    at_ms: int = _integer()
    pool: str = _text()
    """The detector's JSON; only the detector reads it."""


class ConnectivityRow(_StrictTable, table=True):
    """The answers of the neutral endpoints, which tell whether our own network works."""

    __tablename__ = "connectivity"

    id: int | None = _serial()
    at_ms: int = _integer(index=True)
    sight: str = _text()
    """`online`, `blind` or `untrusted`."""
    asked: str = _text()
    """The endpoints that were asked, as a JSON list."""
    answered: str = _text()
    """Those of them that answered, as a JSON list."""


class SpendingRow(_KeyedTable, table=True):
    """The cost of one target's probes on one day (UTC); kept longer than the observations."""

    __tablename__ = "spending"

    day_ms: int = _integer(key=True)
    """Midnight."""
    target: str = _text(key=True)
    usd: float = _real()
    probes: int = _integer()
    unpriced: int = _integer()
    """Probes whose cost is not known."""


class BudgetRow(_StrictTable, table=True):
    """How the budget throttles paid targets now; one row, with id 1."""

    __tablename__ = "budget"

    id: int = Field(sa_column=Column(INTEGER, primary_key=True))
    at_ms: int = _integer()
    """When this throttling began."""
    pace: str = _text()
    """The budget tracker's JSON."""


class VendorReportRow(_StrictTable, table=True):
    """One change of what a vendor's status page says."""

    __tablename__ = "vendor_reports"

    id: int | None = _serial()
    provider: str = _text()
    at_ms: int = _integer(index=True)
    """When it was read."""
    state: str = _text()
    headline: str = _text()
    since_ms: int | None = _integer(null=True)
    """Since when, according to the vendor."""
    url: str | None = _text(null=True)


class DecisionRow(_StrictTable, table=True):
    """One change of a route."""

    __tablename__ = "decisions"

    id: int | None = _serial()
    route: str = _text()
    at_ms: int = _integer(index=True)
    move: str = _text()
    before: str | None = _text(null=True)
    target: str = _text()
    reason: str = _text()
    generation: int = _integer()
    weights: str | None = _text(null=True)
    """Percent by target as JSON; None: all to `target`."""
    dry_run: int | None = _integer(null=True)
    """1 when it was only recorded and the route stayed as configured."""


class RouteRollupRow(_KeyedTable, table=True):
    """Where a route pointed in one hour or one day (UTC), and what its users felt; all times in seconds."""

    __tablename__ = "route_rollups"

    route: str = _text(key=True)
    span_s: int = _integer(key=True)
    start_ms: int = _integer(key=True)
    on_target_s: str = _text()
    """How long it pointed at each target, as a JSON object."""
    observed_s: float = _real()
    felt_s: float = _real()
    without_s: float = _real()
    flips: int = _integer()


class OverrideRow(_StrictTable, table=True):
    """An operator's override of a route, a target or a provider."""

    __tablename__ = "overrides"

    id: int | None = _serial()
    kind: str = _text()
    """`pin`, `drain` or `pause`."""
    subject: str = _text()
    """What it applies to: a route, a target, a provider, or `all`."""
    target: str | None = _text(null=True)
    """Where a pinned route points."""
    author: str = _text()
    reason: str = _text()
    forced: int = _integer()
    at_ms: int = _integer(index=True)
    until_ms: int = _integer()
    ended_ms: int | None = _integer(null=True)
    """When it was ended or replaced, or when the service noted that it had expired; None until then."""
    ended_by: str | None = _text(null=True)
    """None when it expired by itself."""
    ended_reason: str | None = _text(null=True)
    heeded_ms: int | None = _integer(null=True)
    """When the service published its effect; None again from its end until the end is published."""
    warned_ms: int | None = _integer(null=True)
    """When people were last warned that it points at a failing target."""


class IncidentRow(_StrictTable, table=True):
    """One incident, and what Slack shows of it."""

    __tablename__ = "incidents"

    id: int | None = _serial()
    provider: str = _text()
    kind: str = _text()
    opened_ms: int = _integer(index=True)
    resolved_ms: int | None = _integer(null=True)
    document: str = _text()
    """Affected targets, timeline and routes as JSON."""
    revision: int = _integer()
    told_revision: int = _integer()
    """The revision that Slack shows; 0 when it shows none."""
    slack_channel: str | None = _text(null=True)
    slack_ts: str | None = _text(null=True)
    delivery_error: str | None = _text(null=True)
    """Why the last attempt to tell people failed; None once it succeeded."""
    lead_id: int | None = _integer(null=True)
    """The incident under whose headline Slack shows it."""
    reopened: int = _counter()
    told_lines: int = _counter()
    """The lines of its timeline up to this number stand in Slack's thread."""
    acknowledged_by: str | None = _text(null=True)


class DeliveryRow(_KeyedTable, table=True):
    """One message to one channel: begun before it is sent, done once the channel has taken it.

    Marks, which are no messages, are kept here too; they have no attempts.
    """

    __tablename__ = "deliveries"

    key: str = _text(key=True)
    """A unique name for logs and lookups, such as `slack incident 7`; nothing is read from it."""
    sink: str = _text()
    """The channel: `slack`, `webhook`, `apprise 1`; `digest` and `buttons` for their own rows."""
    kind: str = _text()
    """A `controller.alerts.delivery.DeliveryKind`."""
    incident_id: int | None = _integer(null=True, index=True)
    event_id: int | None = _integer(null=True, index=True)
    revision: int | None = _integer(null=True)
    """The revision of the incident that an alert tells."""
    call: int | None = _integer(null=True)
    """The number of the call for a person that the message makes, from 1; None: it calls nobody."""
    subject: str | None = _text(null=True)
    """What it is about where that is neither an incident nor an event: the day of a digest, a channel's name."""
    begun_ms: int = _integer(index=True)
    done_ms: int | None = _integer(null=True)
    """None: begun, and perhaps sent; to be looked up before it is sent again."""
    channel: str | None = _text(null=True)
    """Slack's id of the channel; until it is done, where it was to go."""
    ts: str | None = _text(null=True)
    """Slack's id of the message; until it is done, that of the message whose thread it was to go to."""
    alert_kind: str | None = _text(null=True)
    """What an alert told: a `controller.alerts.alert.AlertKind`."""
    severity: str | None = _text(null=True)
    """How urgent that alert was."""
    attempts: int = _counter()
    error: str | None = _text(null=True)
    """Why the last attempt failed."""


class ChannelStateRow(_KeyedTable, table=True):
    """The last failure of a channel, or of a part of it."""

    __tablename__ = "channel_states"

    sink: str = _text(key=True)
    """`slack`, `webhook`, `apprise 1`, `heartbeat`."""
    part: str = _text(key=True)
    """`channel #oncall`, `lookup`, `buttons`; empty: all of it."""
    since_ms: int = _integer()
    over_ms: int | None = _integer(null=True)
    """When it worked again; None: it still fails."""
    failures: int = _counter()
    error: str | None = _text(null=True)
    """Why, and what to do."""


class EventRow(_StrictTable, table=True):
    """Something worth knowing that is neither a transition nor a decision."""

    __tablename__ = "events"

    id: int | None = _serial()
    at_ms: int = _integer(index=True)
    kind: str = _text()
    """A past-tense name: `probe_skipped`, `routing_file_restored`, `service_started`, …"""
    subject: str = _text()
    text: str = _text()
    telling: str | None = _text(null=True, index=True)
    """`due` until Slack has taken it, then `told`, or `stale` when it was too late; None: not for Slack."""
    delivery_error: str | None = _text(null=True)
    """Why the last attempt to tell people failed."""


class ServiceRow(_StrictTable, table=True):
    """The service's last beat; one row, with id 1."""

    __tablename__ = "service"

    id: int = Field(sa_column=Column(INTEGER, primary_key=True))
    pid: int = _integer()
    host: str = _text()
    version: str = _text()
    started_ms: int = _integer()
    beat_ms: int = _integer()
    stopped_ms: int | None = _integer(null=True)
    """When it stopped in good order; None while it runs, and after a crash."""


#: The tables for Core: bulk writes, upserts, hot reads, pruning. Observations, spending and overrides use Core alone.
_TABLES = SQLModel.metadata.tables

OBSERVATIONS: Final = _TABLES["observations"]
ROLLUPS: Final = _TABLES["rollups"]
TRAFFIC_ROLLUPS: Final = _TABLES["traffic_rollups"]
TRANSITIONS: Final = _TABLES["transitions"]
TARGET_STATES: Final = _TABLES["target_states"]
POOLS: Final = _TABLES["pools"]
CONNECTIVITY: Final = _TABLES["connectivity"]
SPENDING: Final = _TABLES["spending"]
VENDOR_REPORTS: Final = _TABLES["vendor_reports"]
ROUTE_ROLLUPS: Final = _TABLES["route_rollups"]
OVERRIDES: Final = _TABLES["overrides"]
DECISIONS: Final = _TABLES["decisions"]
INCIDENTS: Final = _TABLES["incidents"]
DELIVERIES: Final = _TABLES["deliveries"]
CHANNEL_STATES: Final = _TABLES["channel_states"]
EVENTS: Final = _TABLES["events"]
