"""What stands at the top: the overall state in one sentence, and which alerts wait or are not taken (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from controller.alerts.delivery import ChannelState
from controller.routing.decision import failback_command
from controller.routing.least_bad import LEAST_BAD
from controller.routing.overrides import Override, OverrideKind
from monitor.connectivity.state import ConnectivityState
from monitor.detection import reasons
from monitor.formatting import ago, clock, plural
from monitor.health import ELIGIBLE, FAILING, HEALTHY, UNHEALTHY, Health, TargetHealth
from monitor.liveness import Liveness, ServiceStatus

BLIND: Final = "Our own network is down or loses packets: what may be its fault is not judged, the routes hold"
UNTRUSTED: Final = "no neutral endpoint answers: the providers alone say whether our own network is down"

#: No target refuses many probes.
NO_REFUSALS: Final[Mapping[str, str]] = MappingProxyType({})
#: So many routes are named one by one.
_NAMED_ROUTES: Final = 3
#: Display names of channels; the others are shown by their names in the database.
_NAMES: Final = {"slack": "Slack", "webhook": "the webhook", "heartbeat": "the heartbeat's service"}


class Level(StrEnum):
    """How bad the headline is."""

    GOOD = "good"
    NOTICE = "notice"
    """Something fails, and users are served all the same."""
    BAD = "bad"
    """Users are hit, or nobody is watching."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateStatus:
    """One candidate of a route, and how it is."""

    target: str
    health: Health
    serving: bool
    """The route points at it."""
    drain: Override | None = None
    """An operator keeps routes off it."""
    maintenance: Override | None = None
    """Messages and availability leave it out."""
    why_not: str | None = None
    """Why the route may not move to it, or come back to it, as a clause; None where it may, or points at it."""
    eligible: bool = False
    """The route may move to it where it must leave its target, whether or not it may come back to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """Where a route points, and why."""

    name: str
    target: str
    """The first candidate until the service has decided."""
    since: datetime | None
    """When it was pointed there; None until the service has decided, and in a dry run."""
    reason: str
    candidates: tuple[CandidateStatus, ...]
    """In order of preference."""
    failed_over: bool
    """It points at a less preferred candidate than its first."""
    stuck: bool
    """Its target fails in a way that should move it, and nothing else is eligible: it holds."""
    override: Override | None = None
    """The pin or the pause that holds it where it is, or the drill that it is on."""
    drill: Override | None = None
    """The last drill that is over."""
    published: str | None = None
    """Where the routing file points applications instead, empty where there is none; None when it says the same."""
    weights: tuple[tuple[str, float], ...] = ()
    """Percent of the requests by target while a failback in steps is under way; empty: all to `target`."""
    waiting: str | None = None
    """A better target that is up: failback is manual, and waits for a person."""
    dry_run: bool = False
    """Hotspare only watches: the route stays at its first candidate."""
    would: str | None = None
    """Where it would be, in words, if this were no dry run; None where it is none, or it would be here."""
    waits_for: str | None = None
    """What must happen before it moves, with the time: it is stuck, about to move, or about to go back; else None."""

    @property
    def note(self) -> str | None:
        """What else is worth knowing of where it points, as a sentence without its end; None when nothing is."""
        if self.would:
            return f"dry run: it would be on {self.would}"
        if self.dry_run:
            return "dry run: it stays as configured"
        if self.weights:
            shares = ", ".join(f"{percent:g} % to {target}" for target, percent in self.weights)
            return f"going back in steps: {shares}"
        if self.waiting:
            return f"{self.waiting} is up, and failback is manual: {failback_command(self.name, self.waiting)}"
        return self.waits_for


def headline(
    service: ServiceStatus,
    routes: Sequence[RouteView],
    states: Sequence[TargetHealth],
    now: datetime,
    connectivity: ConnectivityState = ConnectivityState.ONLINE,
    *,
    budget_alarm: str | None = None,
    refusals: Mapping[str, str] = NO_REFUSALS,
    machine_fault: str | None = None,
) -> tuple[Level, str]:
    """The overall state in one sentence, the worst for users first, and how bad it is.

    Routes whose users fail now come before routes that moved, and those before targets that nobody is on; where several
    providers fail, all of it is counted.

    `budget_alarm` says that paid targets are not probed any more; None while they are. `refusals` are the shares of
    targets that refuse many probes, such as `answered 62.0 %, refused 38.0 %`; `machine_fault` says that
    probes fail on this machine.
    """
    facts = _Facts(routes, states, now, refusals, machine_fault)
    by_urgency = chain(
        facts.about_service(service),
        facts.about_file(),
        facts.about_several() if connectivity is not ConnectivityState.BLIND else [],
        facts.about_stuck(),
        [(Level.UNKNOWN, BLIND)] if connectivity is ConnectivityState.BLIND else [],
        facts.about_held_on_failing(),
        facts.about_dry_run(),
        facts.about_staying(FAILING, Level.BAD),
        [(Level.BAD, budget_alarm)] if budget_alarm else [],
        facts.about_failed_over(),
        facts.about_overrides(),
        facts.about_staying({Health.DEGRADED}, Level.NOTICE),
        facts.about_targets(),
    )
    level, sentence = next(by_urgency)
    return level, f"Dry run: {sentence}" if any(route.dry_run for route in routes) else sentence


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a headline can be about; each method yields a fact where there is one, and only the first is wanted."""

    routes: Sequence[RouteView]
    states: Sequence[TargetHealth]
    now: datetime
    refusals: Mapping[str, str]
    machine_fault: str | None

    def about_service(self, service: ServiceStatus) -> Iterator[tuple[Level, str]]:
        if service.beat is None:
            yield Level.UNKNOWN, "The monitor has never run"
        elif service.beat.stopped_at:
            yield Level.BAD, f"The monitor was stopped at {clock(service.beat.stopped_at, self.now)}"
        elif service.liveness is Liveness.SILENT:
            beat_at = service.beat.beat_at
            yield Level.BAD, f"The monitor has not written since {clock(beat_at, self.now)} ({ago(beat_at, self.now)})"

    def about_file(self) -> Iterator[tuple[Level, str]]:
        for route in self.routes:
            if route.published:
                where = f"points {route.name} at {route.published}, not at {route.target}"
                yield Level.BAD, f"The routing file {where}: it cannot be written, or somebody changed it"
            elif route.published is not None:
                unheard = f"applications do not hear of {route.target} for {route.name}"
                yield Level.BAD, f"There is no routing file to read: {unheard}"

    def about_several(self) -> Iterator[tuple[Level, str]]:
        """What several failing providers do to users: one sentence in which all is counted."""
        failing = {state.target for state in self.states if state.health in FAILING}
        if len({target.split("/")[0] for target in failing}) < 2 or any(route.dry_run for route in self.routes):
            return
        hit = [route for route in self.routes if route.target in failing]
        stuck = [route for route in hit if route.stuck and not route.override]
        held = [route for route in hit if route.override]
        others = [route for route in hit if route not in stuck and route not in held]
        effects = [f"{self._count(stuck)} {_have(stuck)} nowhere to go"] if stuck else []
        effects += [self._override_sentence(route, route.override) for route in held[:1] if route.override]
        effects += [f"{self._count(others)} {_be(others)} on a failing target"] if others else []
        if moved := [route for route in self._moved() if route not in hit]:
            effects.append(f"{self._count(moved)} {_have(moved)} failed over")
        effects = effects or ["no route is on a failing target"]
        yield Level.BAD if hit else Level.NOTICE, f"{_capital(', '.join(effects))}: {self._failing_counts(failing)}"

    def _failing_counts(self, failing: AbstractSet[str]) -> str:
        """`3 of 6 providers fail, 12 of 24 targets down`; a provider fails where none of its targets can be used."""
        providers: dict[str, list[TargetHealth]] = {}
        for state in self.states:
            providers.setdefault(state.target.split("/")[0], []).append(state)
        whole = sum(
            any(state.target in failing for state in states) and not any(state.health in ELIGIBLE for state in states)
            for states in providers.values()
        )
        of_providers = f"{whole} of {plural(len(providers), 'provider')} {'fails' if whole == 1 else 'fail'}, "
        down = all(state.health is Health.DOWN for state in self.states if state.target in failing)
        word = "down" if down else "failing"
        return f"{of_providers if whole else ''}{len(failing)} of {plural(len(self.states), 'target')} {word}"

    def _moved(self) -> list[RouteView]:
        """The routes that have failed over; what an operator moved has not."""
        return [r for r in self.routes if r.failed_over and not r.override and not r.candidates[0].drain]

    def _count(self, routes: Sequence[RouteView]) -> str:
        """The name of a single route, or how many they are of all: `2 of 6 routes`."""
        return routes[0].name if len(routes) == 1 else f"{len(routes)} of {plural(len(self.routes), 'route')}"

    def _named(self, routes: Sequence[RouteView]) -> str:
        return _names(routes) if len(routes) <= _NAMED_ROUTES else self._count(routes)

    def _also_moved(self, shown: Sequence[RouteView]) -> str:
        moved = [route for route in self._moved() if route not in shown]
        return f"; {self._count(moved)} {_have(moved)} failed over" if moved else ""

    def about_stuck(self) -> Iterator[tuple[Level, str]]:
        if stuck := [route for route in self.routes if route.stuck]:
            cause = self._cause([route.target for route in stuck])
            if len(stuck) == 1 and stuck[0].reason.startswith(LEAST_BAD):
                on = f"{stuck[0].name} is on {stuck[0].target}, the {stuck[0].reason}"
                yield Level.BAD, f"{on}: no candidate is healthy{self._also_moved(stuck)}"
            moved = self._also_moved(stuck)
            yield Level.BAD, f"{self._named(stuck)} {_be(stuck)} stuck: {cause}, and nothing else is eligible{moved}"

    def about_held_on_failing(self) -> Iterator[tuple[Level, str]]:
        failing = {state.target for state in self.states if state.health in FAILING}
        held = [(route, route.override) for route in self.routes if route.override and route.target in failing]
        for route, override in held:
            cause = self._cause([route.target])
            yield Level.BAD, f"{self._override_sentence(route, override)}, and {cause}{_more_routes(held)}"

    def about_dry_run(self) -> Iterator[tuple[Level, str]]:
        left = [route for route in self.routes if route.would]
        for route in left:
            where = f"{route.name} stays on {route.target} and would be on {route.would}{_more_routes(left)}"
            yield Level.BAD, f"{where}: {self._cause([each.target for each in left])}"

    def about_staying(self, such: AbstractSet[Health], level: Level) -> Iterator[tuple[Level, str]]:
        """Routes on a target with such a health: `fail_over_on` does not name it, or the route is about to move."""
        ill = {state.target: state.health for state in self.states if state.health in such}
        if staying := [route for route in self.routes if route.target in ill]:
            stay = "stays" if len(staying) == 1 else "stay"
            moved = self._also_moved(staying)
            cause = self._cause([route.target for route in staying])
            where = f"on a target that is {ill[staying[0].target]}"
            yield level, f"{self._named(staying)} {stay} {where}: {cause}{moved}"

    def about_failed_over(self) -> Iterator[tuple[Level, str]]:
        if moved := self._moved():
            to = f" to {moved[0].target}" if len(moved) == 1 else ""
            cause = self._cause([route.candidates[0].target for route in moved])
            yield Level.NOTICE, f"{self._named(moved)} {_have(moved)} failed over{to}: {cause}"

    def about_overrides(self) -> Iterator[tuple[Level, str]]:
        held = [self._override_sentence(route, route.override) for route in self.routes if route.override]
        drains = {c.drain.subject: c.drain for route in self.routes for c in route.candidates if c.drain}
        held += [
            f"{drain.subject} is drained by {drain.author} until {clock(drain.until, self.now)}"
            for drain in drains.values()
        ]
        works = {
            c.maintenance.subject: c.maintenance for route in self.routes for c in route.candidates if c.maintenance
        }
        held += [
            f"{each.subject} is in maintenance by {each.author} until {clock(each.until, self.now)}"
            for each in works.values()
        ]
        if held:
            yield Level.NOTICE, held[0] + (f" (and {plural(len(held) - 1, 'more override')})" if len(held) > 1 else "")

    def about_targets(self) -> Iterator[tuple[Level, str]]:
        """Always one fact."""
        if all(state.health is Health.UNKNOWN for state in self.states):
            why = self.machine_fault or (self.states[0].reason if self.states else "")
            yield Level.UNKNOWN, f"No target's health is known: {why}" if why else "There are no targets"
        count = len(self.routes)
        many = f"All {count} routes are on their first choice; " if count else ""
        first = "The route is on its first choice; " if count == 1 else many
        well = sum(state.health in HEALTHY for state in self.states)
        if ill := [state.target for state in self.states if state.health in UNHEALTHY]:
            up = f"{well} of {plural(len(self.states), 'target')} up"
            yield Level.NOTICE, f"{first}{up}, {self._cause(ill)}"
        others = len(self.states) - well
        unclear = f", {others} unknown" if others else ""
        up = f"{plural(well, 'target')} up{unclear}"
        if self.machine_fault:
            yield Level.NOTICE, f"{first}{up}, but probes fail on this machine"
        for target, shares in self.refusals.items():
            yield Level.NOTICE, f"{first}{up}, but {target} {shares}"
        yield Level.GOOD, f"{first}{up}"

    def _override_sentence(self, route: RouteView, override: Override) -> str:
        pinned = override.kind is OverrideKind.PIN
        done = f"pinned to {override.target}" if pinned else f"{override.kind.participle} on {route.target}"
        return f"{route.name} is {done} by {override.author} until {clock(override.until, self.now)}"

    def _cause(self, targets: Sequence[str]) -> str:
        """`openai is down since 18:02:11 UTC` when all of a provider's targets are, else the first target's name."""
        state = next(state for state in self.states if state.target == targets[0])
        provider = state.target.split("/")[0]
        siblings = [other for other in self.states if other.target.split("/")[0] == provider]
        whole = len(siblings) > 1 and all(other.health is state.health for other in siblings)
        since = min(other.since for other in siblings) if whole else state.since
        word = "up again" if state.health is Health.UP else state.health
        shares = "" if whole or state.target not in self.refusals else f" ({self.refusals[state.target]})"
        more = len({name for name in targets if not (whole and name.split("/")[0] == provider)} - {state.target})
        others = f" (and {plural(more, 'target')} more)" if more else ""
        refusal = reasons.refusal_clause(state.reason) if state.health is Health.UNUSABLE and not whole else None
        if refusal:
            return f"{state.target} {refusal}{others}"
        return f"{provider if whole else state.target} is {word} since {clock(since, self.now)}{shares}{others}"


def _have(routes: Sequence[RouteView]) -> str:
    return "has" if len(routes) == 1 else "have"


def _be(routes: Sequence[RouteView]) -> str:
    return "is" if len(routes) == 1 else "are"


def _capital(sentence: str) -> str:
    """The sentence with a capital letter, where it does not begin with the name of a route."""
    return sentence[0].upper() + sentence[1:] if sentence.startswith("no route") else sentence


def _names(routes: Sequence[RouteView]) -> str:
    names = [route.name for route in routes]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _more_routes(shown: Sequence[object]) -> str:
    """How many there are besides the first."""
    return f" (and {plural(len(shown) - 1, 'route')} more)" if len(shown) > 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAlerts:
    """The alerts that wait for Slack."""

    incidents: int = 0
    """Incidents that Slack does not show in their present form."""
    notices: int = 0
    quiet_until: datetime | None = None
    """When the present quiet hours end; None outside of them."""
    zone: str = "UTC"
    """Of the quiet hours."""

    @property
    def sentence(self) -> str | None:
        """All of it in one sentence without a full stop; None when nothing waits outside of quiet hours."""
        parts = [(self.incidents, "incident"), (self.notices, "notice")]
        counts = [plural(count, noun) for count, noun in parts if count]
        waiting = f"{' and '.join(counts)} to be sent to Slack" if counts else ""
        if self.quiet_until is None:
            return waiting or None
        until = self.quiet_until.astimezone(ZoneInfo(self.zone))
        quiet = f"quiet hours until {until:%H:%M} ({self.zone}): only critical messages are sent to Slack"
        return f"{quiet}; {waiting}" if waiting else quiet


def failing_sentence(channel: ChannelState, now: datetime) -> str:
    """That the channel, or a part of it, does not take alerts and why, in one sentence without a full stop."""
    if (channel.sink, channel.part) == ("slack", "buttons"):
        return f"Slack's buttons have not worked since {clock(channel.since, now)}: {channel.error}"
    if (channel.sink, channel.part) == ("slack", "lookup"):
        unknown = "nobody knows whether a message is in Slack already"
        return f"since {clock(channel.since, now)} {unknown}: {channel.error}"
    who = _NAMES.get(channel.sink, channel.sink) + (f" ({channel.part})" if channel.part else "")
    since = f"{clock(channel.since, now)} ({ago(channel.since, now)})"
    return f"{who} has not taken what it was sent since {since}: {channel.error}"
