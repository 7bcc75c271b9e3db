"""What is noted of an observation in the state of its target, besides the evidence in it (pure)."""

from datetime import datetime, timedelta

from monitor.detection import limits, recent_probes
from monitor.detection.parameters import TargetParameters
from monitor.detection.target_state import LONGEST_REST_S, TargetState
from monitor.health import Health
from probes.observation import Observation
from probes.outcome import Blame, Effect, Outcome


def note_rest(state: TargetState, observation: Observation) -> TargetState:
    """The state with the rest that the provider asked for (Retry-After) in a probe that is no evidence of its CUSUM."""
    rest_s = _rest_s(observation)
    return state.replace(resting_until=observation.finished_at + timedelta(seconds=rest_s)) if rest_s else state


def note_context(state: TargetState, observation: Observation, *, blind: bool) -> TargetState:
    """The state after one more probe with the check `context`, made while our own network was down or not (`blind`)."""
    ours = observation.failed_here or (blind and observation.outcome.blame is Blame.UNDECIDED)
    return state if ours else state.add_context(observation)


def note_afresh(
    state: TargetState, observation: Observation, parameters: TargetParameters, *, blind: bool
) -> TargetState:
    """The state after a probe that a test on fresh evidence asked for: it is evidence of that test alone."""
    extra_at = limits.with_extra(state.extra_at, observation.started_at)
    state = note_rest(state, observation).replace(extra_at=extra_at)
    if observation.outcome is Outcome.OK and not (blind or state.periods.value):
        return state.replace(recent=recent_probes.add_beside(state, (observation,)))
    recent = recent_probes.add_probe(state, observation, parameters.interval_s, blind=blind)
    state = state.replace(recent=recent).learn_pending(parameters.interval_s)
    return state if blind else note_period(state, observation, parameters)


def note_period(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state with what this probe says of how long it fails until that ends by itself."""
    effect = observation.outcome.effect
    if effect not in {Effect.DOWN, Effect.UP, Effect.DEGRADED}:
        return state
    failed = effect is Effect.DOWN
    return note_period_at(state, observation.finished_at, parameters, failed=failed)


def note_period_at(state: TargetState, at: datetime, parameters: TargetParameters, *, failed: bool) -> TargetState:
    """The same of a probe that failed, or was answered."""
    if not (failed or state.periods.value):
        return state
    p0, blips = state.down.background.rate, parameters.blips
    return state.replace(periods=state.periods.add_probe(at, failed=failed, p0=p0, blips=blips))


def _rest_s(observation: Observation) -> float:
    throttled = observation.outcome.effect is Effect.THROTTLED
    return min(observation.retry_after_s or 0.0, LONGEST_REST_S) if throttled else 0.0


def note(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state with what is kept of every observation: latency, check failures, times, Retry-After."""
    at, effect = observation.finished_at, observation.outcome.effect
    rest_s = _rest_s(observation)
    no_evidence = state.health in {Health.UP, Health.UNKNOWN}
    return state.replace(
        latency=state.latency.add_observation(observation, no_evidence=no_evidence),
        check_failures=state.count_check(observation, parameters.checks),
        refused_since=(state.refused_since or at) if observation.is_refusal else None,
        last_started_at=observation.started_at,
        last_seen_at=at,
        last_ok_at=at if effect is Effect.UP else state.last_ok_at,
        answered_as=parameters.probe if effect is Effect.UP else state.answered_as,
        resting_until=at + timedelta(seconds=rest_s) if rest_s else None,
    )
