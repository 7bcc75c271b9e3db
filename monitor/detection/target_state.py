"""What the detector remembers of one target, as one immutable value that survives a restart (pure)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from monitor.detection.answer_shares import NO_TEST, ShareTest
from monitor.detection.background import BackgroundRate
from monitor.detection.blip_lengths import NO_PERIODS, BlipLengths
from monitor.detection.evidence import EMPTY_TRACK, RECOVERED, EvidenceTrack, Recovery, step_down, step_up
from monitor.detection.latency import NO_LATENCY, LatencyEvidence
from monitor.detection.parameters import ProbeIdentity, TargetParameters
from monitor.health import (
    HEALTHY,
    IMPAIRED,
    NO_VERDICT,
    NOT_OBSERVED,
    OUT_OF_SERVICE,
    Health,
    LowLimit,
    RecentProbe,
    TargetHealth,
)
from probes.context_check import CONTEXT
from probes.observation import Observation, compact, hot_dataclass, replaced
from probes.outcome import Effect, Outcome

#: The longest Retry-After that is obeyed: no target is left unprobed for longer.
LONGEST_REST_S = 300.0
#: So often in a row the check `context` fails before people are told.
CONTEXT_FAILURES = 3
_CHECK_FAILED = frozenset({Effect.DOWN, Effect.DEGRADED, Effect.MISCONFIGURED})


@hot_dataclass
class CheckFailures:
    """One check that has not passed since. The aliases are the names under which databases hold the fields."""

    check: str
    outcome: Outcome
    """The last failure; of a check that only was inconclusive, the reason of that."""
    failed: int = 0
    """Failures in a row: down, degraded or misconfigured; inconclusive probes in between do not count."""
    failed_at: datetime | None = None
    inconclusive: Annotated[int, Field(alias="mute")] = 0
    """Inconclusive probes in a row: something is wrong with the probe, so it says nothing of the target."""
    refused: int = 0
    """Refusals in a row: the API called the probe a bad request."""
    reported_at: Annotated[datetime | None, Field(alias="told_at")] = None


@hot_dataclass
class TargetState:
    """The state of one target. The aliases are the names under which databases hold the fields."""

    target: str
    since: datetime
    health: Health = Health.UNKNOWN
    reason: str = NOT_OBSERVED
    down: EvidenceTrack = EMPTY_TRACK
    """Failures against answers of any kind."""
    slow: EvidenceTrack = EMPTY_TRACK
    wrong: EvidenceTrack = EMPTY_TRACK
    throttled: EvidenceTrack = EMPTY_TRACK
    latency: LatencyEvidence = NO_LATENCY
    clean_pending: Annotated[int, Field(alias="calm")] = 0
    """Clean probes, seen without evidence, that the four tracks have not learned from yet: that would cost more than
    all else."""
    recovery: Recovery = Recovery()
    suspicion: Outcome | None = None
    """`auth`, `quota` or `model_gone`, observed once and not confirmed yet."""
    check_failures: Annotated[tuple[CheckFailures, ...], Field(alias="ailing")] = ()
    useless: ShareTest = NO_TEST
    """Whether too many answers are wrong or throttled."""
    poor: ShareTest = NO_TEST
    """Whether most answers are slow, wrong or throttled."""
    clean_in_hold: Annotated[int, Field(alias="held")] = 0
    failed_in_hold: int = 0
    failed_holds: int = 0
    """How many holds of the present outage ended in failures."""
    hold_factor: int = 1
    """The factor by which relapses have lengthened the hold."""
    returned_at: datetime | None = None
    held_until: datetime | None = None
    """It stopped being degraded or unusable; no route that left for that returns before."""
    verdict: Annotated[tuple[float, float] | None, Field(alias="provider_verdict")] = None
    """The evidence and the threshold that brought it down, if those were not of its own CUSUM."""
    last_started_at: datetime | None = None
    """Start of the newest observation; `last_seen_at` is its end, `last_ok_at` the end of the newest good one."""
    last_seen_at: datetime | None = None
    last_ok_at: datetime | None = None
    resting_until: datetime | None = None
    """The provider asked (Retry-After) not to be probed before."""
    limit_met_at: datetime | None = None
    """A burst of ours met a limit: for a while throttled answers say nothing, and extra probes are few."""
    regular_at: datetime | None = None
    """Start of the last probe that was an interval or more after the one before it; see `extra_at`."""
    extra_at: tuple[datetime, ...] = ()
    """Starts of the last five probes beside the regular ones."""
    answered_as: ProbeIdentity | None = None
    """The probe that it answered with `ok` last; None: never, or an earlier version did not note it."""
    refused_since: datetime | None = None
    """Every probe since then was refused as a bad request."""
    refuses_all: bool = False
    """It is unusable for that; it comes back as from down."""
    recent: tuple[RecentProbe, ...] = ()
    """Its last probes, oldest first, without those of `clean_pending`."""
    periods: BlipLengths = NO_PERIODS
    """How long it failed of late until that ended by itself."""
    low_limit: LowLimit | None = None
    """A limit that is nearly used up, as the newest observation has it."""
    context: CheckFailures | None = None
    """The failures of the check `context`, which is no evidence of any other kind; None when it passed last."""
    reported: Annotated[str, Field(exclude=True)] = ""
    """What applications report, while that is evidence that it fails; forgotten by a restart."""

    def replace(self, **changed: object) -> "TargetState":
        """The state with these fields changed."""
        state = object.__new__(TargetState)  # as `replaced` does
        state.__dict__ = {**self.__dict__, **changed}
        return state

    def enter(self, health: Health, at: datetime, reason: str) -> "TargetState":
        """The state in this health, with this reason; `since` changes only when the health does."""
        sentence = f"{self.target} is {health}: {reason}"
        since, refuses_all = self.since if health is self.health else at, self.refuses_all and health is Health.UNUSABLE
        return compact(self.replace(health=health, reason=sentence, since=since, refuses_all=refuses_all))

    def enter_unknown(self, at: datetime, reason: str) -> "TargetState":
        """The state as `unknown` and without evidence; unchanged while a verdict stands against the target."""
        if self.health not in NO_VERDICT:
            return self
        return self.clear_evidence().enter(Health.UNKNOWN, at, reason)

    @property
    def tracks(self) -> tuple[EvidenceTrack, EvidenceTrack, EvidenceTrack, EvidenceTrack]:
        """The evidence that it failed, was slow, wrong, throttled."""
        return self.down, self.slow, self.wrong, self.throttled

    @property
    def out_of_service(self) -> bool:
        """Whether it is probed at its interval only, until a sequential test decides that it is back."""
        return self.health in OUT_OF_SERVICE or self.refuses_all

    @property
    def impaired(self) -> bool:
        """Whether it answers, but slowly, wrongly or throttled."""
        return self.health in IMPAIRED and not self.refuses_all

    @property
    def no_evidence(self) -> bool:
        """Whether it is up with no evidence of any kind, so that a clean probe needs no weighing."""
        return (
            self.health is Health.UP
            and not self.poor.answers
            and not self.check_failures
            and self.suspicion is None
            and not self.has_evidence
        )

    @property
    def has_evidence(self) -> bool:
        """Whether there is evidence that it fails, or is slow, wrong or throttled; by probes or by applications."""
        return bool(
            self.down.evidence.value
            or self.slow.evidence.value
            or self.wrong.evidence.value
            or self.throttled.evidence.value
            or self.reported
        )

    def failures_of(self, check: str) -> CheckFailures | None:
        """The failures of this check; None when it passed last."""
        if check == CONTEXT:
            return self.context
        return next((failures for failures in self.check_failures if failures.check == check), None)

    def is_reported(self, check: str) -> bool:
        """Whether this check failed so often, while the target was healthy, that people were told."""
        return any(failures.check == check and failures.reported_at for failures in self.check_failures)

    @property
    def failing_context(self) -> str | None:
        """That it fails the check `context`, as a clause, once people were told so; None otherwise."""
        failures = self.context
        if failures is None or not failures.reported_at:
            return None
        return f"it has failed the check {CONTEXT} {failures.failed} times in a row ({failures.outcome})"

    def add_context(self, observation: Observation) -> "TargetState":
        """The state after one more probe with the check `context`, which all but a good answer fails."""
        at, before = observation.finished_at, self.context
        if observation.outcome.effect is Effect.UP:
            return self if before is None else self.replace(context=None)
        failed, told_at = (before.failed + 1, before.reported_at) if before else (1, None)
        if failed >= CONTEXT_FAILURES and not told_at:
            told_at = at
        outcome = observation.outcome
        failures = CheckFailures(check=CONTEXT, outcome=outcome, failed=failed, failed_at=at, reported_at=told_at)
        return self.replace(context=failures)

    def mark_reported(self, observation: Observation) -> "TargetState":
        """The state with the failures of the check just observed marked as reported."""
        check, at = observation.check, observation.finished_at
        marked = (replaced(each, reported_at=at) if each.check == check else each for each in self.check_failures)
        return self.replace(check_failures=tuple(marked))

    def count_check(self, observation: Observation, checks: Sequence[str]) -> tuple[CheckFailures, ...]:
        """The check failures after one more observation of a target that has these checks; others are dropped."""
        effect, check = observation.outcome.effect, observation.check
        if not self.check_failures and effect in {Effect.UP, Effect.THROTTLED}:
            return ()
        others = tuple(each for each in self.check_failures if each.check != check and each.check in checks)
        before = self.failures_of(check)
        if effect is Effect.UP or (effect is Effect.THROTTLED and before is None):
            return others
        before = before or CheckFailures(check=check, outcome=observation.outcome)
        before = replaced(before, refused=before.refused + 1 if observation.is_refusal else 0)
        if effect in _CHECK_FAILED:
            failed, at = before.failed + 1, observation.finished_at
            after = replaced(before, outcome=observation.outcome, failed=failed, failed_at=at, inconclusive=0)
        else:
            after = replaced(before, inconclusive=before.inconclusive + 1 if effect is Effect.NOTHING else 0)
        return (*others, after)

    def add_clean_probes(
        self, count: int, started_at: datetime, at: datetime, latency: LatencyEvidence, probe: ProbeIdentity
    ) -> "TargetState":
        """The state after so many more clean probes without evidence; when the last of them began and ended."""
        return replaced(
            self,
            latency=latency,
            clean_pending=self.clean_pending + count,
            last_started_at=started_at,
            last_seen_at=at,
            last_ok_at=at,
            answered_as=probe,
        )

    def background(self, interval_s: float) -> BackgroundRate:
        """How often it fails in quiet times, the pending clean probes included: they are one interval apart."""
        return self.down.background.add_clean_probes(self.clean_pending, self.last_seen_at or self.since, interval_s)

    def background_rate(self, interval_s: float) -> float:
        """That share."""
        return self.down.background.rate_after(self.clean_pending, self.last_seen_at or self.since, interval_s)

    def is_proven(self, parameters: TargetParameters) -> bool:
        """Whether it came back once, or all probes of its quiet times pass the test of recovery: nine good ones do."""
        background, p1 = self.background(parameters.interval_s), parameters.p1
        good, p0 = background.probes - background.failures, background.rate
        evidence = good * step_down(p0, p1) - background.failures * step_up(p0, p1)
        return self.returned_at is not None or evidence >= RECOVERED

    def learn_pending(self, interval_s: float) -> "TargetState":
        """The state after the tracks have learned from the pending clean probes, which are one interval apart."""
        if not self.clean_pending:
            return self
        # Tracks that are the same value stay one: nearly always those of slow, wrong and throttled answers.
        count, until, tracks = self.clean_pending, self.last_seen_at or self.since, self.tracks
        learned = {id(track): track for track in tracks}
        learned = {place: track.add_clean_probes(count, until, interval_s) for place, track in learned.items()}
        down, slow, wrong, throttled = (learned[id(track)] for track in tracks)
        return self.replace(down=down, slow=slow, wrong=wrong, throttled=throttled, clean_pending=0)

    def clear_degradation(self) -> "TargetState":
        """The state without evidence of slow, wrong, throttled or late answers."""
        cleared = {id(track): track.clear() for track in self.tracks[1:]}
        slow, wrong, throttled = (cleared[id(track)] for track in self.tracks[1:])
        return self.replace(
            slow=slow, wrong=wrong, throttled=throttled, latency=self.latency.clear(), useless=NO_TEST, poor=NO_TEST
        )

    def clear_evidence(self) -> "TargetState":
        """The state without any evidence, and without a misconfiguration to be confirmed."""
        failures = tuple(replaced(each, failed=0, failed_at=None) for each in self.check_failures)
        cleared = self.clear_degradation().replace(down=self.down.clear(), suspicion=None, reported="")
        return cleared.replace(check_failures=failures)

    def silent_s(self, at: datetime) -> float:
        """Seconds without an observation at this instant; a rest that the provider asked for does not count."""
        last = self.last_seen_at or at
        return (at - max(last, self.resting_until or last)).total_seconds()

    def target_health(self, parameters: TargetParameters) -> TargetHealth:
        """The part of the state that policy, page and status read."""
        evidence, threshold = self.heaviest_evidence(parameters)
        return TargetHealth(
            target=self.target,
            health=self.health,
            since=self.since,
            reason=self.reason,
            evidence=evidence,
            threshold=threshold,
            last_ok_at=self.last_ok_at,
            held_until=self.held_until if self.health in HEALTHY else None,
            proven=self.is_proven(parameters),
            low_limit=self.low_limit,
            failing_context=self.failing_context,
            recent=self.recent,
        )

    def heaviest_evidence(self, parameters: TargetParameters) -> tuple[float, float]:
        """The largest evidence that its health rests on, and the threshold of that evidence."""
        if self.health is Health.DOWN and self.verdict:
            return self.verdict
        impaired = self.impaired
        tracks = [self.slow, self.wrong, self.throttled] if impaired else [self.down]
        if self.health is Health.SUSPECT:
            tracks += [self.slow, self.wrong, self.throttled]
        heaviest = max(tracks, key=lambda track: track.value)
        if not heaviest.value and (impaired or self.health is Health.SUSPECT):
            return self.latency.lateness.value, parameters.late_threshold
        return heaviest.value, parameters.threshold(heaviest.background.rate)


_ADAPTER = TypeAdapter(TargetState)


def to_json(state: TargetState) -> str:
    """The state as JSON; `from_json` gives it back exactly."""
    return _ADAPTER.dump_json(state, exclude_defaults=True, by_alias=True).decode()


def from_json(text: str) -> TargetState | None:
    """The state; None when the text is none (another version's): its observations are then folded anew."""
    try:
        return compact(_ADAPTER.validate_json(text))
    except ValidationError:
        return None
