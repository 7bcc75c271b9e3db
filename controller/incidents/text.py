"""What people read of an incident, the same in the terminal, in the report and on the page (pure)."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from datetime import datetime

from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import (
    COMMENTS,
    FIRST_REQUESTS,
    OLDEST_KEPT,
    ROUTE,
    AffectedTarget,
    EntryKind,
    Incident,
    IncidentKind,
    RouteImpact,
    TargetNumbers,
    TimelineEntry,
    count_outcomes,
    sum_numbers,
)
from controller.incidents.vendor_claim import lead_sentence
from monitor.detection.reasons import outcome_mix, refusal_clause
from monitor.detection.verdict_text import plain_reason, statistics_of
from monitor.formatting import format_elapsed, format_percent, listed, plural
from monitor.health import FAILING, Health, TargetHealth
from probes.outcome import ANSWERED, EXCLUDED

_ILL = FAILING | {Health.DEGRADED}
#: The share of refusals that is worth a word.
_MUCH_REFUSED = 0.05
_OVER = frozenset({Health.UP, Health.UNKNOWN})
_MOST_PERIODS = 6
_NAMED = 4
_TIMES = {1: "once", 2: "twice"}


def title(incident: Incident) -> str:
    """`outage of openai`, `refusal of every request by openai`, `nothing eligible for route chat`."""
    if incident.kind is IncidentKind.BLINDNESS:
        return "blindness of our own network"
    if incident.kind is IncidentKind.NOTHING_ELIGIBLE:
        return f"nothing eligible for route {incident.provider.removeprefix(ROUTE)}"
    refused = incident.affected and all(refusal_of(affected) for affected in incident.affected)
    if refused and incident.kind is IncidentKind.DEGRADATION:
        return f"refusal of every request by {incident.provider}"
    shares = incident_shares(incident)
    return f"{incident.kind.label} of {incident.provider}" + (f": {shares}" if shares else "")


def refusal_of(affected: AffectedTarget) -> str | None:
    """`answers nothing but HTTP 404 since 14:02 UTC` of a target with that verdict; else None."""
    return refusal_clause(affected.reason)


def incident_shares(incident: Incident) -> str | None:
    """`answered 62.0 %, refused 38.0 %` of all probes of the affected targets, where they refused many; else None.

    A fault of our own configuration is told by its reason alone.
    """
    if incident.kind is IncidentKind.CONFIGURATION:
        return None
    outcomes = count_outcomes(incident.numbers)
    answered, refused = (sum(outcomes[outcome] for outcome in group) for group in (ANSWERED, EXCLUDED))
    return shares_served(answered, refused, outcomes.total())


def target_shares(incidents: Iterable[Incident]) -> dict[str, str]:
    """The same of each target alone, by its name, where it fails by what these incidents are about."""
    failing = ((incident, a.target) for incident in incidents for a in incident.affected if a.health in _ILL)
    shares = {
        target: incident_shares(replace(incident, numbers=tuple(n for n in incident.numbers if n.target == target)))
        for incident, target in failing
    }
    return {target: text for target, text in shares.items() if text}


def shares_served(answered: int, refused: int, asked: int) -> str | None:
    """`answered 62.0 %, refused 38.0 %` where at least 5 % were refused; else None."""
    if not asked or refused / asked < _MUCH_REFUSED:
        return None
    return f"answered {format_percent(answered / asked)}, refused {format_percent(refused / asked)}"


def status(incident: Incident, now: datetime) -> str:
    """`open for 12 min 5 s`, `resolved after 12 min 5 s`, and whether it was opened again.

    An open one that came back is open since then.
    """
    if incident.resolved_at is None:
        text = f"open for {format_elapsed(incident.bad_periods[-1].lasted_s(now))}"
        return f"{text}, {reopenings(incident, now)}" if incident.reopened else text
    return f"resolved after {duration(incident, now)}"


def duration(incident: Incident, now: datetime) -> str:
    """`12 min 5 s`, or `4 min 10 s in 3 periods`: how long it was open, the times between them left out."""
    lasted = format_elapsed(incident.lasted_s(now))
    return f"{lasted} in {incident.reopened + 1} periods" if incident.reopened else lasted


def reopenings(incident: Incident, now: datetime) -> str:
    """`came back twice: 3 periods, 4 min 10 s in all`: how often it was opened again."""
    times = _TIMES.get(incident.reopened, f"{incident.reopened} times")
    in_all = f"{incident.reopened + 1} periods, {format_elapsed(incident.lasted_s(now))} in all"
    return f"came back {times}: {in_all}"


def abridged(
    entries: Sequence[TimelineEntry], *, first: int, last: int, dropped: int = 0, keep: Set[EntryKind] = COMMENTS
) -> list[TimelineEntry | str]:
    """The entries in order; of many the first and the last, those to `keep`, and how many lines are left out between.

    `dropped` of the timeline are not stored any more, see `Incident.dropped_entries`; they count among the latter.
    """
    end = max(first, len(entries) - last)
    kept = [entry for entry in entries[first:end] if entry.kind in keep]
    hidden = end - first - len(kept)
    if not dropped and hidden <= 1:
        return list(entries)
    return [*entries[:first], f"… {plural(hidden + dropped, 'line')} left out …", *kept, *entries[end:]]


def whole_timeline(incident: Incident) -> list[TimelineEntry | str]:
    """All entries that are stored, and where they are missing how many are not stored any more."""
    entries = incident.timeline
    return abridged(entries, first=OLDEST_KEPT, last=len(entries), dropped=incident.dropped_entries)


def affected_summary(incident: Incident) -> str:
    """Who is affected, beside the title: `gpt-6-luna is down`, `a down, b recovering`; once it is over, who was."""
    if not incident.affected:
        return ", ".join(f"{route.route} stays on {route.target}" for route in incident.routes) or "the routes hold"
    unhealthy = [affected for affected in incident.affected if affected.health not in _OVER]
    if not unhealthy:
        return ", ".join(_model(affected) for affected in incident.affected)
    if len(unhealthy) == 1:
        return f"{_model(unhealthy[0])} is {unhealthy[0].health}"
    return ", ".join(f"{_model(affected)} {affected.health}" for affected in unhealthy)


def kind_of(affected: Iterable[AffectedTarget]) -> str:
    """What they are called: a `model`; with regions a `target`, as a model is one in each."""
    return "target" if any(each.region for each in affected) else "model"


def in_regions(affected: Iterable[AffectedTarget]) -> str:
    """` (in eu, us and ap)`; empty without regions."""
    regions = list(dict.fromkeys(each.region for each in affected if each.region))
    return f" (in {listed(regions, _NAMED)})" if regions else ""


def _model(affected: AffectedTarget) -> str:
    return affected.target.partition("/")[2] or affected.target


def reasons(affected: Iterable[AffectedTarget]) -> list[str]:
    """Why each of them is affected; a reason that several share is given once, with their names."""
    sharing: dict[str, list[AffectedTarget]] = {}
    for target in affected:
        if target.reason:
            sharing.setdefault(plain_reason(target.reason).removeprefix(f"{target.target} is "), []).append(target)
    return [
        predicate if predicate == plain_reason(of[0].reason) else subject([one.target for one in of]) + predicate
        for predicate, of in sharing.items()
    ]


def short_reason(state: TargetHealth | AffectedTarget) -> str:
    """The reason without statistics, and without the target and the health, which are shown beside it.

    Of what fails no more it says what it `was`.
    """
    reason = plain_reason(state.reason).removeprefix(f"{state.target} is {state.health}: ")
    before = reason.removeprefix(f"{state.target} is ")
    return reason if before == reason or before.startswith(state.health) else f"was {before}"


def subject(targets: Sequence[str]) -> str:
    """`a is `, `a and b are `, `a, b, c, d and 3 more targets are `: the beginning of a sentence about them."""
    if len(targets) == 1:
        return f"{targets[0]} is "
    named = targets[:_NAMED] if len(targets) > _NAMED + 1 else targets[:-1]
    rest = targets[-1] if len(named) == len(targets) - 1 else f"{len(targets) - len(named)} more targets"
    return f"{', '.join(named)} and {rest} are "


def evidence(numbers: Iterable[TargetNumbers]) -> str:
    """`61 of 120 probes were not ok (50 server_error, 11 timeout)`."""
    probes, failures = sum_numbers(numbers)
    if not failures:
        return f"all of {plural(probes, 'probe')} were ok"
    be = "was" if failures.total() == 1 else "were"
    return f"{failures.total()} of {plural(probes, 'probe')} {be} not ok ({outcome_mix(failures)})"


def verdict_statistics(incident: Incident) -> list[str]:
    """What the verdicts rest on: `openai/gpt-6-luna: evidence 12.3, verdict at 9.8 (usual 0.5 %, looked for 30 %)`."""
    sharing: dict[str, list[str]] = {}
    for affected in incident.affected:
        if statistics := statistics_of(affected.reason):
            sharing.setdefault(statistics, []).append(affected.target)
    return [f"{listed(targets, _NAMED)}: {statistics}" for statistics, targets in sharing.items()]


def outcome_counts(numbers: Sequence[tuple[str, int]]) -> str:
    """`57 ok, 50 server_error, 11 timeout`."""
    return ", ".join(f"{count} {outcome}" for outcome, count in numbers)


def time_on_failing(route: str, seconds: float) -> str:
    """How long applications were sent to a failing target."""
    return f"route {route} pointed at a failing target for {format_elapsed(seconds)}"


def first_failed(incident: Incident) -> str:
    """`failed probe`, or `failed requests` where applications reported them first."""
    first = next((entry.text for entry in incident.timeline if entry.kind is EntryKind.FIRST_FAILURE), "")
    return "failed requests" if first.startswith(FIRST_REQUESTS) else "failed probe"


def route_history(periods: Iterable[RoutePeriod]) -> str:
    """`openai/gpt-6-luna for 41 s, then anthropic/haiku for 12 min`; of many, the first and the last ones."""
    texts = [f"{period.target} for {format_elapsed(period.lasted_s)}" for period in periods]
    if len(texts) > _MOST_PERIODS:
        half = _MOST_PERIODS // 2
        texts = [*texts[:half], f"{len(texts) - 2 * half} more in turn", *texts[-half:]]
    return ", then ".join(texts)


def stuck_clause(route: RouteImpact) -> str:
    """Why a stuck route is where it is: `no other candidate is healthy`, or that it is on the least bad of them."""
    if not route.least_bad:
        return "no other candidate is healthy"
    return f"the least bad of its candidates: {route.least_bad}"


def route_users(route: RouteImpact) -> str:
    """Where the users of a touched route are, and what is wrong with that."""
    text = f"{route.route} → {route.target}"
    for target, percent in route.weights:
        if target != route.target:
            text += f", {percent:g} % of them on {target} again"
    if route.stuck:
        text += f", {stuck_clause(route)}" if route.least_bad else f", and {stuck_clause(route)}"
        text += f"; {route.stuck_until}" if route.stuck_until else ""
    if route.unpublished:
        text += ", because the routing file cannot be written"
    if route.would:
        text += f"; this is a dry run, or they would be on {route.would}"
    if route.waiting:
        text += f"; {route.waiting} has proven itself, and failback is manual"
    return text


def vendor_sentence(incident: Incident) -> str | None:
    """Who knew first, as a sentence; None where the vendor was never asked."""
    if incident.vendor is None:
        return None
    return lead_sentence(incident.vendor, incident.opened_at, over=incident.resolved_at is not None)


def entry_text(entry: TimelineEntry) -> str:
    """A timeline entry that can stand alone, without statistics: a note names its author."""
    text = entry.text if entry.kind in COMMENTS else plain_reason(entry.text)
    names_author = entry.author is None or entry.text.startswith(("Acknowledged by ", entry.author))
    return text if names_author else f"{entry.author}: {text}"
