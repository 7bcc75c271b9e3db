"""The evidence against a whole provider: what its targets show together, before any one of them could (pure).

The probes of all targets are one stream, weighed by one CUSUM. A verdict on the provider needs the whole evidence at
the threshold, and at least 60 % of it without the third of the targets that fails most: a few failing models rarely
condemn their siblings, and one never does.

What several regions show of a model is one stream as well, whose members are the regions: a verdict needs the evidence
without the half of the regions that fails most. So one region never condemns another, and a tie keeps.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from monitor.detection import reasons
from monitor.detection.background import rounded
from monitor.detection.evidence import NO_EVIDENCE, Evidence, step_down, step_up
from monitor.detection.parameters import ProviderParameters
from probes.observation import Observation, hot_dataclass, replaced
from probes.outcome import Effect

#: The share of the threshold that must be left without any one target, and without the worst of them.
_SHARE_WITHOUT_WORST = 0.6
#: Every so many probes of a burst go to the only target that has failed.
SUSPECT_TURN = 3
#: The share of the targets that are its worst.
_WORST = 1 / 3


@hot_dataclass
class ProviderEvidence:
    """The evidence against one provider. While it is zero, all other fields have their defaults."""

    evidence: Evidence = NO_EVIDENCE
    p0: float = 0.0
    """The background failure rate of the targets together, at the begin of the excursion; a share."""
    threshold: float = 0.0
    without: Mapping[str, float] = field(default_factory=dict)
    """What the evidence would be without each one of the targets, by target."""
    failures: Mapping[str, int] = field(default_factory=dict)
    failed_at: datetime | None = None
    """When the last failure that was weighed came in."""


NO_PROVIDER_EVIDENCE = ProviderEvidence()


def add_failure(
    pool: ProviderEvidence,
    observation: Observation,
    parameters: ProviderParameters,
    backgrounds: Mapping[str, float],
    *,
    blip_s: float = 0.0,
) -> ProviderEvidence:
    """The evidence after one more failed probe.

    `backgrounds` are the background failure rates of the targets against which no verdict stands, by target. What fails
    within `blip_s` of the first failure is worth one.
    """
    at = observation.finished_at
    if not pool.evidence.value:
        pool = _begin(parameters, backgrounds)
    if observation.target not in pool.without:
        return pool  # it joined during the excursion, so that its share could not be left out again
    failures = {**pool.failures, observation.target: pool.failures.get(observation.target, 0) + 1}
    if _is_same_evidence(pool, at, parameters):
        return replaced(pool, failures=failures)
    evidence = pool.evidence.add_failure(observation, p0=pool.p0, p1=parameters.p1, blip_s=blip_s)
    step = evidence.value - pool.evidence.value
    without = {name: value + (name != observation.target) * step for name, value in pool.without.items()}
    return replaced(pool, evidence=evidence, without=without, failures=failures, failed_at=at)


def add_success(pool: ProviderEvidence, observation: Observation, parameters: ProviderParameters) -> ProviderEvidence:
    """The evidence after one more good probe."""
    if not counts(pool, observation.target, observation.finished_at, parameters):
        return pool
    evidence = pool.evidence.add_success(observation, p0=pool.p0, p1=parameters.p1)
    if not evidence.value:
        return NO_PROVIDER_EVIDENCE
    step = pool.evidence.value - evidence.value
    without = {name: value - step if value > step else 0.0 for name, value in pool.without.items()}
    without[observation.target] = pool.without[observation.target]
    return replaced(pool, evidence=evidence, without=without)


def counts(pool: ProviderEvidence, target: str, at: datetime, parameters: ProviderParameters) -> bool:
    """Whether a good probe of this target that ended then takes from the evidence."""
    return target in pool.without and not _is_same_evidence(pool, at, parameters)


def remove_target(pool: ProviderEvidence, target: str) -> ProviderEvidence:
    """The evidence without this target, against which a verdict of its own stands."""
    if target not in pool.without:
        return pool
    without = {name: value for name, value in pool.without.items() if name != target}
    value = pool.without[target]
    if not value or len(without) < 2:
        return NO_PROVIDER_EVIDENCE
    # What the others show without one more target is not known; it is at most what they show together.
    without = {name: min(value, left) for name, left in without.items()}
    failures = {name: count for name, count in pool.failures.items() if name != target}
    evidence = pool.evidence.without(target, value)
    return replaced(pool, evidence=evidence, without=without, failures=failures)


def is_conclusive(pool: ProviderEvidence, parameters: ProviderParameters) -> bool:
    """Whether the evidence makes a verdict, once it spans `min_outage`."""
    if not 0 < pool.threshold <= pool.evidence.value:
        return False
    needed = _SHARE_WITHOUT_WORST * pool.threshold
    left_out = len(pool.without) // 2 if parameters.across_regions else round(len(pool.without) * _WORST)
    return min(pool.without.values()) >= needed and _without_worst(pool, parameters.p1, left_out) >= needed


def verdict_due_at(pool: ProviderEvidence, parameters: ProviderParameters) -> datetime | None:
    """When its evidence makes a verdict; None where it does not suffice."""
    if not is_conclusive(pool, parameters) or not pool.evidence.since:
        return None
    return pool.evidence.since + timedelta(seconds=parameters.min_outage_s)


def _without_worst(pool: ProviderEvidence, p1: float, left_out: int) -> float:
    """What the evidence would be without so many of the members that speak most against the provider.

    It rests on the trail, and starts at zero: in an excursion longer than the trail it is a lower bound.
    """
    by_weight = sorted(pool.without, key=pool.without.__getitem__)
    worst, value = by_weight[:left_out], 0.0
    for weighed in pool.evidence.trail:
        if weighed.target not in worst:
            failed = weighed.outcome.effect is Effect.DOWN
            value = max(0.0, value + (step_up(pool.p0, p1) if failed else -step_down(pool.p0, p1)))
    return value


def _is_same_evidence(pool: ProviderEvidence, at: datetime, parameters: ProviderParameters) -> bool:
    if pool.failed_at is None:
        return False
    return 0 <= (at - pool.failed_at).total_seconds() < parameters.same_s


def _begin(parameters: ProviderParameters, backgrounds: Mapping[str, float]) -> ProviderEvidence:
    """A new excursion; its background is the mean of the targets', each weighted by how often it is probed."""
    frequency = {name: 1 / parameters.members[name].interval_s for name in backgrounds}
    total = sum(frequency.values())
    p0 = rounded(sum(frequency[name] * rate for name, rate in backgrounds.items()) / total)
    needed = parameters.threshold(p0, 1 / total) if p0 < parameters.p1 and len(frequency) > 1 else 0.0
    return ProviderEvidence(p0=p0, threshold=needed, without=dict.fromkeys(backgrounds, 0.0))


def is_stale(pool: ProviderEvidence, at: datetime, patience_s: float) -> bool:
    """Whether its last probe is longer ago than this, or lies in the future because the clock was set back."""
    last = pool.evidence.trail[-1].at if pool.evidence.trail else pool.evidence.since
    return last is not None and abs((at - last).total_seconds()) > patience_s


def burst_order(pool: ProviderEvidence, last_seen_at: Mapping[str, datetime], suspect: str) -> tuple[str, ...]:
    """The targets of `last_seen_at` (by target, when each was last observed) in the order to probe them next.

    Those that have failed least come first, because only failures of several targets count against the provider. As
    long as only one of them has failed, every third probe goes to `suspect`, which may be failing alone.
    """
    by_need = sorted(last_seen_at, key=last_seen_at.__getitem__)
    if pool.failures:
        failures = {**dict.fromkeys(by_need, 0), **pool.failures}
        by_need.sort(key=failures.__getitem__)
    if (
        suspect in last_seen_at
        and not pool.evidence.probes % SUSPECT_TURN
        and not min(pool.without.values(), default=0.0) > 0
    ):
        by_need.remove(suspect)
        by_need.insert(0, suspect)
    return tuple(by_need)


_ADAPTER = TypeAdapter(ProviderEvidence)


def to_json(pool: ProviderEvidence) -> str:
    """The evidence as JSON; `from_json` gives it back exactly."""
    return _ADAPTER.dump_json(pool, exclude_defaults=True, by_alias=True).decode()


def from_json(text: str) -> ProviderEvidence:
    """The evidence; `NO_PROVIDER_EVIDENCE` when the text is none."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return NO_PROVIDER_EVIDENCE


def verdict_reason(provider: str, pool: ProviderEvidence, parameters: ProviderParameters, now: datetime) -> str:
    """Why all targets of the provider are down: how many probes failed, on how many of them, and the evidence."""
    evidence = pool.evidence
    failing = sum(count > 0 for count in pool.failures.values())
    counts = reasons.failure_counts(evidence.failures, evidence.probes, evidence.span_s(now), evidence.outcomes)
    weight = reasons.evidence_and_threshold(evidence.value, pool.threshold, p0=pool.p0, p1=parameters.p1)
    members = len(parameters.members)
    if parameters.across_regions:
        text = f"{counts} from {failing} of its {members} regions; {weight}"
    else:
        text = f"all of {provider}, as {counts} on {failing} of its {members} targets; {weight}"
    return text + (f"; last: {evidence.last}" if evidence.last else "")
