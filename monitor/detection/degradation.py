"""Slow, wrong, throttled and late answers: the evidence in them, and the clauses that state it (pure)."""

from datetime import datetime

from monitor.detection import latency, reasons
from monitor.detection.answer_shares import POOR, USELESS
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.parameters import BURST_CLEAN_PROBES, TargetParameters
from monitor.detection.target_state import TargetState
from monitor.health import Health, TargetHealth
from probes.observation import Observation
from probes.outcome import Effect, Outcome

#: What the probes of each of `TargetState.tracks` did.
_PREDICATES = ("failed", "exceeded the slow limit", "gave a wrong answer", "hit the rate limit")
_OF_NO_USE = "answers were of no use"


def add_observation(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state with the evidence of slow, wrong and throttled answers after this one; a failure changes none."""
    effect, p1 = observation.outcome.effect, parameters.p1
    if effect is Effect.DOWN:
        return state
    # Tracks that are the same value stay one.
    good = {id(track): track for track in (state.slow, state.wrong, state.throttled)}
    good = {place: _add_good(track, observation, p1) for place, track in good.items()}
    slow, wrong, throttled = (good[id(track)] for track in (state.slow, state.wrong, state.throttled))
    if effect is Effect.THROTTLED:
        slow, wrong, throttled = state.slow, state.wrong, state.throttled.add_failure(observation, p1=p1)
    elif observation.outcome is Outcome.SLOW:
        slow = state.slow.add_failure(observation, p1=p1)
    elif observation.outcome is Outcome.BAD_ANSWER:
        wrong = state.wrong.add_failure(observation, p1=p1)
    if effect is Effect.UP and not (state.useless.answers or state.poor.answers):
        return state.replace(slow=slow, wrong=wrong, throttled=throttled)
    bad, useless = effect is not Effect.UP, effect is not Effect.UP and observation.outcome is not Outcome.SLOW
    return state.replace(
        slow=slow,
        wrong=wrong,
        throttled=throttled,
        useless=state.useless.add_answer(USELESS, bad=useless, waited=bool(observation.retry_after_s)),
        poor=state.poor.add_answer(POOR, bad=bad),
    )


def _add_good(track: EvidenceTrack, observation: Observation, p1: float) -> EvidenceTrack:
    """The track after one more good answer; without evidence after twenty in a row, whatever was before them."""
    track = track.add_success(observation, p1=p1)
    return track if track.evidence.clean_streak < BURST_CLEAN_PROBES else track.clear()


def verdict_reason(state: TargetState, at: datetime, parameters: TargetParameters) -> str:
    """Why the target is degraded: a clause for each kind of evidence that makes a verdict; empty when none does."""
    late, clauses = state.latency.lateness, list[str]()
    if not (late.value or state.slow.value or state.wrong.value or state.throttled.value):
        return ""
    for track, predicate in list(zip(state.tracks, _PREDICATES, strict=True))[1:]:
        if not track.value or track.value < parameters.threshold(track.background.rate):
            continue
        if track.evidence.span_s(at) >= parameters.min_outage_s:
            clauses.append(evidence_reason(track, at, parameters, predicate=predicate))
    if late.value >= parameters.late_threshold and late.span_s(at) >= parameters.min_outage_s and not state.slow.value:
        clauses.append(_lateness_reason(state, at, parameters))
    return "; ".join(clauses)


def previous_reason(state: TargetState) -> str:
    """The last `verdict_reason` of a degraded or unusable target, from its present reason."""
    return state.reason.partition(": ")[2].rpartition(f"{_OF_NO_USE}; ")[2]


def unusable_reason(state: TargetState, parameters: TargetParameters) -> str:
    """Why the target is unusable: too many of its answers are bad; empty when it is not.

    Of several checks one that alone gives wrong answers does not make its target unusable.
    """
    one_check = len(parameters.checks) > 1 and len(state.wrong.evidence.checks) < 2
    if one_check and not state.throttled.value and not state.slow.value:
        return ""
    test = state.useless if state.useless.proven else state.poor
    return f"{test.bad} of the last {test.answers} {_OF_NO_USE}" if test.proven else ""


def target_health(state: TargetState, parameters: TargetParameters) -> TargetHealth:
    """The part of the state that policy, page and status read; of a suspect target, with the present evidence."""
    at, suspect = state.last_seen_at, state.health is Health.SUSPECT and not state.suspicion
    if suspect and at and (reason := heaviest_reason(state, at, parameters)):
        state = state.enter(Health.SUSPECT, at, reason)
    return state.target_health(parameters)


def heaviest_reason(state: TargetState, at: datetime, parameters: TargetParameters) -> str:
    """The clause for the largest evidence of any kind, failures included; empty when there is none."""
    track, predicate = max(zip(state.tracks, _PREDICATES, strict=True), key=lambda pair: pair[0].value)
    if track.value > 0:
        return evidence_reason(track, at, parameters, predicate=predicate)
    if state.latency.is_suspicious(parameters.late_threshold):
        return _lateness_reason(state, at, parameters)
    return state.reported


def evidence_reason(
    track: EvidenceTrack, at: datetime, parameters: TargetParameters, *, predicate: str = _PREDICATES[0]
) -> str:
    """How many probes did so, of which checks where not of all, and the evidence against the threshold."""
    evidence, p0 = track.evidence, track.background.rate
    text = reasons.failure_counts(
        evidence.failures, evidence.probes, evidence.span_s(at), evidence.outcomes, what=predicate
    )
    if evidence.checks and not set(parameters.checks) <= set(evidence.checks):
        text += reasons.failing_checks(evidence.failures, evidence.checks)
    threshold = parameters.threshold(p0)
    return f"{text}; {reasons.evidence_and_threshold(track.value, threshold, p0=p0, p1=parameters.p1)}"


def _lateness_reason(state: TargetState, at: datetime, parameters: TargetParameters) -> str:
    evidence, p0, p1 = state.latency.lateness.value, latency.NORMAL_SHARE, latency.LATE_SHARE
    weight = reasons.evidence_and_threshold(evidence, parameters.late_threshold, p0=p0, p1=p1)
    return f"{state.latency.description(at)}; {weight}"
