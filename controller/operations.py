"""`hotspare pin`, `drain`, `pause` and their opposites: lay a hand on routes, wait for the service, say what it did."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from controller.cli import output as answers
from controller.journal import Journal
from controller.routing import override_text as override_words
from controller.routing.operator_requests import (
    OperatorRequest,
    RefusedError,
    check_names,
    checked_author,
    checked_reason,
    nothing,
)
from controller.routing.overrides import (
    ALL,
    Override,
    OverrideKind,
    Overrides,
    drained_dry,
    drained_targets,
    touched_routes,
)
from controller.routing.routing_file import RoutingFile
from controller.routing.store import OverrideStore
from monitor.clock import utc_now
from monitor.formatting import span
from monitor.health import BAD, FAILING, TargetHealth
from monitor.liveness import Liveness, service_status
from monitor.settings import Settings
from monitor.storage.database import DatabaseError, open_operator, reading
from monitor.storage.store import Store

_PATIENCE_S = 2.0
_LOOK_S = 0.02
_MOST_LINES = 20


@dataclass(slots=True, kw_only=True)
class OperationResult:
    """What has been done, and what came of it."""

    overrides: Sequence[Override]
    life: Liveness
    in_effect: bool = False
    routes: list[dict[str, str | None]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    good: bool = True


def lay(settings: Settings, order: OperatorRequest, *, as_json: bool) -> int:
    """Pin, drain or pause, and print what came of it.

    0 when it is in force, or will be once the service starts; 1 when it was refused because the target fails, or is
    not in effect after two seconds, or users are still on a drained target; 2 when a name or the reason is wrong, or
    the database cannot be used.
    """
    return _print(lambda: carry_out(settings, order), as_json=as_json)


def take_back(settings: Settings, order: OperatorRequest, *, as_json: bool) -> int:
    """Unpin, undrain or resume, and print what came of it; 1 when there is nothing to take back, otherwise as `lay`.

    To resume `all` takes back every pause, those of single routes included.
    """
    return _print(lambda: _take_back(settings, order), as_json=as_json)


def _print(work: Callable[[], OperationResult], *, as_json: bool) -> int:
    try:
        outcome = work()
    except RefusedError as error:
        answers.complain(error)
        return error.status
    except DatabaseError as error:
        answers.complain(error)
        return answers.WRONG
    if as_json:
        answers.print_document(_document(outcome))
    else:
        answers.print_lines(outcome.lines)
    return answers.OK if outcome.good else answers.BAD_NEWS


def _document(outcome: OperationResult) -> dict[str, Any]:
    return {
        "overrides": [override_words.document(one) for one in outcome.overrides],
        "service": outcome.life.value,
        "in_effect": outcome.in_effect,
        "routes": outcome.routes,
        "text": outcome.lines,
    }


def carry_out(settings: Settings, order: OperatorRequest) -> OperationResult:
    """Pin, drain or pause, wait for the service for up to two seconds, and say what came of it; prints nothing.

    Raises RefusedError when nothing was done, and DatabaseError when the database cannot be used.
    """
    author, reason = checked_author(order.author), checked_reason(order.reason)
    check_names(settings, order)
    with _opened(settings) as (hand, store, journal):
        state = _failing_only_by_force(store, order)
        override = Override(
            kind=order.kind,
            subject=order.subject,
            target=order.target,
            author=author,
            reason=reason,
            forced=order.force,
            at=(now := utc_now()),
            until=now + timedelta(seconds=order.for_s),
        )
        before = RoutingFile(settings.routing_file).read_targets()
        failing = state if state and state.health in FAILING else None
        dry = _left_dry(settings, hand.in_force(now), override)
        was = before.get(order.subject) if order.kind is OverrideKind.PIN else None
        laid = hand.lay(
            override,
            lambda replaced: override_words.begun(override, replaced=replaced, was=was, failing=failing, dry=dry),
            warned=failing is not None,
        )
        outcome = _await(store, hand, [laid])
        outcome.lines.append(_done(laid))
        if state and state.health in BAD:
            outcome.lines.append(f"warning: {state.sentence}")
        _tell_routes(settings, journal, outcome, before)
    return outcome


def _take_back(settings: Settings, order: OperatorRequest) -> OperationResult:
    author, reason = checked_author(order.author), checked_reason(order.reason)
    every = order.kind is OverrideKind.PAUSE and order.subject == ALL
    with _opened(settings) as (hand, store, journal):
        now = utc_now()
        before = RoutingFile(settings.routing_file).read_targets()
        ended = hand.take_back(
            order.kind,
            None if every else {order.subject},
            at=now,
            by=author,
            reason=reason,
            say=override_words.ended,
        )
        if not ended:
            raise nothing(settings, order, [one for one in hand.in_force(now) if one.kind is order.kind])
        outcome = _await(store, hand, ended)
        outcome.lines.extend(f"{override_words.what(one)} by {one.author} is over" for one in ended)
        _tell_routes(settings, journal, outcome, before)
    return outcome


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[OverrideStore, Store, Journal]]:
    """The overrides for writing, the rest for reading: the service must not wait for that."""
    engine = open_operator(settings.database)
    try:
        yield OverrideStore(engine), Store(reading(engine)), Journal(reading(engine))
    finally:
        engine.dispose()


def _failing_only_by_force(store: Store, order: OperatorRequest) -> TargetHealth | None:
    """The state of the target to pin to, if any; raises RefusedError when it fails and nobody said `--force`."""
    saved = store.states().get(order.target) if order.target else None
    if saved and saved.health.health in FAILING and not order.force:
        said = f"{saved.health.sentence}\nto pin {order.subject} to it all the same, use --force"
        raise RefusedError(said, answers.BAD_NEWS)
    return saved.health if saved else None


def _await(store: Store, hand: OverrideStore, changed: Sequence[Override]) -> OperationResult:
    """Wait until the service has published what follows, for two seconds at the most, and only where it runs."""
    life = service_status(store.last_beat(), utc_now()).liveness
    outcome = OperationResult(overrides=changed, life=life)
    if life is not Liveness.RUNNING:
        return outcome
    deadline_s = time.monotonic() + _PATIENCE_S
    ids = [one.id for one in changed]
    while not (heeded := hand.heeded(ids)) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_S)
    outcome.in_effect = outcome.good = heeded
    return outcome


def _tell_routes(settings: Settings, journal: Journal, outcome: OperationResult, before: Mapping[str, str]) -> None:
    """Add what became of each route that it touches, or why nothing has yet."""
    if not outcome.in_effect:
        outcome.lines.append(_not_yet(outcome.life))
        return
    after = RoutingFile(settings.routing_file).read_targets()
    decided, overrides = journal.routes(), Overrides(active=tuple(journal.hand.in_force(utc_now())))
    names = {route.name for each in outcome.overrides for route in touched_routes(each.kind, each.subject, settings)}
    lines = []
    for name in (route.name for route in settings.routes if route.name in names):
        was, target = before.get(name), after.get(name)
        reason = decided[name].reason if name in decided else None
        outcome.routes.append({"route": name, "before": was, "target": target, "reason": reason})
        moved = f"{name} now points at {target}; it was {was}" if target != was else f"{name} stays on {target}"
        wrong = _wrong(outcome.overrides[0], name, target, overrides, settings)
        outcome.good &= wrong is None
        lines.append(f"{moved}: {wrong}" if wrong else moved)
    outcome.lines += lines[:_MOST_LINES] or ["no route is touched by it"]
    if len(lines) > _MOST_LINES:
        outcome.lines.append(f"… and {len(lines) - _MOST_LINES} more routes")
    if settings.controller.dry_run:
        outcome.lines.append("controller.dry_run is set: this is recorded, the routes stay as they are configured")
        outcome.good = True


def _wrong(laid: Override, route: str, target: str | None, overrides: Overrides, settings: Settings) -> str | None:
    """Why a route is not where what was laid on wants it; None when it is, and where nothing is to move."""
    if laid.ended_at or settings.controller.dry_run:
        return None
    if laid.kind is OverrideKind.PIN and target != laid.target:
        return f"it is pinned to {laid.target}, and the routing file does not say so; look at `hotspare status`"
    if laid.kind is OverrideKind.DRAIN and target in drained_targets(laid.subject, settings):
        pin = overrides.pin(route)
        return f"it is pinned there by {pin.author}" if pin else "it is held there, for no other candidate is eligible"
    return None


def _not_yet(life: Liveness) -> str:
    if life is Liveness.RUNNING:
        return f"the service has not published it after {_PATIENCE_S:g} s: look at `hotspare status` and its log"
    if life is Liveness.SILENT:
        return "the service gives no sign of life: it takes effect when the service runs again"
    return "the service is not running: it takes effect when it starts"


def _done(laid: Override) -> str:
    lasts = span((laid.until - laid.at).total_seconds())
    return f"{override_words.what(laid)} is in force {override_words.until(laid, laid.at)} ({lasts})"


def _left_dry(settings: Settings, others: Sequence[Override], laid: Override) -> list[str]:
    """The routes that are without a candidate because of what is laid on now."""
    before = drained_dry(Overrides(active=tuple(others)), settings)
    return [name for name in drained_dry(Overrides(active=(*others, laid)), settings) if name not in before]
