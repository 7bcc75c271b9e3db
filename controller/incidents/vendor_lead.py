"""Who knew first of an incident, we or the vendor's own status page, and the words for it (pure)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from controller.incidents.incident import EntryKind, Incident, IncidentKind, TimelineEntry, VendorLead
from monitor.formatting import span
from monitor.health import UNHEALTHY, Health, TargetHealth
from monitor.status_pages.reading import VendorState, VendorStateChange

#: How far back a vendor's word counts that was taken back before we noticed.
LOOK_BACK = timedelta(hours=24)
_AT_ONCE_S = 1.0
#: What a vendor could know of: no fault of ours, of our network, or of a route.
_THEIRS = frozenset({IncidentKind.OUTAGE, IncidentKind.DEGRADATION})


def unreported(open_incidents: Iterable[Incident], health: Iterable[TargetHealth]) -> dict[str, datetime]:
    """The providers whose vendor may have something to say of an incident, and when the first of theirs was noticed.

    An incident that is about to be opened is noticed when its target went bad.
    """
    incidents = list(open_incidents)
    told = {one.provider for one in incidents if one.vendor and one.vendor.said_at}
    noticed = [(one.provider, one.opened_at) for one in incidents if one.kind in _THEIRS]
    noticed += [
        (seen.target.partition("/")[0], seen.since)
        for seen in health
        if seen.health in UNHEALTHY and seen.health is not Health.MISCONFIGURED
    ]
    first: dict[str, datetime] = {}
    for provider, at in noticed:
        if provider not in told:
            first[provider] = min(at, first.get(provider, at))
    return first


def vendor_of(incident: Incident, kind: IncidentKind, reports: Iterable[VendorStateChange]) -> VendorLead | None:
    """The vendor's word on an incident that is of this kind by now.

    Once the vendor has said that something is wrong, that stays; a fault of ours is nothing that it could know of.
    """
    if kind not in _THEIRS or (incident.vendor and incident.vendor.said_at):
        return incident.vendor
    return lead(incident.opened_at, reports) or incident.vendor


def vendor_lines(before: VendorLead | None, after: VendorLead | None) -> Iterable[TimelineEntry]:
    """The line of the timeline that says what the vendor said first, once it has."""
    if after and after.said_at and not (before and before.said_at):
        text = f"{after.page} says {said(after.state, after.headline, after.claimed_at, after.said_at)}"
        yield TimelineEntry(at=after.said_at, text=text, kind=EntryKind.VENDOR)


def lead(noticed_at: datetime, reports: Iterable[VendorStateChange]) -> VendorLead | None:
    """What the vendor had to say about an incident that we noticed at this time; None where it was never asked.

    `reports` are all of one provider, oldest first, the first of them in force by `noticed_at - LOOK_BACK` or later.

    1. Where the vendor said that something is wrong when we noticed, what counts is when it began to say so.
    2. Else, the first time afterwards that it says so. What it says later changes nothing.
    3. Else, that it says that all is well, or cannot be read.

    What counts is when *we read* it so: what a vendor claims afterwards about when it began is kept beside it.
    """
    found: VendorStateChange | None = None
    last: VendorStateChange | None = None
    for report in reports:
        last = report
        if report.at <= noticed_at and report.state is VendorState.OPERATIONAL:
            found = None
        elif found is None and report.state.admits:
            found = report
        if found and report.at > noticed_at:
            break
    if last is None:
        return None
    if found is None:
        return VendorLead(page=last.page, state=last.state)
    return VendorLead(
        page=found.page, state=found.state, headline=found.headline, said_at=found.at, claimed_at=found.since
    )


def lead_words(found: VendorLead, noticed_at: datetime, *, over: bool = False) -> str:
    """`noticed 14 min before status.openai.com`, or what else became of it; `over`: the incident is resolved."""
    if found.said_at is None:
        if found.state is VendorState.OPERATIONAL:
            return f"{found.page} said nothing of it" if over else f"{found.page} still says {found.state.words}"
        return f"{found.page} could not be read" if over else f"{found.page} cannot be read"
    ahead_s = (found.said_at - noticed_at).total_seconds()
    if abs(ahead_s) < _AT_ONCE_S:
        return f"noticed at the same moment as {found.page}"
    if ahead_s < 0:
        return f"{found.page} said so {span(-ahead_s)} before us"
    return f"noticed {span(ahead_s)} before {found.page}"


def lead_sentence(found: VendorLead, noticed_at: datetime, *, over: bool = False) -> str:
    """The same as a sentence, with what the vendor said in its own words, and when it claims that it began."""
    words = lead_words(found, noticed_at, over=over)
    if words.startswith("noticed"):  # a host does not begin with a capital
        words = f"N{words[1:]}"
    if found.said_at is None:
        return f"{words}."
    return f"{words} ({said(found.state, found.headline, found.claimed_at, noticed_at)})."


def said(state: VendorState, headline: str, since: datetime | None, now: datetime) -> str:
    """`partial outage: Elevated errors, since 14:02 UTC`; the date as well where it is not that of `now`."""
    text = f"{state.words}: {headline}" if headline else state.words
    if since is None or not state.admits:
        return text
    return (
        f"{text}, since {since:%H:%M} UTC" if since.date() == now.date() else f"{text}, since {since:%d %b %H:%M} UTC"
    )
