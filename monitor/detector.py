"""The health state machine: one observation at a time, pure, so that simulation and replay mean what they say.

unknown ──ok──▶ up ──failure──▶ suspect ──threshold and min_outage──▶ down
                 ▲ ▲               │                                    │ sequential test
                 │ └──evidence 0───┘                                    ▼
                 └────────── the whole hold clean ───────────────── recovering ──failure──▶ down
any ──its whole provider fails (`monitor.pool`)──▶ down
up, suspect ──slow, wrong or throttled beyond the background──▶ degraded ──90 % of two minutes──▶ unusable
any ──auth, quota or model_gone, twice──▶ misconfigured ──▶ recovering, as from down
any that is not down ──nothing seen for long, or our own network is down──▶ unknown
"""

import math
from datetime import datetime, timedelta

from monitor import latency, words
from monitor.evidence import NO_CASE, Case, Evidence, Recovery
from monitor.health import Health, Transition
from monitor.record import LONGEST_REST_S, Answer, Record
from monitor.rule import RECOVERING_SHARE, Rule
from probes.observation import Observation
from probes.outcome import Blame, Effect, Outcome

_FAILING = frozenset({Health.DOWN, Health.MISCONFIGURED})
_POOR = frozenset({Health.DEGRADED, Health.UNUSABLE})

_UNUSABLE_WINDOW = timedelta(minutes=2)
_UNUSABLE_SHARE = 0.9
_UNUSABLE_ANSWERS = 4
#: Once unusable, it is so until half of the answers are good again: one good answer does not end it.
_STILL_UNUSABLE_SHARE = 0.5
#: The cases learn from so many good probes at a time: one by one would cost more than all else in quiet times.
_LARGEST_CALM = 100
_LARGEST_HOLD_FACTOR = 8
_RELAPSE_HOLDS = 4
#: A hold is never so long that the background alone would spoil more than four of five.
_SPOILED_SHARE = 0.2
#: Of the probes that a hold has time for, this share must have come in, and clean.
_HELD_SHARE = 0.5
_DETAIL_CHARS = 160
#: Probes in a row that say nothing of the target, until nothing is known of it.
MUTE = 3
#: What is wrong is the key or the account behind it, which all targets of a provider share.
OF_THE_KEY = frozenset({Outcome.AUTH, Outcome.QUOTA})
#: What the cases hold against answers, in their order.
_WHAT = ("failed", "came past the slow limit", "gave a wrong answer", "hit the rate limit")
_SUSPECTED = frozenset({Health.UP, Health.SUSPECT})
#: Those against whom what is held is forgotten where nothing can be seen.
_FORGIVEN = frozenset({Health.UNKNOWN, Health.UP, Health.SUSPECT})


def observe(record: Record, seen: Observation, rule: Rule, *, blind: bool = False) -> Record:
    """The record with one more observation.

    `blind` says that our own network was found to be down when this observation was made: failures that may be our
    own network's then count for nothing.
    """
    if seen.outcome is Outcome.OK and _quiet(record):
        heard = record.latency.heard(seen, quiet=True)
        if not heard.suspicious(rule.late_threshold) and not _is_rewound(record, seen.started_at, rule):
            return _calmly(record, seen, heard)
    return _observed(record, seen, rule, blind=blind)


def _observed(record: Record, seen: Observation, rule: Rule, *, blind: bool) -> Record:
    """The same for any observation, quiet times or not."""
    record = _learned(_resumed(_rewound(record, seen.finished_at, rule), seen.finished_at, rule))
    late = record.latency.late_by(seen) is not None
    record = _noted(record, seen)
    if blind and seen.outcome.blame is Blame.UNDECIDED:
        return _unknown(record, seen.finished_at, "our own network seems to be down: nobody answers")
    if seen.outcome.effect in {Effect.NOTHING, Effect.MISCONFIGURED}:
        return _our_fault(record, seen, rule)
    if record.suspicion or record.mute:
        record = record.but(suspicion=None, mute=0)
    if record.health in _FAILING:
        return _while_failing(record, seen, rule)
    if record.health is Health.RECOVERING:
        return _while_recovering(record, seen, rule)
    return _while_serving(record, seen, rule, late=late)


def condemned(
    record: Record, at: datetime, rule: Rule, *, said: str, by_provider: bool, weight: tuple[float, float]
) -> Record:
    """Down because its whole provider is, for the reason `said`; as it was where it fails already.

    `by_provider` is False where at least half of the evidence may have been our own network's; `weight` is that
    evidence and its threshold.
    """
    if record.health in _FAILING:
        return record
    down = _gone_down(_learned(record), at, rule, said=said, by_provider=by_provider)
    return down.but(provider_verdict=weight)


def warned(record: Record, outcome: Outcome) -> Record:
    """As after one `auth` or `quota` of its own: a sibling with the same key has had it confirmed."""
    if record.health not in _FORGIVEN or record.suspicion:
        return record
    return record.but(suspicion=outcome)


def tick(record: Record, now: datetime, rule: Rule) -> Record:
    """The record as time passes without observations: no data is never healthy."""
    if record.last_seen_at is None or record.health not in _SUSPECTED:
        return record
    silent_s = _silent_s(record, now)
    if silent_s > rule.patience_s:
        return _unknown(record, now, f"no observation for {words.span(silent_s)}")
    if _is_rewound(record, now, rule):
        return _unknown(record, now, "the clock was set back, and nothing has been seen since")
    return (_down_verdict(record, now, rule) if record.down.value else None) or record


def verdict_at(record: Record, rule: Rule) -> datetime | None:
    """When `tick` will call the target down, if nothing is seen until then; None when it will not."""
    evidence = record.down.evidence
    if not evidence.since or record.health not in _SUSPECTED:
        return None
    if evidence.value < rule.threshold(record.down.background.rate):
        return None
    return evidence.since + timedelta(seconds=rule.min_outage_s)


def transition(before: Record, after: Record, rule: Rule) -> Transition | None:
    """The change of health between two records of a target; None when there is none."""
    if before.health is after.health:
        return None
    heaviest = _grounds(before, after)
    evidence, threshold = heaviest.value, rule.threshold(heaviest.background.rate)
    if not evidence and after.health in _POOR | {Health.SUSPECT}:
        evidence, threshold = after.weight(rule)
    return Transition(
        target=after.target,
        at=after.since,
        before=before.health,
        after=after.health,
        reason=after.reason,
        evidence=evidence,
        threshold=threshold,
        trail=heaviest.evidence.trail,
    )


def _grounds(before: Record, after: Record) -> Case:
    """The evidence that a change of health rests on; none where it rests on something else."""
    if after.health is Health.DOWN:
        return NO_CASE if before.health is Health.RECOVERING else after.down
    if after.health in _POOR:
        return max((after.slow, after.wrong, after.throttled), key=lambda case: case.value)
    if after.health in {Health.MISCONFIGURED, Health.RECOVERING}:
        return NO_CASE
    return max(_cases(before) + _cases(after), key=lambda case: case.value)


def hold_s(record: Record, rule: Rule) -> float:
    """How long this target must stay clean once it has recovered.

    Relapses double it, up to eightfold, but not so far that a noisy target could never pass: at most the
    log(0.2) / log(1-p0) probes that its background lets through in one of five tries.
    """
    probes = math.log(_SPOILED_SHARE) / math.log(1 - record.down.background.rate)
    longest_s = max(rule.hold_s, probes * rule.interval_s * RECOVERING_SHARE)
    return min(rule.hold_s * record.hold_factor, longest_s)


def _quiet(record: Record) -> bool:
    """Whether a good probe can only confirm that all is well."""
    return (
        record.health is Health.UP
        and record.calm < _LARGEST_CALM
        and not record.answers
        and record.suspicion is None
        and not record.down.evidence.value
        and not record.slow.evidence.value
        and not record.wrong.evidence.value
        and not record.throttled.evidence.value
    )


def _calmly(record: Record, seen: Observation, heard: latency.Latency) -> Record:
    """With one more good probe of quiet times. Written out because it is what happens nearly always."""
    at = seen.finished_at
    return Record(
        target=record.target,
        since=record.since,
        health=record.health,
        reason=record.reason,
        down=record.down,
        slow=record.slow,
        wrong=record.wrong,
        throttled=record.throttled,
        latency=heard,
        calm=record.calm + 1,
        recovery=record.recovery,
        held=record.held,
        hold_factor=record.hold_factor,
        returned_at=record.returned_at,
        held_until=record.held_until,
        last_started_at=seen.started_at,
        last_seen_at=at,
        last_ok_at=at,
    )


def _learned(record: Record) -> Record:
    """With what the good probes since the last look have taught about the background."""
    if not record.calm:
        return record
    return record.but(
        down=record.down.rested(record.calm),
        slow=record.slow.rested(record.calm),
        wrong=record.wrong.rested(record.calm),
        throttled=record.throttled.rested(record.calm),
        calm=0,
    )


def _cases(record: Record) -> tuple[Case, ...]:
    return record.down, record.slow, record.wrong, record.throttled


def _unburdened(record: Record) -> Record:
    """With nothing held against it for slow, wrong or throttled answers."""
    return record.but(
        slow=record.slow.cleared(),
        wrong=record.wrong.cleared(),
        throttled=record.throttled.cleared(),
        latency=record.latency.cleared(),
        answers=(),
    )


def _is_rewound(record: Record, at: datetime, rule: Rule) -> bool:
    seen_at = record.last_seen_at
    return seen_at is not None and seen_at > at and (seen_at - at).total_seconds() > rule.patience_s


def _rewound(record: Record, at: datetime, rule: Rule) -> Record:
    """With nothing left in the future, where the clock was set back since the last observation."""
    if not _is_rewound(record, at, rule):
        return record
    return _unburdened(record).but(
        since=min(record.since, at),
        down=record.down.cleared(),
        recovery=Recovery(),
        held=0,
        returned_at=None,
        last_ok_at=None,
        resting_until=None,
    )


def _silent_s(record: Record, at: datetime) -> float:
    """For how long it should have been heard and was not; resting as the provider asked is no silence."""
    last = record.last_seen_at or at
    return (at - max(last, record.resting_until or last)).total_seconds()


def _resumed(record: Record, at: datetime, rule: Rule) -> Record:
    """Without what was held against it before a long silence, as `tick` would have it: a clock may have been set."""
    if record.health not in _FORGIVEN or _silent_s(record, at) <= rule.patience_s:
        return record
    return _unburdened(record).but(down=record.down.cleared(), suspicion=None)


def _noted(record: Record, seen: Observation) -> Record:
    at = seen.finished_at
    rest_s = min(seen.retry_after_s or 0.0, LONGEST_REST_S) if seen.outcome.effect is Effect.THROTTLED else 0.0
    return record.but(
        latency=record.latency.heard(seen, quiet=record.health in {Health.UP, Health.UNKNOWN}),
        last_started_at=seen.started_at,
        last_seen_at=at,
        last_ok_at=at if seen.outcome.effect is Effect.UP else record.last_ok_at,
        resting_until=at + timedelta(seconds=rest_s) if rest_s else None,
    )


def _entered(record: Record, health: Health, at: datetime, reason: str) -> Record:
    """In this health, with this reason; `since` moves only when the health does."""
    sentence = f"{record.target} is {health}: {reason}"
    return record.but(health=health, reason=sentence, since=record.since if health is record.health else at)


def _unknown(record: Record, at: datetime, reason: str) -> Record:
    if record.health not in _FORGIVEN:
        return record
    record = _unburdened(record).but(down=record.down.cleared(), suspicion=None)
    return _entered(record, Health.UNKNOWN, at, reason)


def _unjudged(record: Record, seen: Observation) -> Record:
    """Neither up nor down; but when nothing else comes, nothing is known, and the probe needs a person."""
    record = record.but(mute=record.mute + 1)
    if record.mute >= MUTE:
        said = f"its probes say nothing of it, {seen.outcome} {record.mute} times in a row: the probe needs attention"
        return _unknown(record, seen.finished_at, f"{said}; last: {_said(seen)}")
    if record.health is not Health.UNKNOWN:
        return record
    return _entered(record, Health.UNKNOWN, seen.finished_at, f"{seen.outcome}: {_said(seen)}")


def _our_fault(record: Record, seen: Observation, rule: Rule) -> Record:
    return _unjudged(record, seen) if seen.outcome.effect is Effect.NOTHING else _misconfigured(record, seen, rule)


def _misconfigured(record: Record, seen: Observation, rule: Rule) -> Record:
    at = seen.finished_at
    fix = words.fix(seen.outcome, model=rule.model, key_env=rule.key_env, detail=_said(seen))
    same = record.suspicion is seen.outcome or {record.suspicion, seen.outcome} <= OF_THE_KEY
    confirmed = same or record.health is Health.MISCONFIGURED
    record = record.but(suspicion=seen.outcome, recovery=Recovery(), mute=0)
    if confirmed:
        return _entered(record, Health.MISCONFIGURED, at, f"{seen.outcome}, {fix}")
    if record.health is Health.UP:
        return _entered(record, Health.SUSPECT, at, f"{seen.outcome}, asked once more to be sure; {fix}")
    return record


def _while_failing(record: Record, seen: Observation, rule: Rule) -> Record:
    """Down or misconfigured: the sequential test decides when it is back."""
    at, p0 = seen.finished_at, record.down.background.rate
    if seen.outcome.effect is Effect.THROTTLED:
        return _only_throttled(record, seen, rule)
    if record.throttled.value:
        record = record.but(throttled=record.throttled.cleared())
    if seen.outcome.effect is Effect.DOWN:
        return record.but(recovery=record.recovery.failed(p0=p0, p1=rule.p1))
    record = record.but(recovery=record.recovery.passed(at, p0=p0, p1=rule.p1))
    if not record.recovery.proven:
        return record
    said = f"{record.recovery.clean} clean probes in a row; held for {words.span(hold_s(record, rule))} of clean probes"
    return _entered(record.but(held=0), Health.RECOVERING, at, said)


def _only_throttled(record: Record, seen: Observation, rule: Rule) -> Record:
    """Throttled answers prove nothing; but when nothing else comes, it is rate limited rather than down."""
    record = record.but(throttled=record.throttled.failed(seen, p1=rule.p1))
    return _poor_verdict(record.but(down=record.down.cleared()), seen.finished_at, rule) or record


def _while_recovering(record: Record, seen: Observation, rule: Rule) -> Record:
    """Held: the whole hold must be clean. A failure sends it back, a poor answer begins the hold again."""
    at, p0 = seen.finished_at, record.down.background.rate
    if seen.outcome.effect is Effect.DOWN:
        after = words.span((at - record.since).total_seconds())
        record = record.but(recovery=Recovery())
        return _entered(record, Health.DOWN, at, f"failed again {after} into the hold ({seen.outcome}); {_said(seen)}")
    if seen.outcome.effect is Effect.THROTTLED:
        return _only_throttled(record, seen, rule)
    if seen.outcome.effect is Effect.DEGRADED:
        slow, wrong, throttled = _weighed_poor(record, seen, rule)
        held_anew = record.but(slow=slow, wrong=wrong, throttled=throttled, since=at, held=0)
        # It answers, if poorly: what was held against it as down is over.
        return _poor_verdict(held_anew.but(down=record.down.cleared()), at, rule) or held_anew
    record = record.but(recovery=record.recovery.passed(at, p0=p0, p1=rule.p1), held=record.held + 1)
    needed = hold_s(record, rule)
    enough = record.held >= _HELD_SHARE * needed / (rule.interval_s * RECOVERING_SHARE)
    if not enough or (at - record.since).total_seconds() < needed:
        return record
    began = record.recovery.since or record.since
    clean = f"{record.recovery.clean} clean probes in {words.span((at - began).total_seconds())}"
    # What is known of its latency stays: one that comes back slow is soon degraded.
    back = _unburdened(record).but(latency=record.latency, down=record.down.cleared(), recovery=Recovery())
    return _entered(back.but(returned_at=at), Health.UP, at, f"back after {clean}")


def _while_serving(record: Record, seen: Observation, rule: Rule, *, late: bool) -> Record:
    """Up, suspect, degraded, unusable or not yet known: weigh, then say what the evidence amounts to."""
    record = _weighed(record, seen, rule, late=late)
    at = seen.finished_at
    return _down_verdict(record, at, rule) or _poor_verdict(record, at, rule) or _calm(record, seen, rule)


def _weighed(record: Record, seen: Observation, rule: Rule, *, late: bool) -> Record:
    at, effect = seen.finished_at, seen.outcome.effect
    down, recovery, answers = record.down, record.recovery, record.answers
    if effect is Effect.DOWN:
        down = down.failed(seen, p1=rule.p1)
    else:
        down = down if effect is Effect.THROTTLED else down.passed(seen, p1=rule.p1)
        answers = _recent((*answers, Answer(at=at, bad=effect is not Effect.UP)), at)
    if record.health in _POOR:
        p0, p1 = latency.NORMAL_SHARE, latency.STILL_LATE_SHARE
        good = effect is Effect.UP and not late
        recovery = recovery.passed(at, p0=p0, p1=p1) if good else recovery.failed(p0=p0, p1=p1)
    slow, wrong, throttled = _weighed_poor(record, seen, rule)
    return record.but(down=down, slow=slow, wrong=wrong, throttled=throttled, recovery=recovery, answers=answers)


def _weighed_poor(record: Record, seen: Observation, rule: Rule) -> tuple[Case, Case, Case]:
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


def _down_verdict(record: Record, at: datetime, rule: Rule) -> Record | None:
    evidence = record.down.evidence
    if not evidence.value or evidence.value < rule.threshold(record.down.background.rate):
        return None
    if evidence.span_s(at) < rule.min_outage_s:
        return None
    said = f"{_counts(evidence, at)}; {_against(record.down, rule)}" + (
        f"; last: {_short(evidence.last)}" if evidence.last else ""
    )
    by_provider = evidence.undecided() * 2 < evidence.failures
    return _gone_down(record, at, rule, said=said, by_provider=by_provider)


def _gone_down(record: Record, at: datetime, rule: Rule, *, said: str, by_provider: bool) -> Record:
    factor = _hold_factor(record, at, rule, by_provider=by_provider)
    record = _unburdened(record).but(
        recovery=Recovery(), hold_factor=factor, held=0, held_until=None, provider_verdict=None
    )
    return _entered(record, Health.DOWN, at, said)


def _hold_factor(record: Record, at: datetime, rule: Rule, *, by_provider: bool) -> int:
    """Doubled when it went down again, by the provider's fault, soon after it had come back; else back to one."""
    if record.returned_at is None or not by_provider:
        return 1
    soon = (at - record.returned_at).total_seconds() <= _RELAPSE_HOLDS * hold_s(record, rule)
    return min(_LARGEST_HOLD_FACTOR, record.hold_factor * 2) if soon else 1


def _poor_verdict(record: Record, at: datetime, rule: Rule) -> Record | None:
    said = _poor(record, at, rule)
    if record.health not in _POOR and not said:
        return None
    reason = "; ".join(said) or record.reason.partition(": ")[2]
    if record.health not in _POOR:
        by_provider = any(case.value for case in (record.slow, record.wrong)) or not record.throttled.value
        factor = _hold_factor(record, at, rule, by_provider=by_provider)
        record = record.but(recovery=Recovery(), hold_factor=factor)
    if _hardly_any_good(record, at):
        recent = _recent(record.answers, at)
        poor = f"{sum(answer.bad for answer in recent)} of the last {len(recent)} answers were of no use"
        return _entered(record, Health.UNUSABLE, at, f"{poor}; {reason.removeprefix(poor + '; ')}")
    if record.recovery.proven:
        return None
    return _entered(record, Health.DEGRADED, at, reason)


def _poor(record: Record, at: datetime, rule: Rule) -> list[str]:
    """What is held against its answers, a clause for each kind that has reached its threshold."""
    said = []
    for case, what in list(zip(_cases(record), _WHAT, strict=True))[1:]:
        if not case.value or case.value < rule.threshold(case.background.rate):
            continue
        if case.evidence.span_s(at) >= rule.min_outage_s:
            said.append(f"{_counts(case.evidence, at, what=what)}; {_against(case, rule)}")
    late = record.latency.lateness
    if late.value >= rule.late_threshold and late.span_s(at) >= rule.min_outage_s and not record.slow.value:
        said.append(_lately(record, at, rule))
    return said


def _hardly_any_good(record: Record, at: datetime) -> bool:
    """Whether users would have got next to nothing for two whole minutes."""
    recent = _recent(record.answers, at)
    spans_s = (record.slow, record.wrong, record.throttled)
    covered = max(case.evidence.span_s(at) for case in spans_s) >= _UNUSABLE_WINDOW.total_seconds()
    share = _STILL_UNUSABLE_SHARE if record.health is Health.UNUSABLE else _UNUSABLE_SHARE
    enough = len(recent) >= _UNUSABLE_ANSWERS
    return covered and enough and sum(answer.bad for answer in recent) >= share * len(recent)


def _recent(answers: tuple[Answer, ...], at: datetime) -> tuple[Answer, ...]:
    """Those of the last two minutes, or the last four where probes come so seldom that this is more."""
    young = sum(answer.at > at - _UNUSABLE_WINDOW for answer in answers)
    return answers[-max(young, _UNUSABLE_ANSWERS) :]


def _calm(record: Record, seen: Observation, rule: Rule) -> Record:
    """No verdict: suspect while any evidence is left, up without, unknown until the first good answer."""
    at = seen.finished_at
    if record.health in _POOR:
        until = at + timedelta(seconds=hold_s(record, rule))
        record = _unburdened(record).but(recovery=Recovery(), returned_at=at, held_until=until)
        said = f"back after {words.span((at - record.since).total_seconds())}"
    else:
        said = "no failures left to explain" if record.health is Health.SUSPECT else "it answers"
    heaviest, what = max(zip(_cases(record), _WHAT, strict=True), key=lambda held: held[0].value)
    if heaviest.value > 0:
        said = f"{_counts(heaviest.evidence, at, what=what)}; {_against(heaviest, rule)}"
    elif record.latency.suspicious(rule.late_threshold):
        said = _lately(record, at, rule)
    else:
        # Only answers beside others that were poor say how much users get.
        record = record.but(answers=())
        if record.health is Health.UNKNOWN and seen.outcome.effect is not Effect.UP:
            return _entered(record, Health.UNKNOWN, at, said)
        return record if record.health is Health.UP else _entered(record, Health.UP, at, said)
    unknown = record.health is Health.UNKNOWN and seen.outcome.effect is not Effect.UP
    return _entered(record, Health.UNKNOWN if unknown else Health.SUSPECT, at, said)


def _lately(record: Record, at: datetime, rule: Rule) -> str:
    """The late answers, and the evidence in them."""
    value, p0, p1 = record.latency.lateness.value, latency.NORMAL_SHARE, latency.LATE_SHARE
    return f"{record.latency.counted(at)}; {words.weighed(value, rule.late_threshold, p0=p0, p1=p1)}"


def _against(case: Case, rule: Rule) -> str:
    """The evidence against what makes a verdict."""
    p0 = case.background.rate
    return words.weighed(case.value, rule.threshold(p0), p0=p0, p1=rule.p1)


def _counts(evidence: Evidence, at: datetime, *, what: str = "failed") -> str:
    return words.counted(evidence.failures, evidence.probes, evidence.span_s(at), evidence.outcomes, what=what)


def _said(seen: Observation) -> str:
    """What the provider said, short."""
    return _short(seen.detail)


def _short(detail: str) -> str:
    return detail if len(detail) <= _DETAIL_CHARS else detail[: _DETAIL_CHARS - 1] + "…"
