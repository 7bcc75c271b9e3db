"""What a vendor says about itself, as one value; nothing is ever decided by it (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

from probes.redaction import clean

LONGEST_HEADLINE = 200


class VendorState(StrEnum):
    """How a vendor says it is; the order is from best to worst, and `unknown` forbids `operational` only."""

    OPERATIONAL = "operational"
    UNKNOWN = "unknown"
    """The page could not be read, or is not the document that is expected there."""
    MAINTENANCE = "maintenance"
    DEGRADED = "degraded"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return _RANKS[self]

    @property
    def admits(self) -> bool:
        """Whether the vendor says that something is wrong."""
        return self.rank >= _RANKS[VendorState.MAINTENANCE]

    @property
    def words(self) -> str:
        """For people: `partial outage`."""
        return self.replace("_", " ")


_RANKS = {state: rank for rank, state in enumerate(VendorState)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPageReading:
    """What one reading of a status page says."""

    state: VendorState
    headline: str = ""
    """The name of the worst incident, or of what is affected; clean, at most 200 characters, empty when all is well."""
    since: datetime | None = None
    """When the vendor says it began; None where it does not say."""


UNKNOWN = StatusPageReading(state=VendorState.UNKNOWN)
"""What anything that is not the expected document says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorStateChange:
    """A change of what a vendor says about one of our providers."""

    provider: str
    at: datetime
    """When we first read it so."""
    state: VendorState
    headline: str = ""
    since: datetime | None = None
    url: str | None = None
    """The page that it was read from."""

    @property
    def page(self) -> str:
        """The host of the page, for people."""
        return page_name(self.url or "") or "the vendor's status page"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageScope:
    """What of a status page matters to us; all of it where nothing is named."""

    names: tuple[str, ...] = ()
    """Parts of the names of components, products or services, in whatever case."""
    region: str | None = None
    """Of the cloud that serves us."""

    def wants(self, *labels: str) -> bool:
        """Whether something of one of these names matters."""
        folded = " / ".join(labels).casefold()
        return not self.names or any(name.casefold() in folded for name in self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEntry:
    """One thing on a page that matters to us, an incident or a component, be it well or not."""

    state: VendorState
    name: str
    since: datetime | None = None
    incident: bool = False


def word_of(troubles: Iterable[PageEntry]) -> StatusPageReading:
    """The worst of them in one word, with the name of the worst incident, or else of what is worst off."""
    found = list(troubles)
    worst = max((one.state for one in found), key=lambda state: state.rank, default=VendorState.OPERATIONAL)
    if not worst.admits:
        return StatusPageReading(state=worst)
    told = max((one for one in found if one.incident), key=lambda one: one.state.rank, default=None)
    if told is not None and told.state.admits and (told.state is worst or told.state is not VendorState.MAINTENANCE):
        return StatusPageReading(state=worst, headline=headline(told.name), since=told.since)
    names = dict.fromkeys(one.name for one in found if one.state is worst and one.name)
    return StatusPageReading(state=worst, headline=headline(", ".join(names)))


def headline(text: str) -> str:
    """A vendor's text as far as it may be kept and shown."""
    return clean(text, limit=LONGEST_HEADLINE)


def page_name(url: str) -> str:
    """The host of an address, without `www.`; empty when there is none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def aware(at: datetime) -> datetime | None:
    """The instant in UTC; one without a zone is taken for UTC, one outside the calendar for none."""
    try:
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None
