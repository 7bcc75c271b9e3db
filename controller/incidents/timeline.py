"""What an incident's timeline says: how the facts of one cycle become lines (pure)."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta

from controller.incidents import text as words
from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.incident import COMMENTS, AffectedTarget, EntryKind, Incident, RouteImpact, TimelineEntry
from controller.routing import override_text
from controller.routing.decision import Decision, Move, RouteState, failback_command
from controller.routing.overrides import Override, OverrideKind, drained_targets, touched_routes
from monitor.connectivity.messages import NetworkLoss
from monitor.formatting import plural, span
from monitor.health import UNHEALTHY, Health, TargetHealth
from monitor.settings import Settings

MAX_TIMELINE = 50
#: So many lines of a timeline may be people's: they are never dropped.
MAX_COMMENTS = 20
_RELAPSE = "Relapse: "
#: Stands for the targets that share a line; no name and no sentence holds it.
_WHO = "\0"
#: Instants that were stored in different ways may differ by a millisecond or two.
_AT_ONCE = timedelta(milliseconds=50)


def beginning_lines(bad: Iterable[TargetHealth], facts: CycleFacts) -> Iterable[TimelineEntry]:
    """The first failed probe, and the first suspicion; one line where they are one and the same."""
    found = [facts.beginnings[seen.target] for seen in bad if seen.target in facts.beginnings]
    failed = min((one.failed for one in found if one.failed), key=lambda one: one.at, default=None)
    suspects = [(one.suspect_at, one.suspect) for one in found if one.suspect_at]
    at, sentence = min(suspects, default=(None, ""))
    if failed:
        text = f"First failed probe: {failed.outcome} from {failed.target}"
        yield TimelineEntry(at=failed.at, text=text, kind=EntryKind.FIRST_FAILURE)
    if at and not (failed and abs(failed.at - at) < _AT_ONCE):
        yield TimelineEntry(at=at, text=sentence, kind=EntryKind.SUSPECT)


def target_lines(
    before: Incident, affected: Iterable[AffectedTarget], facts: CycleFacts, *, again: bool = False
) -> Iterable[TimelineEntry]:
    """Each change of an affected target's health; the first fault of an incident that opens `again` says so.

    Targets of which the same is said at the same moment share a line, as those of a provider that fails do.
    """
    was = {a.target: a.health for a in before.affected}
    alike: dict[tuple[datetime, str], list[AffectedTarget]] = {}
    for present in sorted(affected, key=lambda a: (a.since, a.target)):
        previous = was.get(present.target)
        if present.health is not previous:
            line = _target_line(present, previous, facts.health.get(present.target))
            alike.setdefault((present.since, line.replace(f"{present.target} is ", _WHO, 1)), []).append(present)
    for (at, line), those in alike.items():
        text = line.replace(_WHO, words.who([one.target for one in those]), 1)
        if again and those[0].health in UNHEALTHY:
            again = False
            yield TimelineEntry(at=at, text=f"Reopened: {text.removeprefix(_RELAPSE)}", kind=EntryKind.REOPENED)
        else:
            yield TimelineEntry(at=at, text=text, kind=EntryKind.HEALTH)


def _target_line(affected: AffectedTarget, previous: Health | None, seen: TargetHealth | None) -> str:
    if seen is None:
        return f"{affected.target} was removed from the configuration"
    if seen.health is Health.SUSPECT:
        return f"{affected.target} is up again"
    if affected.health not in {Health.UP, Health.RECOVERING} and previous in {Health.UP, Health.RECOVERING}:
        return f"{_RELAPSE}{seen.sentence}"
    return seen.sentence


def route_lines(
    before: Incident, routes: Iterable[RouteImpact], known: AbstractSet[str], facts: CycleFacts
) -> Iterable[TimelineEntry]:
    """What became of the touched routes: moves, nowhere to go, what a hand costs, a file that cannot be written."""
    former = {r.route: r for r in before.routes}
    for route in routes:
        was = former.get(route.route)
        yield from _moves(before, was, facts.routes[route.route], known, facts)
        if route.stuck and not (was and was.stuck):
            yield nowhere(route, facts.now)
        warning = facts.warnings.get(route.route)
        if warning and (line := f"By hand: {warning}") not in known:
            yield TimelineEntry(at=facts.now, text=line, kind=EntryKind.HAND)
        if route.unpublished and not (was and was.unpublished):
            text = f"The routing file cannot be written: users of route {route.route} stay on {route.target}"
            yield TimelineEntry(at=facts.now, text=text)
        if was and was.unpublished and not route.unpublished:
            text = f"The routing file is written again: users of route {route.route} are on {route.target}"
            yield TimelineEntry(at=facts.now, text=text)


def nowhere(route: RouteImpact, at: datetime, *, again: bool = False) -> TimelineEntry:
    """That a route holds because nothing else is eligible."""
    text = f"Route {route.route} has no healthy candidate left and stays on {route.target}"
    if again:
        return TimelineEntry(at=at, text=f"Reopened: {text}", kind=EntryKind.REOPENED)
    return TimelineEntry(at=at, text=text, kind=EntryKind.MOVED)


def _moves(
    before: Incident, was: RouteImpact | None, state: RouteState, known: AbstractSet[str], facts: CycleFacts
) -> Iterable[TimelineEntry]:
    told = [decision for decision in facts.decisions if decision.route == state.route]
    for decision in told:
        yield TimelineEntry(at=decision.at, text=_told(decision, known), kind=EntryKind.MOVED)
    if not told and (was.target != state.target if was else _answers(before, state, facts)):
        origin = was.target if was else None
        text = _move(state.route, origin, state.target, state.reason, known)
        yield TimelineEntry(at=state.since, text=text, kind=EntryKind.MOVED)


def _told(decision: Decision, known: AbstractSet[str]) -> str:
    state, why = decision.state(), _because(decision.reason, known)
    if decision.move is Move.STEP:
        text = f"Route {state.route} sends {state.home_share:g} % of its requests to {state.home} again{why}"
    elif decision.move is Move.ABORT:
        text = f"Route {state.route} sends all of its requests to {state.target} again{why}"
    else:
        text = _move(state.route, decision.before, decision.target, decision.reason, known)
    return f"Dry run, not done: {text}" if decision.dry_run else text


def _answers(before: Incident, state: RouteState, facts: CycleFacts) -> bool:
    """Whether a route that is new to the incident went where it is because of it, as far as can be seen now."""
    present = facts.health.get(state.target)
    return state.since >= before.opened_at and not (present and present.health in UNHEALTHY)


def _move(route: str, before: str | None, target: str, reason: str, known: AbstractSet[str]) -> str:
    """The reason is left out where the timeline has it already: a move repeats the verdict that caused it."""
    origin = f" from {before}" if before else ""
    return f"Route {route} moved{origin} to {target}{_because(reason, known)}"


def _because(reason: str, known: AbstractSet[str]) -> str:
    return f": {reason}" if not any(reason in line for line in known) else ""


def hand_lines(
    incident: Incident, affected: Iterable[AffectedTarget], routes: Iterable[RouteImpact], facts: CycleFacts
) -> Iterable[TimelineEntry]:
    """What operators laid on the touched routes and targets while it lasted."""
    names = {a.target for a in affected}
    touched = {route.route for route in routes}
    for one in facts.overrides.active:
        if one.at >= incident.onset and _concerns(one, names, touched, facts.settings):
            text = override_text.begun_event(one).text
            yield TimelineEntry(at=one.at, text=text, kind=EntryKind.HAND, author=one.author)


def _concerns(one: Override, targets: AbstractSet[str], routes: AbstractSet[str], settings: Settings) -> bool:
    if one.kind is OverrideKind.DRAIN and not targets.isdisjoint(drained_targets(one.subject, settings)):
        return True
    return any(route.name in routes for route in touched_routes(one.kind, one.subject, settings))


def last_lines(routes: Iterable[RouteImpact], facts: CycleFacts) -> Iterable[TimelineEntry]:
    """The end; before it, once per incident, which routes wait for a person: nobody is told again until the next."""
    for route in routes:
        if route.waiting:
            stays = f"Route {route.route} stays on {route.target}, for failback is manual"
            text = f"{stays}; {failback_command(route.route, route.waiting)}"
            yield TimelineEntry(at=facts.now, text=text, kind=EntryKind.MOVED)
    yield resolved(facts.now)


def resolved(at: datetime) -> TimelineEntry:
    """The line that every incident ends with."""
    return TimelineEntry(at=at, text="Resolved", kind=EntryKind.RESOLVED)


def network_gone(at: datetime, *, again: bool = False) -> TimelineEntry:
    """That our own network is away."""
    text = "our own network is down or loses packets: what may be its fault is held against nobody, the routes hold"
    if again:
        return TimelineEntry(at=at, text=f"Reopened: {text}", kind=EntryKind.REOPENED)
    return TimelineEntry(at=at, text=text[0].upper() + text[1:], kind=EntryKind.HEALTH)


def network_back(incident: Incident, loss: NetworkLoss | None, at: datetime) -> TimelineEntry:
    """That it works again, for how long it did not, and what was held against nobody."""
    since = loss.since if loss else incident.opened_at
    text = f"Our own network works again; it did not for {span(max(0.0, (at - since).total_seconds()))}"
    if loss and loss.held:
        each = ", ".join(f"{name} {count}" for name, count in sorted(loss.held.items()))
        text += f": {plural(sum(loss.held.values()), 'failed probe')} ({each}) held against nobody"
    return TimelineEntry(at=at, text=text, kind=EntryKind.HEALTH)


def joined(before: Sequence[TimelineEntry], lines: Iterable[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    """The timeline with these lines, in order of time, nothing twice, at most `MAX_TIMELINE` of them.

    Past that the oldest are kept, the newest (the end is never lost), what people said, and the line that was numbered
    last (so that no number is used again).
    """
    story = sorted(dict.fromkeys((*before, *lines)), key=lambda line: line.at)
    if len(story) <= MAX_TIMELINE:
        return tuple(story)
    last = max(story, key=lambda line: line.number)
    kept = {id(story[-1]), id(last)} | {id(line) for line in story if line.kind in COMMENTS}
    spare = MAX_TIMELINE - len(kept)
    for line in story:
        if spare > 0 and id(line) not in kept:
            kept.add(id(line))
            spare -= 1
    return tuple(line for line in story if id(line) in kept)


def numbered(timeline: Sequence[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    """The timeline with a number for every line: those that have one keep it."""
    last = max((line.number for line in timeline), default=0)
    found = []
    for line in timeline:
        last += line.number == 0
        found.append(line if line.number else replace(line, number=last))
    return tuple(found)


def comments(timeline: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """What people said."""
    return [line for line in timeline if line.kind in COMMENTS]
