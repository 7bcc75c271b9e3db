"""Sentences about an incident that is over: how soon routes moved, what it touched, who knew first (pure)."""

from controller.alerts.slack.blocks import code_span, safe
from controller.incidents.incident import EntryKind, Incident
from controller.incidents.vendor_claim import lead_sentence
from monitor.detection.reasons import outcome_mix
from monitor.formatting import format_elapsed, plural

_MOST_ROUTES = 6
_MOST_IDS = 3
_VENDOR_CHARS = 220
_ID_CHARS = 60


def closing_facts(incident: Incident) -> list[str]:
    """All of them, as lines of Slack's markup that are safe already."""
    facts = [*_first_move(incident), *exposure_lines(incident)]
    if incident.on_failing_s:
        facts.append("Only the applications know how many requests failed meanwhile.")
    if (numbers := incident.numbers) and numbers.failures:
        probes = plural(numbers.probes, "probe")
        facts.append(f"{numbers.failures} of {probes} failed: {outcome_mix(numbers.mix)}.")
    if incident.reopened:
        facts.append(f"It came back {plural(incident.reopened, 'time')} before it was over.")
    if incident.vendor:
        facts.append(safe(lead_sentence(incident.vendor, incident.opened_at, over=True), _VENDOR_CHARS))
    if ids := ", ".join(safe(request_id, _ID_CHARS) for request_id in incident.request_ids[:_MOST_IDS]):
        facts.append(f"Request ids for the vendor's support: {ids}")
    return facts


def exposure_lines(incident: Incident) -> list[str]:
    """How long each route pointed at a target that failed, and for which share of the time; one line, or none."""
    if not incident.on_failing_s:
        return []
    before_s = (incident.opened_at - incident.onset).total_seconds()
    duration_s = max(1.0, incident.lasted_s(incident.opened_at) + before_s)
    routes = [
        f"{code_span(route)} {format_elapsed(seconds)} ({min(1.0, seconds / duration_s):.0%})"
        for route, seconds in incident.on_failing_s[:_MOST_ROUTES]
    ]
    more = len(incident.on_failing_s) - len(routes)
    others = f" and {plural(more, 'route')} more" if more > 0 else ""
    return [f"Time that routes pointed at a failing target: {', '.join(routes)}{others}."]


def _first_move(incident: Incident) -> list[str]:
    """How soon the first route moved, where one did."""
    first = next((line for line in incident.timeline if line.kind is EntryKind.MOVED), None)
    if first is None:
        return []
    after = format_elapsed(max(0.0, (first.at - incident.onset).total_seconds()))
    known = any(line.kind is EntryKind.FIRST_FAILURE for line in incident.timeline)
    since = f"the first failed probe (`{incident.onset:%H:%M:%S}`)" if known else "the opening"
    return [f"The first route moved {after} after {since}."]
