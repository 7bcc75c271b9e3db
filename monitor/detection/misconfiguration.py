"""Probes that failed by our own fault: a refused key, no quota, no such model, or a faulty probe (pure)."""

from monitor.detection import reasons
from monitor.detection.evidence import Recovery
from monitor.detection.parameters import TargetParameters
from monitor.detection.reasons import shortened
from monitor.detection.target_state import TargetState
from monitor.health import NO_VERDICT, Health
from probes.observation import Observation
from probes.outcome import Outcome

#: Inconclusive probes in a row of one check that are reported: the probe needs attention.
REPORTED_INCONCLUSIVE = 3
#: The key or its account is at fault, which all targets of a provider share.
OF_THE_KEY = frozenset({Outcome.AUTH, Outcome.QUOTA})


def add_inconclusive(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state after a probe that says nothing of the target; unknown once no check says anything any more."""
    at, detail = observation.finished_at, shortened(observation.detail)
    in_a_row = {failures.check: failures.inconclusive for failures in state.check_failures}
    if min(in_a_row.get(check, 0) for check in {observation.check, *parameters.checks}) >= REPORTED_INCONCLUSIVE:
        whose = "its probes say" if len(parameters.checks) == 1 else "whichever check is asked, its probes say"
        times = in_a_row[observation.check]
        return state.enter_unknown(at, reasons.inconclusive_probes(whose, observation.outcome, times, detail))
    if state.health is not Health.UNKNOWN:
        return state
    return state.enter(Health.UNKNOWN, at, f"{observation.outcome}: {detail}")


def add_misconfigured(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state after `auth`, `quota` or `model_gone`: misconfigured once a second probe has confirmed it."""
    at, outcome = observation.finished_at, observation.outcome
    detail = shortened(observation.detail)
    remedy = reasons.remedy(outcome, model=parameters.model, key=parameters.key, detail=detail)
    same = state.suspicion is outcome or {state.suspicion, outcome} <= OF_THE_KEY
    confirmed = same or state.health is Health.MISCONFIGURED
    state = state.replace(suspicion=outcome, recovery=Recovery())
    if confirmed:
        return state.enter(Health.MISCONFIGURED, at, f"{outcome}, {remedy}")
    if state.health is Health.UP:
        return state.enter(Health.SUSPECT, at, f"{outcome}, asked once more to be sure; {remedy}")
    return state


def suspect_sibling(state: TargetState, outcome: Outcome) -> TargetState:
    """The state as after one `auth` or `quota` of its own, because a target with the same key had it confirmed."""
    if state.health not in NO_VERDICT or state.suspicion:
        return state
    return state.replace(suspicion=outcome)
