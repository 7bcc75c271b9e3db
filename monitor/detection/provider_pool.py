"""The evidence against a whole provider: what its targets show together, long before any one of them could.

The probes of all targets are one stream, weighed by one CUSUM. A verdict on the provider needs the whole evidence at
the threshold, and at least 60 % of it when any one target is left out: one sick model never condemns its siblings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from monitor.detection.evidence import NO_EVIDENCE, Evidence, rounded
from monitor.detection.parameters import ProviderParameters
from probes.observation import Observation

#: Of the threshold, what must be left without any one target.
_WITHOUT_ONE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvidence:
    """What is held against a provider. While there is no evidence, all else is as in a new one."""

    evidence: Evidence = NO_EVIDENCE
    p0: float = 0.0
    """The background of the targets together, as it was when the excursion began; a share."""
    threshold: float = 0.0
    """The evidence that makes a verdict, for that background."""
    without: Mapping[str, float] = field(default_factory=dict)
    """What the evidence would be without each one of the targets, by target."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """How often each target has failed, by target."""
    failed_at: datetime | None = None
    """When the last failure that was weighed came in."""


NO_POOL = ProviderEvidence()


def failed(
    pool: ProviderEvidence, seen: Observation, rule: ProviderParameters, backgrounds: Mapping[str, float]
) -> ProviderEvidence:
    """With one more failed probe.

    `backgrounds` are the failure rates of the targets that are in the pool now: those not bad by their own evidence.
    """
    at = seen.finished_at
    if not pool.evidence.value:
        pool = _begun(rule, backgrounds)
    if seen.target not in pool.without:
        return pool  # it joined later: what it shows could not be left out again
    failures = {**pool.failures, seen.target: pool.failures.get(seen.target, 0) + 1}
    if _same_piece(pool, seen, rule):
        return replace(pool, failures=failures)
    evidence = pool.evidence.failed(seen, p0=pool.p0, p1=rule.p1)
    step = evidence.value - pool.evidence.value
    without = {name: value + (name != seen.target) * step for name, value in pool.without.items()}
    return replace(pool, evidence=evidence, without=without, failures=failures, failed_at=at)


def passed(pool: ProviderEvidence, seen: Observation, rule: ProviderParameters) -> ProviderEvidence:
    """With one more good probe."""
    if seen.target not in pool.without or _same_piece(pool, seen, rule):
        return pool
    evidence = pool.evidence.passed(seen, p0=pool.p0, p1=rule.p1)
    if not evidence.value:
        return NO_POOL
    step = pool.evidence.value - evidence.value
    without = {name: max(0.0, value - (name != seen.target) * step) for name, value in pool.without.items()}
    return replace(pool, evidence=evidence, without=without)


def left_out(pool: ProviderEvidence, target: str) -> ProviderEvidence:
    """Without this target, which has been found bad by its own evidence."""
    if target not in pool.without:
        return pool
    without = {name: value for name, value in pool.without.items() if name != target}
    value = pool.without[target]
    if not value or len(without) < 2:
        return NO_POOL
    # What the others would show without one more is not known; it is at most what they show together.
    without = {name: min(value, left) for name, left in without.items()}
    failures = {name: count for name, count in pool.failures.items() if name != target}
    evidence = pool.evidence.without(target, value)
    return replace(pool, evidence=evidence, without=without, failures=failures)


def convinced(pool: ProviderEvidence) -> bool:
    """Whether the evidence suffices, whatever its span."""
    needed = pool.threshold
    return 0 < needed <= pool.evidence.value and min(pool.without.values()) >= _WITHOUT_ONE * needed


def _same_piece(pool: ProviderEvidence, seen: Observation, rule: ProviderParameters) -> bool:
    """Whether it comes so soon after the last failure that it says nearly the same."""
    return pool.failed_at is not None and 0 <= (seen.finished_at - pool.failed_at).total_seconds() < rule.same_s


def _begun(rule: ProviderParameters, backgrounds: Mapping[str, float]) -> ProviderEvidence:
    """A new excursion: the background is the mean of the targets', each counted as often as it is probed."""
    often = {name: 1 / rule.members[name].interval_s for name in backgrounds}
    p0 = rounded(sum(often[name] * rate for name, rate in backgrounds.items()) / sum(often.values()))
    needed = rule.threshold(p0, 1 / sum(often.values())) if p0 < rule.p1 and len(often) > 1 else 0.0
    return ProviderEvidence(p0=p0, threshold=needed, without=dict.fromkeys(backgrounds, 0.0))


def stale(pool: ProviderEvidence, at: datetime, patience_s: float) -> bool:
    """Whether its last probe was too long ago to go on from, or by a clock that has been set back since."""
    last = pool.evidence.trail[-1].at if pool.evidence.trail else pool.evidence.since
    return last is not None and abs((at - last).total_seconds()) > patience_s


def order(pool: ProviderEvidence, seen_at: Mapping[str, datetime], suspects: Iterable[str]) -> tuple[str, ...]:
    """Whom to ask next, the most telling first, of the targets that `seen_at` names with when each was last heard.

    Those who have failed least come first: only failures of several targets speak against the provider. As long as
    only one of them has failed, every third probe goes to `suspects` (the likeliest first), who may be sick alone.
    """
    by_need = sorted(seen_at, key=lambda name: (pool.failures.get(name, 0), seen_at[name]))
    if pool.evidence.probes % 3 or min(pool.without.values(), default=0.0) > 0:
        return tuple(by_need)
    first = [name for name in suspects if name in seen_at]
    return (*first, *(name for name in by_need if name not in first))


_ADAPTER = TypeAdapter(ProviderEvidence)


def to_json(pool: ProviderEvidence) -> str:
    """The pool as JSON; `from_json` gives it back exactly."""
    return _ADAPTER.dump_json(pool, exclude_defaults=True).decode()


def from_json(text: str) -> ProviderEvidence:
    """The pool; a new one when the text is none."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return NO_POOL
