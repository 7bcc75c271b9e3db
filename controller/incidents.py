"""Which incidents are open: compares how targets are now with what is already open, and says what changed (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from controller.decision import Decision, Move, RouteState, bring_back
from controller.incident import Affected, Happening, Incident, IncidentKind, RouteNow
from monitor.health import BAD, WELL, Health, TargetHealth
from monitor.settings import Settings

MAX_TIMELINE = 50


def update(
    open_incidents: Sequence[Incident],
    health: Mapping[str, TargetHealth],
    *,
    settings: Settings,
    routes: Mapping[str, RouteState],
    stuck: AbstractSet[str],
    decisions: Sequence[Decision],
    now: datetime,
    unpublished: Mapping[str, str] | None = None,
    waiting: Mapping[str, str] | None = None,
    warnings: Mapping[str, str] | None = None,
    would: Mapping[str, str] | None = None,
) -> list[Incident]:
    """The incidents that are new (`id` 0, `revision` 1) or changed (`revision` one higher), and no others.

    It looks at how things are, not at what just happened, so that a crash between a transition and its incident loses
    nothing, and calling it again with the same facts changes nothing:

    1. Every target with bad health belongs to the open incident of its provider and slot; without one, one is opened.
       `misconfigured` has the slot `configuration`; a `recovering` target stays where it already is.
    2. An affected target is brought up to date when its health changed. Numbers that move meanwhile are no change.
       `unknown` and `paused` say nothing: they neither open nor resolve.
    3. Every route with an affected candidate is listed with where its users are now. `decisions` (of this cycle; the
       `routes` are those after it) tell how it came there; a move that a crash kept from being told is told from the
       route itself.
    4. An incident is resolved when each affected target is `up` or `suspect`, or gone from the configuration, and no
       route is going back to one of them in steps.

    `health` may lack targets of the configuration (nothing known yet); targets that the configuration does not have
    are ignored. `stuck` names the routes that have nothing eligible left. `unpublished` are
    the routes whose move could not be written to the routing file, each with the target that users are still on.
    `waiting` are those that an operator must bring back, each with the target that has proven itself; `warnings` is
    what overrides cost, as sentences by route; `would` is where a dry run would have each route that it leaves as
    configured, in words.
    """
    provider_of = {target.id: target.provider.name for target in settings.targets}
    facts = _Facts(
        health={name: seen for name, seen in health.items() if name in provider_of},
        provider_of=provider_of,
        candidates={route.name: frozenset(route.candidates) for route in settings.routes},
        routes=routes,
        stuck=stuck,
        unpublished=unpublished or {},
        waiting=waiting or {},
        warnings=warnings or {},
        would=would or {},
        decisions=decisions,
        now=now,
    )
    former = {(incident.provider, incident.kind is IncidentKind.CONFIGURATION): incident for incident in open_incidents}
    bad = _bad_by_slot(facts, open_incidents)
    found = []
    for slot in sorted(former.keys() | bad.keys()):
        before = former.get(slot)
        after = _after(before or _opened(slot[0], bad[slot]), bad.get(slot, []), facts)
        if before is None:
            found.append(after)
        elif after != before:
            found.append(replace(after, revision=before.revision + 1))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """How everything is in this cycle."""

    health: Mapping[str, TargetHealth]
    provider_of: Mapping[str, str]
    candidates: Mapping[str, AbstractSet[str]]
    routes: Mapping[str, RouteState]
    stuck: AbstractSet[str]
    unpublished: Mapping[str, str]
    waiting: Mapping[str, str]
    warnings: Mapping[str, str]
    would: Mapping[str, str]
    decisions: Sequence[Decision]
    now: datetime


def _bad_by_slot(facts: _Facts, open_incidents: Iterable[Incident]) -> dict[tuple[str, bool], list[TargetHealth]]:
    already = {affected.target for incident in open_incidents for affected in incident.affected}
    slots: dict[tuple[str, bool], list[TargetHealth]] = {}
    for seen in facts.health.values():
        # A recovering target does not say from what; its open incident knows.
        if seen.health in BAD and not (seen.health is Health.RECOVERING and seen.target in already):
            slot = (facts.provider_of[seen.target], seen.health is Health.MISCONFIGURED)
            slots.setdefault(slot, []).append(seen)
    return slots


def _opened(provider: str, bad: Sequence[TargetHealth]) -> Incident:
    """An incident with nothing in it yet; `_after` fills it."""
    configuration = any(seen.health is Health.MISCONFIGURED for seen in bad)
    return Incident(
        id=0,
        provider=provider,
        kind=IncidentKind.CONFIGURATION if configuration else IncidentKind.DEGRADATION,
        opened_at=min(seen.since for seen in bad),
        affected=(),
        timeline=(),
        routes=(),
    )


def _after(incident: Incident, bad: Iterable[TargetHealth], facts: _Facts) -> Incident:
    affected = (*(_brought_up_to_date(a, facts) for a in incident.affected), *_joined(incident.affected, bad))
    routes = _touched(affected, facts)
    lines = list(_target_lines(incident, affected, facts))
    known = {line.text for line in (*incident.timeline, *lines)}
    lines += _route_lines(incident, routes, known, facts)
    names = {a.target for a in affected}
    going_back = any(facts.routes[route.route].home in names for route in routes)
    if all(a.health in {Health.UP, Health.UNKNOWN} for a in affected) and not going_back:
        resolved_at = facts.now
        lines += _waiting_lines(routes, facts)
        lines.append(Happening(at=facts.now, text="Resolved"))
    else:
        resolved_at = None
    return replace(
        incident,
        kind=_kind(incident.kind, affected),
        affected=affected,
        routes=routes,
        timeline=_timeline(incident.timeline, lines),
        resolved_at=resolved_at,
    )


def _kind(kind: IncidentKind, affected: Iterable[Affected]) -> IncidentKind:
    """A degradation grows into an outage with the first target that is (or was) down; nothing shrinks back."""
    if kind is IncidentKind.DEGRADATION and any(a.health in {Health.DOWN, Health.RECOVERING} for a in affected):
        return IncidentKind.OUTAGE
    return kind


def _brought_up_to_date(affected: Affected, facts: _Facts) -> Affected:
    if affected.target not in facts.provider_of:
        gone = affected.health is Health.UNKNOWN
        return affected if gone else replace(affected, health=Health.UNKNOWN, since=facts.now)
    seen = facts.health.get(affected.target)
    if seen is None or seen.health in {Health.UNKNOWN, Health.PAUSED}:
        return affected
    health = Health.UP if seen.health in WELL else seen.health
    if health is affected.health:
        return affected
    fault = affected.reason if health in {Health.UP, Health.RECOVERING} else seen.sentence
    return replace(affected, health=health, since=seen.since, reason=fault)


def _joined(affected: Iterable[Affected], bad: Iterable[TargetHealth]) -> list[Affected]:
    there = {a.target for a in affected}
    joined = sorted((seen for seen in bad if seen.target not in there), key=lambda seen: (seen.since, seen.target))
    return [Affected(target=s.target, health=s.health, since=s.since, reason=s.sentence) for s in joined]


def _touched(affected: Iterable[Affected], facts: _Facts) -> tuple[RouteNow, ...]:
    targets = {a.target for a in affected}
    return tuple(
        RouteNow(
            route=name,
            target=facts.unpublished.get(name, facts.routes[name].target),
            stuck=name in facts.stuck,
            unpublished=name in facts.unpublished,
            weights=() if name in facts.unpublished else facts.routes[name].weights,
            would=facts.would.get(name),
            waiting=facts.waiting[name] if facts.waiting.get(name) in targets else None,
        )
        for name, candidates in facts.candidates.items()
        if name in facts.routes and not targets.isdisjoint(candidates)
    )


def _target_lines(before: Incident, affected: Iterable[Affected], facts: _Facts) -> Iterable[Happening]:
    was = {a.target: a.health for a in before.affected}
    for present in affected:
        previous = was.get(present.target)
        if present.health is not previous:
            seen = facts.health.get(present.target)
            yield Happening(at=present.since, text=_target_line(present, previous, seen))


def _target_line(affected: Affected, previous: Health | None, seen: TargetHealth | None) -> str:
    if seen is None:
        return f"{affected.target} was removed from the configuration"
    if seen.health is Health.SUSPECT:
        return f"{affected.target} is up again"
    if affected.health not in {Health.UP, Health.RECOVERING} and previous in {Health.UP, Health.RECOVERING}:
        return f"Relapse: {seen.sentence}"
    return seen.sentence


def _route_lines(
    before: Incident, routes: Iterable[RouteNow], known: AbstractSet[str], facts: _Facts
) -> Iterable[Happening]:
    former = {r.route: r for r in before.routes}
    for route in routes:
        was = former.get(route.route)
        yield from _moves(before, was, facts.routes[route.route], known, facts)
        if route.stuck and not (was and was.stuck):
            text = f"Route {route.route} has no healthy candidate left and stays on {route.target}"
            yield Happening(at=facts.now, text=text)
        warning = facts.warnings.get(route.route)
        if warning and (line := f"By hand: {warning}") not in known:
            yield Happening(at=facts.now, text=line)
        if route.unpublished and not (was and was.unpublished):
            text = f"The routing file cannot be written: users of route {route.route} stay on {route.target}"
            yield Happening(at=facts.now, text=text)
        if was and was.unpublished and not route.unpublished:
            text = f"The routing file is written again: users of route {route.route} are on {route.target}"
            yield Happening(at=facts.now, text=text)


def _moves(
    before: Incident, was: RouteNow | None, state: RouteState, known: AbstractSet[str], facts: _Facts
) -> Iterable[Happening]:
    told = [decision for decision in facts.decisions if decision.route == state.route]
    for decision in told:
        yield Happening(at=decision.at, text=_told(decision, known))
    if not told and (was.target != state.target if was else _answers(before, state, facts)):
        origin = was.target if was else None
        yield Happening(at=state.since, text=_move(state.route, origin, state.target, state.reason, known))


def _told(decision: Decision, known: AbstractSet[str]) -> str:
    state, why = decision.state(), _because(decision.reason, known)
    if decision.move is Move.STEP:
        text = f"Route {state.route} sends {state.home_share:g} % of its requests to {state.home} again{why}"
    elif decision.move is Move.ABORT:
        text = f"Route {state.route} sends all of its requests to {state.target} again{why}"
    else:
        text = _move(state.route, decision.before, decision.target, decision.reason, known)
    return f"Dry run, not done: {text}" if decision.dry_run else text


def _waiting_lines(routes: Iterable[RouteNow], facts: _Facts) -> Iterable[Happening]:
    """Once per incident, with its end: nobody is told again until the next one."""
    for route in routes:
        if route.waiting:
            stays = f"Route {route.route} stays on {route.target}, for failback is manual"
            yield Happening(at=facts.now, text=f"{stays}; {bring_back(route.route, route.waiting)}")


def _answers(before: Incident, state: RouteState, facts: _Facts) -> bool:
    """Whether a route that is new to the incident went where it is because of it, as far as can be seen now."""
    present = facts.health.get(state.target)
    return state.since >= before.opened_at and not (present and present.health in BAD)


def _move(route: str, before: str | None, target: str, reason: str, known: AbstractSet[str]) -> str:
    """The reason is left out where the timeline has it already: a move repeats the verdict that caused it."""
    origin = f" from {before}" if before else ""
    return f"Route {route} moved{origin} to {target}{_because(reason, known)}"


def _because(reason: str, known: AbstractSet[str]) -> str:
    return f": {reason}" if reason not in known else ""


def _timeline(before: Sequence[Happening], lines: Sequence[Happening]) -> tuple[Happening, ...]:
    """In order of time, nothing twice. Past the cap the oldest are kept, and the newest: the end is never lost."""
    story = sorted(dict.fromkeys((*before, *lines)), key=lambda line: line.at)
    return tuple(story) if len(story) <= MAX_TIMELINE else (*story[: MAX_TIMELINE - 1], story[-1])
