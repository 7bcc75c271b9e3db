"""What clean probes will do to a target that is judged alone, before they are made: a simulation skips them (pure)."""

from collections.abc import Iterable
from datetime import datetime

from monitor.detection import limits, pacing, state_machine
from monitor.detection.parameters import TargetParameters
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE
from monitor.detection.target_state import TargetState
from monitor.health import HEALTHY
from probes.observation import Observation


def is_uneventful(state: TargetState, started_at: datetime, parameters: TargetParameters) -> bool:
    """Whether clean probes from then on, at the interval, change nothing but the target's times and its latency."""
    return state.no_evidence and not limits.is_extra(state, started_at, parameters.interval_s)


def uneventful_states(
    state: TargetState, observations: Iterable[Observation], parameters: TargetParameters
) -> list[TargetState]:
    """The states after these `ok` observations, while they change no health and call for no extra probe."""
    states, pool = list[TargetState](), None if parameters.alone else NO_PROVIDER_EVIDENCE
    limited = limits.is_limited(state, state.last_seen_at or state.since)
    if state.health not in HEALTHY or state.resting_until or limited:
        return states
    for observation in observations:
        before, state = state, state_machine.observe(state, observation, parameters)
        if state.reason is not before.reason or pacing.target_burst_s(state, parameters, pool=pool) is not None:
            break
        states.append(state)
    return states
