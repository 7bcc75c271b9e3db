"""An incident: from the first bad health of a provider's targets to its resolution, as one immutable value."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from monitor.health import Health
from monitor.status_pages.reading import VendorState
from monitor.storage.column_conversions import from_ms, to_ms
from probes.outcome import Outcome

T = TypeVar("T")
N = TypeVar("N", int, float)


# Fields that look different in the stored document. Reading is lenient, because the document may be of another version:
# what cannot be read is left out.


def readable_fields(part: object, read: ValidatorFunctionWrapHandler) -> Any:
    """The part; a field that cannot be read takes its default. Raises ValidationError for a field without one."""
    try:
        return read(part)
    except ValidationError as error:
        if not isinstance(part, Mapping):
            raise
        unreadable = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
        return read({name: value for name, value in part.items() if name not in unreadable})


def known_or(default: StrEnum) -> BeforeValidator:
    """Takes a word that the enum of the default does not have for the default; null is no word."""
    words = {member.value: member for member in type(default)}
    return BeforeValidator(lambda word: word if word is None else words.get(word, default))


def _readable_items(items: object, read: ValidatorFunctionWrapHandler) -> tuple[Any, ...]:
    readable: list[Any] = []
    for item in items if isinstance(items, list | tuple) else ():
        try:
            readable += read((item,))
        except ValidationError:
            continue
    return tuple(readable)


def _pairs(document: object) -> object:
    return list(document.items()) if isinstance(document, dict) else ()


def _instant(ms: object) -> datetime:
    if type(ms) is not int:
        raise ValueError("an instant is a whole number of milliseconds")
    try:
        return from_ms(ms)
    except OverflowError as error:
        raise ValueError(str(error)) from error


Instant = Annotated[datetime, BeforeValidator(_instant), PlainSerializer(to_ms)]
"""Epoch milliseconds."""
Readable = Annotated[tuple[Annotated[T, WrapValidator(readable_fields)], ...], WrapValidator(_readable_items)]
"""A list; items that cannot be read are left out."""
ByName = Annotated[
    tuple[tuple[T, N], ...], WrapValidator(_readable_items), BeforeValidator(_pairs), PlainSerializer(dict)
]
"""Numbers by name, as a JSON object; those that cannot be read are left out."""


class IncidentKind(StrEnum):
    """What kind of trouble it is; it decides who must act."""

    OUTAGE = "outage"
    """The provider fails (`down`)."""
    DEGRADATION = "degradation"
    """The provider is slow, wrong or throttles us (`degraded`, `unusable`)."""
    CONFIGURATION = "configuration"
    """Our key, our money or our model name (`misconfigured`): a person must fix it; the reasons say what."""
    BLINDNESS = "blindness"
    """Our own network is down or loses packets; `provider` is `NETWORK`, and no target is affected."""
    NOTHING_ELIGIBLE = "nothing_eligible"
    """A route has no eligible target, and no provider's incident says so; `provider` is `route:` and its name."""

    @property
    def slot(self) -> str:
        """Kinds that share an incident share a slot: a provider has at most one open incident of each."""
        return "provider" if self in {IncidentKind.OUTAGE, IncidentKind.DEGRADATION} else self.value

    @property
    def label(self) -> str:
        """For people: `nothing eligible`."""
        return self.replace("_", " ")


NETWORK = "network"
"""The `provider` of an incident of our own network."""
ROUTE = "route:"
"""What the `provider` of an incident of a single route begins with."""

#: From so many outages within an hour on, it is flapping.
FLAPPING = 3
_LATELY = timedelta(hours=1)

Slot = tuple[str, str]
"""A provider, and the slot of an incident's kind."""


class EntryKind(StrEnum):
    """What an entry of a timeline is about."""

    FIRST_FAILURE = "first_failure"
    SUSPECT = "suspect"
    HEALTH = "health"
    """A verdict: a target went bad, recovers, or is up again."""
    MOVED = "moved"
    """A route moved, failed back, or took a step on the way back."""
    VENDOR = "vendor"
    NOTE = "note"
    ACKNOWLEDGED = "acknowledged"
    HAND = "hand"
    """An operator's pin, drain or pause, or a warning of what it costs users."""
    HELD = "held"
    """A route did not move: no candidate is eligible, failback is manual, or it is a dry run."""
    RESOLVED = "resolved"
    REOPENED = "reopened"
    OTHER = "other"


#: How the first failure begins where it is not a probe's.
FIRST_REQUESTS = "First failed requests"
#: So many of the newest bad periods of an incident are kept one by one.
MAX_PERIODS = 100
#: So many of the oldest entries of a timeline are kept, however long it grows.
OLDEST_KEPT = 20
#: What people write: never dropped from a timeline, however long it grows.
COMMENTS = frozenset({EntryKind.NOTE, EntryKind.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedTarget:
    """One target inside an incident."""

    target: str
    health: Annotated[Health, known_or(Health.UNKNOWN)]
    """As it is now; `up` once it is well again; `unknown` once the configuration no longer has it."""
    since: Annotated[Instant, Field(alias="since_ms")]
    """When it entered that health."""
    reason: str = ""
    """The verdict as a sentence; while it recovers or is well again, still that of the fault."""
    region: str = ""
    """From which it is seen; empty where the configuration has no regions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One entry of an incident's timeline."""

    at: Annotated[Instant, Field(alias="at_ms")]
    text: str
    """It may quote a provider, a vendor or a person."""
    kind: Annotated[EntryKind, known_or(EntryKind.OTHER)] = EntryKind.OTHER
    author: str | None = None
    """The person whose comment or override it is; None for other entries."""
    number: Annotated[int, Field(alias="n")] = field(default=0, compare=False)
    """The store numbers the entries of an incident from 1 in the order in which they are stored, and never changes or
    reuses a number; 0 until then. What people were told of is everything up to some number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteImpact:
    """A route that the incident touches, and where its users are now."""

    route: str
    target: str
    stuck: bool = False
    """Its target fails and nothing else is eligible: it stays there, and a person must act."""
    failing: Annotated[Health | None, known_or(Health.UNKNOWN)] = None
    """The health of its target where that is down, unusable or misconfigured, even if by another incident."""
    unpublished: bool = False
    """It was moved, but the routing file cannot be written: users stay on this target, and a person must act."""
    weights: ByName[str, float] = ()
    """Percent of its users by target while a failback in steps is under way; empty: all are on `target`."""
    would: str | None = None
    """Where they would be, in words, if this were no dry run; None when it is none, or they would be here."""
    waiting: str | None = None
    """A better target that has proven itself: failback is manual, and an operator must bring the route back."""
    held: str = ""
    """`pinned by ana until 14:30:00 UTC` where an operator holds it on a target of bad health; else empty."""
    command: str = field(default="", compare=False)
    """The whole command that lets it move to a better target, or moves it there; empty where there is none."""
    least_bad: str = ""
    """How often its target fails beside its other candidates, where it is stuck on the least bad of them; else empty.
    """
    stuck_until: str = field(default="", compare=False)
    """What moves it where it is stuck, with the times that were known when the incident changed last; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorClaim:
    """What the vendor's own status page said about the incident, as we read it; no decision depends on it."""

    page: str
    """The host of the page."""
    state: Annotated[VendorState, known_or(VendorState.UNKNOWN)]
    """What the page said first when it said that something is wrong; until then, what it says."""
    headline: str = ""
    said_at: Annotated[Instant | None, Field(alias="said_ms")] = None
    """When we first read there that something is wrong; None while it does not say so."""
    claimed_at: Annotated[Instant | None, Field(alias="claimed_ms")] = None
    """When the vendor says that it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadPeriod:
    """A time for which an incident was open: it has one, and one more for each time that it came back."""

    began_at: Annotated[Instant, Field(alias="began_ms")]
    """Its first failed probe, as far as is known; else its opening."""
    opened_at: Annotated[Instant, Field(alias="opened_ms")]
    kind: Annotated[IncidentKind, known_or(IncidentKind.OUTAGE)]
    ended_at: Annotated[Instant | None, Field(alias="ended_ms")] = None
    """None while it goes on."""

    def lasted_s(self, now: datetime) -> float:
        """Seconds from its opening to its end, or until now."""
        return max(0.0, ((self.ended_at or now) - self.opened_at).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNumbers:
    """How one target's probes ended in the bad periods, each from its first failed probe on."""

    target: str
    outcomes: ByName[Outcome, int]
    """How many probes ended how, `ok` included; the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRequests:
    """How many requests of a route failed while an incident lasted, as applications report it."""

    route: str
    before_move: int
    """At the target on which the incident found the route, until it was back there."""
    after_move: int | None = None
    """Elsewhere; None where the route did not move."""


def count_outcomes(numbers: Iterable[TargetNumbers]) -> Counter[Outcome]:
    """How many probes of all these targets ended how."""
    outcomes: Counter[Outcome] = Counter()
    for target in numbers:
        outcomes.update(dict(target.outcomes))
    return outcomes


def sum_numbers(numbers: Iterable[TargetNumbers]) -> tuple[int, Counter[Outcome]]:
    """How many probes there were of all these targets, and how many of them ended in what else than `ok`."""
    outcomes = count_outcomes(numbers)
    return outcomes.total(), Counter({outcome: n for outcome, n in outcomes.items() if outcome is not Outcome.OK})


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentDocument:
    """The parts of an incident that are stored as one JSON document."""

    affected: Readable[AffectedTarget] = ()
    timeline: Readable[TimelineEntry] = ()
    """Oldest first; at most 500 entries: the 20 oldest are kept, all comments, and the newest."""
    routes: Readable[RouteImpact] = ()
    runbooks: Readable[str] = ()
    """Addresses of what to do, of the owners of its provider and of the routes that it touches."""
    page_url: str | None = None
    """The address of the page when it was last judged; None where none was configured."""
    vendor: Annotated[VendorClaim | None, WrapValidator(readable_fields)] = None
    """Who knew first; None where the vendor has no page that is read, or where the fault is ours."""
    periods: Readable[BadPeriod] = ()
    """When it was open, oldest first, the newest 100; of an incident of an earlier version see `bad_periods`."""
    earlier_s: float = 0.0
    """How many seconds the periods lasted that are not among them any more."""
    numbers: Readable[TargetNumbers] = ()
    """As of the resolution; of an open one those of its last hour, as of its last change."""
    request_ids: Readable[str] = ()
    """What the provider called some of the failed probes, for its support; at most 5, none where the fault is ours.
    Empty while it is open, as is what follows."""
    on_failing_s: ByName[str, float] = ()
    """How many seconds each touched route pointed at a target that failed, from the first failed probe on."""
    failed_requests: Readable[FailedRequests] = ()
    """Of the touched routes whose requests are reported, where any failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident(IncidentDocument):
    """What broke, the evidence, what was done about it, and what users are on now.

    At most one incident per provider and slot is open: `outage` and `degradation` share a slot (an outage that
    began as a degradation stays one incident), every other kind has its own. A failure within 15 minutes of the
    resolution opens it again.
    """

    id: int
    """0 until the journal has stored it."""
    provider: str
    kind: IncidentKind
    opened_at: datetime
    resolved_at: datetime | None = None
    revision: int = 1
    """Counts its changes; people have been told when the stored `told_revision` has caught up."""
    reopened: int = 0
    """How often it came back after it was resolved; `opened_at` stays that of the first time."""
    lead_id: int | None = None
    """The incident of another provider under whose headline it is told, because it began while that one was open; set
    when it is stored and never changed, also when that one ends first. Never that of one that has a lead itself."""
    acknowledged_by: str | None = None
    """The person who looks after it; nobody again once it has come back."""

    @property
    def slot(self) -> Slot:
        """Its provider, and what it is about."""
        return self.provider, self.kind.slot

    @property
    def link(self) -> str | None:
        """Its own address on the page; None where it has none, or is not stored yet."""
        return f"{self.page_url}/incidents?incident={self.id}" if self.page_url and self.id else None

    @property
    def onset(self) -> datetime:
        """When its first failed probe came in, as far as is known; else when it was opened."""
        failures = (entry.at for entry in self.timeline if entry.kind is EntryKind.FIRST_FAILURE)
        return min([self.opened_at, *failures])

    @property
    def bad_periods(self) -> tuple[BadPeriod, ...]:
        """When it was open, oldest first, never empty; an earlier version did not store it: its timeline says it."""
        if self.periods:
            return self.periods
        times = {
            kind: [entry.at for entry in self.timeline if entry.kind is kind]
            for kind in (EntryKind.REOPENED, EntryKind.RESOLVED)
        }
        began = [self.opened_at, *times[EntryKind.REOPENED]]
        ends = [*times[EntryKind.RESOLVED][: len(began) - 1], self.resolved_at]
        first = BadPeriod(began_at=self.onset, opened_at=self.opened_at, kind=self.kind)
        if len(ends) < len(began):
            return (replace(first, ended_at=self.resolved_at),)
        return tuple(
            replace(first, began_at=at if number else self.onset, opened_at=at, ended_at=end)
            for number, (at, end) in enumerate(zip(began, ends, strict=True))
        )

    @property
    def open_since(self) -> datetime:
        """When it was opened, the last time if it came back."""
        return self.bad_periods[-1].opened_at

    @property
    def outages_lately(self) -> int:
        """How many times it began within the hour before it came back last, that time included; 1 if it never did."""
        began = [period.opened_at for period in self.bad_periods]
        return sum(at > began[-1] - _LATELY for at in began)

    @property
    def dropped_entries(self) -> int:
        """How many entries its timeline no longer holds, because it would be too long."""
        return max(0, max((entry.number for entry in self.timeline), default=0) - len(self.timeline))

    def lasted_s(self, now: datetime) -> float:
        """Seconds for which it was open, until now at most: the time between an end and its coming back is left out."""
        return self.earlier_s + sum(period.lasted_s(now) for period in self.bad_periods)
