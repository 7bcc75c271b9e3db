"""What the detector remembers of one target, as one immutable value that survives a restart."""

from dataclasses import fields
from datetime import datetime
from operator import attrgetter

from pydantic import TypeAdapter, ValidationError

from monitor.evidence import NO_CASE, Case, Recovery
from monitor.health import Health, TargetHealth
from monitor.latency import NO_LATENCY, Latency
from monitor.rule import Rule
from probes.outcome import Outcome
from probes.value import value

#: However long a provider asks us to rest, a target is never unwatched for longer than this.
LONGEST_REST_S = 300.0


@value
class Answer:
    """That a target answered, and whether users would have liked it."""

    at: datetime
    bad: bool
    """Slow, wrong or throttled."""


@value
class Record:
    """What is known of one target."""

    target: str
    since: datetime
    health: Health = Health.UNKNOWN
    reason: str = "no observations yet"
    down: Case = NO_CASE
    """Failures against answers of any kind."""
    slow: Case = NO_CASE
    """Answers past the target's `slow` limit."""
    wrong: Case = NO_CASE
    """Answers that do not satisfy the check."""
    throttled: Case = NO_CASE
    """Probes refused for their rate."""
    latency: Latency = NO_LATENCY
    """How quickly it usually answers, and what is held against it by that measure."""
    calm: int = 0
    """Good probes in quiet times that the four cases have not learned from yet."""
    recovery: Recovery = Recovery()
    suspicion: Outcome | None = None
    """`auth`, `quota` or `model_gone`, seen once and not yet confirmed."""
    answers: tuple[Answer, ...] = ()
    """While there is evidence of poor ones: those of the last two minutes, or the last four where that is more."""
    held: int = 0
    """Clean probes since the hold began."""
    hold_factor: int = 1
    """How often the hold has been doubled, as a factor."""
    returned_at: datetime | None = None
    """When it last came back from `recovering`."""
    held_until: datetime | None = None
    """It stopped being degraded or unusable; a route that left for that stays away until then."""
    mute: int = 0
    """Probes in a row that said nothing of the target, because something is wrong with the probe."""
    provider_verdict: tuple[float, float] | None = None
    """The evidence and the threshold of the verdict on its whole provider, if that brought it down."""
    last_started_at: datetime | None = None
    """Start of the newest observation folded in; later ones are still to come."""
    last_seen_at: datetime | None = None
    last_ok_at: datetime | None = None
    resting_until: datetime | None = None
    """The provider asked (Retry-After) not to be probed before."""

    def but(self, **changed: object) -> "Record":
        """The same with these fields changed; as `dataclasses.replace`, in half the time."""
        return Record(**{**dict(zip(_FIELDS, _fields(self), strict=True)), **changed})

    def summary(self, rule: Rule) -> TargetHealth:
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
            held_until=self.held_until if self.health in {Health.UP, Health.SUSPECT} else None,
        )

    def weight(self, rule: Rule) -> tuple[float, float]:
        """The heaviest evidence that its health rests on, and the threshold of that."""
        if self.health is Health.DOWN and self.provider_verdict:
            return self.provider_verdict
        poor = self.health in {Health.DEGRADED, Health.UNUSABLE}
        cases = [self.slow, self.wrong, self.throttled] if poor else [self.down]
        if self.health is Health.SUSPECT:
            cases += [self.slow, self.wrong, self.throttled]
        heaviest = max(cases, key=lambda case: case.value)
        if not heaviest.value and (poor or self.health is Health.SUSPECT):
            return self.latency.lateness.value, rule.late_threshold
        return heaviest.value, rule.threshold(heaviest.background.rate)


_FIELDS = tuple(field.name for field in fields(Record))
_fields = attrgetter(*_FIELDS)
_ADAPTER = TypeAdapter(Record)


def to_json(record: Record) -> str:
    """The record as JSON; `from_json` gives it back exactly."""
    return _ADAPTER.dump_json(record, exclude_defaults=True).decode()


def from_json(text: str) -> Record | None:
    """The record, or None when the text is not one (a newer or older format): its history is then folded anew."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None
