"""When the evidence makes a target down, degraded or unusable, and how long it is held afterwards (pure)."""

import math
from datetime import datetime, timedelta

from monitor.detection import check_failures, degradation
from monitor.detection.evidence import Recovery
from monitor.detection.parameters import RECOVERING_SHARE, TargetParameters
from monitor.detection.reasons import shortened
from monitor.detection.target_state import TargetState
from monitor.health import IMPAIRED, OUT_OF_SERVICE, Health
from probes.outcome import Outcome

_LARGEST_HOLD_FACTOR = 8
#: A relapse within so many holds of the return makes the next hold longer.
_RELAPSE_HOLDS = 4
#: A hold is never so long that the background alone would spoil more than four of five.
_SPOILED_SHARE = 0.2
#: How many intervals a failed check is waited for; one that is probed less often makes no verdict by itself.
_AWAITED_INTERVALS = 20


def down_verdict(state: TargetState, at: datetime, parameters: TargetParameters) -> TargetState | None:
    """The state as down, where its evidence has reached the threshold and spans `min_outage`; else None."""
    evidence = state.down.evidence
    if not evidence.value or evidence.value < parameters.threshold(state.down.background.rate):
        return None
    if evidence.span_s(at) < parameters.min_outage_s:
        return None
    last = f"; last: {shortened(evidence.last)}" if evidence.last else ""
    reason = degradation.evidence_reason(state.down, at, parameters) + last
    return _enter_down(state, at, parameters, reason=reason, by_provider=evidence.by_provider)


def mark_down_by_provider(
    state: TargetState,
    at: datetime,
    parameters: TargetParameters,
    *,
    reason: str,
    by_provider: bool,
    evidence: tuple[float, float],
) -> TargetState:
    """The state as down because its whole provider is; unchanged where it is out of service already.

    `by_provider` is False where at least half of the evidence may be our own network's fault; `evidence` is the
    provider's evidence and its threshold.
    """
    if state.health in OUT_OF_SERVICE:
        return state
    down = _enter_down(state.learn_pending(), at, parameters, reason=reason, by_provider=by_provider)
    return down.replace(provider_verdict=evidence)


def _enter_down(
    state: TargetState, at: datetime, parameters: TargetParameters, *, reason: str, by_provider: bool
) -> TargetState:
    factor = _hold_factor(state, at, parameters, by_provider=by_provider)
    state = state.clear_degradation().replace(
        recovery=Recovery(), hold_factor=factor, clean_in_hold=0, held_until=None, provider_verdict=None
    )
    return state.enter(Health.DOWN, at, reason)


def degraded_verdict(state: TargetState, at: datetime, parameters: TargetParameters) -> TargetState | None:
    """The state as degraded or unusable, where slow, wrong, throttled or late answers warrant it; else None."""
    reason = degradation.verdict_reason(state, at, parameters)
    if state.health not in IMPAIRED:
        if not reason:
            return None
        by_provider = any(track.value for track in (state.slow, state.wrong)) or not state.throttled.value
        factor = _hold_factor(state, at, parameters, by_provider=by_provider)
        state = state.replace(recovery=Recovery(), hold_factor=factor)
    reason = reason or degradation.previous_reason(state)
    if unusable := degradation.unusable_reason(state, at):
        return state.enter(Health.UNUSABLE, at, f"{unusable}; {reason}")
    if state.recovery.proven and not awaited_outcomes(state, at, parameters):
        return None
    return state.enter(Health.DEGRADED, at, reason)


def awaited_outcomes(state: TargetState, at: datetime, parameters: TargetParameters) -> tuple[Outcome, ...]:
    """The outcomes of the checks that failed of late and have not passed since, where a target has several checks.

    As long as there are any, the successes of its other checks prove no recovery.
    """
    if len(parameters.checks) == 1:
        return ()
    since = at - timedelta(seconds=_AWAITED_INTERVALS * parameters.interval_s)
    return check_failures.failed_since(state.check_failures, since)


def hold_s(state: TargetState, parameters: TargetParameters) -> float:
    """Seconds that this target must stay clean once it has recovered.

    Relapses double it, up to eightfold, but not so far that a noisy target could never pass: at most the
    log(0.2) / log(1-p0) probes that its background lets through in one of five tries.
    """
    probes = math.log(_SPOILED_SHARE) / math.log(1 - state.down.background.rate)
    longest_s = max(parameters.hold_s, probes * parameters.interval_s * RECOVERING_SHARE)
    return min(parameters.hold_s * state.hold_factor, longest_s)


def _hold_factor(state: TargetState, at: datetime, parameters: TargetParameters, *, by_provider: bool) -> int:
    """Doubled when the target fails again soon after its return, by its provider's fault; else 1."""
    if state.returned_at is None or not by_provider:
        return 1
    soon = (at - state.returned_at).total_seconds() <= _RELAPSE_HOLDS * hold_s(state, parameters)
    return min(_LARGEST_HOLD_FACTOR, state.hold_factor * 2) if soon else 1
