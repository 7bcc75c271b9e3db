"""Turns facts of the drill into lines of text, and its result into a summary (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hotspare_client import Target

from controller.demo.files import HOLD_S, MIN_OUTAGE_S, PROBE_INTERVAL_S
from controller.demo.traffic import FailedShare, Traffic
from monitor.health import UNHEALTHY, Health, TargetHealth, Transition
from probes.observation import Observation
from probes.outcome import Effect, Outcome

_STEPS = 4
"""Rising evidence is reported each time it passes another quarter of the threshold."""
_LONGEST = 1000
_QUIET_CHANGES = frozenset({Health.UNKNOWN, Health.UP, Health.SUSPECT})
"""A change among these is the start, or rising evidence, which has lines of its own."""


class Topic(StrEnum):
    """What a line is about; printed in front of it."""

    DEMO = "demo"
    OUTAGE = "outage"
    PROBE = "probe"
    EVIDENCE = "evidence"
    HEALTH = "health"
    ROUTE = "route"
    SLACK = "slack"
    USERS = "users"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the timeline."""

    at: datetime
    topic: Topic
    text: str
    """Without control characters."""
    good: bool | None = None
    """True for good news, False for bad news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSnapshot:
    """What the database says at one instant."""

    at: datetime
    health: Mapping[str, TargetHealth] = field(default_factory=dict)
    """By target; without targets that have no health yet."""
    observations: Mapping[str, Sequence[Observation]] = field(default_factory=dict)
    """By target, oldest first."""
    transitions: Sequence[Transition] = ()
    """Oldest first."""
    open_incidents: int = 0
    undelivered_incidents: int = 0
    """Incidents whose latest revision Slack does not show."""

    def recent(self, target: str, count: int) -> tuple[Outcome, ...]:
        """Return the last outcomes of a target, the newest last."""
        return tuple(observation.outcome for observation in self.observations.get(target, ())[-count:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One drill."""

    probe_interval_s: float
    time_to_flip_s: float | None
    """From the beginning of the outage until the routing file showed another provider; None when it never did."""
    time_to_return_s: float | None
    """From the end of the outage until the routing file showed the first candidate again; None when it never did."""
    slack_delivered: int
    """Messages, replies and edits that the Slack server accepted."""
    slack_undelivered: int
    """Incidents whose latest revision Slack does not show."""
    failed_share: FailedShare

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong, one sentence each; empty when the drill passed."""
        wrong = {
            "the route did not leave the failing provider": self.time_to_flip_s is None,
            "the route did not come back to its first candidate": self.time_to_return_s is None,
            "Slack was told nothing": self.slack_delivered == 0,
            f"{self.slack_undelivered} of the Slack messages could not be delivered": self.slack_undelivered > 0,
        }
        return tuple(sentence for sentence, applies in wrong.items() if applies)

    def document(self) -> dict[str, Any]:
        """Return the summary for JSON; seconds to the hundredth, shares to four digits."""
        values = asdict(self)
        shares = {name: _rounded(share, 4) for name, share in values.pop("failed_share").items()}
        return {name: _rounded(value, 2) for name, value in values.items()} | {"failed_share": shares}


def line(at: datetime, topic: Topic, text: str, *, good: bool | None = None) -> Line:
    """Make a line from any text, also that of a provider."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return Line(at=at, topic=topic, text=" ".join(printable.split())[:_LONGEST], good=good)


class NarrationBuilder:
    """Reports each thing once, in the order in which it happened."""

    def __init__(self, *, failing: Iterable[str]) -> None:
        """`failing` are the targets that the outage will hit."""
        self._failing = frozenset(failing)
        self._outage_at: datetime | None = None
        self._failure_reported = False
        self._step_reported: dict[str, int] = {}
        self._transitions_reported = 0

    def outage_began(self, at: datetime) -> None:
        """Report failed probes and evidence from now on."""
        self._outage_at = at

    def report(self, facts: ServiceSnapshot) -> list[Line]:
        """Return what is new in these facts."""
        lines = [*self._first_failure(facts), *self._evidence(facts), *self._changes(facts)]
        return sorted(lines, key=lambda each: each.at)

    def _first_failure(self, facts: ServiceSnapshot) -> list[Line]:
        if self._outage_at is None or self._failure_reported:
            return []
        observations = [each for target in self._failing for each in facts.observations.get(target, ())]
        failed = [
            each for each in observations if each.outcome.effect is Effect.DOWN and each.finished_at >= self._outage_at
        ]
        if not failed:
            return []
        self._failure_reported = True
        return [_first_failure(min(failed, key=lambda each: each.finished_at), self._outage_at)]

    def _evidence(self, facts: ServiceSnapshot) -> list[Line]:
        states = (state for target, state in facts.health.items() if target in self._failing)
        return [_evidence(state, facts.at) for state in states if self._has_risen(state)]

    def _has_risen(self, state: TargetHealth) -> bool:
        if self._outage_at is None or state.health in UNHEALTHY or state.threshold <= 0:
            return False
        step = int(_STEPS * state.evidence / state.threshold)
        risen = step > self._step_reported.get(state.target, 0)
        if risen:
            self._step_reported[state.target] = step
        return risen

    def _changes(self, facts: ServiceSnapshot) -> list[Line]:
        new = facts.transitions[self._transitions_reported :]
        self._transitions_reported = len(facts.transitions)
        return [_change(each) for each in new if not {each.before, each.after} <= _QUIET_CHANGES]


def _first_failure(observation: Observation, outage_at: datetime) -> Line:
    after_s = (observation.finished_at - outage_at).total_seconds()
    text = f"the first one failed {after_s:.1f} s after the outage began: {observation.target}, {observation.outcome}"
    detail = f" ({observation.detail})" if observation.detail else ""
    return line(observation.finished_at, Topic.PROBE, text + detail, good=False)


def _evidence(state: TargetHealth, at: datetime) -> Line:
    text = f"against {state.target}: {state.evidence:.1f} of the {state.threshold:.1f} that make a verdict"
    return line(at, Topic.EVIDENCE, text, good=False)


def _change(transition: Transition) -> Line:
    good = {Health.UP: True, Health.RECOVERING: True}.get(transition.after, False)
    return line(transition.at, Topic.HEALTH, transition.reason, good=good)


def starting(at: datetime) -> Line:
    """What is being started."""
    text = "starting three simulated providers, the Hotspare service, its page, Slack's stand-in and an application"
    return line(at, Topic.DEMO, text)


def introduction(at: datetime, *, page: str) -> list[Line]:
    """Where the page is, and how fast time runs."""
    return [
        line(at, Topic.DEMO, f"the page: {page}"),
        line(
            at,
            Topic.DEMO,
            f"time runs fifteen times as fast as in real life: a probe every {PROBE_INTERVAL_S:g} s instead of 30 s, "
            f"an outage counts after {MIN_OUTAGE_S:g} s instead of 15 s, a recovered target is held for {HOLD_S:g} s "
            "instead of 5 min",
        ),
    ]


def intermission(at: datetime, *, page: str, pause_s: float) -> Line:
    """The drill is over; the demo continues."""
    return line(at, Topic.DEMO, f"the page stays at {page}; the next outage in {pause_s / 60:g} min; Ctrl-C ends it")


def outage_began(at: datetime, provider: str, share: float) -> Line:
    """The first provider begins to fail."""
    return line(at, Topic.OUTAGE, f"{provider} begins to answer {share:.0%} of all requests with HTTP 500", good=False)


def outage_ended(at: datetime, provider: str) -> Line:
    """The provider has recovered, which Hotspare does not know yet."""
    return line(at, Topic.OUTAGE, f"{provider} is well again and answers everything", good=True)


def route_moved(target: Target, *, after_s: float, event: str) -> Line:
    """The routing file shows another target, `after_s` seconds after the event."""
    text = f"{target.route} now points at {target.id}, {after_s:.1f} s after {event}: {target.reason}"
    return line(target.since, Topic.ROUTE, text, good=True)


def slack_message(at: datetime, text: str, *, edited: bool, reply: bool = False) -> Line:
    """A message in Slack, an edit, or a reply in a thread; `text` is escaped for Slack."""
    plain = text.replace("\n", " – ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    how = "message edited" if edited else "reply in its thread" if reply else "new message"
    return line(at, Topic.SLACK, f"{how}: {plain}")


def recent_requests(at: datetime, traffic: Traffic) -> Line:
    """Failed requests while the provider still fails and the route has left it."""
    text = (
        f"failed requests in the last 5 s: {percent(traffic.application.recent_failed_share)}, "
        f"without failover {percent(traffic.baseline.recent_failed_share)}"
    )
    return line(at, Topic.USERS, text)


def request_summary(at: datetime, shares: FailedShare) -> Line:
    """Failed requests by phase, with and without failover."""
    text = (
        f"failed requests: before {percent(shares.quiet)}, during the outage {percent(shares.outage)} "
        f"(without failover {percent(shares.outage_without_failover)}), after {percent(shares.after)}"
    )
    return line(at, Topic.USERS, text)


def drill_result(at: datetime, summary: Summary) -> list[Line]:
    """How the drill ended."""
    if summary.problems:
        return [line(at, Topic.DEMO, f"the drill has failed: {problem}", good=False) for problem in summary.problems]
    text = (
        f"the drill has passed: the route left the failing provider after {summary.time_to_flip_s:.1f} s, came back "
        f"{summary.time_to_return_s:.1f} s after the end of the outage, and Slack took all {summary.slack_delivered} "
        "messages and edits"
    )
    return [line(at, Topic.DEMO, text, good=True)]


def percent(share: float | None) -> str:
    """Format a share; "–" where there is none."""
    return "–" if share is None else f"{100 * share:.1f} %"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
