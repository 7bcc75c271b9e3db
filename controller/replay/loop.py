"""Runs the service's own detector and policy over recorded observations, in virtual time (pure).

What the service does by its clock happens here at the same times, as in the simulation:

1. An observation is handed to the detector when its probe ended. A change of health causes a control cycle, after the
   time for which the service gathers observations.
2. Where time alone may change a verdict there is a cycle every half second, and one when a verdict is due that only
   waits for `min_outage`.
3. Silent targets are detected when their time is up; overrides begin and end at their instants.
4. Verdicts on what applications reported come at their instants, as they were: the reports themselves are not stored.
5. Where nothing was recorded for three intervals, the service is taken to have been stopped: nothing is decided.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controller.replay.restarts import RestartFinder
from controller.replay.stretches import Stretches
from controller.routing import policy
from controller.routing.decision import Decision
from controller.routing.overrides import Override, Overrides
from controller.routing.policy import AFTER_DUE_S, GATHER_S, TICK_S
from controller.routing.spend_where_used import spend_where_used
from monitor.budget import allocation
from monitor.config.settings import Settings
from monitor.detection.detector import Detector
from monitor.detection.evidence import Evidence
from monitor.detection.parameters import parameters_by_target
from monitor.detection.target_state import LONGEST_REST_S
from monitor.health import Health, Transition
from probes.observation import Observation
from probes.outcome import Outcome

_SILENCE_CHECK_S = 5.0
_STOPPED_INTERVALS = 3
_NEVER = float("inf")
#: A target's silence that is no more than this longer than one of all targets is the same.
_MARGIN = timedelta(minutes=5)
#: What requests mostly end in that condemn a target.
_ERRORS = {Outcome.SERVER_ERROR: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayWindow:
    """The part of the past that is replayed."""

    asked_from: datetime
    begins_at: datetime
    """The oldest observation that is stored."""
    complete: bool
    """No earlier observation is missing: this is where the service first began."""
    listening_from: datetime
    """From here on observations are evaluated."""
    deciding_from: datetime
    """From here on routes are decided."""
    until: datetime


class Replay:
    """One run of a configuration over recorded observations. Seconds are since the Unix epoch."""

    def __init__(
        self,
        settings: Settings,
        window: ReplayWindow,
        states: Mapping[str, Decision],
        overrides: Iterable[Override],
        *,
        then: Iterable[Decision] = (),
        reported: Iterable[Transition] = (),
        usd: Mapping[str, float | None] | None = None,
        stretches: Stretches = (),
    ) -> None:
        """`states` are where the routes point when deciding begins.

        `stretches` are how the budget had stretched the intervals, the first of them from the begin on.
        `then` is all that was ever decided, oldest first: where probes are spent where users are, the intervals of
        then followed it, by `usd`, the prices of a probe. `reported` are the verdicts by what applications reported,
        oldest first.
        """
        self.decisions: list[Decision] = []
        """What the configuration would have decided, oldest first."""
        self.observations = 0
        """How many were replayed."""
        self.gaps: list[tuple[datetime, datetime]] = []
        """Spans in which nothing was recorded."""
        self.silences: dict[str, tuple[datetime, datetime]] = {}
        """The longest span in which nothing of a target was recorded, while others were; by target."""
        self._last_of: dict[str, datetime] = {}
        self._configured, self._then, self._usd = settings, deque(then), usd or {}
        self._stood: dict[str, Decision] = {}
        """Where the routes really stood."""
        self._stretches = deque(stretches)
        self._present_stretches = dict(self._stretches.popleft()[1]) if self._stretches else {}
        self._reported = deque(reported if settings.traffic else ())
        self._settings = settings = self._paced()
        self._detector = Detector(settings, window.listening_from)
        self._restarts = RestartFinder(self._detector, settings)
        self._silent_after_s, self._stopped_s = _patience_s(settings), _stopped_s(settings)
        self._states = dict(states)
        self._stuck = False
        """Whether a route stands on a target that fails: every probe that is not of quiet times is then decided on."""
        self._overrides = tuple(overrides)
        self._override_changes_s = sorted(
            {at.timestamp() for override in self._overrides for at in (override.at, override.until)}, reverse=True
        )
        self._deciding_s, self._until_s = window.deciding_from.timestamp(), window.until.timestamp()
        self._observed_s = window.listening_from.timestamp()
        self._cycle_s = self._deciding_s
        self._silence_check_s = self._observed_s + min(self._silent_after_s.values())

    def run(self, observations: Iterable[tuple[Observation, bool]]) -> None:
        """Run to the end. `observations` come in the order in which they came in, each with whether it was blind."""
        for observation, blind in observations:
            self.observations += not observation.under_way
            at_s = observation.finished_at.timestamp()
            self._advance_until(at_s)
            self._follow_intervals(observation.started_at)
            self._restarts.begin_again(observation)
            changed = self._detector.observe(observation, blind=blind)
            self._restarts.note(observation)
            self._note_silence(observation)
            self._observed_s = at_s
            due = self._detector.due
            known = observation.target in self._silent_after_s
            compared = self._stuck and known and not self._detector.state_of(observation.target).no_evidence
            if changed or due is not None or compared:
                self._cycle_by(at_s + GATHER_S)
            if due is not None:
                self._cycle_by(max(at_s, due.timestamp()) + AFTER_DUE_S)
        self._advance_until(self._until_s)

    def _note_silence(self, observation: Observation) -> None:
        """Note where nothing was recorded of this target for longer than any rest that a provider may ask for."""
        target, at = observation.target, observation.started_at
        since = self._last_of.get(target)
        self._last_of[target] = observation.finished_at
        if since is None or (at - since).total_seconds() <= self._stopped_s + LONGEST_REST_S:
            return
        lasted, known = at - since, self.silences.get(target)
        stopped = any(begun - _MARGIN <= since and at <= ended + _MARGIN for begun, ended in self.gaps)
        if not stopped and (known is None or lasted > known[1] - known[0]):
            self.silences[target] = since, at

    def _follow_intervals(self, now: datetime) -> None:
        """Judge by the intervals at which targets were probed then."""
        changed = False
        while self._then and self._then[0].at <= now:
            decision, changed = self._then.popleft(), True
            self._stood[decision.route] = decision
        while self._stretches and self._stretches[0][0] <= now:
            (_, stretched), changed = self._stretches.popleft(), True
            self._present_stretches |= stretched
        if changed and (paced := self._paced()).targets != self._settings.targets:
            self._settings = paced
            self._detector.update_intervals(paced)
            self._silent_after_s, self._stopped_s = _patience_s(paced), _stopped_s(paced)

    def _paced(self) -> Settings:
        stretched = allocation.stretched(self._configured, self._present_stretches)
        return spend_where_used(stretched, self._stood, self._usd)

    def _advance_until(self, at_s: float) -> None:
        """Handle what time alone brings until then."""
        present_s = min(at_s, self._observed_s + self._stopped_s)
        while (next_s := self._next_s) <= present_s:
            self._advance(next_s)
        if at_s > present_s and next_s <= at_s:
            self.gaps.append((_instant(self._observed_s), _instant(at_s)))
            # The service that starts again decides before its first observation.
            self._advance(at_s)

    @property
    def _next_s(self) -> float:
        """When time alone brings something next."""
        reported_s = self._reported[0].at.timestamp() if self._reported else _NEVER
        return min(self._cycle_s, self._silence_check_s, self._next_override_change_s, reported_s)

    def _advance(self, now_s: float) -> None:
        while self._reported and self._reported[0].at.timestamp() <= now_s:
            self._condemn(self._reported.popleft())
            self._cycle_by(now_s)
        while self._next_override_change_s <= now_s:
            self._override_changes_s.pop()
            self._cycle_by(now_s)
        if self._silence_check_s <= now_s:
            self._check_silence(now_s)
        if self._cycle_s <= now_s:
            self._cycle(now_s)

    def _condemn(self, verdict: Transition) -> None:
        """A target is down by what applications reported, unless it is so already."""
        target = verdict.target
        if target in self._silent_after_s and not self._detector.state_of(target).out_of_service:
            reason = verdict.reason.removeprefix(f"{target} is down: ")
            evidence = Evidence(value=verdict.evidence, failures=1, outcomes=_ERRORS)
            self._detector.mark_down((target,), verdict.at, reason, evidence, verdict.threshold)

    @property
    def _next_override_change_s(self) -> float:
        """When an override next begins or ends."""
        return self._override_changes_s[-1] if self._override_changes_s else _NEVER

    def _check_silence(self, now_s: float) -> None:
        """Detect silent targets, and plan the next check."""
        if self._detector.tick(_instant(now_s)):
            self._cycle_by(now_s)
        states = (self._detector.state_of(target) for target in self._silent_after_s)
        late_s = (
            state.last_seen_at.timestamp() + self._silent_after_s[state.target]
            for state in states
            if state.last_seen_at and state.health is not Health.UNKNOWN
        )
        self._silence_check_s = max(
            now_s + _SILENCE_CHECK_S, min(late_s, default=now_s + min(self._silent_after_s.values()))
        )

    def _cycle(self, now_s: float) -> None:
        """Decide as a control cycle does, and plan the next one for when it is needed at the latest."""
        self._cycle_s = _NEVER
        now = _instant(now_s)
        self._detector.tick(now)
        if now_s < self._deciding_s:
            self._cycle_by(self._deciding_s)
        elif not self._decide(now):
            self._cycle_by(now_s + TICK_S)
        due = self._detector.due
        if due is not None:
            due_s = due.timestamp()
            self._cycle_by(due_s + AFTER_DUE_S if due_s > now_s else now_s + TICK_S)

    def _decide(self, now: datetime) -> bool:
        """Decide all routes; returns whether every verdict holds until a health changes."""
        overrides = Overrides.at((override for override in self._overrides if override.at <= now), now)
        verdicts = policy.decide_all(
            self._settings,
            self._states,
            self._detector.health,
            now=now,
            generation=len(self.decisions) + 1,
            overrides=overrides.applicable(self._settings),
            blind=self._detector.blind,
        ).values()
        self._stuck = any(verdict.stuck for verdict in verdicts)
        for decision in [verdict.decision for verdict in verdicts if verdict.decision]:
            self._states[decision.route] = decision
            self.decisions.append(decision)
        return all(verdict.settled for verdict in verdicts)

    def _cycle_by(self, at_s: float) -> None:
        self._cycle_s = min(self._cycle_s, at_s)


def _patience_s(settings: Settings) -> dict[str, float]:
    return {target: parameters.patience_s for target, parameters in parameters_by_target(settings).items()}


def _stopped_s(settings: Settings) -> float:
    return max(_STOPPED_INTERVALS * target.interval_s + target.timeouts.total_s for target in settings.targets)


def _instant(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
