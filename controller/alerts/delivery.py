"""What there is to tell, what was told of it, and under what keys that is kept, as values (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.incidents.incident import Incident
from controller.journal import PendingEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one service; or, under `state_key`, how that service is."""

    key: str
    begun_at: datetime
    """When it was sent last, to the millisecond; of a service: since when it took nothing."""
    done_at: datetime | None = None
    """When the service had taken it; None: perhaps it has. Of a service: when it took something again."""
    channel: str | None = None
    """The service's own name for where it stands; until it is done, where it was to go."""
    ts: str | None = None
    """The service's own name for the message; until it is done, that of the message whose thread it was to go to."""
    attempts: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentDelivery:
    """An incident, and what people have been told of it."""

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
    """What there is to tell, as of one instant."""

    known: tuple[IncidentDelivery, ...] = ()
    """Every incident that is open or not wholly told, and those that are told with it; oldest first."""
    events: tuple[PendingEvent, ...] = ()
    """Those that people have not been told of, oldest first."""
    rows: Mapping[str, Delivery] = field(default_factory=dict)
    """By key: those of these incidents, and those that are not about an incident."""
    sent_at: tuple[datetime, ...] = ()
    """When each message of the last hour was sent that was not critical, oldest first."""


def state_key(sink: str, part: str = "") -> str:
    """Under what key it is kept whether a part of a service works, or all of it."""
    return f"{sink} state {part}" if part else sink


def channel_key(sink: str, asked: str) -> str:
    """Under what key the service's own name for a channel of the configuration is kept."""
    return f"{sink} channel {asked}"
