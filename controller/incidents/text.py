"""What people read of an incident, the same in the terminal, in the report and on the page (pure)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import (
    ROUTE,
    AffectedTarget,
    Incident,
    IncidentKind,
    IncidentNumbers,
    RouteImpact,
    TimelineEntry,
)
from controller.incidents.vendor_lead import lead_sentence
from monitor.detection.reasons import outcome_mix
from monitor.formatting import plural, span
from monitor.health import Health

_OVER = frozenset({Health.UP, Health.UNKNOWN})
_MOST_STAYS = 6
_NAMED = 4
_TIMES = {1: "once", 2: "twice"}


def title(incident: Incident) -> str:
    """`outage of openai`, `blindness of our own network`, `nothing eligible for route chat`."""
    if incident.kind is IncidentKind.BLINDNESS:
        return "blindness of our own network"
    if incident.kind is IncidentKind.NOTHING_ELIGIBLE:
        return f"nothing eligible for route {incident.provider.removeprefix(ROUTE)}"
    return f"{incident.kind.words} of {incident.provider}"


def state(incident: Incident, now: datetime) -> str:
    """`open for 12 min 5 s`, `resolved after 12 min 5 s`, and whether it came back."""
    lasted = span(incident.lasted_s(now))
    said = f"resolved after {lasted}" if incident.resolved_at else f"open for {lasted}"
    return f"{said}, {came_back(incident)}" if incident.reopened else said


def came_back(incident: Incident) -> str:
    """`came back twice`: how often it was opened again."""
    return f"came back {_TIMES.get(incident.reopened, f'{incident.reopened} times')}"


def gist(incident: Incident) -> str:
    """Who is affected, beside the title: `gpt-6-luna is down`, `a down, b recovering`; once it is over, who was."""
    if not incident.affected:
        return ", ".join(f"{one.route} stays on {one.target}" for one in incident.routes) or "the routes hold"
    ill = [one for one in incident.affected if one.health not in _OVER]
    if not ill:
        return ", ".join(_model(one) for one in incident.affected)
    if len(ill) == 1:
        return f"{_model(ill[0])} is {ill[0].health}"
    return ", ".join(f"{_model(one)} {one.health}" for one in ill)


def _model(one: AffectedTarget) -> str:
    return one.target.partition("/")[2] or one.target


def reasons(affected: Iterable[AffectedTarget]) -> list[str]:
    """Why each of them is affected; what is said alike of several is said once, with their names."""
    alike: dict[str, list[AffectedTarget]] = {}
    for one in affected:
        if one.reason:
            alike.setdefault(one.reason.removeprefix(f"{one.target} is "), []).append(one)
    return [
        who([one.target for one in those]) + tail if tail != those[0].reason else tail for tail, those in alike.items()
    ]


def who(targets: Sequence[str]) -> str:
    """`a is `, `a and b are `, `a, b, c, d and 3 more targets are `: the beginning of a sentence about them."""
    if len(targets) == 1:
        return f"{targets[0]} is "
    named = targets[:_NAMED] if len(targets) > _NAMED + 1 else targets[:-1]
    rest = targets[-1] if len(named) == len(targets) - 1 else f"{len(targets) - len(named)} more targets"
    return f"{', '.join(named)} and {rest} are "


def evidence(numbers: IncidentNumbers) -> str:
    """`61 of 120 probes were not ok (50 server_error, 11 timeout)`."""
    if not numbers.failures:
        return f"all of {plural(numbers.probes, 'probe')} were ok"
    be = "was" if numbers.failures == 1 else "were"
    return f"{numbers.failures} of {plural(numbers.probes, 'probe')} {be} not ok ({outcome_mix(numbers.mix)})"


def outcomes(numbers: Sequence[tuple[str, int]]) -> str:
    """`57 ok, 50 server_error, 11 timeout`."""
    return ", ".join(f"{count} {word}" for word, count in numbers)


def on_failing(route: str, seconds: float) -> str:
    """How long applications were sent to what failed."""
    return f"route {route} pointed at a failing target for {span(seconds)}"


def where(stays: Iterable[RoutePeriod]) -> str:
    """`openai/gpt-6-luna for 41 s, then anthropic/haiku for 12 min`; of many, the first and the last ones."""
    said = [f"{one.target} for {span(one.lasted_s)}" for one in stays]
    if len(said) > _MOST_STAYS:
        half = _MOST_STAYS // 2
        said = [*said[:half], f"{len(said) - 2 * half} more in turn", *said[-half:]]
    return ", then ".join(said)


def users(route: RouteImpact) -> str:
    """Where the users of a touched route are, and what is wrong with that."""
    said = f"{route.route} → {route.target}"
    for target, percent in route.weights:
        if target != route.target:
            said += f", {percent:g} % of them on {target} again"
    if route.stuck:
        said += ", and no other candidate is healthy"
    if route.unpublished:
        said += ", because the routing file cannot be written"
    if route.would:
        said += f"; this is a dry run, or they would be on {route.would}"
    if route.waiting:
        said += f"; {route.waiting} has proven itself, and failback is manual"
    return said


def vendor(incident: Incident) -> str | None:
    """Who knew first, as a sentence; None where the vendor was never asked."""
    if incident.vendor is None:
        return None
    return lead_sentence(incident.vendor, incident.opened_at, over=incident.resolved_at is not None)


def line(found: TimelineEntry) -> str:
    """A line of the timeline that can stand alone: a note says whose it is."""
    from_whom = found.author is not None and not found.text.startswith(("Acknowledged by ", found.author))
    return f"{found.author}: {found.text}" if from_whom else found.text
