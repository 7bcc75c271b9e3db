"""The health state machine: one observation at a time, pure, so that simulation and replay mean what they say.

unknown ──ok──▶ up ──failure──▶ suspect ──threshold and min_outage──▶ down
                 ▲ ▲               │                                    │ sequential test
                 │ └──evidence 0───┘                                    ▼
                 └────────── the whole hold clean ───────────────── recovering ──failure──▶ down
any ──its whole provider fails (`monitor.detection.provider_pool`)──▶ down
up, suspect ──slow, wrong or throttled beyond the background──▶ degraded ──90 % of two minutes──▶ unusable
any ──auth, quota or model_gone, twice──▶ misconfigured ──▶ recovering, as from down
any that is not down ──nothing seen for long, or our own network is down──▶ unknown
"""

import math
from datetime import datetime, timedelta

from monitor.detection import check_failures as ailing
from monitor.detection import degradation as poor
from monitor.detection import latency, reasons
from monitor.detection.evidence import NO_CASE, EvidenceTrack, Recovery
from monitor.detection.parameters import RECOVERING_SHARE, TargetParameters
from monitor.detection.target_state import LONGEST_REST_S, AnswerQuality, TargetState
from monitor.formatting import span
from monitor.health import HEALTHY, IMPAIRED, NO_VERDICT, OUT_OF_SERVICE, Health, Transition
from probes.observation import Observation
from probes.outcome import Blame, Effect, Outcome

_LARGEST_HOLD_FACTOR = 8
_RELAPSE_HOLDS = 4
#: A hold is never so long that the background alone would spoil more than four of five.
_SPOILED_SHARE = 0.2
#: Of the probes that a hold has time for, this share must have come in, and clean.
_HELD_SHARE = 0.5
#: For so many intervals a check that failed is waited for; one that is asked less often condemns nobody by itself.
_TURN = 20
_DETAIL_CHARS = 160
#: Probes in a row of one check that say nothing of the target, until a person must look at the probe.
MUTE = 3
#: Failures in a row of one check, until people are told of it though they make no verdict.
AILING = 5
#: What is wrong is the key or the account behind it, which all targets of a provider share.
OF_THE_KEY = frozenset({Outcome.AUTH, Outcome.QUOTA})


def observe(record: TargetState, seen: Observation, rule: TargetParameters, *, blind: bool = False) -> TargetState:
    """The record with one more observation.

    `blind` says that our own network was found to be down when this observation was made: failures that may be our
    own network's then count for nothing.
    """
    if seen.outcome is Outcome.OK and record.quiet:
        heard = record.latency.heard(seen, quiet=True)
        if not heard.suspicious(rule.late_threshold) and not _is_rewound(record, seen.started_at, rule):
            return record.calmly(seen, heard)
    return _observed(record, seen, rule, blind=blind)


def _observed(record: TargetState, seen: Observation, rule: TargetParameters, *, blind: bool) -> TargetState:
    """The same for any observation, quiet times or not."""
    record = _resumed(_rewound(record, seen.finished_at, rule), seen.finished_at, rule).learned()
    late = record.latency.late_by(seen) is not None
    record = _noted(record, seen, rule)
    if blind and seen.outcome.blame is Blame.UNDECIDED:
        return _unknown(record, seen.finished_at, "our own network seems to be down: nobody answers")
    if seen.outcome.effect in {Effect.NOTHING, Effect.MISCONFIGURED}:
        return _our_fault(record, seen, rule)
    if record.suspicion and record.suspicion not in _awaited(record, seen.finished_at, rule):
        record = record.but(suspicion=None)
    if record.health in OUT_OF_SERVICE:
        return _while_failing(record, seen, rule)
    if record.health is Health.RECOVERING:
        return _while_recovering(record, seen, rule)
    return _while_serving(record, seen, rule, late=late)


def condemned(
    record: TargetState,
    at: datetime,
    rule: TargetParameters,
    *,
    said: str,
    by_provider: bool,
    weight: tuple[float, float],
) -> TargetState:
    """Down because its whole provider is, for the reason `said`; as it was where it fails already.

    `by_provider` is False where at least half of the evidence may have been our own network's; `weight` is that
    evidence and its threshold.
    """
    if record.health in OUT_OF_SERVICE:
        return record
    down = _gone_down(record.learned(), at, rule, said=said, by_provider=by_provider)
    return down.but(provider_verdict=weight)


def warned(record: TargetState, outcome: Outcome) -> TargetState:
    """As after one `auth` or `quota` of its own: a sibling with the same key has had it confirmed."""
    if record.health not in NO_VERDICT or record.suspicion:
        return record
    return record.but(suspicion=outcome)


def tick(record: TargetState, now: datetime, rule: TargetParameters) -> TargetState:
    """The record as time passes without observations: no data is never healthy."""
    if record.last_seen_at is None or record.health not in HEALTHY:
        return record
    silent_s = record.silent_s(now)
    if silent_s > rule.patience_s:
        return _unknown(record, now, f"no observation for {span(silent_s)}")
    if _is_rewound(record, now, rule):
        return _unknown(record, now, "the clock was set back, and nothing has been seen since")
    return (_down_verdict(record, now, rule) if record.down.value else None) or record


def unwatched(record: TargetState, at: datetime, reason: str) -> TargetState:
    """The record of a target that nobody asks any more: nothing is known of it, unless that it fails."""
    if record.health is Health.UNKNOWN and record.reason.endswith(reason):
        return record
    return _unknown(record, at, reason)


def verdict_at(record: TargetState, rule: TargetParameters) -> datetime | None:
    """When `tick` will call the target down, if nothing is seen until then; None when it will not."""
    evidence = record.down.evidence
    if not evidence.since or record.health not in HEALTHY:
        return None
    if evidence.value < rule.threshold(record.down.background.rate):
        return None
    return evidence.since + timedelta(seconds=rule.min_outage_s)


def transition(before: TargetState, after: TargetState, rule: TargetParameters) -> Transition | None:
    """The change of health between two records of a target; None when there is none."""
    if before.health is after.health:
        return None
    heaviest = _grounds(before, after)
    evidence, threshold = heaviest.value, rule.threshold(heaviest.background.rate)
    if not evidence and after.health in IMPAIRED | {Health.SUSPECT}:
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


def _grounds(before: TargetState, after: TargetState) -> EvidenceTrack:
    """The evidence that a change of health rests on; none where it rests on something else."""
    if after.health is Health.DOWN:
        return NO_CASE if before.health is Health.RECOVERING else after.down
    if after.health in IMPAIRED:
        return max(after.cases[1:], key=lambda case: case.value)
    if after.health in {Health.MISCONFIGURED, Health.RECOVERING}:
        return NO_CASE
    return max(before.cases + after.cases, key=lambda case: case.value)


def hold_s(record: TargetState, rule: TargetParameters) -> float:
    """How long this target must stay clean once it has recovered.

    Relapses double it, up to eightfold, but not so far that a noisy target could never pass: at most the
    log(0.2) / log(1-p0) probes that its background lets through in one of five tries.
    """
    probes = math.log(_SPOILED_SHARE) / math.log(1 - record.down.background.rate)
    longest_s = max(rule.hold_s, probes * rule.interval_s * RECOVERING_SHARE)
    return min(rule.hold_s * record.hold_factor, longest_s)


def _is_rewound(record: TargetState, at: datetime, rule: TargetParameters) -> bool:
    seen_at = record.last_seen_at
    return seen_at is not None and seen_at > at and (seen_at - at).total_seconds() > rule.patience_s


def _rewound(record: TargetState, at: datetime, rule: TargetParameters) -> TargetState:
    """With nothing left in the future, where the clock was set back since the last observation."""
    if not _is_rewound(record, at, rule):
        return record
    return record.unburdened().but(
        since=min(record.since, at),
        down=record.down.cleared(),
        ailing=ailing.forgiven(record.ailing),
        recovery=Recovery(),
        held=0,
        returned_at=None,
        last_ok_at=None,
        resting_until=None,
    )


def _resumed(record: TargetState, at: datetime, rule: TargetParameters) -> TargetState:
    """Without what was held against it before a long silence, as `tick` would have it: a clock may have been set."""
    if record.health not in NO_VERDICT or record.silent_s(at) <= rule.patience_s:
        return record
    return record.forgiven()


def _noted(record: TargetState, seen: Observation, rule: TargetParameters) -> TargetState:
    at = seen.finished_at
    rest_s = min(seen.retry_after_s or 0.0, LONGEST_REST_S) if seen.outcome.effect is Effect.THROTTLED else 0.0
    return record.but(
        latency=record.latency.heard(seen, quiet=record.health in {Health.UP, Health.UNKNOWN}),
        ailing=ailing.heard(record.ailing, seen, rule.checks),
        last_started_at=seen.started_at,
        last_seen_at=at,
        last_ok_at=at if seen.outcome.effect is Effect.UP else record.last_ok_at,
        resting_until=at + timedelta(seconds=rest_s) if rest_s else None,
    )


def _awaited(record: TargetState, at: datetime, rule: TargetParameters) -> tuple[Outcome, ...]:
    """How the checks failed that have not been well since, where a target has several; not those asked seldom.

    What the other checks are answered between the turns of these is no recovery.
    """
    if len(rule.checks) == 1:
        return ()
    least = at - timedelta(seconds=_TURN * rule.interval_s)
    return tuple(one.outcome for one in record.ailing if one.failed_at and one.failed_at >= least)


def _told(record: TargetState, seen: Observation, rule: TargetParameters) -> TargetState:
    """With people told of a check that fails again and again, where that makes no verdict."""
    sick = ailing.of(record.ailing, seen.check)
    if len(rule.checks) == 1 or record.health not in HEALTHY or not sick or sick.failed < AILING or sick.told_at:
        return record
    return record.but(ailing=ailing.told(record.ailing, seen))


def _unknown(record: TargetState, at: datetime, reason: str) -> TargetState:
    if record.health not in NO_VERDICT:
        return record
    return record.forgiven().entered(Health.UNKNOWN, at, reason)


def _unjudged(record: TargetState, seen: Observation, rule: TargetParameters) -> TargetState:
    """Neither up nor down; but when no check says anything, nothing is known, and the probe needs a person."""
    at, times = seen.finished_at, {one.check: one.mute for one in record.ailing}
    altogether = min(times.get(check, 0) for check in {seen.check, *rule.checks}) >= MUTE
    if altogether:
        whose = "its probes say" if len(rule.checks) == 1 else "whichever check is asked, its probes say"
        return _unknown(record, at, reasons.inconclusive_probes(whose, seen.outcome, times[seen.check], _said(seen)))
    if record.health is not Health.UNKNOWN:
        return record
    return record.entered(Health.UNKNOWN, at, f"{seen.outcome}: {_said(seen)}")


def _our_fault(record: TargetState, seen: Observation, rule: TargetParameters) -> TargetState:
    judged = _unjudged if seen.outcome.effect is Effect.NOTHING else _misconfigured
    return judged(record, seen, rule)


def _misconfigured(record: TargetState, seen: Observation, rule: TargetParameters) -> TargetState:
    at = seen.finished_at
    fix = reasons.remedy(seen.outcome, model=rule.model, key=rule.key, detail=_said(seen))
    same = record.suspicion is seen.outcome or {record.suspicion, seen.outcome} <= OF_THE_KEY
    confirmed = same or record.health is Health.MISCONFIGURED
    record = record.but(suspicion=seen.outcome, recovery=Recovery())
    if confirmed:
        return record.entered(Health.MISCONFIGURED, at, f"{seen.outcome}, {fix}")
    if record.health is Health.UP:
        return record.entered(Health.SUSPECT, at, f"{seen.outcome}, asked once more to be sure; {fix}")
    return record


def _while_failing(record: TargetState, seen: Observation, rule: TargetParameters) -> TargetState:
    """Down or misconfigured: the sequential test decides when it is back."""
    at, p0 = seen.finished_at, record.down.background.rate
    if seen.outcome.effect is Effect.THROTTLED:
        return _only_throttled(record, seen, rule)
    if record.throttled.value:
        record = record.but(throttled=record.throttled.cleared())
    if seen.outcome.effect is Effect.DOWN:
        return record.but(recovery=record.recovery.failed(p0=p0, p1=rule.p1))
    record = record.but(recovery=record.recovery.passed(at, p0=p0, p1=rule.p1))
    still_failing = any(outcome.effect is not Effect.DEGRADED for outcome in _awaited(record, at, rule))
    if still_failing or not record.recovery.proven:
        return record
    said = f"{record.recovery.clean} clean probes in a row; held for {span(hold_s(record, rule))} of clean probes"
    return record.but(held=0).entered(Health.RECOVERING, at, said)


def _only_throttled(record: TargetState, seen: Observation, rule: TargetParameters) -> TargetState:
    """Throttled answers prove nothing; but when nothing else comes, it is rate limited rather than down."""
    record = record.but(throttled=record.throttled.failed(seen, p1=rule.p1))
    return _poor_verdict(record.but(down=record.down.cleared()), seen.finished_at, rule) or record


def _while_recovering(record: TargetState, seen: Observation, rule: TargetParameters) -> TargetState:
    """Held: the whole hold must be clean. A failure sends it back, a poor answer begins the hold again."""
    at, p0 = seen.finished_at, record.down.background.rate
    if seen.outcome.effect is Effect.DOWN:
        after = span((at - record.since).total_seconds())
        record = record.but(recovery=Recovery())
        return record.entered(Health.DOWN, at, f"failed again {after} into the hold ({seen.outcome}); {_said(seen)}")
    if seen.outcome.effect is Effect.THROTTLED:
        return _only_throttled(record, seen, rule)
    if seen.outcome.effect is Effect.DEGRADED:
        slow, wrong, throttled = poor.weighed(record, seen, rule)
        held_anew = record.but(slow=slow, wrong=wrong, throttled=throttled, since=at, held=0)
        # It answers, if poorly: what was held against it as down is over.
        return _poor_verdict(held_anew.but(down=record.down.cleared()), at, rule) or held_anew
    record = record.but(recovery=record.recovery.passed(at, p0=p0, p1=rule.p1), held=record.held + 1)
    needed = hold_s(record, rule)
    enough = record.held >= _HELD_SHARE * needed / (rule.interval_s * RECOVERING_SHARE)
    if not enough or (at - record.since).total_seconds() < needed:
        return record
    began = record.recovery.since or record.since
    clean = f"{record.recovery.clean} clean probes in {span((at - began).total_seconds())}"
    # What is known of its latency stays: one that comes back slow is soon degraded.
    back = record.unburdened().but(latency=record.latency, down=record.down.cleared(), recovery=Recovery())
    return back.but(returned_at=at).entered(Health.UP, at, f"back after {clean}")


def _while_serving(record: TargetState, seen: Observation, rule: TargetParameters, *, late: bool) -> TargetState:
    """Up, suspect, degraded, unusable or not yet known: weigh, then say what the evidence amounts to."""
    record = _weighed(record, seen, rule, late=late)
    at = seen.finished_at
    judged = _down_verdict(record, at, rule) or _poor_verdict(record, at, rule) or _calm(record, seen, rule)
    return _told(judged, seen, rule) if record.ailing else judged


def _weighed(record: TargetState, seen: Observation, rule: TargetParameters, *, late: bool) -> TargetState:
    at, effect = seen.finished_at, seen.outcome.effect
    down, recovery, answers = record.down, record.recovery, record.answers
    if effect is Effect.DOWN:
        down = down.failed(seen, p1=rule.p1)
    else:
        down = down if effect is Effect.THROTTLED else down.passed(seen, p1=rule.p1)
        answers = poor.recent((*answers, AnswerQuality(at=at, bad=effect is not Effect.UP)), at)
    if record.health in IMPAIRED:
        p0, p1 = latency.NORMAL_SHARE, latency.STILL_LATE_SHARE
        good = effect is Effect.UP and not late
        recovery = recovery.passed(at, p0=p0, p1=p1) if good else recovery.failed(p0=p0, p1=p1)
    slow, wrong, throttled = poor.weighed(record, seen, rule)
    return record.but(down=down, slow=slow, wrong=wrong, throttled=throttled, recovery=recovery, answers=answers)


def _down_verdict(record: TargetState, at: datetime, rule: TargetParameters) -> TargetState | None:
    evidence = record.down.evidence
    if not evidence.value or evidence.value < rule.threshold(record.down.background.rate):
        return None
    if evidence.span_s(at) < rule.min_outage_s:
        return None
    said = poor.clause(record.down, at, rule) + (f"; last: {_short(evidence.last)}" if evidence.last else "")
    return _gone_down(record, at, rule, said=said, by_provider=evidence.by_provider)


def _gone_down(
    record: TargetState, at: datetime, rule: TargetParameters, *, said: str, by_provider: bool
) -> TargetState:
    factor = _hold_factor(record, at, rule, by_provider=by_provider)
    record = record.unburdened().but(
        recovery=Recovery(), hold_factor=factor, held=0, held_until=None, provider_verdict=None
    )
    return record.entered(Health.DOWN, at, said)


def _hold_factor(record: TargetState, at: datetime, rule: TargetParameters, *, by_provider: bool) -> int:
    """Doubled when it went down again, by the provider's fault, soon after it had come back; else back to one."""
    if record.returned_at is None or not by_provider:
        return 1
    soon = (at - record.returned_at).total_seconds() <= _RELAPSE_HOLDS * hold_s(record, rule)
    return min(_LARGEST_HOLD_FACTOR, record.hold_factor * 2) if soon else 1


def _poor_verdict(record: TargetState, at: datetime, rule: TargetParameters) -> TargetState | None:
    grounds = poor.grounds(record, at, rule)
    if record.health not in IMPAIRED:
        if not grounds:
            return None
        by_provider = any(case.value for case in (record.slow, record.wrong)) or not record.throttled.value
        factor = _hold_factor(record, at, rule, by_provider=by_provider)
        record = record.but(recovery=Recovery(), hold_factor=factor)
    grounds = grounds or poor.last_grounds(record)
    if useless := poor.useless(record, at):
        return record.entered(Health.UNUSABLE, at, f"{useless}; {grounds}")
    if record.recovery.proven and not _awaited(record, at, rule):
        return None
    return record.entered(Health.DEGRADED, at, grounds)


def _calm(record: TargetState, seen: Observation, rule: TargetParameters) -> TargetState:
    """No verdict: suspect while any evidence is left, up without, unknown until the first good answer."""
    at = seen.finished_at
    if record.health in IMPAIRED:
        until = at + timedelta(seconds=hold_s(record, rule))
        record = record.unburdened().but(recovery=Recovery(), returned_at=at, held_until=until)
        said = f"back after {span((at - record.since).total_seconds())}"
    else:
        said = "no failures left to explain" if record.health is Health.SUSPECT else "it answers"
    unknown = record.health is Health.UNKNOWN and seen.outcome.effect is not Effect.UP
    if held := poor.heaviest(record, at, rule):
        return record.entered(Health.UNKNOWN if unknown else Health.SUSPECT, at, held)
    # Only answers beside others that were poor say how much users get.
    record = record.but(answers=())
    if unknown:
        return record.entered(Health.UNKNOWN, at, said)
    return record if record.health is Health.UP else record.entered(Health.UP, at, said)


def _said(seen: Observation) -> str:
    """What the provider said, short."""
    return _short(seen.detail)


def _short(detail: str) -> str:
    return detail if len(detail) <= _DETAIL_CHARS else detail[: _DETAIL_CHARS - 1] + "…"
