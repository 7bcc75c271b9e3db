"""The answer of a replay, as a value and as the document of `replay --json` (pure)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from controller.replay.comparison import DecisionDifference, DecisionPair, compare
from controller.replay.loop import Replay, ReplayWindow
from controller.routing.decision import Decision
from controller.routing.overrides import Override
from monitor.config.settings import Settings
from monitor.formatting import format_elapsed, instant, plural
from probes.redaction import one_line

_MAX_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """A replay and the decisions that it is compared with."""

    settings: Settings
    window: ReplayWindow
    spans: Mapping[str, tuple[datetime, datetime]]
    """When the oldest and the newest observation started, by target; also of targets no longer configured."""
    overrides: Sequence[Override]
    """Each with `until` set to when it expired or was ended."""
    states: Mapping[str, Decision]
    """Where the routes pointed at `deciding_from`."""
    then: Sequence[Decision]
    """All that was ever decided, oldest first."""
    now: Replay
    """What would be decided, once it has run."""
    reported: int = 0
    """How many verdicts on what applications reported were recorded."""
    is_stretched: bool = False
    """Whether targets were probed at longer intervals than configured."""

    @cached_property
    def recorded(self) -> list[Decision]:
        """What was decided in the window, of routes that the configuration has."""
        routes, window = {route.name for route in self.settings.routes}, self.window
        decided = (decision for decision in self.then if window.deciding_from <= decision.at <= window.until)
        return [decision for decision in decided if decision.route in routes]

    @cached_property
    def pairs(self) -> list[DecisionPair]:
        """The decisions of both sides."""
        return compare(self.recorded, self.now.decisions)

    @property
    def gaps(self) -> list[tuple[datetime, datetime]]:
        """Spans without observations in which routes would have been decided."""
        return [(since, until) for since, until in self.now.gaps if until > self.window.deciding_from]

    @property
    def not_recorded(self) -> list[str]:
        """Targets that were never observed."""
        return [target.id for target in self.settings.targets if target.id not in self.spans]

    @property
    def not_configured(self) -> list[str]:
        """Targets that were observed, and that the configuration does not have."""
        return sorted(self.spans.keys() - {target.id for target in self.settings.targets})


def replay_document(answer: ReplayResult, url: str) -> dict[str, Any]:
    """Return the answer as JSON for scripts; instants in UTC."""
    window, counts = answer.window, Counter(pair.change for pair in answer.pairs)
    return {
        "config": str(answer.settings.path),
        "database": url,
        "asked_from": instant(window.asked_from),
        "history_begins": instant(window.begins_at),
        "from": instant(window.deciding_from),
        "until": instant(window.until),
        "observations": answer.now.observations,
        "same": not answer.pairs or counts.keys() == {DecisionDifference.SAME},
        "counts": {change.value: counts[change] for change in DecisionDifference},
        "routes": list(route_summaries(answer)),
        "decisions": [_pair(pair) for pair in answer.pairs],
        "gaps": [{"since": instant(since), "until": instant(until)} for since, until in answer.gaps],
        "silences": [
            {"target": target, "since": instant(since), "until": instant(until)}
            for target, (since, until) in answer.now.silences.items()
        ],
        "not_recorded": answer.not_recorded,
        "not_configured": answer.not_configured,
        "notes": list(notes(answer)),
    }


def route_summaries(answer: ReplayResult) -> Iterator[dict[str, Any]]:
    """Yield how often each route moved, and how long it was away from its first candidate, on both sides."""
    for route in answer.settings.routes:
        sides = {
            side: [decision for decision in decisions if decision.route == route.name]
            for side, decisions in (("then", answer.recorded), ("now", answer.now.decisions))
        }
        home = route.candidates[0]
        yield {
            "route": route.name,
            "first": home,
            "flips": {side: sum(decision.is_flip for decision in decisions) for side, decisions in sides.items()},
            "away_s": {
                side: round(_away_s(answer, route.name, home, decisions), 1) for side, decisions in sides.items()
            },
        }


def _pair(pair: DecisionPair) -> dict[str, Any]:
    return {
        "route": pair.decision.route,
        "change": pair.change,
        "apart_s": round(pair.apart_s, 1) if pair.then and pair.now else None,
        "then": pair.then and _decision(pair.then),
        "now": pair.now and _decision(pair.now),
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "at": instant(decision.at),
        "move": decision.move,
        "before": decision.before,
        "target": decision.target,
        "weights": dict(decision.weights) or {decision.target: 100},
        "reason": decision.reason,
    }


def _away_s(answer: ReplayResult, route: str, home: str, decisions: Sequence[Decision]) -> float:
    """Seconds for which the route, of which these are the decisions, pointed elsewhere than at its first candidate."""
    window = answer.window
    state = answer.states.get(route)
    at, away, total_s = window.deciding_from, state is not None and state.target != home, 0.0
    for decision in decisions:
        total_s += away * (decision.at - at).total_seconds()
        at, away = decision.at, decision.target != home
    return total_s + away * (window.until - at).total_seconds()


def notes(answer: ReplayResult) -> Iterator[str]:
    """Yield what limits the answer, a sentence each."""
    window = answer.window
    if window.begins_at > window.asked_from:
        why = "when the service first ran" if window.complete else "for what was before is not kept any more"
        yield f"the history begins {instant(window.begins_at)}, {why}"
    if not window.complete and window.deciding_from > window.asked_from:
        yield "its first hour is only listened to: how things stood when it began is not known"
    if names := answer.not_recorded:
        yield f"never observed, so that nothing can be said of them: {shorten_names(names)}"
    if names := answer.not_configured:
        yield f"recorded, but not in this configuration: {shorten_names(names)}"
    configured = {route.name for route in answer.settings.routes}
    if unknown := sorted({decision.route for decision in answer.then} - configured):
        many = plural(len(unknown), "route")
        yield f"decided then, but not in this configuration: {many} {shorten_names(unknown)}"
    if answer.gaps:
        lasted, since = max((until - since, since) for since, until in answer.gaps)
        longest = f"the longest of {format_elapsed(lasted.total_seconds())} from {instant(since)}"
        yield f"{plural(len(answer.gaps), 'gap')} without observations, {longest}: no decision there"
    silent = {target: span for target, span in answer.now.silences.items() if span[1] > window.deciding_from}
    if silent:
        target, (since, until) = max(silent.items(), key=lambda item: item[1][1] - item[1][0])
        longest = f"{target} for {format_elapsed((until - since).total_seconds())} from {instant(since)}"
        yield f"{plural(len(silent), 'target')} not observed for a time while others were, longest {longest}"
    if overrides := [o for o in answer.overrides if o.until > window.deciding_from and o.at < window.until]:
        yield f"what operators did then counts here as well: {plural(len(overrides), 'override')}"
    if answer.settings.traffic:
        verdicts = plural(answer.reported, "verdict")
        yield f"reports of applications are stored by minute, without hosts: {verdicts} on them came as they were then"
    elif answer.reported:
        yield f"without `traffic` in this configuration, {plural(answer.reported, 'verdict')} on reports did not come"
    if answer.is_stretched:
        yield "targets were probed less often than configured, as a budget has it: judged is by when their probes came"
    yield "the probes came when the recording configuration asked for them: its intervals, its bursts"


def shorten_names(names: Sequence[str]) -> str:
    """Return the first few of the names, and how many more there are."""
    shown = ", ".join(one_line(name, 100) for name in names[:_MAX_NAMES])
    return f"{shown} and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else shown
