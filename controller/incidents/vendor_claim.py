"""Who knew first of an incident, we or the vendor's own status page, and the words for it (pure)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from controller.incidents.incident import EntryKind, Incident, IncidentKind, TimelineEntry, VendorClaim
from monitor.formatting import format_elapsed
from monitor.health import UNHEALTHY, Health, TargetHealth
from monitor.status_pages.reading import VendorState, VendorStateChange

#: How far back a report counts that the vendor took back before we noticed.
LOOK_BACK = timedelta(hours=24)
_AT_ONCE_S = 1.0
#: What a vendor could know of: no fault of ours, of our network, or of a route.
_KNOWABLE = frozenset({IncidentKind.OUTAGE, IncidentKind.DEGRADATION})


def unreported_providers(open_incidents: Iterable[Incident], health: Iterable[TargetHealth]) -> dict[str, datetime]:
    """The providers whose vendor may yet report an open incident, and when the first of theirs was noticed.

    An incident that is about to be opened is noticed when its target went bad.
    """
    incidents = list(open_incidents)
    reported = {incident.provider for incident in incidents if incident.vendor and incident.vendor.said_at}
    noticed = [(incident.provider, incident.opened_at) for incident in incidents if incident.kind in _KNOWABLE]
    noticed += [
        (state.target.partition("/")[0], state.since)
        for state in health
        if state.health in UNHEALTHY and state.health is not Health.MISCONFIGURED
    ]
    first: dict[str, datetime] = {}
    for provider, at in noticed:
        if provider not in reported:
            first[provider] = min(at, first.get(provider, at))
    return first


def vendor_lead(incident: Incident, kind: IncidentKind, reports: Iterable[VendorStateChange]) -> VendorClaim | None:
    """What the vendor said of an incident that is of this kind by now.

    Once the vendor has said that something is wrong, that stays; a fault of ours is nothing that it could know of.
    """
    if kind not in _KNOWABLE or (incident.vendor and incident.vendor.said_at):
        return incident.vendor
    return find_lead(incident.opened_at, reports) or incident.vendor


def vendor_entries(before: VendorClaim | None, after: VendorClaim | None) -> Iterable[TimelineEntry]:
    """The timeline entry with what the vendor said first, once it has said that something is wrong."""
    if after and after.said_at and not (before and before.said_at):
        text = f"{after.page} says {status_phrase(after.state, after.headline, after.claimed_at, after.said_at)}"
        yield TimelineEntry(at=after.said_at, text=text, kind=EntryKind.VENDOR)


def find_lead(noticed_at: datetime, reports: Iterable[VendorStateChange]) -> VendorClaim | None:
    """What the vendor had to say about an incident that we noticed at this time; None where it was never asked.

    `reports` are all of one provider, oldest first, the first of them in force by `noticed_at - LOOK_BACK` or later.

    1. Where the vendor said that something is wrong when we noticed, what counts is when it began to say so.
    2. Else, the first time afterwards that it says so. What it says later changes nothing.
    3. Else, that it says that all is well, or cannot be read.

    What counts is when *we read* it so: what a vendor claims afterwards about when it began is kept beside it.
    """
    admission: VendorStateChange | None = None
    last: VendorStateChange | None = None
    for report in reports:
        last = report
        if report.at <= noticed_at and report.state is VendorState.OPERATIONAL:
            admission = None
        elif admission is None and report.state.is_trouble:
            admission = report
        if admission and report.at > noticed_at:
            break
    if last is None:
        return None
    if admission is None:
        return VendorClaim(page=last.page, state=last.state)
    return VendorClaim(
        page=admission.page,
        state=admission.state,
        headline=admission.headline,
        said_at=admission.at,
        claimed_at=admission.since,
    )


def lead_phrase(lead: VendorClaim, noticed_at: datetime, *, over: bool = False) -> str:
    """`noticed 14 min before status.openai.com`, or what else became of it; `over`: the incident is resolved."""
    if lead.said_at is None:
        if lead.state is VendorState.OPERATIONAL:
            return f"{lead.page} said nothing of it" if over else f"{lead.page} still says {lead.state.label}"
        return f"{lead.page} could not be read" if over else f"{lead.page} cannot be read"
    ahead_s = (lead.said_at - noticed_at).total_seconds()
    if abs(ahead_s) < _AT_ONCE_S:
        return f"noticed at the same moment as {lead.page}"
    if ahead_s < 0:
        return f"{lead.page} said so {format_elapsed(-ahead_s)} before us"
    return f"noticed {format_elapsed(ahead_s)} before {lead.page}"


def lead_sentence(lead: VendorClaim, noticed_at: datetime, *, over: bool = False) -> str:
    """The same as a sentence, with the vendor's own headline, and when the vendor claims that it began."""
    phrase = lead_phrase(lead, noticed_at, over=over)
    if phrase.startswith("noticed"):  # a host does not begin with a capital
        phrase = f"N{phrase[1:]}"
    if lead.said_at is None:
        return f"{phrase}."
    return f"{phrase} ({status_phrase(lead.state, lead.headline, lead.claimed_at, noticed_at)})."


def status_phrase(state: VendorState, headline: str, since: datetime | None, now: datetime) -> str:
    """`partial outage: Elevated errors, since 14:02 UTC`; the date as well where it is not that of `now`."""
    text = f"{state.label}: {headline}" if headline else state.label
    if since is None or not state.is_trouble:
        return text
    day = "" if since.date() == now.date() else f"{since:%d %b} "
    return f"{text}, since {day}{since:%H:%M} UTC"
