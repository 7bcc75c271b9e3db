"""How a target that is down or misconfigured comes back: the sequential test, then the hold (pure)."""

from monitor.detection import degradation
from monitor.detection.evidence import Recovery
from monitor.detection.parameters import RECOVERING_SHARE, TargetParameters
from monitor.detection.reasons import shortened
from monitor.detection.target_state import TargetState
from monitor.detection.verdicts import awaited_outcomes, degraded_verdict, hold_s
from monitor.formatting import span
from monitor.health import Health
from probes.observation import Observation
from probes.outcome import Effect

#: Of the probes that a hold has time for, this share must have come in, all of them clean.
_PROBED_SHARE = 0.5


def observe_while_failing(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state of a target that is down or misconfigured: recovering once the sequential test is passed."""
    at, p0, effect = observation.finished_at, state.down.background.rate, observation.outcome.effect
    if effect is Effect.THROTTLED:
        return _add_throttled(state, observation, parameters)
    if state.throttled.value:
        state = state.replace(throttled=state.throttled.clear())
    if effect is Effect.DOWN:
        return state.replace(recovery=state.recovery.add_failure(p0=p0, p1=parameters.p1))
    state = state.replace(recovery=state.recovery.add_success(at, p0=p0, p1=parameters.p1))
    awaited = awaited_outcomes(state, at, parameters)
    if any(outcome.effect is not Effect.DEGRADED for outcome in awaited) or not state.recovery.proven:
        return state
    held = span(hold_s(state, parameters))
    reason = f"{state.recovery.clean} clean probes in a row; held for {held} of clean probes"
    return state.replace(clean_in_hold=0).enter(Health.RECOVERING, at, reason)


def _add_throttled(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """A throttled answer proves no recovery; but a target that only throttles is degraded rather than down."""
    state = state.replace(throttled=state.throttled.add_failure(observation, p1=parameters.p1))
    return degraded_verdict(state.replace(down=state.down.clear()), observation.finished_at, parameters) or state


def observe_while_recovering(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state of a target in its hold: a failure ends it, a bad answer begins it again, a whole clean one is up."""
    at, p0, effect = observation.finished_at, state.down.background.rate, observation.outcome.effect
    if effect is Effect.DOWN:
        after = span((at - state.since).total_seconds())
        detail = shortened(observation.detail)
        reason = f"failed again {after} into the hold ({observation.outcome}); {detail}"
        return state.replace(recovery=Recovery()).enter(Health.DOWN, at, reason)
    if effect is Effect.THROTTLED:
        return _add_throttled(state, observation, parameters)
    if effect is Effect.DEGRADED:
        slow, wrong, throttled = degradation.add_observation(state, observation, parameters)
        held_anew = state.replace(slow=slow, wrong=wrong, throttled=throttled, since=at, clean_in_hold=0)
        # It answers, if badly, so the evidence that it is down is over.
        return degraded_verdict(held_anew.replace(down=state.down.clear()), at, parameters) or held_anew
    recovery = state.recovery.add_success(at, p0=p0, p1=parameters.p1)
    state = state.replace(recovery=recovery, clean_in_hold=state.clean_in_hold + 1)
    needed_s = hold_s(state, parameters)
    enough = state.clean_in_hold >= _PROBED_SHARE * needed_s / (parameters.interval_s * RECOVERING_SHARE)
    if not enough or (at - state.since).total_seconds() < needed_s:
        return state
    began = state.recovery.since or state.since
    reason = f"back after {state.recovery.clean} clean probes in {span((at - began).total_seconds())}"
    # The evidence of lateness stays: a target that comes back slow is soon degraded.
    back = state.clear_degradation().replace(latency=state.latency, down=state.down.clear(), recovery=Recovery())
    return back.replace(returned_at=at).enter(Health.UP, at, reason)
