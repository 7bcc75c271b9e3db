"""The checks of one target that were not well when they were last asked: how often in a row, and since when (pure)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from probes.hot_dataclass import value
from probes.observation import Observation
from probes.outcome import Effect, Outcome
from probes.target import Check

_FAILED = frozenset({Effect.DOWN, Effect.DEGRADED, Effect.MISCONFIGURED})


@value
class CheckFailures:
    """A check that has not been answered well since."""

    check: Check
    outcome: Outcome
    """How it failed last; where it never did, why it said nothing."""
    failed: int = 0
    """How often in a row it failed, was answered poorly or met a fault of ours; what said nothing came between."""
    failed_at: datetime | None = None
    """When it did so last."""
    mute: int = 0
    """How often in a row it said nothing of the target, because something is wrong with the probe."""
    told_at: datetime | None = None
    """When it had failed so often that people are told."""


def heard(known: tuple[CheckFailures, ...], seen: Observation, checks: Sequence[Check]) -> tuple[CheckFailures, ...]:
    """With one more observation of a target that has these checks; others than these are forgotten."""
    effect = seen.outcome.effect
    if not known and effect in {Effect.UP, Effect.THROTTLED}:
        return known
    others = tuple(one for one in known if one.check is not seen.check and one.check in checks)
    before = of(known, seen.check)
    if effect is Effect.UP or (effect is Effect.THROTTLED and before is None):
        return others
    before = before or CheckFailures(check=seen.check, outcome=seen.outcome)
    if effect in _FAILED:
        failed = before.failed + 1
        now = replace(before, outcome=seen.outcome, failed=failed, failed_at=seen.finished_at, mute=0)
    else:
        now = replace(before, mute=before.mute + 1 if effect is Effect.NOTHING else 0)
    return (*others, now)


def of(known: tuple[CheckFailures, ...], check: Check) -> CheckFailures | None:
    """What is known of this check; None where it is well."""
    return next((one for one in known if one.check is check), None)


def told(known: tuple[CheckFailures, ...], seen: Observation) -> tuple[CheckFailures, ...]:
    """With people told of the check just seen."""
    return tuple(replace(one, told_at=seen.finished_at) if one.check is seen.check else one for one in known)


def forgiven(known: tuple[CheckFailures, ...]) -> tuple[CheckFailures, ...]:
    """With no failure held against any; that one says nothing, and what people were told, stays true."""
    return tuple(replace(one, failed=0, failed_at=None) for one in known)
