"""Begins and ends operator overrides: the use cases behind the command line and Slack's buttons. Prints nothing."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from controller.incidents.impact import open_incidents_of
from controller.journal import Journal
from controller.routing.drill import DrillConditions, length_problem
from controller.routing.operator_requests import (
    OperatorRequest,
    RefusalKind,
    RefusedError,
    check_names,
    checked_author,
    checked_reason,
    nothing_to_end,
    requests_meant,
)
from controller.routing.override_text import begun_event, describe_override, ended_event, format_end, override_document
from controller.routing.overrides import (
    ALL,
    Override,
    OverrideKind,
    Overrides,
    drained_targets,
    routes_without_candidate,
    touched_routes,
)
from controller.routing.routing_file import RoutingFile
from controller.routing.store import OverrideStore
from monitor.config.settings import Settings
from monitor.formatting import format_elapsed
from monitor.health import FAILING, UNHEALTHY, TargetHealth
from monitor.liveness import Liveness, service_status
from monitor.storage.database import DatabaseError, open_operator, reading, shared_now
from monitor.storage.store import Store

#: How long to wait for the service to publish a change, and how often to look.
_WAIT_S: Final = 2.0
_POLL_S: Final = 0.02
_MOST_ROUTES: Final = 20
_NOT_IN_EFFECT: Final = {
    Liveness.RUNNING: f"the service has not published it after {_WAIT_S:g} s: look at `hotspare status` and its log",
    Liveness.SILENT: "the service has stopped writing to the database: it takes effect when the service runs again",
}


@dataclass(slots=True, kw_only=True)
class OperationResult:
    """What an operation changed, and what came of it."""

    overrides: Sequence[Override]
    liveness: Liveness
    in_effect: bool = False
    """The service has published what follows from it."""
    routes: list[dict[str, str | None]] = field(default_factory=list)
    """Those that it can move or hold, with the target before and after it; none while it is not in effect."""
    lines: list[str] = field(default_factory=list)
    """All of it as sentences for people."""
    good: bool = True
    """It is in force, or will be once the service starts, and every route is where it should be."""

    def document(self) -> dict[str, Any]:
        """All of it as JSON for scripts."""
        return {
            "overrides": [override_document(override) for override in self.overrides],
            "service": self.liveness,
            "in_effect": self.in_effect,
            "routes": self.routes,
            "text": self.lines,
        }


def begin_override(settings: Settings, request: OperatorRequest) -> OperationResult:
    """Begin an override, with a name without a region one in each, and wait up to two seconds for the service.

    Raises RefusedError when nothing was done (a name, the author or the reason is invalid; the target of a pin fails
    and `force` is not set), and DatabaseError when the database cannot be used.
    """
    author, reason = checked_author(request.author), checked_reason(request.reason)
    requests = requests_meant(settings, request)
    for each in requests:
        check_names(settings, each)
    overrides, store, journal = _open(settings)
    if request.kind is OverrideKind.DRILL:
        requests = tuple(replace(each, target=_standby(settings, each, store, journal)) for each in requests)
    states = {each.subject: _pin_target_health(store, each) for each in requests}
    failing = {subject: state for subject, state in states.items() if state and state.health in FAILING}
    now = shared_now(settings.database)
    laid = [
        Override(
            kind=kind,
            subject=each.subject,
            target=each.target,
            author=author,
            reason=reason,
            forced=each.force,
            at=now,
            until=now + timedelta(seconds=each.for_s),
        )
        for each in requests
        for kind in (each.kind, *([OverrideKind.DRAIN] if each.leave else []))
    ]
    before = _pointed_at(settings, journal)
    in_force = tuple(overrides.in_force(now))
    dry_before = routes_without_candidate(Overrides(active=in_force), settings)
    dry = routes_without_candidate(Overrides(active=(*in_force, *laid)), settings)
    left_dry = [name for name in dry if name not in dry_before]
    pointed_at = before if request.kind is OverrideKind.PIN else {}
    with _stored():
        begun = [
            overrides.begin(
                each,
                partial(
                    begun_event,
                    each,
                    before=pointed_at.get(each.subject),
                    failing=failing.get(each.subject),
                    left_dry=left_dry,
                ),
                warned=each.subject in failing,
            )
            for each in laid
        ]
    result = _wait_for_service(store, overrides, begun, now)
    result.lines += [
        f"{describe_override(each)} is in force {format_end(each, now)} ({format_elapsed(request.for_s)})"
        for each in begun
    ]
    unhealthy = (state for state in states.values() if state and state.health in UNHEALTHY)
    result.lines += [f"warning: {state.sentence}" for state in unhealthy]
    _add_routes(settings, journal, result, before)
    return result


def end_override(settings: Settings, request: OperatorRequest) -> OperationResult:
    """End an override, and wait as `begin_override` does; to resume `all` ends every pause.

    It needs no reason. Raises RefusedError, also when there is nothing to end, and DatabaseError.
    """
    author, reason = checked_author(request.author), checked_reason(request.reason) if request.reason else ""
    every = request.kind is OverrideKind.PAUSE and request.subject == ALL
    overrides, store, journal = _open(settings)
    now = shared_now(settings.database)
    before = _pointed_at(settings, journal)
    subjects = None if every else {each.subject for each in requests_meant(settings, request)}
    with _stored():
        ended = overrides.end(request.kind, subjects, at=now, by=author, reason=reason, event_for=ended_event)
        for each in [each for each in ended if each.kind is OverrideKind.MAINTENANCE]:
            # The drain that came with it; one that somebody laid on besides stays.
            ended += overrides.end(
                *(OverrideKind.DRAIN, {each.subject}),
                at=now,
                by=author,
                reason=reason,
                event_for=ended_event,
                until=each.until,
            )
    if not ended:
        others = [override for override in overrides.in_force(now) if override.kind is request.kind]
        raise nothing_to_end(settings, request, others)
    result = _wait_for_service(store, overrides, ended, now)
    result.lines.extend(f"{describe_override(override)} by {override.author} has ended" for override in ended)
    _add_routes(settings, journal, result, before)
    return result


def _pointed_at(settings: Settings, journal: Journal) -> dict[str, str]:
    """The target of each route as it is published; the file of a machine has the routes of its own region alone."""
    if settings.regions:
        return {name: decision.target for name, decision in journal.routes().items()}
    return RoutingFile(settings.routing_file).read_targets()


def _open(settings: Settings) -> tuple[OverrideStore, Store, Journal]:
    """The overrides for writing, the rest for reading: the service must not wait for the latter."""
    engine = open_operator(settings.database)
    return OverrideStore(engine), Store(reading(engine)), Journal(reading(engine))


@contextmanager
def _stored() -> Iterator[None]:
    """Say of a change that the database refuses that there is none: the service itself goes on without a database."""
    try:
        yield
    except DatabaseError as error:
        raise DatabaseError(f"nothing is changed, because it cannot be stored: {error}") from error


def _standby(settings: Settings, request: OperatorRequest, store: Store, journal: Journal) -> str:
    """Where a drill takes the route; raises RefusedError where there can be none now."""
    if problem := length_problem(request.for_s):
        raise RefusedError(problem)
    now = shared_now(settings.database)
    conditions = DrillConditions(
        settings=settings,
        now=now,
        routes=journal.routes(),
        health={name: saved.health for name, saved in store.states().items()},
        overrides=Overrides.at(journal.overrides.in_force(now), now),
        incidents=open_incidents_of(settings, journal.open_incidents()),
    )
    standby, problem = conditions.standby(request.subject)
    if standby is None:
        raise RefusedError(f"no drill of {request.subject} now: {problem}", RefusalKind.UNSAFE)
    return standby


def _pin_target_health(store: Store, request: OperatorRequest) -> TargetHealth | None:
    """The health of the target to pin to, if known; raises RefusedError when it fails and `force` is not set."""
    saved = store.states().get(request.target) if request.kind is OverrideKind.PIN and request.target else None
    if saved and saved.health.health in FAILING and not request.force:
        text = f"{saved.health.sentence}\nto pin {request.subject} to it anyway, use --force"
        raise RefusedError(text, RefusalKind.UNSAFE)
    return saved.health if saved else None


def _wait_for_service(
    store: Store, overrides: OverrideStore, changed: Sequence[Override], now: datetime
) -> OperationResult:
    """Wait until the service has published what follows; not at all where it does not run."""
    liveness = service_status(store.last_beat(), now).liveness
    result = OperationResult(overrides=changed, liveness=liveness)
    if liveness is not Liveness.RUNNING:
        return result
    deadline_s = time.monotonic() + _WAIT_S
    ids = [override.id for override in changed]
    while not (published := overrides.are_published(ids)) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    result.in_effect = result.good = published
    return result


def _add_routes(settings: Settings, journal: Journal, result: OperationResult, before: Mapping[str, str]) -> None:
    """Add what became of each route that it can move or hold, or why nothing has yet."""
    if not result.in_effect:
        result.lines.append(
            _NOT_IN_EFFECT.get(result.liveness, "the service is not running: it takes effect when it starts")
        )
        return
    after = _pointed_at(settings, journal)
    in_force = journal.overrides.in_force(shared_now(settings.database))
    decided, overrides = journal.routes(), Overrides(active=tuple(in_force))
    names = {route.name for each in result.overrides for route in touched_routes(each.kind, each.subject, settings)}
    lines = []
    for name in (route.name for route in settings.routes if route.name in names):
        old, target = before.get(name), after.get(name)
        reason = decided[name].reason if name in decided else None
        result.routes.append({"route": name, "before": old, "target": target, "reason": reason})
        moved = f"{name} now points at {target}; it was {old}" if target != old else f"{name} stays on {target}"
        obstacles = (_obstacle(each, name, target, overrides, settings) for each in result.overrides)
        obstacle = next(filter(None, obstacles), None)
        result.good &= obstacle is None
        lines.append(f"{moved}: {obstacle}" if obstacle else moved)
    result.lines += lines[:_MOST_ROUTES] or ["it affects no route"]
    if len(lines) > _MOST_ROUTES:
        result.lines.append(f"… and {len(lines) - _MOST_ROUTES} more routes")
    if settings.controller.dry_run:
        result.lines.append("controller.dry_run is set: this is recorded, the routes stay as they are configured")
        result.good = True


def _obstacle(override: Override, route: str, target: str | None, held: Overrides, settings: Settings) -> str | None:
    """Why a route is not where the override wants it; None when it is, and where nothing is to move."""
    if override.ended_at or settings.controller.dry_run:
        return None
    if override.kind is OverrideKind.PIN and target != override.target:
        return f"it is pinned to {override.target}, but the routing file does not say so; look at `hotspare status`"
    if override.kind is OverrideKind.DRILL and target != override.target:
        return "the drill could not begin; look at `hotspare status`"
    if override.kind is OverrideKind.DRAIN and target in drained_targets(override.subject, settings):
        pin = held.pin(route)
        no_other = "it is held there, because no other candidate is eligible"
        return f"it is pinned there by {pin.author}" if pin else no_other
    return None
