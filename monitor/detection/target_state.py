"""What the detector remembers of one target, as one immutable value that survives a restart."""

from dataclasses import fields
from datetime import datetime
from operator import attrgetter

from pydantic import TypeAdapter, ValidationError

from monitor.detection import check_failures as ailing
from monitor.detection.check_failures import CheckFailures
from monitor.detection.evidence import NO_CASE, EvidenceTrack, Recovery
from monitor.detection.latency import NO_LATENCY, LatencyEvidence
from monitor.detection.parameters import TargetParameters
from monitor.health import HEALTHY, IMPAIRED, Health, TargetHealth
from probes.hot_dataclass import value
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check

#: However long a provider asks us to rest, a target is never unwatched for longer than this.
LONGEST_REST_S = 300.0
#: The cases learn from so many good probes at a time: one by one would cost more than all else in quiet times.
_LARGEST_CALM = 100


@value
class AnswerQuality:
    """That a target answered, and whether users would have liked it."""

    at: datetime
    bad: bool
    """Slow, wrong or throttled."""


@value
class TargetState:
    """What is known of one target."""

    target: str
    since: datetime
    health: Health = Health.UNKNOWN
    reason: str = "no observations yet"
    down: EvidenceTrack = NO_CASE
    """Failures against answers of any kind."""
    slow: EvidenceTrack = NO_CASE
    """Answers past the target's `slow` limit."""
    wrong: EvidenceTrack = NO_CASE
    """Answers that do not satisfy the check."""
    throttled: EvidenceTrack = NO_CASE
    """Probes refused for their rate."""
    latency: LatencyEvidence = NO_LATENCY
    """How quickly it usually answers, and what is held against it by that measure."""
    calm: int = 0
    """Good probes in quiet times that the four cases have not learned from yet."""
    recovery: Recovery = Recovery()
    suspicion: Outcome | None = None
    """`auth`, `quota` or `model_gone`, seen once and not yet confirmed."""
    ailing: tuple[CheckFailures, ...] = ()
    """The checks that were not answered well when they were last asked."""
    answers: tuple[AnswerQuality, ...] = ()
    """While there is evidence of poor ones: those of the last two minutes, or the last four where that is more."""
    held: int = 0
    """Clean probes since the hold began."""
    hold_factor: int = 1
    """How often the hold has been doubled, as a factor."""
    returned_at: datetime | None = None
    """When it last came back from `recovering`."""
    held_until: datetime | None = None
    """It stopped being degraded or unusable; a route that left for that stays away until then."""
    provider_verdict: tuple[float, float] | None = None
    """The evidence and the threshold of the verdict on its whole provider, if that brought it down."""
    last_started_at: datetime | None = None
    """Start of the newest observation folded in; later ones are still to come."""
    last_seen_at: datetime | None = None
    last_ok_at: datetime | None = None
    resting_until: datetime | None = None
    """The provider asked (Retry-After) not to be probed before."""

    def but(self, **changed: object) -> "TargetState":
        """The same with these fields changed; as `dataclasses.replace`, in half the time."""
        return TargetState(**{**dict(zip(_FIELDS, _fields(self), strict=True)), **changed})

    def entered(self, health: Health, at: datetime, reason: str) -> "TargetState":
        """In this health, with this reason; `since` moves only when the health does."""
        sentence = f"{self.target} is {health}: {reason}"
        return self.but(health=health, reason=sentence, since=self.since if health is self.health else at)

    @property
    def cases(self) -> tuple[EvidenceTrack, EvidenceTrack, EvidenceTrack, EvidenceTrack]:
        """What may be held against it: that it failed, was slow, wrong, throttled."""
        return self.down, self.slow, self.wrong, self.throttled

    @property
    def quiet(self) -> bool:
        """Whether a good probe can only confirm that all is well."""
        return (
            self.health is Health.UP
            and self.calm < _LARGEST_CALM
            and not self.answers
            and not self.ailing
            and self.suspicion is None
            and not self.down.evidence.value
            and not self.slow.evidence.value
            and not self.wrong.evidence.value
            and not self.throttled.evidence.value
        )

    def sick(self, check: Check) -> bool:
        """Whether this check has failed so often, while the target was well, that people were told."""
        return any(one.check is check and one.told_at for one in self.ailing)

    def calmly(self, seen: Observation, heard: LatencyEvidence) -> "TargetState":
        """With one more good probe of quiet times. Written out because it is what happens nearly always."""
        at = seen.finished_at
        return TargetState(
            target=self.target,
            since=self.since,
            health=self.health,
            reason=self.reason,
            down=self.down,
            slow=self.slow,
            wrong=self.wrong,
            throttled=self.throttled,
            latency=heard,
            calm=self.calm + 1,
            recovery=self.recovery,
            held=self.held,
            hold_factor=self.hold_factor,
            returned_at=self.returned_at,
            held_until=self.held_until,
            last_started_at=seen.started_at,
            last_seen_at=at,
            last_ok_at=at,
        )

    def learned(self) -> "TargetState":
        """With what the good probes since the last look have taught about the background."""
        if not self.calm:
            return self
        return self.but(
            down=self.down.rested(self.calm),
            slow=self.slow.rested(self.calm),
            wrong=self.wrong.rested(self.calm),
            throttled=self.throttled.rested(self.calm),
            calm=0,
        )

    def unburdened(self) -> "TargetState":
        """With nothing held against it for slow, wrong or throttled answers."""
        return self.but(
            slow=self.slow.cleared(),
            wrong=self.wrong.cleared(),
            throttled=self.throttled.cleared(),
            latency=self.latency.cleared(),
            answers=(),
        )

    def forgiven(self) -> "TargetState":
        """With nothing held against it at all, and no fault of ours to be confirmed."""
        return self.unburdened().but(down=self.down.cleared(), suspicion=None, ailing=ailing.forgiven(self.ailing))

    def silent_s(self, at: datetime) -> float:
        """For how long it should have been heard and was not; resting as the provider asked is no silence."""
        last = self.last_seen_at or at
        return (at - max(last, self.resting_until or last)).total_seconds()

    def summary(self, rule: TargetParameters) -> TargetHealth:
        """What everybody else may know."""
        evidence, threshold = self.weight(rule)
        return TargetHealth(
            target=self.target,
            health=self.health,
            since=self.since,
            reason=self.reason,
            evidence=evidence,
            threshold=threshold,
            last_ok_at=self.last_ok_at,
            held_until=self.held_until if self.health in HEALTHY else None,
        )

    def weight(self, rule: TargetParameters) -> tuple[float, float]:
        """The heaviest evidence that its health rests on, and the threshold of that."""
        if self.health is Health.DOWN and self.provider_verdict:
            return self.provider_verdict
        poor = self.health in IMPAIRED
        cases = [self.slow, self.wrong, self.throttled] if poor else [self.down]
        if self.health is Health.SUSPECT:
            cases += [self.slow, self.wrong, self.throttled]
        heaviest = max(cases, key=lambda case: case.value)
        if not heaviest.value and (poor or self.health is Health.SUSPECT):
            return self.latency.lateness.value, rule.late_threshold
        return heaviest.value, rule.threshold(heaviest.background.rate)


_FIELDS = tuple(field.name for field in fields(TargetState))
_fields = attrgetter(*_FIELDS)
_ADAPTER = TypeAdapter(TargetState)


def to_json(record: TargetState) -> str:
    """The record as JSON; `from_json` gives it back exactly."""
    return _ADAPTER.dump_json(record, exclude_defaults=True).decode()


def from_json(text: str) -> TargetState | None:
    """The record, or None when the text is not one (a newer or older format): its history is then folded anew."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None
