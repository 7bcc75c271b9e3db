"""What is due, what is sent and what was delivered, as values (pure)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from controller.alerts.alert import Alert, AlertKind, PendingEvent
from controller.alerts.slack.blocks import Message
from controller.incidents.incident import Incident
from monitor.config.alert_settings import Severity

_GATHERED: Final = timedelta(seconds=15)


def has_gathered(opened_at: datetime, now: datetime) -> bool:
    """Whether an opening that is not critical has waited for others of its headline, where nothing can be edited."""
    return not timedelta(0) <= now - opened_at < _GATHERED  # a clock that was set back holds nothing


class DeliveryKind(StrEnum):
    """What a delivery is; the names are stored. CALM, PLACE and SINCE are marks, which are no messages."""

    HEADLINE = "headline"  # an incident's message in Slack, edited until the incident is over
    COPY = "copy"  # the same in the channel of critical messages
    REOPENED = "reopened"  # the headline once more, because an incident came back
    CALL = "call"  # calls a person, for the first time or again
    CALM = "calm"  # after the last call the incident was no longer critical
    ENDED = "ended"  # below that copy, that the incident is over
    REPLY = "reply"  # lines of an incident's timeline, in its thread
    OPENED = "opened"  # by Slack's incoming webhook: an incident was opened
    RESOLVED = "resolved"  # by Slack's incoming webhook: an incident is over
    EVENT = "event"  # something that happened once
    TOGETHER = "together"  # several incidents or events in one message; as a mark, one that another message told
    HELD = "held"  # the list of what is held back
    REVISION = "revision"  # an incident in one of its revisions, as an alert
    PLACE = "place"  # Slack's id of a channel that the configuration names
    SINCE = "since"  # since when the channel is configured
    TEST = "test"  # from `hotspare alerts test`; never stored
    OTHER = "other"  # of another version

    @classmethod
    def _missing_(cls, _value: object) -> "DeliveryKind":
        return cls.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What people know once a message has arrived, and where it stands; stored with its delivery, or not at all."""

    incidents: tuple[tuple[int, int, int], ...] = ()
    """Of each the id, the revision of which people know everything (0: of none), and the last line of its timeline."""
    events: tuple[int, ...] = ()
    home: int | None = None
    """The incident whose headline the message is."""
    call: int | None = None
    """The number of the call that the message makes; None: it calls nobody."""
    channel: str | None = None
    """Slack's id of the channel, which edits need; None: not known, or not Slack's."""
    ts: str | None = None
    """Slack's id of the message in that channel."""


NOTHING_TOLD: Final = Receipt()


def to_payload(receipt: Receipt) -> dict[str, str]:
    """What people know, as short texts that travel with a message; what is empty is left out."""
    parts = {
        "incidents": " ".join(":".join(map(str, numbers)) for numbers in receipt.incidents),
        "events": " ".join(map(str, receipt.events)),
        "home": "" if receipt.home is None else str(receipt.home),
        "call": "" if receipt.call is None else str(receipt.call),
    }
    return {name: text for name, text in parts.items() if text}


def from_payload(payload: Mapping[str, object]) -> Receipt:
    """What `to_payload` wrote, in this version or before; parts that cannot be read are left out."""
    home = _numbers(payload.get("home"))
    # Until schema 0005 it was `also`: the name of the call, which ends with its number.
    call = _numbers(payload.get("call")) or _numbers(payload.get("also"))[-1:]
    triples = (_numbers(part.replace(":", " ")) for part in str(payload.get("incidents", "")).split())
    return Receipt(
        incidents=tuple((numbers[0], numbers[1], numbers[2]) for numbers in triples if len(numbers) == 3),
        events=_numbers(payload.get("events")),
        home=home[0] if home else None,
        call=call[0] if call else None,
    )


def _numbers(value: object) -> tuple[int, ...]:
    return tuple(int(part) for part in str(value).split() if part.isascii() and part.isdecimal())


class Action(StrEnum):
    """What to do with a planned message."""

    POST = "post"
    EDIT = "edit"
    KEEP = "keep"
    """Send nothing: people know it already, and the receipt is stored."""
    MARK = "mark"
    """Send nothing: a delivery is stored that counts as no message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMessage:
    """One message that is due, to be sent as `message` or as `alert`."""

    key: str
    """What it is about, the same each time that it is planned; the key of its delivery where it is posted."""
    kind: DeliveryKind
    action: Action = Action.POST
    message: Callable[[], Message] | None = None
    """Slack's message, put together when it is sent."""
    alert: Alert | None = None
    """What other channels are given."""
    channel: str = ""
    """To post in Slack: as the configuration names it, or Slack's id; to edit: Slack's id."""
    ts: str | None = None
    """To edit: which message; to post: in whose thread, None in the channel."""
    broadcast: bool = False
    """A reply in a thread that is shown in the channel too."""
    incident_id: int | None = None
    event_id: int | None = None
    revision: int | None = None
    """The revision of the incident that its alert tells."""
    group: int | None = None
    """The incident under whose headline it is told: messages of a group go out in their order, or not at all."""
    receipt: Receipt = NOTHING_TOLD
    """What people know once it has arrived; the channel adds where it stands."""
    shows: str = ""
    """What the message shows once it stands, in short: an edit that would show the same is not due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message that was sent, or is being sent, to one channel."""

    key: str
    kind: DeliveryKind
    begun_at: datetime
    """When it was sent last, to the millisecond."""
    done_at: datetime | None = None
    """When the channel had taken it; None: perhaps it has."""
    incident_id: int | None = None
    call: int | None = None
    """The number of the call that it makes; None: it calls nobody."""
    channel: str | None = None
    """Slack's id of the channel; until it is done, where it was to go."""
    ts: str | None = None
    """Slack's id of the message; until it is done, that of the message whose thread it was to go to."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """The last failure of a channel or of a part of it."""

    sink: str
    part: str
    """What of the channel, such as `lookup`; empty: all of it."""
    since: datetime
    over_at: datetime | None
    """When it worked again; None: it still fails."""
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentDelivery:
    """An incident, and what people have been told of it in Slack."""

    incident: Incident
    revision: int
    """The last one of which they know everything; 0: none."""
    line: int
    """They know the lines of the timeline up to this number."""
    channel: str | None = None
    ts: str | None = None
    """Where its headline stands; None where it has none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySnapshot:
    """What there is to tell in Slack and what was told, as of one instant."""

    incidents: tuple[IncidentDelivery, ...] = ()
    """Every incident that is open or not wholly told, and those that are told with it; oldest first."""
    events: tuple[PendingEvent, ...] = ()
    """Those that people have not been told of, oldest first."""
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    """By key: those of these incidents, and those that are not about an incident."""
    sent_at: tuple[datetime, ...] = ()
    """When each message of the last hour was sent that called nobody, oldest first."""
    outage: ChannelState | None = None
    """The last time that Slack as a whole took nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenAlert:
    """What a channel took of an incident, and when that was sent."""

    kind: AlertKind
    severity: Severity
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DueAlert:
    """An incident in its newest revision, or an event, that a channel has not taken."""

    key: str
    """Of its delivery: `webhook incident 7 revision 4`."""
    begun_at: datetime | None
    """When it was to be sent for the first time; None: it has not been."""
    about: Incident | PendingEvent
    taken: TakenAlert | None = None
    """What the channel took last of the incident; None: nothing."""


def place_key(sink: str, name: str) -> str:
    """The key under which Slack's id of a channel of the configuration is stored."""
    return f"{sink} channel {name}"
