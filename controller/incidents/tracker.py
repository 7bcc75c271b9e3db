"""Which incidents are open: compares how targets are now with what is already open, and says what changed (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controller.incidents import timeline as story
from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.incident import NETWORK, ROUTE, AffectedTarget, Incident, IncidentKind, RouteImpact
from controller.incidents.timeline import joined
from controller.incidents.vendor_lead import vendor_lines, vendor_of
from monitor.connectivity.messages import NetworkLoss
from monitor.health import FAILING, HEALTHY, UNHEALTHY, Health, TargetHealth

#: A failure so soon after the resolution opens the same incident again.
REOPENS_WITHIN = timedelta(minutes=15)
#: Our own network must be away for so long that it is an incident; a shorter loss is told as an event.
BLIND_FOR = timedelta(seconds=60)
#: It is over once our network has been back for so long: what flickers is one incident.
_BACK_FOR = timedelta(seconds=30)
_OF_TARGETS = frozenset({IncidentKind.OUTAGE, IncidentKind.DEGRADATION, IncidentKind.CONFIGURATION})

Slot = tuple[str, str]
"""A provider, and what its incident is about."""


def update(cycle: CycleFacts) -> list[Incident]:
    """The incidents that are new (`id` 0, `revision` 1) or changed (`revision` one higher), and no others.

    It compares states, not events: a crash between a transition and its incident loses nothing, and calling it again
    with the same facts changes nothing.

    1. Every target with bad health belongs to the open incident of its provider and slot; without one, the incident of
       the slot that was resolved at most 15 minutes before the target went bad is opened again; without that, a new
       one is opened. `misconfigured` has the slot `configuration`; a `recovering` target stays where it already is.
    2. An affected target is brought up to date when its health changed. Numbers that move meanwhile are no change.
       `unknown` and `paused` neither open nor resolve an incident.
    3. Every route with an affected candidate is listed with where its users are now. The decisions of the cycle tell
       how it came there; a move that a crash kept from being told is told from the route itself.
    4. An incident is resolved when each affected target is `up` or `suspect`, or gone from the configuration, and no
       route is going back to one of them in steps.
    5. What the vendor says is compared with when we noticed, until it says that something is wrong; it changes nothing
       else of the incident.
    6. Our own network has an incident once it has been away for a minute and failed probes are not counted for that
       reason, until it has been back for half a minute.
    7. A route that is stuck without any incident of a provider that says so has an incident of its own.
    """
    health = {name: known for name, known in cycle.health.items() if name in cycle.provider_of}
    facts = replace(cycle, health=health)
    former = {(one.provider, one.kind.slot): one for one in facts.open_incidents}
    late = {(one.provider, one.kind.slot): one for one in sorted(facts.resolved, key=_resolution)}
    found = [*_of_targets(former, late, facts), *_of_network(former, late, facts)]
    found += _of_routes(former, late, found, facts)
    known = {one.id: one for one in (*facts.resolved, *facts.open_incidents)}
    return [_revised(one, known.get(one.id)) for one in found if one.id == 0 or one != known[one.id]]


def lead_of(incident: Incident, open_incidents: Iterable[Incident]) -> int | None:
    """Under whose headline a new incident is told: that of the earliest outage or degradation of another provider that
    is open, which may be its lead's, over already; None where it is told by itself. `open_incidents` have their ids.
    """
    if incident.kind.slot != "provider":
        return None
    leads = [
        (one.opened_at, one.lead_id or one.id)
        for one in open_incidents
        if one.kind.slot == "provider" and one.provider != incident.provider
    ]
    return min(leads)[1] if leads else None


def _resolution(incident: Incident) -> datetime:
    return incident.resolved_at or incident.opened_at


def _revised(after: Incident, before: Incident | None) -> Incident:
    return replace(after, revision=before.revision + 1) if before else after


def _of_targets(
    former: Mapping[Slot, Incident], late: Mapping[Slot, Incident], facts: CycleFacts
) -> Iterator[Incident]:
    """Those of the providers' targets, as they are now, in order of their slots."""
    present = {slot: one for slot, one in former.items() if one.kind in _OF_TARGETS}
    bad = _bad_by_slot(facts, present.values())
    for slot in sorted(present.keys() | bad.keys()):
        if slot in present:
            yield _after(present[slot], bad.get(slot, []), facts)
            continue
        since = min(seen.since for seen in bad[slot])
        again = _reopened(late.get(slot), since, facts)
        yield _after(again or _opened(slot, since), bad[slot], facts, begins=True)


def _bad_by_slot(facts: CycleFacts, open_incidents: Iterable[Incident]) -> dict[Slot, list[TargetHealth]]:
    already = {affected.target for incident in open_incidents for affected in incident.affected}
    slots: dict[Slot, list[TargetHealth]] = {}
    for seen in facts.health.values():
        # A recovering target does not say from what; its open incident knows.
        if seen.health in UNHEALTHY and not (seen.health is Health.RECOVERING and seen.target in already):
            ours = seen.health is Health.MISCONFIGURED
            kind = IncidentKind.CONFIGURATION if ours else IncidentKind.DEGRADATION
            slots.setdefault((facts.provider_of[seen.target], kind.slot), []).append(seen)
    return slots


def _opened(slot: Slot, at: datetime) -> Incident:
    """An incident with nothing in it yet; `_after` fills it, and a degradation may prove an outage."""
    provider, about = slot
    kind = next((kind for kind in IncidentKind if kind.value == about), IncidentKind.DEGRADATION)
    return Incident(id=0, provider=provider, kind=kind, opened_at=at, affected=(), timeline=(), routes=())


def _reopened(late: Incident | None, since: datetime, facts: CycleFacts) -> Incident | None:
    """The incident that comes back, if what is wrong `since` then follows closely enough on its resolution."""
    if late is None or late.resolved_at is None:
        return None
    # What was wrong all the time, but not looked after meanwhile, comes back with the first look.
    came_back = since if since > late.resolved_at else facts.now
    if came_back - late.resolved_at > REOPENS_WITHIN:
        return None
    return replace(
        late,
        resolved_at=None,
        reopened=late.reopened + 1,
        acknowledged_by=None,
        numbers=None,
        request_ids=(),
        on_failing_s=(),
    )


def _after(incident: Incident, bad: Sequence[TargetHealth], facts: CycleFacts, *, begins: bool = False) -> Incident:
    """The incident brought up to date; `begins`: it opens with this, or opens again."""
    affected = (
        *(_brought_up_to_date(a, incident.kind, facts) for a in incident.affected),
        *_joined(incident.affected, bad),
    )
    routes = _touched(affected, facts)
    kind = _kind(incident.kind, affected)
    vendor = vendor_of(incident, kind, facts.vendors.get(incident.provider, ()))
    lines = [*story.beginning_lines(bad, facts)] if begins else []
    lines += story.target_lines(incident, affected, facts, again=begins and incident.reopened > 0)
    lines += vendor_lines(incident.vendor, vendor)
    known = {line.text for line in (*incident.timeline, *lines)} | {a.reason for a in affected}
    lines += story.route_lines(incident, routes, known, facts)
    lines += story.hand_lines(incident, affected, routes, facts)
    names = {a.target for a in affected}
    going_back = any(facts.routes[route.route].home in names for route in routes)
    over = all(a.health in {Health.UP, Health.UNKNOWN} for a in affected) and not going_back
    if over:
        lines += story.last_lines(routes, facts)
    return replace(
        incident,
        kind=kind,
        affected=affected,
        routes=routes,
        vendor=vendor,
        timeline=joined(incident.timeline, lines),
        resolved_at=facts.now if over else None,
    )


def _kind(kind: IncidentKind, affected: Iterable[AffectedTarget]) -> IncidentKind:
    """A degradation grows into an outage with the first target that is (or was) down; nothing shrinks back."""
    if kind is IncidentKind.DEGRADATION and any(a.health in {Health.DOWN, Health.RECOVERING} for a in affected):
        return IncidentKind.OUTAGE
    return kind


def _brought_up_to_date(affected: AffectedTarget, kind: IncidentKind, facts: CycleFacts) -> AffectedTarget:
    if affected.target not in facts.provider_of:
        gone = affected.health is Health.UNKNOWN
        return affected if gone else replace(affected, health=Health.UNKNOWN, since=facts.now)
    seen = facts.health.get(affected.target)
    if seen is None or seen.health in {Health.UNKNOWN, Health.PAUSED}:
        return affected
    if seen.health is Health.MISCONFIGURED and kind is not IncidentKind.CONFIGURATION:
        return affected  # an incident of its own says that; what the provider did before is not known to be over
    health = Health.UP if seen.health in HEALTHY else seen.health
    if health is affected.health:
        return affected
    fault = affected.reason if health in {Health.UP, Health.RECOVERING} else seen.sentence
    return replace(affected, health=health, since=seen.since, reason=fault)


def _joined(affected: Iterable[AffectedTarget], bad: Iterable[TargetHealth]) -> list[AffectedTarget]:
    there = {a.target for a in affected}
    joined = sorted((seen for seen in bad if seen.target not in there), key=lambda seen: (seen.since, seen.target))
    return [AffectedTarget(target=s.target, health=s.health, since=s.since, reason=s.sentence) for s in joined]


def _touched(affected: Iterable[AffectedTarget], facts: CycleFacts) -> tuple[RouteImpact, ...]:
    targets = {a.target for a in affected}
    return tuple(
        RouteImpact(
            route=name,
            target=facts.unpublished.get(name, facts.routes[name].target),
            stuck=name in facts.stuck,
            failing=_failing(facts.unpublished.get(name, facts.routes[name].target), facts),
            unpublished=name in facts.unpublished,
            weights=() if name in facts.unpublished else facts.routes[name].weights,
            would=facts.would.get(name),
            waiting=facts.waiting[name] if facts.waiting.get(name) in targets else None,
        )
        for name, candidates in facts.candidates.items()
        if name in facts.routes and not targets.isdisjoint(candidates)
    )


def _failing(target: str, facts: CycleFacts) -> Health | None:
    seen = facts.health.get(target)
    return seen.health if seen and seen.health in FAILING else None


def _of_network(
    former: Mapping[Slot, Incident], late: Mapping[Slot, Incident], facts: CycleFacts
) -> Iterator[Incident]:
    """That of our own network, if it has one."""
    slot = (NETWORK, IncidentKind.BLINDNESS.slot)
    present, loss = former.get(slot), facts.loss
    if present is None:
        present = _blinded(late.get(slot), loss, facts) if loss else None
    if present is None:
        return
    if loss and (loss.until is None or facts.now - loss.until < _BACK_FOR):
        yield present
        return
    until = loss.until if loss and loss.until else facts.now
    lines = (story.network_back(present, loss, until), story.resolved(until))
    yield replace(present, resolved_at=until, timeline=joined(present.timeline, lines))


def _blinded(late: Incident | None, loss: NetworkLoss, facts: CycleFacts) -> Incident | None:
    """The incident of a loss that has none open; None while it is short or touched nobody, and when it was told."""
    if not loss.held or (loss.until or facts.now) - loss.since < BLIND_FOR:
        return None
    if late and late.resolved_at and loss.until and late.resolved_at >= loss.since:
        return None
    again = _reopened(late, loss.since, facts)
    start = again or _opened((NETWORK, IncidentKind.BLINDNESS.slot), loss.since)
    line = story.network_gone(loss.since, again=bool(again))
    return replace(start, timeline=joined(start.timeline, [line]))


def _of_routes(
    former: Mapping[Slot, Incident], late: Mapping[Slot, Incident], found: Iterable[Incident], facts: CycleFacts
) -> Iterator[Incident]:
    """Those of routes that have nowhere to go without any incident of a provider that says so."""
    told = {route.route for one in found if one.resolved_at is None for route in one.routes if route.stuck}
    about = IncidentKind.NOTHING_ELIGIBLE.slot
    alone = {(f"{ROUTE}{name}", about): name for name in facts.stuck - told if name in facts.routes}
    for slot in sorted(alone.keys() | {slot for slot in former if slot[1] == about}):
        if slot not in alone:
            yield replace(
                former[slot],
                routes=tuple(replace(route, stuck=False) for route in former[slot].routes),
                timeline=joined(former[slot].timeline, [story.resolved(facts.now)]),
                resolved_at=facts.now,
            )
        else:
            yield former.get(slot) or _nowhere(slot, alone[slot], late, facts)


def _nowhere(slot: Slot, name: str, late: Mapping[Slot, Incident], facts: CycleFacts) -> Incident:
    again = _reopened(late.get(slot), facts.now, facts)
    start = again or _opened(slot, facts.now)
    route = RouteImpact(route=name, target=facts.unpublished.get(name, facts.routes[name].target), stuck=True)
    line = story.nowhere(route, facts.now, again=bool(again))
    return replace(start, routes=(route,), timeline=joined(start.timeline, [line]))
