"""When each target is asked next: spread evenly in quiet times, quickly while there is something to find out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.detection.evidence import Evidence
from monitor.detection.parameters import (
    BURST,
    PATIENCE,
    RECOVERING_SHARE,
    ProviderParameters,
    TargetParameters,
    by_provider,
)
from monitor.detection.provider_pool import ProviderEvidence
from monitor.detection.target_state import LONGEST_REST_S, TargetState
from monitor.health import OUT_OF_SERVICE, Health
from probes.target import Target

#: Extra probes of a target that answers poorly, at the most.
_POOR_BURST = 12
_LATE_BURST = 24
#: A target at a provider with others gets a burst of its own from so many failures on: it may be sick alone.
_SICK_ALONE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstProbe:
    """An extra probe, in place of any that is planned in the same slot."""

    slot: str
    targets: tuple[str, ...]
    """Whom to ask: the first of them that is not being asked already."""
    delay_s: float
    """From the end of the probe just observed."""


def phases(targets: Sequence[Target]) -> dict[str, float]:
    """Seconds after the start at which each target's first probe is due, by target id.

    The targets of a provider are spread evenly over their interval; the providers are shifted against each other,
    so that no two probes of the whole are due together.
    """
    providers = by_provider(targets)
    due: dict[str, float] = {}
    for place, siblings in enumerate(providers.values()):
        for number, target in enumerate(siblings):
            due[target.id] = (number + place / len(providers)) / len(siblings) * target.interval_s
    return due


def quick_s(record: TargetState, rule: TargetParameters, *, pool: ProviderEvidence | None = None) -> float | None:
    """Seconds until an extra probe of this target, from the last one's end; None when the regular schedule is enough.

    - While failures are held against it, a burst: long enough after each failure to reach past most blips, soon after
      each good answer. Not more than 20 good ones after the last failure, and 60 in all. Where it has siblings, whose
      `pool` is then given, the provider's burst (`pool_quick_s`) comes first: its own only with its second failure,
      and only while none of the others fails.
    - While slow, wrong or late answers are held against it, or a fault of ours is to be confirmed: a quarter of the
      interval, at most 12 times (24 times where it is only later than usual).
    - Not for failures of a check alone that has failed so often that people were told: one more is no news.
    - While recovering: a third of the interval.
    - While the provider asks us to rest, and while down or misconfigured: none.
    """
    if record.health in OUT_OF_SERVICE or record.resting_until:
        return None
    if record.health is Health.RECOVERING:
        return rule.interval_s * RECOVERING_SHARE
    if record.suspicion:
        return rule.failed_s
    news = _is_news(record, record.down.evidence)
    if news and _bursting(record.down.evidence) and (pool is None or _sick_alone(record.down.evidence, pool)):
        return rule.passed_s if record.down.evidence.calm else rule.failed_s
    return rule.seldom_s if _answers_poorly(record, rule) else None


def _sick_alone(evidence: Evidence, pool: ProviderEvidence) -> bool:
    return evidence.failures >= _SICK_ALONE and not min(pool.without.values(), default=0.0)


def _is_news(record: TargetState, evidence: Evidence) -> bool:
    """Whether any other check failed than those that people know of."""
    return not evidence.checks or not all(record.sick(check) for check in evidence.checks)


def _answers_poorly(record: TargetState, rule: TargetParameters) -> bool:
    poor = record.slow.evidence, record.wrong.evidence
    if any(0 < one.probes <= _POOR_BURST and _is_news(record, one) for one in poor):
        return True
    return record.latency.suspicious(rule.late_threshold) and record.latency.lateness.answers <= _LATE_BURST


def pool_quick_s(pool: ProviderEvidence, rule: ProviderParameters) -> float | None:
    """Seconds until an extra probe of any target of the provider; None when the regular schedule is enough."""
    if not _bursting(pool.evidence):
        return None
    return rule.passed_s if pool.evidence.calm else rule.failed_s


def resting(record: TargetState, now: datetime) -> bool:
    """Whether the provider has asked (Retry-After) not to be probed yet."""
    if record.resting_until is None:
        return False
    # A clock that was set back must not turn a short rest into a long one.
    return 0 < (record.resting_until - now).total_seconds() <= LONGEST_REST_S


def _bursting(evidence: Evidence) -> bool:
    return evidence.value > 0 and evidence.calm <= PATIENCE and evidence.probes <= BURST
