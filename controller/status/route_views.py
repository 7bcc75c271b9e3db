"""Where each route points and why, beside what the routing file says of it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from controller.routing.candidates import build_candidates
from controller.routing.decision import Decision, MoveKind, format_destination
from controller.routing.overrides import NO_OVERRIDES, Override, Overrides
from controller.routing.routing_file import RoutingFile
from controller.status.headline import CandidateStatus, RouteView
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.formatting import clock
from monitor.health import ELIGIBLE, FAILING, Health, TargetHealth

_PUBLISHED_WITHIN_S = 2.0


def route_views(
    settings: Settings,
    pointed: Mapping[str, Decision],
    states: Mapping[str, TargetHealth],
    stuck: frozenset[str],
    overrides: Overrides,
    *,
    now: datetime,
    blind: Collection[str] = (),
) -> tuple[RouteView, ...]:
    """Every configured route, beside what the routing file says of it, and why candidates are not eligible.

    `blind` are the regions whose own network is down, as of `controller.routing.policy.decide_all`.
    """
    in_file = RoutingFile(settings.routing_file).read_targets()
    if settings.regions:  # the file of a machine has the routes of its own region alone
        in_file = {name: decision.target for name, decision in pointed.items()} | in_file
    applicable, manual = overrides.applicable(settings), settings.controller.failback.mode == "manual"
    known = build_candidates(settings, settings.routes, states, applicable, now, blind=blind)
    views = []
    for route in settings.routes:
        decided = pointed.get(route.name)
        view = route_view(route, decided, states, stuck, applicable, manual=manual)
        candidates = (
            replace(each, why_not=known[each.target].why_not(now), eligible=known[each.target].is_eligible(now))
            if not each.serving
            else each
            for each in view.candidates
        )
        mismatch = file_mismatch(decided, in_file.get(route.name), now, first=route.candidates[0])
        views.append(replace(view, candidates=tuple(candidates), published=mismatch))
    return tuple(views)


def route_view(
    route: Route,
    pointed: Decision | None,
    states: Mapping[str, TargetHealth],
    stuck_routes: frozenset[str],
    overrides: Overrides = NO_OVERRIDES,
    *,
    manual: bool = False,
) -> RouteView:
    """Where `route` points; `stuck_routes` are those that an open incident calls stuck.

    `manual` says that nothing but an operator brings it back.
    """
    dry_run = pointed is not None and pointed.dry_run
    target = pointed.target if pointed and not dry_run else route.candidates[0]
    failed_over = target in route.candidates[1:]
    others = [states[candidate].health for candidate in route.candidates if candidate != target]
    failing = target in states and states[target].health in route.fail_over_on
    override = overrides.pin(route.name) or overrides.paused(route.name) or overrides.drill(route.name)
    candidates = tuple(
        CandidateStatus(
            target=candidate,
            health=states[candidate].health,
            serving=candidate == target,
            drain=overrides.drained(candidate, candidate.partition("/")[0]),
            maintenance=overrides.maintained(candidate),
        )
        for candidate in route.candidates
    )
    waiting = None
    if manual and not dry_run and not override:
        better = candidates[: route.candidates.index(target)] if failed_over else ()
        waiting = next((each.target for each in better if each.health is Health.UP and not each.drain), None)
    return RouteView(
        name=route.name,
        target=target,
        since=pointed.at if pointed and not dry_run else None,
        reason=_reason(pointed, overrides.pin(route.name), target, states) if pointed else "no decision yet",
        candidates=candidates,
        override=override,
        failed_over=failed_over,
        stuck=failing and (route.name in stuck_routes or set(ELIGIBLE).isdisjoint(others)),
        weights=pointed.weights if pointed and not dry_run else (),
        waiting=waiting,
        dry_run=dry_run,
        would=format_destination(pointed) if pointed and dry_run and pointed.target != target else None,
    )


def _reason(pointed: Decision, pin: Override | None, target: str, states: Mapping[str, TargetHealth]) -> str:
    """Why it points there: as it was decided, or what is wrong with a target that has failed since.

    A pin that ended without a move has left its reason behind.
    """
    if pointed.move is not MoveKind.PIN:
        state = states.get(target)
        failed_since = state and state.health in FAILING and state.since > pointed.at
        return state.sentence if state and failed_since and not pointed.dry_run else _as_of_now(pointed, states)
    if pin is None:
        return f"it stays where a pin, which is over, had put it ({pointed.reason})"
    return f"pinned by {pin.author} until {clock(pin.until, pin.at)}: {pin.reason}"


def _as_of_now(pointed: Decision, states: Mapping[str, TargetHealth]) -> str:
    """The reason of the decision; of another target that fails no more it says what that `was`."""
    reason = pointed.reason
    over = any(
        reason.startswith(f"{target} is ") and target != pointed.target and state.health not in FAILING
        for target, state in states.items()
    )
    return reason.replace(" is ", " was ", 1) if over else reason


def file_mismatch(decided: Decision | None, in_file: str | None, now: datetime, *, first: str) -> str | None:
    """The target in the routing file where it is not the decided one; "" without a file; None where they agree.

    A decision of the last 2 s may not be published yet. In a dry run the file should say `first`, the first candidate.
    """
    expected = first if decided and decided.dry_run else decided and decided.target
    if decided is None or in_file == expected or (now - decided.at).total_seconds() < _PUBLISHED_WITHIN_S:
        return None
    return in_file or ""
