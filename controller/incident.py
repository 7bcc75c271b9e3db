"""An incident: from the first bad health of a provider's targets to its resolution, as one immutable value."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitor.health import Health


class IncidentKind(StrEnum):
    """What sort of trouble it is; it decides who must act."""

    OUTAGE = "outage"
    """The provider fails (`down`)."""
    DEGRADATION = "degradation"
    """The provider is slow, wrong or throttles us (`degraded`, `unusable`)."""
    CONFIGURATION = "configuration"
    """Our key, our money or our model name (`misconfigured`): a person must fix it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """One target inside an incident."""

    target: str
    health: Health
    """As it is now; `up` once it is well again; `unknown` once the configuration no longer has it."""
    since: datetime
    """When it entered that health."""
    reason: str
    """The sentence that says how we know; while it recovers or is well again, the sentence of the fault itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of an incident's timeline."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteNow:
    """A route that the incident touches, and what its users are on now."""

    route: str
    target: str
    stuck: bool = False
    """Its target fails and nothing else is eligible: it holds, and a person must act."""
    unpublished: bool = False
    """It was moved, but the routing file cannot be written: users stay on this target, and a person must act."""
    weights: tuple[tuple[str, float], ...] = ()
    """Percent of its users by target while a failback in steps is under way; empty: all are on `target`."""
    would: str | None = None
    """Where they would be, in words, if this were no dry run; None when it is none, or they would be here."""
    waiting: str | None = None
    """A better target that has proven itself: failback is manual, and an operator must bring the route back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What broke, the evidence, what was done about it, and what users are on now.

    At most one incident per provider and slot is open: `outage` and `degradation` share a slot (an outage that
    began as a degradation stays one incident), `configuration` has its own.
    """

    id: int
    """0 until the journal has stored it."""
    provider: str
    kind: IncidentKind
    opened_at: datetime
    resolved_at: datetime | None = None
    affected: tuple[Affected, ...]
    timeline: tuple[Happening, ...]
    """Oldest first; at most 50 lines, the oldest kept."""
    routes: tuple[RouteNow, ...]
    revision: int = 1
    """Counts its changes; people have been told when the journal's `told_revision` has caught up."""
