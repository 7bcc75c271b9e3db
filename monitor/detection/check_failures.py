"""The checks of one target that did not pass when they were last probed: how often in a row, since when (pure)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from pydantic import Field

from probes.hot_dataclass import hot_dataclass
from probes.observation import Observation
from probes.outcome import Effect, Outcome
from probes.target import Check

_FAILED = frozenset({Effect.DOWN, Effect.DEGRADED, Effect.MISCONFIGURED})


@hot_dataclass
class CheckFailures:
    """One check that has not passed since. The aliases are the names under which databases hold the fields."""

    check: Check
    outcome: Outcome
    """The last failure; of a check that only was inconclusive, the reason of that."""
    failed: int = 0
    """Failures in a row: down, degraded or misconfigured; inconclusive probes in between do not count."""
    failed_at: datetime | None = None
    inconclusive: Annotated[int, Field(alias="mute")] = 0
    """Inconclusive probes in a row: something is wrong with the probe, so it says nothing of the target."""
    reported_at: Annotated[datetime | None, Field(alias="told_at")] = None


def add_observation(
    known: tuple[CheckFailures, ...], observation: Observation, checks: Sequence[Check]
) -> tuple[CheckFailures, ...]:
    """The failures after one more observation of a target that has these checks; other checks are dropped."""
    effect = observation.outcome.effect
    if not known and effect in {Effect.UP, Effect.THROTTLED}:
        return known
    others = tuple(each for each in known if each.check is not observation.check and each.check in checks)
    before = find(known, observation.check)
    if effect is Effect.UP or (effect is Effect.THROTTLED and before is None):
        return others
    before = before or CheckFailures(check=observation.check, outcome=observation.outcome)
    if effect in _FAILED:
        failed, at = before.failed + 1, observation.finished_at
        after = replace(before, outcome=observation.outcome, failed=failed, failed_at=at, inconclusive=0)
    else:
        after = replace(before, inconclusive=before.inconclusive + 1 if effect is Effect.NOTHING else 0)
    return (*others, after)


def find(known: tuple[CheckFailures, ...], check: Check) -> CheckFailures | None:
    """The failures of this check; None when it passed last."""
    return next((failures for failures in known if failures.check is check), None)


def failed_since(known: tuple[CheckFailures, ...], since: datetime) -> tuple[Outcome, ...]:
    """The outcomes of the checks whose last failure came in at or after this instant."""
    return tuple(failures.outcome for failures in known if failures.failed_at and failures.failed_at >= since)


def mark_reported(known: tuple[CheckFailures, ...], observation: Observation) -> tuple[CheckFailures, ...]:
    """The failures, those of the check just observed marked as reported."""
    at = observation.finished_at
    return tuple(replace(each, reported_at=at) if each.check is observation.check else each for each in known)


def clear_counts(known: tuple[CheckFailures, ...]) -> tuple[CheckFailures, ...]:
    """The failures with their counts reset; inconclusive counts and report times stay."""
    return tuple(replace(failures, failed=0, failed_at=None) for failures in known)
