"""What a vendor's status page says, as values; no decision depends on it (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from probes.redaction import clean

LONGEST_HEADLINE = 200


class VendorState(StrEnum):
    """The state that a vendor reports, from best to worst; `unknown` outranks `operational` only."""

    OPERATIONAL = "operational"
    UNKNOWN = "unknown"
    """The page could not be read, or is not the expected document."""
    MAINTENANCE = "maintenance"
    DEGRADED = "degraded"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return list(VendorState).index(self)

    @property
    def is_trouble(self) -> bool:
        """Whether the vendor reports that something is wrong."""
        return self not in {VendorState.OPERATIONAL, VendorState.UNKNOWN}

    @property
    def label(self) -> str:
        """For people: `partial outage`."""
        return self.replace("_", " ")


class UnexpectedDocumentError(ValueError):
    """Not the document that was expected."""


def worst(*states: VendorState) -> VendorState:
    """The worst of these states; operational without any."""
    return max(states, key=lambda state: state.rank, default=VendorState.OPERATIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPageReading:
    """What one reading of a status page says."""

    state: VendorState
    headline: str = ""
    """The name of the worst incident, or of what is affected; cleaned, at most 200 characters; may be empty."""
    since: datetime | None = None
    """When it began, if the vendor says so."""


UNKNOWN = StatusPageReading(state=VendorState.UNKNOWN)
"""The reading of anything but the expected document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorStateChange:
    """A change of what a status page says about one of our providers."""

    provider: str
    at: datetime
    state: VendorState
    headline: str = ""
    since: datetime | None = None
    url: str | None = None

    @property
    def page(self) -> str:
        """The host of the page, for people."""
        return page_name(self.url or "") or "the vendor's status page"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageScope:
    """The part of a status page that concerns a provider; all of it where `names` is empty."""

    names: tuple[str, ...] = ()
    """Parts of the names of components, products or services, in whatever case."""
    region: str | None = None
    """The cloud's region that serves us."""

    def wants(self, *labels: str) -> bool:
        """Whether something with one of these names is in scope."""
        folded = " / ".join(labels).casefold()
        return not self.names or any(name.casefold() in folded for name in self.names)

    def within(self, labels: Iterable[str]) -> "PageScope":
        """The same scope on a page with these names; all of it where none is in scope, because vendors rename."""
        return self if any(self.wants(label) for label in labels) else PageScope()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEntry:
    """One incident or component on a page that is in scope, whatever its state."""

    state: VendorState
    name: str
    since: datetime | None = None
    incident: bool = False


def summarize(entries: Iterable[PageEntry]) -> StatusPageReading:
    """The worst state of the entries, with the name of the worst incident, or else of the worst components."""
    listed = list(entries)
    state = worst(*(entry.state for entry in listed))
    if not state.is_trouble:
        return StatusPageReading(state=state)
    incident = max((entry for entry in listed if entry.incident), key=lambda entry: entry.state.rank, default=None)
    planned = incident is not None and incident.state is VendorState.MAINTENANCE
    if incident and incident.state.is_trouble and (incident.state is state or not planned):
        return StatusPageReading(state=state, headline=headline(incident.name), since=incident.since)
    names = dict.fromkeys(entry.name for entry in listed if entry.state is state and entry.name)
    return StatusPageReading(state=state, headline=headline(", ".join(names)))


def headline(text: str) -> str:
    """A vendor's text, cleaned and cut so that it may be stored and shown."""
    return clean(text, limit=LONGEST_HEADLINE)


def page_name(url: str) -> str:
    """The host of an address, without `www.`; empty when there is none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def aware(at: datetime) -> datetime | None:
    """The instant in UTC, which is assumed where it has no zone; None where it is outside the calendar."""
    try:
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def instant(value: Any) -> datetime | None:
    """An instant written in ISO 8601, or as seconds since 1970 (a number or its digits); None for anything else."""
    try:
        if isinstance(value, str) and not value.strip().isdecimal():
            return aware(datetime.fromisoformat(value.strip()))
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
