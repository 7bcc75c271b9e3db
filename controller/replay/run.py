"""A configuration lives through recorded observations in virtual time: the service's own judge and policy (pure).

What the service does by its clock happens here at the same times, as in the simulation:

1. An observation is judged when its probe ended. A change of health makes a control cycle, as much later as the
   service gathers observations.
2. Where time alone may change a verdict there is a cycle every half second, and one when a verdict is due that only
   waits for `min_outage`.
3. A target is found silent when it has been silent for too long; an operator's hand is heeded at its instant.
4. While nothing at all was recorded for three intervals, the service is taken to have been stopped: nothing is decided.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.routing import policy
from controller.routing.decision import Decision, RouteState
from controller.routing.overrides import Override, Overrides
from monitor.detection.detector import Detector
from monitor.detection.parameters import parameters_by_target
from monitor.health import Health
from monitor.settings import Settings
from probes.observation import Observation

_TICK_S = 0.5
_GATHER_S = 0.1
_SOON_S = 0.02
_LOOK_S = 5.0
_STOPPED_INTERVALS = 3
_NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingGap:
    """A time in which nothing was recorded."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What the configuration would have decided."""

    decisions: tuple[Decision, ...]
    """Oldest first."""
    observations: int
    """How many it was judged by."""
    gaps: tuple[RecordingGap, ...]


class Replay:
    """One configuration under way through a recorded past. Seconds are of the epoch.

    From `listening_from` on observations are weighed, from `deciding_from` on routes are decided, beginning with
    `states`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        listening_from: datetime,
        deciding_from: datetime,
        states: Mapping[str, RouteState],
        overrides: Iterable[Override],
    ) -> None:
        self._settings = settings
        self._judge = Detector(settings, listening_from)
        self._patience_s = {target: rule.patience_s for target, rule in parameters_by_target(settings).items()}
        self._stopped_s = max(
            _STOPPED_INTERVALS * target.interval_s + target.timeouts.total_s for target in settings.targets
        )
        self._deciding_s = deciding_from.timestamp()
        self._states = dict(states)
        self._overrides = tuple(overrides)
        self._hands_s = sorted({at.timestamp() for one in self._overrides for at in (one.at, one.until)}, reverse=True)
        self._decisions: list[Decision] = []
        self._gaps: list[RecordingGap] = []
        self._seen_s = listening_from.timestamp()
        self._cycle_s = self._deciding_s
        self._look_s = self._seen_s + min(self._patience_s.values())

    def run(self, seen: Iterable[tuple[Observation, bool]], until: datetime) -> ReplayResult:
        """To the end: observations in the order in which they came in, each with whether it was blind."""
        count = 0
        for one, blind in seen:
            count += 1
            at_s = one.finished_at.timestamp()
            self._pass_until(at_s)
            changed = self._judge.observe(one, blind=blind)
            self._seen_s = at_s
            due = self._judge.due
            if changed or due is not None:
                self._cycle_by(at_s + _GATHER_S)
            if due is not None:
                self._cycle_by(max(at_s, due.timestamp()) + _SOON_S)
        self._pass_until(until.timestamp())
        return ReplayResult(decisions=tuple(self._decisions), observations=count, gaps=tuple(self._gaps))

    def _pass_until(self, at_s: float) -> None:
        """What happens by itself until then."""
        present_s = min(at_s, self._seen_s + self._stopped_s)
        while (next_s := min(self._cycle_s, self._look_s, self._hand_s)) <= present_s:
            self._happen(next_s)
        if at_s > present_s and next_s <= at_s:
            self._gaps.append(RecordingGap(since=_instant(self._seen_s), until=_instant(at_s)))
            # The service that starts again decides before it has seen anything.
            self._happen(at_s)

    def _happen(self, now_s: float) -> None:
        while self._hand_s <= now_s:
            self._hands_s.pop()
            self._cycle_by(now_s)
        if self._look_s <= now_s:
            self._look(now_s)
        if self._cycle_s <= now_s:
            self._cycle(now_s)

    @property
    def _hand_s(self) -> float:
        """When an operator's hand is next laid on or taken off."""
        return self._hands_s[-1] if self._hands_s else _NEVER

    def _look(self, now_s: float) -> None:
        """Whether a target has fallen silent, and when to look again."""
        if self._judge.tick(_instant(now_s)):
            self._cycle_by(now_s)
        records = (self._judge.state_of(target) for target in self._patience_s)
        late_s = (
            one.last_seen_at.timestamp() + self._patience_s[one.target]
            for one in records
            if one.last_seen_at and one.health is not Health.UNKNOWN
        )
        self._look_s = max(now_s + _LOOK_S, min(late_s, default=now_s + min(self._patience_s.values())))

    def _cycle(self, now_s: float) -> None:
        """What a control cycle decides, and when the next one is needed at the latest."""
        self._cycle_s = _NEVER
        now = _instant(now_s)
        self._judge.tick(now)
        settled = True
        if now_s >= self._deciding_s:
            settled = self._decide(now)
        else:
            self._cycle_by(self._deciding_s)
        due = self._judge.due
        if not settled:
            self._cycle_by(now_s + _TICK_S)
        if due is not None:
            due_s = due.timestamp()
            self._cycle_by(due_s + _SOON_S if due_s > now_s else now_s + _TICK_S)

    def _decide(self, now: datetime) -> bool:
        """Whether every verdict stays as it is until some health changes."""
        laid = Overrides.at((one for one in self._overrides if one.at <= now), now)
        verdicts = policy.decide_all(
            self._settings,
            self._states,
            self._judge.health,
            now=now,
            generation=len(self._decisions) + 1,
            overrides=laid.applicable(self._settings),
        ).values()
        for decision in [verdict.decision for verdict in verdicts if verdict.decision]:
            self._states[decision.route] = decision.state()
            self._decisions.append(decision)
        return all(verdict.settled for verdict in verdicts)

    def _cycle_by(self, at_s: float) -> None:
        self._cycle_s = min(self._cycle_s, at_s)


def _instant(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
