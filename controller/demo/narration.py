"""Turns facts of the drill into lines of text, and its result into a summary (pure)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from hotspare_client import Target

from controller.alerts.next_action import Urgency
from controller.demo.files import HOLD_S, MIN_OUTAGE_S, PROBE_INTERVAL_S
from controller.demo.scenes import Awaited, Scene
from controller.status.headline import Level
from controller.status.overview import Overview
from monitor.detection.verdict_text import plain_reason
from monitor.health import UNHEALTHY, Health, TargetHealth, Transition
from probes.observation import Observation
from probes.outcome import Effect

_STEPS = 4
"""Rising evidence is reported each time it passes another quarter of the threshold."""
_FAILED = frozenset({Effect.DOWN, Effect.THROTTLED, Effect.MISCONFIGURED})
_NUMBERS = re.compile(r"[\d.:]+")
_GOOD_LEVELS = {Level.GOOD: True, Level.BAD: False}
_QUIET_CHANGES = frozenset({Health.UNKNOWN, Health.UP, Health.SUSPECT})
"""A change among these is the start, or rising evidence, which has lines of its own."""


Topic = Literal["demo", "outage", "probe", "evidence", "health", "route", "page", "slack", "users"]
"""What a line is about; printed in front of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline."""

    at: datetime
    topic: Topic
    text: str
    """Any text, also that of a provider."""
    _: KW_ONLY
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
    stuck: bool = False
    """Whether an open incident says that a route has nowhere to go."""
    undelivered_incidents: int = 0
    """Incidents whose latest revision Slack does not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One scene."""

    scene: str
    """Its name."""
    probe_interval_s: float
    time_to_flip_s: float | None
    """From the beginning of the outage until the routing file showed another provider; None when it never did."""
    time_to_return_s: float | None
    """From the end of the outage until the routing file showed the first candidate again; None when it never did."""
    slack_delivered: int
    """Messages, replies and edits that the Slack server accepted."""
    slack_undelivered: int
    """Incidents whose latest revision Slack does not show."""
    failed_share: Mapping[str, float | None]
    """As `Traffic.failed_shares` has them."""
    missed: Awaited | None = None
    """What did not come in time; the scene ended there."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong, one sentence each; empty when the scene passed."""
        wrong = {
            str(self.missed): self.missed is not None,
            "Slack was notified of nothing": self.slack_delivered == 0,
            f"{self.slack_undelivered} of the Slack messages could not be delivered": self.slack_undelivered > 0,
        }
        return tuple(sentence for sentence, applies in wrong.items() if applies)

    def document(self) -> dict[str, Any]:
        """Return the summary for JSON; seconds to the hundredth, shares to four digits."""
        values = asdict(self)
        scene, _ = values.pop("scene"), values.pop("missed")
        shares = {name: share and round(share, 4) for name, share in values.pop("failed_share").items()}
        rounded = {name: value and round(value, 2) for name, value in values.items()}
        return {"scene": scene, **rounded, "failed_share": shares}


class NarrationBuilder:
    """Reports each thing once, in the order in which it happened."""

    def __init__(self) -> None:
        self._outage_at: datetime | None = None
        self._failing: frozenset[str] = frozenset()
        self._failure_reported = False
        self._step_reported: dict[str, int] = {}
        self._transitions_reported = 0
        self._page: tuple[str, Urgency] | None = None

    def begin_outage(self, failing: Iterable[str], at: datetime) -> None:
        """From now on failed probes of these targets and the evidence against them are reported."""
        self._failing, self._outage_at = frozenset(failing), at
        self._failure_reported = False
        self._step_reported.clear()

    def report(self, facts: ServiceSnapshot) -> list[Line]:
        """Return what is new in these facts."""
        at = self._outage_at
        lines = [] if at is None else [*self._first_failure(facts, at), *self._evidence(facts)]
        return sorted((*lines, *self._changes(facts)), key=lambda each: each.at)

    def report_page(self, overview: Overview) -> list[Line]:
        """Return what stands at the head of the page, and of `hotspare status`, where more than a number is new."""
        state = _NUMBERS.sub("", overview.headline), overview.action.urgency
        if state == self._page:
            return []
        self._page = state
        text = f"{overview.headline} – {overview.action.sentence}"
        return [Line(overview.now, "page", text, good=_GOOD_LEVELS.get(overview.level))]

    def _first_failure(self, facts: ServiceSnapshot, outage_at: datetime) -> Iterator[Line]:
        observations = (each for target in self._failing for each in facts.observations.get(target, ()))
        failed = [each for each in observations if each.outcome.effect in _FAILED and each.finished_at >= outage_at]
        if failed and not self._failure_reported:
            self._failure_reported = True
            first = min(failed, key=lambda each: each.finished_at)
            after_s = (first.finished_at - outage_at).total_seconds()
            text = f"the first one failed {after_s:.1f} s after the outage began: {first.target}, {first.outcome}"
            detail = f" ({first.detail})" if first.detail else ""
            yield Line(first.finished_at, "probe", text + detail, good=False)

    def _evidence(self, facts: ServiceSnapshot) -> Iterator[Line]:
        for target, state in facts.health.items():
            if target not in self._failing or state.health in UNHEALTHY or state.threshold <= 0:
                continue
            step = int(_STEPS * state.evidence / state.threshold)
            if step > self._step_reported.get(target, 0):
                self._step_reported[target] = step
                text = f"against {target}: {state.evidence:.1f} of the {state.threshold:.1f} that make a verdict"
                yield Line(facts.at, "evidence", text, good=False)

    def _changes(self, facts: ServiceSnapshot) -> Iterator[Line]:
        new = facts.transitions[self._transitions_reported :]
        self._transitions_reported = len(facts.transitions)
        for change in new:
            if not {change.before, change.after} <= _QUIET_CHANGES:
                good = change.after in {Health.UP, Health.RECOVERING}
                yield Line(change.at, "health", plain_reason(change.reason), good=good)


def introduction(at: datetime, scene: Scene, *, page: str) -> list[Line]:
    """What is played, where the page is, and how fast time runs."""
    speed = (
        f"time runs fifteen times as fast as in real life: a probe every {PROBE_INTERVAL_S:g} s instead of 30 s, "
        f"an outage counts after {MIN_OUTAGE_S:g} s instead of 15 s, a recovered target is held for {HOLD_S:g} s "
        "instead of 5 min"
    )
    title = f"the scene: {scene.name}: {scene.title}"
    return [Line(at, "demo", title), Line(at, "demo", speed), Line(at, "demo", f"the page: {page}")]


def route_moved(target: Target, *, after_s: float, event: str, began_at: datetime) -> Line:
    """The route serves its users, `after_s` seconds after the event that began then: it has moved, or it could stay."""
    after = f"{after_s:.1f} s after {event}"
    if target.since < began_at:
        at, text = began_at + timedelta(seconds=after_s), f"{target.route} stays on {target.id}, which serves again"
        return Line(at, "route", f"{text}, {after}", good=True)
    return Line(target.since, "route", f"{target.route} now points at {target.id}, {after}: {target.reason}", good=True)


def slack_message(at: datetime, text: str, *, edited: bool, reply: bool = False) -> Line:
    """A message in Slack, an edit, or a reply in a thread; `text` is escaped for Slack."""
    plain = text.replace("\n", " – ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    how = "message edited" if edited else "reply in its thread" if reply else "new message"
    return Line(at, "slack", f"{how}: {plain}")


def drill_result(at: datetime, summary: Summary) -> list[Line]:
    """What users felt, and how the drill ended."""
    shares = {name: percent(share) for name, share in summary.failed_share.items()}
    requests = (
        f"failed requests: before {shares['quiet']}, during the outage {shares['outage']} "
        f"(without failover {shares['outage_without_failover']}), after {shares['after']}"
    )
    users = Line(at, "users", requests)
    if summary.problems:
        return [
            users,
            *(Line(at, "demo", f"the drill has failed: {text}", good=False) for text in summary.problems),
        ]
    flip, back = (
        "–" if each is None else f"{each:.1f} s" for each in (summary.time_to_flip_s, summary.time_to_return_s)
    )
    text = (
        f"the drill has passed: the route left the failing provider after {flip}, came back {back} after the end of "
        f"the outage, and Slack took all {summary.slack_delivered} messages and edits"
    )
    return [users, Line(at, "demo", text, good=True)]


def percent(share: float | None) -> str:
    """Format a share; "–" where there is none."""
    return "–" if share is None else f"{100 * share:.1f} %"
