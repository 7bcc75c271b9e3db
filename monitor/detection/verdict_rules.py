"""When a target is found down, degraded, unusable or misconfigured, and when it comes back (pure)."""

from datetime import datetime, timedelta

from monitor.detection import degradation, hold, reasons, refusals
from monitor.detection.evidence import Evidence, Recovery
from monitor.detection.parameters import AWAITED_INTERVALS, TargetParameters
from monitor.detection.reasons import shortened
from monitor.detection.recent_probes import with_pending
from monitor.detection.target_state import TargetState
from monitor.formatting import format_elapsed
from monitor.health import NO_VERDICT, Health
from probes.observation import Observation
from probes.outcome import Effect, Outcome

#: Inconclusive probes in a row of one check that are reported: the probe needs attention.
REPORTED_INCONCLUSIVE = 3
#: The key or its account is at fault, which all targets of a provider share.
OF_THE_KEY = frozenset({Outcome.AUTH, Outcome.QUOTA})


def down_verdict(state: TargetState, at: datetime, parameters: TargetParameters) -> TargetState | None:
    """The state as down, where its evidence has reached the threshold and spans `min_outage`; else None."""
    evidence = state.down.evidence
    if not evidence.value or evidence.value < parameters.threshold(state.down.background.rate):
        return None
    if evidence.span_s(at) < parameters.min_outage_s:
        return None
    last = f"; last: {shortened(evidence.last)}" if evidence.last else ""
    reason = degradation.evidence_reason(state.down, at, parameters) + last
    return _enter_down(state, at, parameters, reason, evidence)


def mark_down(
    state: TargetState, at: datetime, parameters: TargetParameters, reason: str, *, evidence: Evidence, threshold: float
) -> TargetState:
    """The state as down by this evidence, which is not of its own CUSUM; unchanged where it is out of service."""
    if state.out_of_service:
        return state
    state = state.replace(recent=with_pending(state, parameters.interval_s)).learn_pending(parameters.interval_s)
    down = _enter_down(state, at, parameters, reason, evidence)
    return down.replace(verdict=(evidence.value, threshold))


def _enter_down(
    state: TargetState, at: datetime, parameters: TargetParameters, reason: str, evidence: Evidence
) -> TargetState:
    factor = hold.hold_factor(state, at, parameters, by_provider=evidence.by_provider)
    failed_holds = state.failed_holds if state.health is Health.RECOVERING else 0
    state = state.clear_degradation().replace(
        recovery=Recovery(), hold_factor=factor, failed_holds=failed_holds, held_until=None, verdict=None
    )
    return state.enter(Health.DOWN, at, reason)


def degraded_verdict(state: TargetState, at: datetime, parameters: TargetParameters) -> TargetState | None:
    """The state as degraded or unusable, where slow, wrong, throttled or late answers warrant it; else None."""
    reason = degradation.verdict_reason(state, at, parameters)
    if not state.impaired:
        if not reason:
            return None
        by_provider = any(track.value for track in (state.slow, state.wrong)) or not state.throttled.value
        factor = hold.hold_factor(state, at, parameters, by_provider=by_provider)
        state = state.replace(recovery=Recovery(), hold_factor=factor)
    reason = reason or degradation.previous_reason(state)
    if state.recovery.proven and not awaited_outcomes(state, at, parameters):
        return None
    if unusable := degradation.unusable_reason(state, parameters):
        return state.enter(Health.UNUSABLE, at, f"{unusable}; {reason}")
    return state.enter(Health.DEGRADED, at, reason)


def add_inconclusive(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state after a probe that says nothing of the target; unknown once no check says anything any more."""
    at, detail = observation.finished_at, shortened(observation.detail)
    if state.health in NO_VERDICT and refusals.is_pending(state, parameters):
        verdict = refusals.verdict(state, observation, parameters)
        return verdict or _stay_unknown(state, at, f"{observation.outcome}: {detail}")
    in_a_row = {failures.check: failures.inconclusive for failures in state.check_failures}
    if min(in_a_row.get(check, 0) for check in {observation.check, *parameters.checks}) >= REPORTED_INCONCLUSIVE:
        whose = "its probes are" if len(parameters.checks) == 1 else "the probes of every check are"
        times = in_a_row[observation.check]
        return state.enter_unknown(at, reasons.inconclusive_probes(whose, observation.outcome, times, detail))
    return _stay_unknown(state, at, f"{observation.outcome}: {detail}")


def _stay_unknown(state: TargetState, at: datetime, reason: str) -> TargetState:
    """The state of an unknown target with a reason about now; any other unchanged."""
    return state.enter(Health.UNKNOWN, at, reason) if state.health is Health.UNKNOWN else state


def add_misconfigured(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state after `auth`, `quota` or `model_gone`: misconfigured once a second probe has confirmed it."""
    at, outcome, detail = observation.finished_at, observation.outcome, shortened(observation.detail)
    remedy = reasons.remedy(outcome, model=parameters.model, key=parameters.key, detail=detail)
    same = state.suspicion is outcome or {state.suspicion, outcome} <= OF_THE_KEY
    confirmed = same or state.health is Health.MISCONFIGURED
    state = state.replace(suspicion=outcome, recovery=Recovery())
    if confirmed:
        return state.enter(Health.MISCONFIGURED, at, f"{outcome}, {remedy}")
    reason = f"{outcome}, to be confirmed by one more probe; {remedy}"
    if state.health is Health.UP:
        return state.enter(Health.SUSPECT, at, reason)
    return _stay_unknown(state, at, reason)


def suspect_sibling(state: TargetState, outcome: Outcome) -> TargetState:
    """The state as after one `auth` or `quota` of its own, because a target with the same key had it confirmed."""
    if state.health not in NO_VERDICT or state.suspicion:
        return state
    return state.replace(suspicion=outcome)


def while_failing(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state of a target that is down or misconfigured: recovering once the sequential test is passed."""
    at, p0, effect = observation.finished_at, state.down.background.rate, observation.outcome.effect
    if effect is Effect.THROTTLED:
        return _add_throttled(state, observation, parameters)
    if state.throttled.value:
        state = state.clear_degradation().replace(latency=state.latency)
    if effect is Effect.DOWN:
        return state.replace(recovery=state.recovery.add_failure(p0=p0, p1=parameters.p1))
    state = state.replace(recovery=state.recovery.add_success(at, p0=p0, p1=parameters.p1))
    if _awaits_failing(state, at, parameters) or not state.recovery.proven:
        return state
    held = format_elapsed(hold.hold_s(state, parameters))
    reason = f"{state.recovery.clean} clean probes in a row; held for {held}"
    return hold.begin(state, at).enter(Health.RECOVERING, at, reason)


def while_recovering(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state of a target in its hold: up after it, down where its probes speak for a target that still fails.

    A bad answer is an answer, as for the return from `down`. It neither fails the hold nor begins it again: its own
    evidence makes the target degraded or unusable.
    """
    at, p0, effect = observation.finished_at, state.down.background.rate, observation.outcome.effect
    if effect is Effect.THROTTLED:
        return _add_throttled(state, observation, parameters)
    state = hold.add_probe(state, failed=effect is Effect.DOWN)
    if effect is Effect.DOWN:
        return _failed_again(state, observation) if hold.is_failed(state, parameters) else state
    if effect is Effect.DEGRADED:
        state = degradation.add_observation(state, observation, parameters)
        # It answers, if badly, so the evidence that it is down is over.
        bad = state.replace(down=state.down.clear())
        return degraded_verdict(bad, at, parameters) or bad
    state = state.replace(recovery=state.recovery.add_success(at, p0=p0, p1=parameters.p1))
    if _awaits_failing(state, at, parameters) or not hold.is_passed(state, at, parameters):
        return state
    began = state.recovery.since or state.since
    reason = f"back after {state.recovery.clean} clean probes in {format_elapsed((at - began).total_seconds())}"
    # The evidence of lateness stays: a target that comes back slow is soon degraded.
    back = state.clear_degradation().replace(latency=state.latency, down=state.down.clear(), recovery=Recovery())
    return back.replace(returned_at=at, failed_holds=0).enter(Health.UP, at, reason)


def _failed_again(state: TargetState, observation: Observation) -> TargetState:
    at, detail = observation.finished_at, shortened(observation.detail)
    after = format_elapsed((at - state.since).total_seconds())
    reason = f"failed again {after} into the hold ({observation.outcome}); {detail}"
    again = state.replace(recovery=Recovery(), failed_holds=state.failed_holds + 1)
    return again.enter(Health.DOWN, at, reason)


def _add_throttled(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """A throttled answer proves no recovery; but a target that only throttles is degraded rather than down."""
    state = degradation.add_observation(state, observation, parameters)
    return degraded_verdict(state.replace(down=state.down.clear()), observation.finished_at, parameters) or state


def _awaits_failing(state: TargetState, at: datetime, parameters: TargetParameters) -> bool:
    return any(outcome.effect is not Effect.DEGRADED for outcome in awaited_outcomes(state, at, parameters))


def awaited_outcomes(state: TargetState, at: datetime, parameters: TargetParameters) -> tuple[Outcome, ...]:
    """The outcomes of the checks that failed of late and have not passed since, where a target has several checks.

    As long as there are any, the successes of its other checks prove no recovery.
    """
    if len(parameters.checks) == 1:
        return ()
    since = at - timedelta(seconds=AWAITED_INTERVALS * parameters.interval_s)
    return tuple(each.outcome for each in state.check_failures if each.failed_at and each.failed_at >= since)
