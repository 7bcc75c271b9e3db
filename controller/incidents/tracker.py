"""Which incidents are open: compares how targets are now with what is already open, and says what changed (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controller.incidents import timeline
from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.incident import (
    MAX_PERIODS,
    NETWORK,
    ROUTE,
    AffectedTarget,
    BadPeriod,
    EntryKind,
    Incident,
    IncidentKind,
    RouteImpact,
    Slot,
)
from controller.incidents.text import refusal_of
from controller.incidents.vendor_claim import vendor_entries, vendor_lead
from controller.routing.decision import MoveKind
from controller.routing.least_bad import LEAST_BAD
from controller.routing.remedies import Remedy, find_remedy
from monitor.config.settings import Settings
from monitor.connectivity.messages import NetworkLoss
from monitor.detection.reasons import fix_of
from monitor.health import FAILING, HEALTHY, UNHEALTHY, Health, TargetHealth

#: A failure so soon after the resolution opens the same incident again.
REOPENS_WITHIN = timedelta(minutes=15)
#: Our own network must be away for so long that it is an incident; a shorter loss is told as an event.
BLIND_FOR = timedelta(seconds=60)
#: It is over once our network has been back for so long: what flickers is one incident.
_BACK_FOR = timedelta(seconds=30)
_NETWORK_SLOT: Slot = (NETWORK, IncidentKind.BLINDNESS.slot)
_TARGET_KINDS = frozenset({IncidentKind.OUTAGE, IncidentKind.DEGRADATION, IncidentKind.CONFIGURATION})


def update_incidents(facts: CycleFacts) -> list[Incident]:
    """The incidents that are new (`id` 0, `revision` 1) or changed (`revision` one higher), and no others.

    It compares states, not events: a crash between a transition and its incident loses nothing, and calling it again
    with the same facts changes nothing.

    1. Every target with bad health belongs to the open incident of its provider and slot; without one, the incident of
       the slot that was resolved at most 15 minutes before the target went bad is opened again; without that, a new
       one is opened. `misconfigured` has the slot `configuration`; a `recovering` target stays where it already is.
    2. An affected target is brought up to date when its health changed, or what a person must do about it. Numbers that
       move meanwhile are no change.
       `unknown` neither opens nor resolves an incident, and what is bad of a target in maintenance does not either.
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
    reviewed, others = list(_of_targets(facts)), []
    if facts.providers is not None and facts.stuck:
        kept = (each for each in facts.open_incidents if each.kind in _TARGET_KINDS)
        others = [each for each in kept if not facts.concerns(each)]
    present = [*reviewed, *_of_network(facts)]
    present += _of_routes([*others, *present], facts)
    present = [replace(incident, page_url=facts.settings.ui.url) for incident in present]
    known = {incident.id: incident for incident in (*facts.resolved, *facts.open_incidents)}
    return [
        replace(with_periods(incident, known.get(incident.id)), revision=incident.revision + bool(incident.id))
        for incident in present
        if not incident.id or incident != known[incident.id]
    ]


def with_periods(incident: Incident, before: Incident | None) -> Incident:
    """The incident with its bad periods brought up to date; `before` is how it was, None where it is new.

    Its kind is that of the present period; once it is over, an outage if it was one in any of them.
    """
    *former, last = before.bad_periods if before else [_new_period(incident, incident.opened_at)]
    if before and before.resolved_at and incident.resolved_at is None:
        came_back = [entry.at for entry in incident.timeline if entry.kind is EntryKind.REOPENED]
        former, last = [*former, last], _new_period(incident, came_back[-1])
    if incident.resolved_at is None or not (before and before.resolved_at):
        last = replace(last, kind=incident.kind, ended_at=incident.resolved_at)
    periods = (*former, last)
    was_outage = incident.resolved_at and any(period.kind is IncidentKind.OUTAGE for period in periods)
    return replace(
        incident,
        kind=IncidentKind.OUTAGE if was_outage else incident.kind,
        periods=periods[-MAX_PERIODS:],
        earlier_s=incident.earlier_s + sum(period.lasted_s(period.opened_at) for period in periods[:-MAX_PERIODS]),
    )


def _new_period(incident: Incident, opened_at: datetime) -> BadPeriod:
    """One that begins with that opening: after the first failed probe that was told last."""
    failures = [entry.at for entry in incident.timeline if entry.kind is EntryKind.FIRST_FAILURE]
    over = [entry.at for entry in incident.timeline if entry.kind is EntryKind.RESOLVED]
    began = [at for at in failures if at <= opened_at and not (over and at <= over[-1])]
    return BadPeriod(began_at=max(began, default=opened_at), opened_at=opened_at, kind=incident.kind)


def lead_incident_id(incident: Incident, open_incidents: Iterable[Incident]) -> int | None:
    """The id of the incident under whose headline a new one is told; None where it is told by itself.

    That is the earliest open outage or degradation of another provider, or that one's own lead, even if it is over
    already; of a fault of our configuration one that the same fix mends, as where providers share a key.
    `open_incidents` have their ids.
    """
    alike = (other for other in open_incidents if other.kind.slot == incident.kind.slot)
    leads = [
        (other.opened_at, other.lead_id or other.id)
        for other in alike
        if other.provider != incident.provider
        and (incident.kind.slot == "provider" or not _fixes(incident).isdisjoint(_fixes(other)))
    ]
    return min(leads)[1] if leads else None


def _fixes(incident: Incident) -> frozenset[str]:
    return frozenset(filter(None, (fix_of(affected.reason) for affected in incident.affected)))


def _of_targets(facts: CycleFacts) -> Iterator[Incident]:
    """The incidents of the providers' targets, as they are now, in order of their slots."""
    ours = (incident for incident in facts.open_incidents if incident.kind in _TARGET_KINDS)
    present = {incident.slot: incident for incident in ours if facts.concerns(incident)}
    bad = _bad_by_slot(facts, present.values())
    for slot in sorted(present.keys() | bad.keys()):
        if slot in present:
            yield _updated(present[slot], bad.get(slot, []), facts)
        else:
            begun = _begun(slot, min(state.since for state in bad[slot]), facts)
            yield _updated(begun, bad[slot], facts, begins=True)


def _bad_by_slot(facts: CycleFacts, open_incidents: Iterable[Incident]) -> dict[Slot, list[TargetHealth]]:
    affected = {target.target for incident in open_incidents for target in incident.affected}
    slots: dict[Slot, list[TargetHealth]] = {}
    for state in facts.reviewed:
        # A recovering target does not say from what; its open incident knows.
        if facts.overrides.maintained(state.target):
            continue
        if state.health in UNHEALTHY and not (state.health is Health.RECOVERING and state.target in affected):
            ours = state.health is Health.MISCONFIGURED
            kind = IncidentKind.CONFIGURATION if ours else IncidentKind.DEGRADATION
            slots.setdefault((facts.provider_of[state.target], kind.slot), []).append(state)
    return slots


def _begun(slot: Slot, since: datetime, facts: CycleFacts) -> Incident:
    """The incident that begins with what is wrong `since` then: the resolved one again, or one without any content.

    A degradation may yet prove an outage, also where the resolved one was an outage.
    """
    provider, name = slot
    kind = next((kind for kind in IncidentKind if kind.value == name), IncidentKind.DEGRADATION)
    late = facts.resolved_by_slot.get(slot)
    if late and late.resolved_at:
        # What was wrong all the time, but not probed meanwhile, comes back when it is probed again.
        came_back = since if since > late.resolved_at else facts.now
        if came_back - late.resolved_at <= REOPENS_WITHIN:
            open_again = replace(late, kind=kind, resolved_at=None, reopened=late.reopened + 1, acknowledged_by=None)
            return replace(open_again, numbers=(), request_ids=(), on_failing_s=(), failed_requests=())
    return Incident(id=0, provider=provider, kind=kind, opened_at=since, affected=(), timeline=(), routes=())


def _updated(incident: Incident, bad: Sequence[TargetHealth], facts: CycleFacts, *, begins: bool = False) -> Incident:
    """The incident brought up to date; `begins`: it opens with this, or opens again."""
    affected = (
        *(_updated_target(target, incident.kind, facts) for target in incident.affected),
        *_newly_affected(incident.affected, bad, facts.index.region_of),
    )
    routes = _route_impacts(affected, facts)
    kind = _grown_kind(incident.kind, affected)
    vendor = vendor_lead(incident, kind, facts.vendors.get(incident.provider, ()))
    entries = [*timeline.beginning_entries(incident, bad, facts)] if begins else []
    entries += timeline.target_entries(incident, affected, facts, again=begins and incident.reopened > 0)
    entries += vendor_entries(incident.vendor, vendor)
    known = {entry.text for entry in (*incident.timeline, *entries)} | {target.reason for target in affected}
    since = min(state.since for state in bad) if begins and bad else incident.bad_periods[-1].opened_at
    targets = {target.target for target in affected}
    entries += timeline.route_entries(incident, routes, known, facts, since=since, targets=targets)
    entries += timeline.override_entries(incident, affected, routes, facts)
    over = _is_over(affected, routes, facts)
    if over:
        entries += timeline.closing_entries(routes, facts)
    return replace(
        incident,
        kind=kind,
        affected=affected,
        routes=routes,
        runbooks=_runbooks(incident.provider, routes, facts.settings),
        vendor=vendor,
        timeline=timeline.merge_entries(incident.timeline, entries),
        resolved_at=facts.now if over else None,
    )


def _is_over(affected: Iterable[AffectedTarget], routes: Iterable[RouteImpact], facts: CycleFacts) -> bool:
    """Whether every affected target is well again, or gone, and no route is going back to one of them in steps."""
    health = {target.target: target.health for target in affected}
    going_back = any(facts.routes[route.route].home in health for route in routes)
    return not going_back and all(state in {Health.UP, Health.UNKNOWN} for state in health.values())


def _grown_kind(kind: IncidentKind, affected: Iterable[AffectedTarget]) -> IncidentKind:
    """A degradation grows into an outage with the first target that is (or was) down; nothing shrinks back.

    A target that refused every request was not down, although it comes back like one that was.
    """
    failed = any(
        target.health is Health.DOWN or (target.health is Health.RECOVERING and not refusal_of(target))
        for target in affected
    )
    return IncidentKind.OUTAGE if kind is IncidentKind.DEGRADATION and failed else kind


def _updated_target(affected: AffectedTarget, kind: IncidentKind, facts: CycleFacts) -> AffectedTarget:
    if affected.target not in facts.provider_of:
        gone = affected.health is Health.UNKNOWN
        return affected if gone else replace(affected, health=Health.UNKNOWN, since=facts.now)
    state = facts.health_of(affected.target)
    if state is None or state.health is Health.UNKNOWN:
        return affected
    if state.health in UNHEALTHY and facts.overrides.maintained(affected.target):
        return affected
    if state.health is Health.MISCONFIGURED and kind is not IncidentKind.CONFIGURATION:
        return affected  # an incident of its own says that; what the provider did before is not known to be over
    health = Health.UP if state.health in HEALTHY else state.health
    if health is affected.health:
        # What a person must do is a change, where a mended key shows that the account is empty.
        other_fix = health is Health.MISCONFIGURED and fix_of(state.sentence) != fix_of(affected.reason)
        return replace(affected, reason=state.sentence) if other_fix else affected
    reason = affected.reason if health in {Health.UP, Health.RECOVERING} else state.sentence
    return replace(affected, health=health, since=state.since, reason=reason)


def _newly_affected(
    affected: Iterable[AffectedTarget], bad: Iterable[TargetHealth], region_of: Mapping[str, str]
) -> list[AffectedTarget]:
    known = {target.target for target in affected}
    new = sorted((state for state in bad if state.target not in known), key=lambda state: (state.since, state.target))
    return [
        AffectedTarget(
            target=state.target,
            health=state.health,
            since=state.since,
            reason=state.sentence,
            region=region_of.get(state.target, ""),
        )
        for state in new
    ]


def _route_impacts(affected: Iterable[AffectedTarget], facts: CycleFacts) -> tuple[RouteImpact, ...]:
    targets = {target.target for target in affected}
    return tuple(
        RouteImpact(
            route=name,
            target=_users_target(name, facts),
            **_remedy(name, facts)._asdict(),
            stuck=name in facts.stuck,
            least_bad=_least_bad(name, facts),
            stuck_until=facts.stuck.get(name, ""),
            failing=_failing_health(_users_target(name, facts), facts),
            unpublished=name in facts.unpublished,
            weights=() if name in facts.unpublished else facts.routes[name].weights,
            would=facts.would.get(name),
            waiting=facts.waiting[name] if facts.waiting.get(name) in targets else None,
        )
        for name, candidates in facts.candidates.items()
        if name in facts.routes and not targets.isdisjoint(candidates)
    )


def _remedy(route: str, facts: CycleFacts) -> Remedy:
    """What a person can do for a route whose target is bad."""
    names = next(each.candidates for each in facts.settings.routes if each.name == route)
    candidates = {name: facts.health[name].health if name in facts.health else Health.UNKNOWN for name in names}
    return find_remedy(
        route, _users_target(route, facts), candidates, facts.overrides.applicable(facts.settings), facts.now
    )


def _runbooks(provider: str, routes: Iterable[RouteImpact], settings: Settings) -> tuple[str, ...]:
    """Those of the provider's owner and of the routes', each once."""
    touched = {route.route for route in routes}
    owners = [each.owner for each in settings.providers if each.name == provider]
    owners += [each.owner.owner for each in settings.routes if each.owner and each.name in touched]
    return tuple(dict.fromkeys(owner.runbook for owner in owners if owner and owner.runbook))


def _users_target(route: str, facts: CycleFacts) -> str:
    """Where the users of a route are."""
    return facts.unpublished.get(route, facts.routes[route].target)


def _least_bad(route: str, facts: CycleFacts) -> str:
    """How often it fails beside the others, where the users of a stuck route are on the least bad candidate."""
    at = facts.routes[route]
    there = route in facts.stuck and route not in facts.unpublished and not at.dry_run
    return at.reason.removeprefix(f"{LEAST_BAD}: ") if there and at.move is MoveKind.LEAST_BAD else ""


def _failing_health(target: str, facts: CycleFacts) -> Health | None:
    state = facts.health_of(target)
    return state.health if state and state.health in FAILING else None


def _of_network(facts: CycleFacts) -> Iterator[Incident]:
    """The incident of our own network, if it has one."""
    loss = facts.loss
    present = facts.open_by_slot.get(_NETWORK_SLOT) or _new_blindness(loss, facts)
    if present is None:
        return
    if loss and (loss.until is None or facts.now - loss.until < _BACK_FOR):
        yield present
        return
    until = loss.until if loss and loss.until else facts.now
    entries = (timeline.network_up_entry(present, loss, until), timeline.resolved_entry(until))
    yield replace(present, resolved_at=until, timeline=timeline.merge_entries(present.timeline, entries))


def _new_blindness(loss: NetworkLoss | None, facts: CycleFacts) -> Incident | None:
    """The incident of a loss without an open one; None while it is short or harmless, and once it was resolved."""
    if not loss or not loss.uncounted or (loss.until or facts.now) - loss.since < BLIND_FOR:
        return None
    late = facts.resolved_by_slot.get(_NETWORK_SLOT)
    if late and late.resolved_at and loss.until and late.resolved_at >= loss.since:
        return None
    begun = _begun(_NETWORK_SLOT, loss.since, facts)
    entry = timeline.network_down_entry(loss.since, again=begun.reopened > 0)
    return replace(begun, timeline=timeline.merge_entries(begun.timeline, [entry]))


def _of_routes(others: Iterable[Incident], facts: CycleFacts) -> Iterator[Incident]:
    """The incidents of stuck routes that none of the others, which are of providers, reports."""
    still_open = (incident for incident in others if incident.resolved_at is None)
    reported = {
        route.route
        for incident in still_open
        for route in incident.routes
        if route.stuck and any(affected.target == route.target for affected in incident.affected)
    }
    slot_name = IncidentKind.NOTHING_ELIGIBLE.slot
    stuck = {(f"{ROUTE}{name}", slot_name): name for name in _stuck_routes(facts) - reported}
    former = {slot: incident for slot, incident in facts.open_by_slot.items() if slot[1] == slot_name}
    for slot in sorted(stuck.keys() | former.keys()):
        if slot in stuck:
            yield _updated_stuck(former[slot], facts) if slot in former else _new_stuck(slot, stuck[slot], facts)
            continue
        yield replace(
            former[slot],
            routes=tuple(replace(route, stuck=False, least_bad="") for route in former[slot].routes),
            timeline=timeline.merge_entries(former[slot].timeline, [timeline.resolved_entry(facts.now)]),
            resolved_at=facts.now,
        )


def _stuck_routes(facts: CycleFacts) -> set[str]:
    """Those that are there and are not stuck on a target in maintenance."""
    routes = facts.stuck.keys() & facts.routes.keys()
    return {name for name in routes if not facts.overrides.maintained(_users_target(name, facts))}


def _stuck_route(name: str, facts: CycleFacts) -> RouteImpact:
    return RouteImpact(
        route=name,
        target=_users_target(name, facts),
        stuck=True,
        least_bad=_least_bad(name, facts),
        stuck_until=facts.stuck.get(name, ""),
    )


def _updated_stuck(incident: Incident, facts: CycleFacts) -> Incident:
    """The incident with where the route stands now, and how it came there."""
    routes = tuple(_stuck_route(route.route, facts) for route in incident.routes)
    known, since = {entry.text for entry in incident.timeline}, incident.bad_periods[-1].opened_at
    targets = {route.target for route in routes}
    entries = timeline.route_entries(incident, routes, known, facts, since=since, targets=targets)
    return replace(incident, routes=routes, timeline=timeline.merge_entries(incident.timeline, entries))


def _new_stuck(slot: Slot, name: str, facts: CycleFacts) -> Incident:
    begun, route = _begun(slot, facts.now, facts), _stuck_route(name, facts)
    entry = timeline.stuck_entry(route, facts.now, again=begun.reopened > 0)
    runbooks = _runbooks(begun.provider, (route,), facts.settings)
    return replace(begun, routes=(route,), runbooks=runbooks, timeline=timeline.merge_entries(begun.timeline, [entry]))
