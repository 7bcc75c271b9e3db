"""The health state machine: one observation at a time, pure, so that simulation and replay mean what they say.

unknown ──ok──▶ up ──failure──▶ suspect ──threshold and min_outage──▶ down
                 ▲ ▲               │                                    │ sequential test
                 │ └──evidence 0───┘                                    ▼
                 └────────── the whole hold clean ───────────────── recovering ──failure──▶ down
up, suspect ──slow, wrong or throttled beyond the background──▶ degraded ──90 % of two minutes──▶ unusable
any ──auth, quota or model_gone, twice──▶ misconfigured ──▶ recovering, as from down
any that is not down ──nothing seen for long, or our own network is down──▶ unknown
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta

from monitor import words
from monitor.evidence import Evidence, Recovery
from monitor.health import Health, Transition
from monitor.record import LONGEST_REST_S, Answer, Record
from monitor.rule import RECOVERING_SHARE, Rule
from probes.observation import Observation
from probes.outcome import Blame, Effect

_FAILING = frozenset({Health.DOWN, Health.MISCONFIGURED})
_POOR = frozenset({Health.DEGRADED, Health.UNUSABLE})

_UNUSABLE_WINDOW = timedelta(minutes=2)
_UNUSABLE_SHARE = 0.9
_UNUSABLE_ANSWERS = 4
_LARGEST_HOLD_FACTOR = 8
_RELAPSE_HOLDS = 4
#: A hold is never so long that the background alone would spoil more than four of five.
_SPOILED_SHARE = 0.2
#: Of the probes that a hold has time for, this share must have come in, and clean.
_HELD_SHARE = 0.5
_DETAIL_CHARS = 160


def observe(record: Record, seen: Observation, rule: Rule, *, blind: bool = False) -> Record:
    """The record with one more observation.

    `blind` says that our own network was found to be down when this observation was made: failures that may be our
    own network's then count for nothing.
    """
    record = _noted(_rewound(record, seen.finished_at, rule), seen)
    if blind and seen.outcome.blame is Blame.UNDECIDED:
        return _unknown(record, seen.finished_at, "our own network seems to be down: nobody answers")
    if seen.outcome.effect is Effect.NOTHING:
        return _unjudged(record, seen)
    if seen.outcome.effect is Effect.MISCONFIGURED:
        return _misconfigured(record, seen, rule)
    record = replace(record, suspicion=None)
    if record.health in _FAILING:
        return _while_failing(record, seen, rule)
    if record.health is Health.RECOVERING:
        return _while_recovering(record, seen, rule)
    return _while_serving(record, seen, rule)


def tick(record: Record, now: datetime, rule: Rule) -> Record:
    """The record as time passes without observations: no data is never healthy."""
    if record.last_seen_at is None or record.health not in {Health.UP, Health.SUSPECT}:
        return record
    silent_s = (now - max(record.last_seen_at, record.resting_until or record.last_seen_at)).total_seconds()
    if silent_s > rule.patience_s:
        return _unknown(record, now, f"no observation for {words.span(silent_s)}")
    if (record.last_seen_at - now).total_seconds() > rule.patience_s:
        return _unknown(record, now, "the clock was set back, and nothing has been seen since")
    return record


def transition(before: Record, after: Record, rule: Rule) -> Transition | None:
    """The change of health between two records of a target; None when there is none."""
    if before.health is after.health:
        return None
    return Transition(
        target=after.target,
        at=after.since,
        before=before.health,
        after=after.health,
        reason=after.reason,
        evidence=max(before.down.value, after.down.value),
        threshold=rule.threshold(before.down.background.rate),
    )


def hold_s(record: Record, rule: Rule) -> float:
    """How long this target must stay clean once it has recovered.

    Relapses double it, up to eightfold, but not so far that a noisy target could never pass: at most the
    log(0.2) / log(1-p0) probes that its background lets through in one of five tries.
    """
    probes = math.log(_SPOILED_SHARE) / math.log(1 - record.down.background.rate)
    longest_s = max(rule.hold_s, probes * rule.interval_s * RECOVERING_SHARE)
    return min(rule.hold_s * record.hold_factor, longest_s)


def _rewound(record: Record, at: datetime, rule: Rule) -> Record:
    """With nothing left in the future, where the clock was set back since the last observation."""
    if record.last_seen_at is None or (record.last_seen_at - at).total_seconds() <= rule.patience_s:
        return record
    return replace(
        record,
        since=min(record.since, at),
        down=record.down.cleared(),
        quality=record.quality.cleared(),
        recovery=Recovery(),
        answers=(),
        held=0,
        returned_at=None,
        last_ok_at=None,
        resting_until=None,
    )


def _noted(record: Record, seen: Observation) -> Record:
    at = seen.finished_at
    rest_s = min(seen.retry_after_s or 0.0, LONGEST_REST_S) if seen.outcome.effect is Effect.THROTTLED else 0.0
    return replace(
        record,
        last_started_at=seen.started_at,
        last_seen_at=at,
        last_ok_at=at if seen.outcome.effect is Effect.UP else record.last_ok_at,
        resting_until=at + timedelta(seconds=rest_s) if rest_s else None,
    )


def _entered(record: Record, health: Health, at: datetime, reason: str) -> Record:
    """In this health, with this reason; `since` moves only when the health does."""
    sentence = f"{record.target} is {health}: {reason}"
    return replace(record, health=health, reason=sentence, since=record.since if health is record.health else at)


def _unknown(record: Record, at: datetime, reason: str) -> Record:
    if record.health not in {Health.UNKNOWN, Health.UP, Health.SUSPECT}:
        return record
    record = replace(record, down=record.down.cleared(), quality=record.quality.cleared(), suspicion=None, answers=())
    return _entered(record, Health.UNKNOWN, at, reason)


def _unjudged(record: Record, seen: Observation) -> Record:
    """Neither up nor down; but where nothing else is known, at least that can be said."""
    if record.health is not Health.UNKNOWN:
        return record
    return _entered(record, Health.UNKNOWN, seen.finished_at, f"{seen.outcome}: {_said(seen)}")


def _misconfigured(record: Record, seen: Observation, rule: Rule) -> Record:
    at = seen.finished_at
    fix = words.fix(seen.outcome, model=rule.model, key_env=rule.key_env, detail=_said(seen))
    confirmed = record.suspicion is not None or record.health is Health.MISCONFIGURED
    record = replace(record, suspicion=seen.outcome, recovery=Recovery())
    if confirmed:
        return _entered(record, Health.MISCONFIGURED, at, f"{seen.outcome}, {fix}")
    if record.health is Health.UP:
        return _entered(record, Health.SUSPECT, at, f"{seen.outcome}, asked once more to be sure; {fix}")
    return record


def _while_failing(record: Record, seen: Observation, rule: Rule) -> Record:
    """Down or misconfigured: the sequential test decides when it is back. Throttled answers prove nothing."""
    at, p0 = seen.finished_at, record.down.background.rate
    if seen.outcome.effect is Effect.THROTTLED:
        return record
    if seen.outcome.effect is Effect.DOWN:
        return replace(record, recovery=record.recovery.failed(p0=p0, p1=rule.p1))
    record = replace(record, recovery=record.recovery.passed(at, p0=p0, p1=rule.p1))
    if not record.recovery.proven:
        return record
    said = f"{record.recovery.clean} clean probes in a row; held for {words.span(hold_s(record, rule))} of clean probes"
    return _entered(replace(record, held=0), Health.RECOVERING, at, said)


def _while_recovering(record: Record, seen: Observation, rule: Rule) -> Record:
    """Held: the whole hold must be clean. A failure sends it back, a poor answer begins the hold again."""
    at, p0 = seen.finished_at, record.down.background.rate
    if seen.outcome.effect is Effect.DOWN:
        after = words.span((at - record.since).total_seconds())
        record = replace(record, recovery=Recovery())
        return _entered(record, Health.DOWN, at, f"failed again {after} into the hold ({seen.outcome}); {_said(seen)}")
    if seen.outcome.effect is Effect.THROTTLED:
        return record
    if seen.outcome.effect is Effect.DEGRADED:
        held_anew = replace(record, quality=record.quality.failed(seen.outcome, at, p1=rule.p1), since=at, held=0)
        # It answers, if poorly: what was held against it as down is over.
        return _poor_verdict(replace(held_anew, down=record.down.cleared()), at, rule) or held_anew
    record = replace(record, recovery=record.recovery.passed(at, p0=p0, p1=rule.p1), held=record.held + 1)
    needed = hold_s(record, rule)
    enough = record.held >= _HELD_SHARE * needed / (rule.interval_s * RECOVERING_SHARE)
    if not enough or (at - record.since).total_seconds() < needed:
        return record
    began = record.recovery.since or record.since
    clean = f"{record.recovery.clean} clean probes in {words.span((at - began).total_seconds())}"
    record = replace(
        record,
        down=record.down.cleared(),
        quality=record.quality.cleared(),
        recovery=Recovery(),
        returned_at=at,
        answers=(),
    )
    return _entered(record, Health.UP, at, f"back after {clean}")


def _while_serving(record: Record, seen: Observation, rule: Rule) -> Record:
    """Up, suspect, degraded, unusable or not yet known: weigh, then say what the evidence amounts to."""
    record = _weighed(record, seen, rule)
    at = seen.finished_at
    return _down_verdict(record, seen, rule) or _poor_verdict(record, at, rule) or _calm(record, seen, rule)


def _weighed(record: Record, seen: Observation, rule: Rule) -> Record:
    at, effect = seen.finished_at, seen.outcome.effect
    down, quality, recovery, answers = record.down, record.quality, record.recovery, record.answers
    poor = effect in {Effect.DEGRADED, Effect.THROTTLED}
    if effect is Effect.DOWN:
        down = down.failed(seen.outcome, at, p1=rule.p1)
    elif effect is not Effect.THROTTLED:
        down = down.passed(p1=rule.p1)
    if poor:
        quality = quality.failed(seen.outcome, at, p1=rule.p1)
    elif effect is Effect.UP:
        quality = quality.passed(p1=rule.p1)
    if record.health in _POOR:
        p0 = quality.background.rate
        good = effect is Effect.UP
        recovery = recovery.passed(at, p0=p0, p1=rule.p1) if good else recovery.failed(p0=p0, p1=rule.p1)
    if poor or effect is Effect.UP:
        answers = _recent((*answers, Answer(at=at, bad=poor)), at)
    return replace(record, down=down, quality=quality, recovery=recovery, answers=answers)


def _down_verdict(record: Record, seen: Observation, rule: Rule) -> Record | None:
    at, evidence = seen.finished_at, record.down
    needed = rule.threshold(evidence.background.rate)
    if evidence.value < needed or evidence.span_s(at) < rule.min_outage_s:
        return None
    said = f"{_counts(evidence, at)}; {words.weighed(evidence.value, needed)}" + (
        f"; last: {_said(seen)}" if _said(seen) else ""
    )
    factor = _hold_factor(record, at, rule)
    record = replace(record, recovery=Recovery(), hold_factor=factor, quality=record.quality.cleared(), answers=())
    return _entered(record, Health.DOWN, at, said)


def _hold_factor(record: Record, at: datetime, rule: Rule) -> int:
    """Doubled when it went down again, by the provider's fault, soon after it had come back; else back to one."""
    by_provider = record.down.undecided() * 2 < record.down.failures
    if record.returned_at is None or not by_provider:
        return 1
    soon = (at - record.returned_at).total_seconds() <= _RELAPSE_HOLDS * hold_s(record, rule)
    return min(_LARGEST_HOLD_FACTOR, record.hold_factor * 2) if soon else 1


def _poor_verdict(record: Record, at: datetime, rule: Rule) -> Record | None:
    evidence = record.quality
    needed = rule.threshold(evidence.background.rate)
    if record.health not in _POOR and (evidence.value < needed or evidence.span_s(at) < rule.min_outage_s):
        return None
    counts = _counts(evidence, at, what="were slow, wrong or throttled")
    if _hardly_any_good(record, at):
        return _entered(record, Health.UNUSABLE, at, counts)
    if record.health in _POOR and record.recovery.proven:
        return None
    recovery = record.recovery if record.health in _POOR else Recovery()
    return _entered(replace(record, recovery=recovery), Health.DEGRADED, at, counts)


def _hardly_any_good(record: Record, at: datetime) -> bool:
    """Whether users would have got next to nothing for two whole minutes."""
    recent = _recent(record.answers, at)
    covered = record.quality.span_s(at) >= _UNUSABLE_WINDOW.total_seconds()
    enough = len(recent) >= _UNUSABLE_ANSWERS
    return covered and enough and sum(answer.bad for answer in recent) >= _UNUSABLE_SHARE * len(recent)


def _recent(answers: tuple[Answer, ...], at: datetime) -> tuple[Answer, ...]:
    """Those of the last two minutes, or the last four where probes come so seldom that this is more."""
    young = sum(answer.at > at - _UNUSABLE_WINDOW for answer in answers)
    return answers[-max(young, _UNUSABLE_ANSWERS) :]


def _calm(record: Record, seen: Observation, rule: Rule) -> Record:
    """No verdict: suspect while any evidence is left, up without, unknown until the first good answer."""
    at = seen.finished_at
    if record.health in _POOR:
        record = replace(record, quality=record.quality.cleared(), recovery=Recovery(), answers=())
        said = f"back after {words.span((at - record.since).total_seconds())}"
    else:
        said = "no failures left to explain" if record.health is Health.SUSPECT else "it answers"
    heaviest = max(record.down, record.quality, key=lambda evidence: evidence.value)
    if heaviest.value > 0:
        weighed = words.weighed(heaviest.value, rule.threshold(heaviest.background.rate))
        said = f"{_counts(heaviest, at)}; {weighed}"
    if record.health is Health.UNKNOWN and seen.outcome.effect is not Effect.UP:
        return _entered(record, Health.UNKNOWN, at, said)
    if heaviest.value > 0:
        return _entered(record, Health.SUSPECT, at, said)
    return record if record.health is Health.UP else _entered(record, Health.UP, at, said)


def _counts(evidence: Evidence, at: datetime, *, what: str = "failed") -> str:
    return words.counted(evidence.failures, evidence.probes, evidence.span_s(at), evidence.outcomes, what=what)


def _said(seen: Observation) -> str:
    """What the provider said, short."""
    detail = seen.detail
    return detail if len(detail) <= _DETAIL_CHARS else detail[: _DETAIL_CHARS - 1] + "…"
