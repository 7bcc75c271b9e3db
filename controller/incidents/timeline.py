"""The timeline of an incident: which entries the facts of one cycle add, and how it grows (pure)."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta

from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.incident import (
    COMMENTS,
    OLDEST_KEPT,
    AffectedTarget,
    EntryKind,
    Incident,
    IncidentKind,
    RouteImpact,
    TimelineEntry,
)
from controller.incidents.text import stuck_clause, subject
from controller.routing import override_text
from controller.routing.decision import Decision, MoveKind, failback_command
from controller.routing.overrides import Override, drained_targets, touched_routes
from monitor.config.settings import Settings
from monitor.connectivity.messages import NetworkLoss
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import format_elapsed, plural
from monitor.health import UNHEALTHY, Health, TargetHealth

#: At most so many entries has a timeline.
MAX_ENTRIES = 500
#: So many of them may be people's: they are never dropped.
MAX_COMMENTS = 20
_RELAPSE = "Relapse: "
#: Stands for the targets that share an entry; no name and no sentence holds it.
_SUBJECT = "\0"
#: Instants that were stored in different ways may differ by a millisecond or two.
_AT_ONCE = timedelta(milliseconds=50)


def beginning_entries(incident: Incident, bad: Iterable[TargetHealth], facts: CycleFacts) -> Iterable[TimelineEntry]:
    """The first failed probe of the provider, and the first suspicion; one entry where they are one and the same.

    Other targets of the provider that are suspected count, where the fault is the provider's.
    """
    targets = {state.target for state in bad}
    if incident.kind is not IncidentKind.CONFIGURATION:
        siblings = facts.of_provider(incident.provider)
        targets |= {state.target for state in siblings if state.health is Health.SUSPECT}
    entries = [entry for target in sorted(targets) for entry in facts.onsets.get(target, ())]
    failures = (entry for entry in entries if entry.kind is EntryKind.FIRST_FAILURE)
    suspicions = (entry for entry in entries if entry.kind is EntryKind.SUSPECT)
    failed = min(failures, key=lambda entry: entry.at, default=None)
    suspect = min(suspicions, key=lambda entry: (entry.at, entry.text), default=None)
    if failed:
        yield failed
    if suspect and not (failed and abs(failed.at - suspect.at) < _AT_ONCE):
        yield suspect


def target_entries(
    before: Incident, affected: Iterable[AffectedTarget], facts: CycleFacts, *, again: bool = False
) -> Iterable[TimelineEntry]:
    """Each change of an affected target's health, or of what a person must do about it.

    `again`: the first fault opens a resolved incident again.

    Targets of which the same is said at the same moment share an entry, as those of a provider that fails do.
    """
    known = {target.target: target for target in before.affected}
    sharing: dict[tuple[datetime, str], list[AffectedTarget]] = {}
    for target in sorted(affected, key=lambda target: (target.since, target.target)):
        former = known.get(target.target)
        previous = former.health if former else None
        if target.health is not previous or (former and target.reason != former.reason):
            text = _health_text(target, previous, facts.health_of(target.target))
            shared = text.replace(f"{target.target} is ", _SUBJECT, 1)
            at = facts.now if target.health is previous else target.since
            sharing.setdefault((at, shared), []).append(target)
    for (at, shared), targets in sharing.items():
        text = shared.replace(_SUBJECT, subject([target.target for target in targets]), 1)
        if again and targets[0].health in UNHEALTHY:
            again = False
            yield _reopened_entry(at, text.removeprefix(_RELAPSE))
        else:
            yield TimelineEntry(at=at, text=text, kind=EntryKind.HEALTH)


def _health_text(affected: AffectedTarget, previous: Health | None, state: TargetHealth | None) -> str:
    if state is None:
        return f"{affected.target} was removed from the configuration"
    if state.health is Health.SUSPECT:
        return f"{affected.target} is up again"
    if affected.health not in {Health.UP, Health.RECOVERING} and previous in {Health.UP, Health.RECOVERING}:
        return f"{_RELAPSE}{state.sentence}"
    return state.sentence


def _reopened_entry(at: datetime, text: str) -> TimelineEntry:
    return TimelineEntry(at=at, text=f"Reopened: {text}", kind=EntryKind.REOPENED)


def route_entries(
    before: Incident,
    routes: Iterable[RouteImpact],
    known: AbstractSet[str],
    facts: CycleFacts,
    *,
    since: datetime,
    targets: AbstractSet[str],
) -> Iterable[TimelineEntry]:
    """What became of the touched routes: moves, no candidate left, warnings of overrides, an unwritable routing file.

    `known` are the texts that need not be repeated; `since` is when the incident opened last: what moved before then,
    while it was closed, was not moved for it. That users fail where they are is told by the incident of that target
    alone, one of `targets`.
    """
    former = {route.route: route for route in before.routes}
    for route in routes:
        previous = former.get(route.route)
        yield from _move_entries(before, facts.routes[route.route], known, facts, since)
        elsewhere = route.failing and route.target not in targets
        if route.stuck and not elsewhere and not (previous and previous.stuck):
            yield stuck_entry(route, facts.now)
        warning = facts.warnings.get(route.route)
        if warning and not elsewhere and (text := warning[0].upper() + warning[1:]) not in known:
            yield TimelineEntry(at=facts.now, text=text, kind=EntryKind.HAND)
        if route.unpublished and not (previous and previous.unpublished):
            text = f"The routing file cannot be written: users of route {route.route} stay on {route.target}"
            yield TimelineEntry(at=facts.now, text=text)
        if previous and previous.unpublished and not route.unpublished:
            text = f"The routing file is written again: users of route {route.route} are on {route.target}"
            yield TimelineEntry(at=facts.now, text=text)


def stuck_entry(route: RouteImpact, at: datetime, *, again: bool = False) -> TimelineEntry:
    """That a route stays on a failing target, for nothing else is eligible; `again`: it opens the incident again."""
    text = f"Route {route.route} has no healthy candidate left and stays on {route.target}"
    text += f", {stuck_clause(route)}" if route.least_bad else ""
    return _reopened_entry(at, text) if again else TimelineEntry(at=at, text=text, kind=EntryKind.HELD)


def _move_entries(
    incident: Incident, state: Decision, known: AbstractSet[str], facts: CycleFacts, since: datetime
) -> Iterable[TimelineEntry]:
    before = next((route for route in incident.routes if route.route == state.route), None)
    decisions = [decision for decision in facts.decisions if decision.route == state.route]
    for decision in decisions:
        kind = EntryKind.HELD if decision.dry_run else EntryKind.MOVED
        yield TimelineEntry(at=decision.at, text=_decision_text(decision, known), kind=kind)
    moved = before.target != state.target if before else _went_elsewhere(state, facts)
    if not decisions and moved and state.at >= since and not _tells_of(incident, state):
        # A crash kept the move from being told; where the route was is what the decision says.
        text = _move_text(state.route, state.before, state.target, state.reason, known)
        yield TimelineEntry(at=state.at, text=text, kind=EntryKind.MOVED)


def _decision_text(decision: Decision, known: AbstractSet[str]) -> str:
    route, why = decision.route, _reason_clause(decision.reason, known)
    if decision.move is MoveKind.STEP:
        text = f"Route {route} sends {decision.home_share:g} % of its requests to {decision.home} again{why}"
    elif decision.move is MoveKind.ABORT:
        text = f"Route {route} sends all of its requests to {decision.target} again{why}"
    else:
        text = _move_text(route, decision.before, decision.target, decision.reason, known)
    return f"Dry run, not done: {text}" if decision.dry_run else text


def _tells_of(incident: Incident, state: Decision) -> bool:
    """Whether the timeline has the move already."""
    lines = [entry.text for entry in incident.timeline if abs(entry.at - state.at) < _AT_ONCE]
    return any(f"oute {state.route} moved" in line for line in lines)


def _went_elsewhere(state: Decision, facts: CycleFacts) -> bool:
    """Whether a route that is new to the incident is on a target that is well."""
    present = facts.health_of(state.target)
    return not (present and present.health in UNHEALTHY)


def _move_text(route: str, before: str | None, target: str, reason: str, known: AbstractSet[str]) -> str:
    origin = f" from {before}" if before else ""
    return f"Route {route} moved{origin} to {target}{_reason_clause(reason, known)}"


def _reason_clause(reason: str, known: AbstractSet[str]) -> str:
    """Nothing where the timeline has the reason already: a move repeats the verdict that caused it."""
    plain = plain_reason(reason)
    return "" if any(plain in plain_reason(text) for text in known) else f": {reason}"


def override_entries(
    incident: Incident, affected: Iterable[AffectedTarget], routes: Iterable[RouteImpact], facts: CycleFacts
) -> Iterable[TimelineEntry]:
    """The overrides of the touched routes and targets that began while it lasted."""
    targets = {target.target for target in affected}
    touched = {route.route for route in routes}
    for override in facts.overrides.active:
        if override.at >= incident.onset and _concerns(override, targets, touched, facts.settings):
            text = override_text.begun_event(override).text
            yield TimelineEntry(at=override.at, text=text, kind=EntryKind.HAND, author=override.author)


def _concerns(override: Override, targets: AbstractSet[str], routes: AbstractSet[str], settings: Settings) -> bool:
    if override.kind.is_of_targets and not targets.isdisjoint(drained_targets(override.subject, settings)):
        return True
    return any(route.name in routes for route in touched_routes(override.kind, override.subject, settings))


def closing_entries(routes: Iterable[RouteImpact], facts: CycleFacts) -> Iterable[TimelineEntry]:
    """The resolution; before it, once per incident, which routes wait for a person to bring them back."""
    for route in routes:
        if route.waiting:
            stays = f"Route {route.route} stays on {route.target}, for failback is manual"
            text = f"{stays}; {failback_command(route.route, route.waiting)}"
            yield TimelineEntry(at=facts.now, text=text, kind=EntryKind.HELD)
    yield resolved_entry(facts.now)


def resolved_entry(at: datetime) -> TimelineEntry:
    """The entry that every incident ends with."""
    return TimelineEntry(at=at, text="Resolved", kind=EntryKind.RESOLVED)


def network_down_entry(at: datetime, *, again: bool = False) -> TimelineEntry:
    """That our own network is down; `again`: it opens the incident again."""
    text = "our own network is down or loses packets: failures that it may have caused are not counted; the routes hold"
    if again:
        return _reopened_entry(at, text)
    return TimelineEntry(at=at, text=text[0].upper() + text[1:], kind=EntryKind.HEALTH)


def network_up_entry(incident: Incident, loss: NetworkLoss | None, at: datetime) -> TimelineEntry:
    """That our own network works again, how long it did not, and which failed probes were not counted."""
    since = loss.since if loss else incident.opened_at
    text = f"Our own network works again after {format_elapsed(max(0.0, (at - since).total_seconds()))}"
    if loss and loss.uncounted:
        each = ", ".join(f"{name} {count}" for name, count in sorted(loss.uncounted.items()))
        text += f": {plural(sum(loss.uncounted.values()), 'failed probe')} ({each}) not counted"
    return TimelineEntry(at=at, text=text, kind=EntryKind.HEALTH)


def merge_entries(
    before: Sequence[TimelineEntry], added: Iterable[TimelineEntry], most: int = MAX_ENTRIES
) -> tuple[TimelineEntry, ...]:
    """The timeline with these entries, in order of time, nothing twice, at most `most` of them.

    Past that the 20 oldest are kept, people's comments, the entry that was numbered last (so that no number is used
    again), and of the others the newest.
    """
    entries = sorted(dict.fromkeys((*before, *added)), key=lambda entry: entry.at)
    if len(entries) <= most:
        return tuple(entries)
    last_numbered = max(entries, key=lambda entry: entry.number)
    kept = {id(entries[-1]), id(last_numbered)} | {id(entry) for entry in entries if entry.kind in COMMENTS}
    others = [id(entry) for entry in entries if id(entry) not in kept]
    room = max(0, most - len(kept))
    begun = min(OLDEST_KEPT, room)
    kept |= {*others[:begun], *others[len(others) - (room - begun) :]}
    return tuple(entry for entry in entries if id(entry) in kept)


def number_entries(timeline: Sequence[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    """The timeline with a number for every entry: those that have one keep it."""
    last = max((entry.number for entry in timeline), default=0)
    numbered = []
    for entry in timeline:
        last += entry.number == 0
        numbered.append(entry if entry.number else replace(entry, number=last))
    return tuple(numbered)


def comments_in(timeline: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """The entries that people wrote."""
    return [entry for entry in timeline if entry.kind in COMMENTS]
