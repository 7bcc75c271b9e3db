"""Whether a person must act now, when they can, or not at all, and what to do: one sentence for everybody (pure).

Page, `status`, Slack, the webhook and Apprise all show it; they differ in what they ask about alone: everything, or the
incidents of one message.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from typing import Any

from controller.alerts.severity import SETTLED, exposed_health, is_stuck_now, misconfigured_targets, route_trouble
from controller.incidents.incident import Incident, IncidentKind, RouteImpact
from controller.incidents.text import refusal_of
from controller.routing.decision import failback_command
from monitor.detection.reasons import fix_of
from monitor.formatting import listed, plural
from monitor.health import FAILING, Health
from probes.redaction import one_line

_NAMED = 3
_MOST_RUNBOOKS = 3
_NAME_CHARS = 80
_WAIT_CHARS = 240


class Urgency(StrEnum):
    """When a person must act."""

    NOW = "now"
    LATER = "later"
    """When they can, or if it lasts: users are harmed and will be moved, or no user is harmed by waiting."""
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAction:
    """What a person must do."""

    urgency: Urgency
    sentence: str
    """One line: `Act now: …`, `Act when you can: …`, `Nobody has to act…`, or that users are harmed and when the route
    may move. Whole commands stand between backticks, which nothing else holds."""
    runbooks: tuple[str, ...] = ()
    """Addresses of what to do, where somebody has to act."""

    def document(self) -> dict[str, Any]:
        """The same for scripts."""
        return {"urgency": self.urgency, "sentence": self.sentence, "runbooks": list(self.runbooks)}

    @property
    def line(self) -> str:
        """All of it as plain text."""
        return " ".join([self.sentence, *(f"Runbook: {address}" for address in self.runbooks)])


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStanding:
    """Where the users of a route are, and what keeps them there."""

    route: str
    target: str
    health: Health
    """Of the target."""
    stuck: bool = False
    """No other candidate is eligible."""
    unpublished: bool = False
    """The routing file does not send users where the route points."""
    held: str = ""
    """`pinned by ana until 14:30:00 UTC`: an operator holds it there; else empty."""
    command: str = ""
    """The whole command that lets it move, or moves it; empty where there is none."""
    waits: str = ""
    """When it may move, as a clause with the time; empty where it waits for nothing."""
    would: str = ""
    """Where it would be if this were no dry run; empty where it is none."""
    waiting: str = ""
    """A better target that is up, to which a person must bring it back."""
    moved: bool = False
    """Its users are served elsewhere than they were."""

    @property
    def is_harmed(self) -> bool:
        """Whether its users fail, or get slow, wrong or refused answers."""
        return self.health in FAILING or self.health is Health.DEGRADED


def next_action(
    routes: Sequence[RouteStanding],
    incidents: Sequence[Incident],
    *,
    watched: bool = True,
    blind: bool = False,
    todo: Iterable[str] = (),
) -> NextAction:
    """The most urgent thing that a person must do about open incidents; `todo` is what else can wait.

    It never says that nobody has to act while users of a route are refused, slowed down or failing: then it says so,
    and when the route may move. With it go the runbooks of the incidents. `watched`: the monitor runs; `blind`: our own
    network is down.
    """
    action = _most_urgent(routes, incidents, watched=watched, blind=blind, todo=todo)
    if action.urgency is Urgency.NOBODY:
        return action
    runbooks = dict.fromkeys(address for incident in incidents for address in incident.runbooks)
    return replace(action, runbooks=tuple(runbooks)[:_MOST_RUNBOOKS])


def _most_urgent(
    routes: Sequence[RouteStanding],
    incidents: Sequence[Incident],
    *,
    watched: bool,
    blind: bool,
    todo: Iterable[str],
) -> NextAction:
    now = chain(_of_service(watched=watched), _of_file(routes), _of_stuck(routes, incidents))
    now = chain(now, _of_keys(incidents, now=True), _of_held(routes))
    if sentence := next(now, None):
        return NextAction(urgency=Urgency.NOW, sentence=_ended(f"Act now: {sentence}"))
    manual = (
        f"{_name(r.waiting)} is up, and failback is manual: {failback_command(_name(r.route), _name(r.waiting))}"
        for r in routes
        if r.waiting
    )
    waiting = chain(_of_keys(incidents, now=False), _of_refusals(incidents), todo, manual)
    first = next(waiting, "")
    if harmed := next(_of_users(routes), ""):
        more = f" {_ended(f'Act when you can: {first}')}" if first else ""
        return NextAction(urgency=Urgency.LATER, sentence=f"{_ended(harmed)}{more}")
    if first:
        return NextAction(urgency=Urgency.LATER, sentence=_ended(f"Act when you can: {first}"))
    if blind:
        network = "see to this machine's network; what may be its fault is not counted, and until then no route moves"
        return NextAction(urgency=Urgency.LATER, sentence=_ended(f"Act when you can: {network}"))
    return NextAction(urgency=Urgency.NOBODY, sentence=_ended(f"Nobody has to act{_served(routes, incidents)}"))


def incident_action(incidents: Sequence[Incident]) -> NextAction:
    """The same for a message about these incidents: of those that are open, or that they are over."""
    still_open = [incident for incident in incidents if incident.resolved_at is None]
    if not still_open:
        return _after_the_end([route for incident in incidents for route in incident.routes])
    standings: dict[str, RouteStanding] = {}
    for incident in still_open:
        for route in incident.routes:
            known, seen = standings.get(route.route), _standing(route, incident)
            worse = known is None or (seen.is_harmed and not known.is_harmed) or (seen.stuck and not known.stuck)
            if worse:
                standings[route.route] = seen
    blind = any(incident.kind is IncidentKind.BLINDNESS for incident in still_open)
    return next_action(list(standings.values()), still_open, blind=blind)


def _trouble(route: RouteImpact, incident: Incident) -> Health | None:
    return route_trouble(route, incident) or route.failing


def _standing(route: RouteImpact, incident: Incident) -> RouteStanding:
    failing = Health.DOWN if incident.kind is IncidentKind.NOTHING_ELIGIBLE else None
    return RouteStanding(
        route=route.route,
        target=route.target,
        health=_trouble(route, incident) or failing or Health.UP,
        stuck=is_stuck_now(route, incident),
        unpublished=route.unpublished,
        held=route.held,
        command=route.command,
        waits=route.stuck_until,
        would=route.would or "",
        moved=True,
    )


def _after_the_end(routes: Sequence[RouteImpact]) -> NextAction:
    if failing := [route.route for route in routes if route.stuck or route.failing]:
        others = f"This is over, but users of {_names(failing)} fail by another incident"
        return NextAction(urgency=Urgency.LATER, sentence=_ended(others))
    if waiting := [(route.route, route.waiting) for route in routes if route.waiting]:
        command = failback_command(*map(_name, waiting[0]))
        manual = f"failback is manual, and {_names([route for route, _ in waiting])} stays until you bring it back"
        return NextAction(urgency=Urgency.LATER, sentence=f"It is over. Act when you can: {manual}; {command}.")
    return NextAction(urgency=Urgency.NOBODY, sentence="It is over. Nobody has to act.")


def _of_service(*, watched: bool) -> Iterator[str]:
    if not watched:
        yield "start the monitor (`hotspare run`); nothing is probed and no route moves"


def _of_file(routes: Sequence[RouteStanding]) -> Iterator[str]:
    if unpublished := [route.route for route in routes if route.unpublished]:
        stay = f"users of {_names(unpublished)} stay where they are until then"
        yield f"make the routing file writable; {stay}. Hotspare's log says what is wrong, and it keeps trying"


def _of_stuck(routes: Sequence[RouteStanding], incidents: Sequence[Incident]) -> Iterator[str]:
    if stuck := [route for route in routes if route.stuck and not route.held]:
        users = f"users of {_names([route.route for route in stuck])} fail and no candidate is healthy"
        command = next((route.command for route in stuck if route.command), "")
        remedy = f"`{command}` frees one that is" if command else _ask(stuck[0].target, incidents)
        waits = f"; {one_line(stuck[0].waits, _WAIT_CHARS)}" if stuck[0].waits else ""
        yield f"{users}. {remedy[0].upper()}{remedy[1:]}{waits}"


def _ask(target: str, incidents: Sequence[Incident]) -> str:
    provider = target.partition("/")[0]
    number = next((incident.id for incident in incidents if incident.provider == provider and incident.id), None)
    ids = f" (request ids: `hotspare incidents show {number}`)" if number else ""
    failing = {i.provider for i in incidents for affected in i.affected if affected.health in FAILING} - {provider}
    others = f" and {plural(len(failing), 'other provider')}" if failing else ""
    return f"ask {_name(provider)}{others}{ids}, or add a candidate"


def _of_keys(incidents: Sequence[Incident], *, now: bool) -> Iterator[str]:
    """What only a person can put right: keys, money and models' names."""
    for incident in incidents:
        faults = misconfigured_targets(incident)
        if faults and bool(exposed_health(incident)) is now:
            fixes = list(dict.fromkeys(fix_of(fault.reason) or f"see to {fault.target}" for fault in faults))
            more = f" (and {plural(len(fixes) - 1, 'other')})" if len(fixes) > 1 else ""
            on_it = [route.route for route in incident.routes if route_trouble(route, incident)]
            what = _name(faults[0].target if len(faults) == 1 else incident.provider)
            users = f"users of {_names(on_it)} fail on {what}" if on_it else f"no user is on {what}"
            yield f"{_plain(fixes[0], _WAIT_CHARS)}{more}; {users} until then"


def _of_refusals(incidents: Sequence[Incident]) -> Iterator[str]:
    """What refuses every probe does not come back by itself."""
    for incident in incidents:
        for affected in incident.affected:
            if affected.health is Health.UNUSABLE and (refusal := refusal_of(affected)):
                changed = "the provider, or what it accepts, has changed; see what"
                yield f"{_name(affected.target)} {_plain(refusal, _NAME_CHARS)}: {changed}"


def _of_held(routes: Sequence[RouteStanding]) -> Iterator[str]:
    """Routes that an operator holds on a failing target."""
    for route in routes:
        if route.held and route.health in FAILING:
            where = f"where it is {_plain(route.held, _WAIT_CHARS)}"
            users = f"users of {_name(route.route)} fail on {_name(route.target)}"
            yield f"{users}, {where}; `{route.command}` lets it move"


def _of_users(routes: Sequence[RouteStanding]) -> Iterator[str]:
    """Routes whose users are harmed now, the worst first, and those whose target is about to be judged."""
    for route in sorted(routes, key=lambda route: route.health not in FAILING):
        if route.is_harmed:
            what = "fail" if route.health in FAILING else "get slow, wrong or refused answers"
            users = f"sers of {_name(route.route)} {what} on {_name(route.target)} ({route.health})"
            if route.command and not (route.held or route.would or route.waits):
                moves = "moves them, which Hotspare does not by itself (fail_over_on)"
                yield f"Act when you can: u{users}; `{route.command}` {moves}"
            else:
                yield f"U{users}; {_until(route)}"
    for route in routes:
        if route.health is Health.SUSPECT and route.waits:
            yield f"Users of {_name(route.route)} may be failing on {_name(route.target)}; {_plain(route.waits)}"


def _until(route: RouteStanding) -> str:
    if route.would:
        return f"this is a dry run, which moves nobody: without it they would be on {_name(route.would)}"
    if route.held:
        return f"it is {_plain(route.held)}; `{route.command}` lets it move"
    if route.waits:
        return _plain(route.waits)
    return "no other candidate is better now"


def _served(routes: Sequence[RouteStanding], incidents: Sequence[Incident]) -> str:
    moved = [route for route in routes if route.moved and route.health not in SETTLED - {Health.UP}]
    if not incidents or not moved:
        return ": no route uses it" if incidents and not routes else ""
    where = _name(moved[0].target) if len({route.target for route in moved}) == 1 else "other candidates"
    answers = "answers" if len({route.target for route in moved}) == 1 else "answer"
    again = f", which {answers} again" if any(route.health is Health.RECOVERING for route in moved) else ""
    return f": users of {_names([route.route for route in moved])} are served by {where}{again}"


def _names(routes: Sequence[str]) -> str:
    return listed([_name(route) for route in routes], _NAMED)


def _name(name: str) -> str:
    return _plain(name, _NAME_CHARS)


def _plain(text: str, limit: int = _WAIT_CHARS) -> str:
    """Text from outside in which nothing looks like a command."""
    return one_line(text, limit).replace("`", "'")


def _ended(sentence: str) -> str:
    return f"{sentence.rstrip('.')}."
