"""Slow, wrong, throttled and late answers: the evidence in them, and the clauses that state it (pure)."""

from datetime import datetime, timedelta

from monitor.detection import latency, reasons
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.parameters import TargetParameters
from monitor.detection.target_state import AnswerQuality, TargetState
from monitor.health import Health, TargetHealth
from probes.observation import Observation
from probes.outcome import Effect, Outcome

_WINDOW = timedelta(minutes=2)
_FEWEST_ANSWERS = 4
#: The share of bad answers in the window that makes a target unusable.
_UNUSABLE_SHARE = 0.9
#: It stays unusable until half of the answers are good again, so that one good answer does not end it.
_STILL_UNUSABLE_SHARE = 0.5
#: What the probes of each of `TargetState.tracks` did.
_PREDICATES = ("failed", "exceeded the slow limit", "gave a wrong answer", "hit the rate limit")
_OF_NO_USE = "answers were of no use"


def add_observation(
    state: TargetState, observation: Observation, parameters: TargetParameters
) -> tuple[EvidenceTrack, EvidenceTrack, EvidenceTrack]:
    """The tracks for slow, wrong and throttled answers after this observation; a failure leaves them unchanged."""
    effect, p1 = observation.outcome.effect, parameters.p1
    slow, wrong, throttled = state.slow, state.wrong, state.throttled
    if effect is Effect.DOWN:
        return slow, wrong, throttled
    if effect is Effect.THROTTLED:
        return slow, wrong, throttled.add_failure(observation, p1=p1)
    if effect is Effect.UP and slow is wrong and wrong is throttled:
        track = slow.add_success(observation, p1=p1)
        return track, track, track
    throttled = throttled.add_success(observation, p1=p1)
    if observation.outcome is Outcome.SLOW:
        return slow.add_failure(observation, p1=p1), wrong.add_success(observation, p1=p1), throttled
    if effect is Effect.DEGRADED:
        return slow, wrong.add_failure(observation, p1=p1), throttled
    return slow.add_success(observation, p1=p1), wrong.add_success(observation, p1=p1), throttled


def recent_answers(answers: tuple[AnswerQuality, ...], at: datetime) -> tuple[AnswerQuality, ...]:
    """The answers of the last two minutes, or the last four where that is more."""
    begin, oldest, last = 0, at - _WINDOW, len(answers) - _FEWEST_ANSWERS
    while begin < last and answers[begin].at <= oldest:
        begin += 1
    return answers[begin:]


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


def unusable_reason(state: TargetState, at: datetime) -> str:
    """Why the target is unusable: nearly all answers of two minutes were bad; empty when it is not."""
    answers = recent_answers(state.answers, at)
    bad = sum(answer.bad for answer in answers)
    spans_s = (track.evidence.span_s(at) for track in state.tracks[1:])
    share = _STILL_UNUSABLE_SHARE if state.health is Health.UNUSABLE else _UNUSABLE_SHARE
    enough = len(answers) >= _FEWEST_ANSWERS and max(spans_s) >= _WINDOW.total_seconds()
    return f"{bad} of the last {len(answers)} {_OF_NO_USE}" if enough and bad >= share * len(answers) else ""


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
    return ""


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
