"""Answers that are slow, wrong, throttled or late: what they weigh, and the clauses that say so (pure)."""

from datetime import datetime, timedelta

from monitor.detection import latency, reasons
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.parameters import TargetParameters
from monitor.detection.target_state import AnswerQuality, TargetState
from monitor.health import Health
from probes.observation import Observation
from probes.outcome import Effect, Outcome

_WINDOW = timedelta(minutes=2)
_USELESS_SHARE = 0.9
_FEWEST_ANSWERS = 4
#: Once unusable, it is so until half of the answers are good again: one good answer does not end it.
_STILL_USELESS_SHARE = 0.5
#: What the cases hold against a target, in their order.
_WHAT = ("failed", "came past the slow limit", "gave a wrong answer", "hit the rate limit")
_OF_NO_USE = "answers were of no use"


def weighed(
    record: TargetState, seen: Observation, rule: TargetParameters
) -> tuple[EvidenceTrack, EvidenceTrack, EvidenceTrack]:
    """The cases for slow, wrong and throttled answers with this observation; a failure says nothing of them."""
    effect, p1 = seen.outcome.effect, rule.p1
    slow, wrong, throttled = record.slow, record.wrong, record.throttled
    if effect is Effect.DOWN:
        return slow, wrong, throttled
    if effect is Effect.THROTTLED:
        return slow, wrong, throttled.failed(seen, p1=p1)
    throttled = throttled.passed(seen, p1=p1)
    if seen.outcome is Outcome.SLOW:
        return slow.failed(seen, p1=p1), wrong.passed(seen, p1=p1), throttled
    if effect is Effect.DEGRADED:
        return slow, wrong.failed(seen, p1=p1), throttled
    return slow.passed(seen, p1=p1), wrong.passed(seen, p1=p1), throttled


def recent(answers: tuple[AnswerQuality, ...], at: datetime) -> tuple[AnswerQuality, ...]:
    """Those of the last two minutes, or the last four where probes come so seldom that this is more."""
    young = sum(answer.at > at - _WINDOW for answer in answers)
    return answers[-max(young, _FEWEST_ANSWERS) :]


def grounds(record: TargetState, at: datetime, rule: TargetParameters) -> str:
    """What is held against its answers, a clause for each kind that has reached its threshold; empty for none."""
    said = []
    for case, what in list(zip(record.cases, _WHAT, strict=True))[1:]:
        if not case.value or case.value < rule.threshold(case.background.rate):
            continue
        if case.evidence.span_s(at) >= rule.min_outage_s:
            said.append(clause(case, at, rule, what=what))
    late = record.latency.lateness
    if late.value >= rule.late_threshold and late.span_s(at) >= rule.min_outage_s and not record.slow.value:
        said.append(_lately(record, at, rule))
    return "; ".join(said)


def last_grounds(record: TargetState) -> str:
    """The grounds that a degraded or unusable target was last given, without the count of useless answers."""
    return record.reason.partition(": ")[2].rpartition(f"{_OF_NO_USE}; ")[2]


def useless(record: TargetState, at: datetime) -> str:
    """How many answers were of no use, where users would have got next to nothing for two minutes; else empty."""
    answers = recent(record.answers, at)
    bad = sum(answer.bad for answer in answers)
    spans_s = (case.evidence.span_s(at) for case in record.cases[1:])
    share = _STILL_USELESS_SHARE if record.health is Health.UNUSABLE else _USELESS_SHARE
    enough = len(answers) >= _FEWEST_ANSWERS and max(spans_s) >= _WINDOW.total_seconds()
    return f"{bad} of the last {len(answers)} {_OF_NO_USE}" if enough and bad >= share * len(answers) else ""


def heaviest(record: TargetState, at: datetime, rule: TargetParameters) -> str:
    """What weighs most of all that is held against it, failures too; empty when nothing does."""
    case, what = max(zip(record.cases, _WHAT, strict=True), key=lambda held: held[0].value)
    if case.value > 0:
        return clause(case, at, rule, what=what)
    return _lately(record, at, rule) if record.latency.suspicious(rule.late_threshold) else ""


def clause(case: EvidenceTrack, at: datetime, rule: TargetParameters, *, what: str = _WHAT[0]) -> str:
    """How many probes did so, of which checks where not of all, and the evidence in that against a verdict's."""
    one, p0 = case.evidence, case.background.rate
    counts = reasons.failure_counts(one.failures, one.probes, one.span_s(at), one.outcomes, what=what)
    if one.checks and not set(rule.checks) <= set(one.checks):
        counts += reasons.failing_checks(one.failures, one.checks)
    return f"{counts}; {reasons.evidence_and_threshold(case.value, rule.threshold(p0), p0=p0, p1=rule.p1)}"


def _lately(record: TargetState, at: datetime, rule: TargetParameters) -> str:
    """The late answers, and the evidence in them."""
    value, p0, p1 = record.latency.lateness.value, latency.NORMAL_SHARE, latency.LATE_SHARE
    return f"{record.latency.counted(at)}; {reasons.evidence_and_threshold(value, rule.late_threshold, p0=p0, p1=p1)}"
