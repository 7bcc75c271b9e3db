"""The health state machine of one target: one observation at a time (pure).

unknown ──ok──▶ up ──failure──▶ suspect ──threshold and min_outage──▶ down
                 ▲ ▲               │                                    │ sequential test
                 │ └──evidence 0───┘                                    ▼
                 └────────── the hold passed ────────────────────── recovering ──failures──▶ down
any ──its whole provider fails (`monitor.detection.provider_pool`)──▶ down
up, suspect ──slow, wrong or throttled beyond the background──▶ degraded ──too large a share──▶ unusable
any ──auth, quota or model_gone, twice──▶ misconfigured ──▶ recovering, as from down
any that is not down ──every probe refused as a bad request──▶ unusable or misconfigured ──▶ recovering, as from down
any that is not down ──no observation for long, or our own network is down──▶ unknown

`monitor.detection.verdict_rules` decides on down, degraded, unusable and misconfigured, and on the return from them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitor.detection import degradation, hold, latency, limits, notes, recent_probes, verdict_rules
from monitor.detection.evidence import EMPTY_TRACK, EvidenceTrack, Recovery
from monitor.detection.latency import LatencyPoint
from monitor.detection.parameters import TargetParameters
from monitor.detection.target_state import TargetState
from monitor.formatting import format_elapsed
from monitor.health import HEALTHY, NO_VERDICT, RECENT_PROBES, Health, RecentProbe, Transition
from probes.observation import Observation
from probes.outcome import Blame, Effect, Outcome

#: When the probe of an `ok` answer began, how many seconds it took, and when it ended.
TimedAnswer = tuple[datetime, float, datetime]

#: Failures in a row of one check that are reported although they make no verdict.
REPORTED_FAILURES = 5


def observe(
    state: TargetState,
    observation: Observation,
    parameters: TargetParameters,
    *,
    blind: bool = False,
    blip_s: float = 0.0,
) -> TargetState:
    """The state after one more observation.

    `blip_s`: the longest blip that was learned; what fails within it is worth one failure.
    `blind`: our own network was found to be down when the observation was made, so that a failure of undecided blame
    counts for nothing.
    """
    if observation.outcome is Outcome.OK and state.no_evidence:
        known = state.latency.add_observation(observation, no_evidence=True)
        at, began_at = observation.finished_at, observation.started_at
        if not _is_rewound(state, began_at, parameters) and not known.is_suspicious(parameters.late_threshold):
            state = limits.note_starts(state, (began_at,), parameters.interval_s, in_quiet=True)
            return state.add_clean_probes(1, began_at, at, known, parameters.probe)
    if observation.outcome is Outcome.OK and (faded := fade(state, observation, parameters)):
        return faded
    return observe_in_full(state, observation, parameters, blind=blind, blip_s=blip_s)


def fades(state: TargetState, check: str, parameters: TargetParameters) -> bool:
    """Whether good answers to this check only take from evidence of failures, far from any verdict, while any is left.

    Unless they are suspiciously late, or come after a long silence.
    """
    down = state.down
    if state.health is not Health.SUSPECT or not 0 < down.value < parameters.threshold(down.background.rate):
        return False
    others = state.slow.value or state.wrong.value or state.throttled.value or state.useless.answers
    if others or state.poor.answers or state.clean_pending or state.suspicion:
        return False
    return all(failures.check == check for failures in state.check_failures)


def fade(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState | None:
    """The state after a good answer where it `fades`; else None.

    The same as by `observe_in_full` in half of its time: it is what follows nearly every failure.
    """
    at = observation.finished_at
    if not fades(state, observation.check, parameters):
        return None
    latency = state.latency.add_observation(observation, no_evidence=False)
    if latency.is_suspicious(parameters.late_threshold) or not is_on_time(state, at, parameters):
        return None
    recent = recent_probes.add_probe(state, observation, parameters.interval_s, blind=False)
    state = limits.note_start(state, observation.started_at, parameters.interval_s)
    state = degradation.add_observation(notes.note_period(state, observation, parameters), observation, parameters)
    down = state.down.add_success(observation, p1=parameters.p1)
    state = _faded(state, observation.started_at, at, parameters).replace(recent=recent, latency=latency, down=down)
    return state if down.value else _no_verdict(state, observation, parameters)


def fade_all(
    state: TargetState,
    course: Sequence[LatencyPoint],
    answers: Sequence[TimedAnswer],
    parameters: TargetParameters,
) -> TargetState:
    """The state after these `ok` answers to the target's only check on this course of latency: as one by one.

    To be called where it `fades`, for no more of them than leave evidence; not for streams.
    """
    started_at, _, ended_at = answers[-1]
    check, timings = parameters.checks[0], [(took_s, at) for _, took_s, at in answers]
    latency = state.latency.add_clean_answers(state.target, check, course, timings.__getitem__)
    ends = [at for _, at in timings]
    recent = (*state.recent, *(RecentProbe(at=at, effect=Effect.UP) for at in ends))[-RECENT_PROBES:]
    down = state.down.add_successes(state.target, ends, p1=parameters.p1)
    # Tracks that are the same value stay one.
    tracks = {id(track): track for track in state.tracks[1:]}
    tracks = {place: track.add_good(ends) for place, track in tracks.items()}
    slow, wrong, throttled = (tracks[id(track)] for track in state.tracks[1:])
    state = limits.note_starts(state, (begun_at for begun_at, _, _ in answers), parameters.interval_s)
    for at in ends if state.periods.value else ():
        state = notes.note_period_at(state, at, parameters, failed=False)
    state = _faded(state, started_at, ended_at, parameters)
    return state.replace(recent=recent, latency=latency, down=down, slow=slow, wrong=wrong, throttled=throttled)


def _faded(state: TargetState, started_at: datetime, at: datetime, parameters: TargetParameters) -> TargetState:
    return state.replace(
        check_failures=(),
        refused_since=None,
        last_started_at=started_at,
        last_seen_at=at,
        last_ok_at=at,
        answered_as=parameters.probe,
        resting_until=None,
    )


def is_on_time(state: TargetState, at: datetime, parameters: TargetParameters) -> bool:
    """Whether a probe that ends then comes neither after a long silence nor long before the last one."""
    return not _is_rewound(state, at, parameters) and state.silent_s(at) <= parameters.patience_s


def observe_in_full(
    state: TargetState,
    observation: Observation,
    parameters: TargetParameters,
    *,
    blind: bool = False,
    blip_s: float = 0.0,
) -> TargetState:
    """The state by all the rules, whatever was observed; arguments as for `observe`, which knows shorter ways."""
    recent = recent_probes.add_probe(state, observation, parameters.interval_s, blind=blind)
    state, at, effect = state.replace(recent=recent), observation.finished_at, observation.outcome.effect
    state = _forget_after_silence(_rewind(state, at, parameters), at, parameters).learn_pending(parameters.interval_s)
    late = state.latency.late_measure(observation) is not None
    state = limits.note_start(state, observation.started_at, parameters.interval_s)
    if effect is Effect.THROTTLED:
        burst_at = limits.met_by_bursts((state,), (parameters.interval_s,), observation)
        state = limits.spared(state, burst_at) if burst_at else state
    state = notes.note(state, observation, parameters)
    if not (blind and observation.outcome.blame is Blame.UNDECIDED):
        state = notes.note_period(state, observation, parameters)
    if blind and observation.outcome.blame is Blame.UNDECIDED:
        return state.enter_unknown(at, "our own network seems to be down: nobody answers")
    if effect is Effect.NOTHING:
        return verdict_rules.add_inconclusive(state, observation, parameters)
    if effect is Effect.MISCONFIGURED:
        return verdict_rules.add_misconfigured(state, observation, parameters)
    if state.suspicion and state.suspicion not in verdict_rules.awaited_outcomes(state, at, parameters):
        state = state.replace(suspicion=None)
    if state.out_of_service:
        return verdict_rules.while_failing(state, observation, parameters)
    if state.health is Health.RECOVERING:
        return verdict_rules.while_recovering(state, observation, parameters)
    return _while_serving(state, observation, parameters, late=late, blip_s=blip_s)


def tick(state: TargetState, now: datetime, parameters: TargetParameters) -> TargetState:
    """The state as time passes without observations: a healthy target becomes unknown, or a verdict comes due."""
    if state.last_seen_at is None or state.health not in HEALTHY:
        return state
    silent_s = state.silent_s(now)
    if silent_s > parameters.patience_s:
        return state.enter_unknown(now, f"no observation for {format_elapsed(silent_s)}")
    if _is_rewound(state, now, parameters):
        return state.enter_unknown(now, "the clock was set back, and nothing has been seen since")
    return (verdict_rules.down_verdict(state, now, parameters) if state.down.value else None) or state


def tick_due_at(state: TargetState, now: datetime, parameters: TargetParameters) -> datetime | None:
    """When `tick` may change it at the earliest if nothing is observed until then; None when it will not.

    Unless the clock is set back behind the last observation.
    """
    if state.last_seen_at is None or state.health not in HEALTHY:
        return None
    if state.down.value:
        return now
    quiet_until = max(state.last_seen_at, state.resting_until or state.last_seen_at)
    return quiet_until + timedelta(seconds=parameters.patience_s)


def stop_watching(state: TargetState, at: datetime, reason: str) -> TargetState:
    """The state of a target that is not probed any more: unknown, unless a verdict stands against it."""
    if state.health is Health.UNKNOWN and state.reason.endswith(reason):
        return state
    return state.enter_unknown(at, reason)


def verdict_due_at(state: TargetState, parameters: TargetParameters, threshold: float | None = None) -> datetime | None:
    """When `tick` will make the target down if nothing is observed until then; None when it will not.

    `threshold` is that of the evidence where it is known, as it is stored: it may take long to find.
    """
    evidence = state.down.evidence
    if not evidence.since or state.health not in HEALTHY:
        return None
    needed = parameters.threshold(state.down.background.rate) if threshold is None else threshold
    if not 0 < needed <= evidence.value:
        return None
    return evidence.since + timedelta(seconds=parameters.min_outage_s)


def transition(before: TargetState, after: TargetState, parameters: TargetParameters) -> Transition | None:
    """The change of health between two states of a target; None when there is none."""
    if before.health is after.health:
        return None
    track = _deciding_track(before, after)
    evidence, threshold, trail = track.value, parameters.threshold(track.background.rate), track.evidence.trail
    late = after.latency.lateness
    by_lateness = after.impaired and evidence < threshold and late.value >= parameters.late_threshold
    if by_lateness or (not evidence and (after.impaired or after.health is Health.SUSPECT)):
        evidence, threshold, trail = late.value, parameters.late_threshold, late.trail
    return Transition(
        target=after.target,
        at=after.since,
        before=before.health,
        after=after.health,
        reason=after.reason,
        evidence=evidence,
        threshold=threshold,
        trail=trail,
    )


def _deciding_track(before: TargetState, after: TargetState) -> EvidenceTrack:
    """The evidence that a change of health rests on; an empty track where it rests on something else."""
    if after.health is Health.DOWN:
        return EMPTY_TRACK if before.health is Health.RECOVERING else after.down
    if after.impaired:
        return max(after.tracks[1:], key=lambda track: track.value)
    if after.refuses_all or after.health in {Health.MISCONFIGURED, Health.RECOVERING}:
        return EMPTY_TRACK
    return max(before.tracks + after.tracks, key=lambda track: track.value)


def _is_rewound(state: TargetState, at: datetime, parameters: TargetParameters) -> bool:
    """Whether the clock was set back by more than the patience since the last observation."""
    last = state.last_seen_at
    return last is not None and last > at and (last - at).total_seconds() > parameters.patience_s


def _rewind(state: TargetState, at: datetime, parameters: TargetParameters) -> TargetState:
    """The state without anything in the future, where the clock was set back since the last observation."""
    if not _is_rewound(state, at, parameters):
        return state
    return state.clear_evidence().replace(
        suspicion=state.suspicion,
        since=min(state.since, at),
        recovery=Recovery(),
        clean_in_hold=0,
        failed_in_hold=0,
        returned_at=None,
        last_ok_at=None,
        resting_until=None,
        held_until=None,
        limit_met_at=None,
        regular_at=None,
        extra_at=(),
    )


def _forget_after_silence(state: TargetState, at: datetime, parameters: TargetParameters) -> TargetState:
    """The state without the evidence from before a long silence, as `tick` would clear it."""
    silent = state.health in NO_VERDICT and state.silent_s(at) > parameters.patience_s
    return state.clear_evidence() if silent else state


def _while_serving(
    state: TargetState, observation: Observation, parameters: TargetParameters, *, late: bool, blip_s: float
) -> TargetState:
    """Of a target that is up, suspect, degraded, unusable or unknown: weigh the observation, then judge."""
    at, state = observation.finished_at, _weigh(state, observation, parameters, late=late, blip_s=blip_s)
    judged = verdict_rules.down_verdict(state, at, parameters) or verdict_rules.degraded_verdict(state, at, parameters)
    judged = judged or _no_verdict(state, observation, parameters)
    return _report_check(judged, observation, parameters) if state.check_failures else judged


def _weigh(
    state: TargetState, observation: Observation, parameters: TargetParameters, *, late: bool, blip_s: float
) -> TargetState:
    at, effect, p1 = observation.finished_at, observation.outcome.effect, parameters.p1
    down, back = state.down, state.recovery
    # Who refuses for a limit has not failed.
    if effect is Effect.DOWN:
        down = down.add_failure(observation, p1=p1, blip_s=blip_s)
    else:
        down = down.add_success(observation, p1=p1)
    if state.impaired:
        p0, p1 = latency.NORMAL_SHARE, latency.STILL_LATE_SHARE
        good = effect is Effect.UP and not late
        back = back.add_success(at, p0=p0, p1=p1) if good else back.add_failure(p0=p0, p1=p1)
    state = state.replace(down=down, recovery=back)
    if effect is Effect.THROTTLED and limits.is_spared(state, at):
        return state
    return degradation.add_observation(state, observation, parameters)


def _no_verdict(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """Suspect while any evidence is left, up without, unknown until the first good answer."""
    at = observation.finished_at
    if state.impaired:
        until = at + timedelta(seconds=hold.hold_s(state, parameters))
        # The tests on shares go on: to begin anew at each return would make their chance of error that of each.
        tests = {} if state.health is Health.UNUSABLE else {"useless": state.useless, "poor": state.poor}
        state = state.clear_degradation().replace(recovery=Recovery(), returned_at=at, held_until=until, **tests)
        reason = f"back after {format_elapsed((at - state.since).total_seconds())}"
    else:
        reason = "no evidence of failures is left" if state.health is Health.SUSPECT else "it answers"
    unknown = state.health is Health.UNKNOWN and observation.outcome.effect is not Effect.UP
    if state.has_evidence or state.latency.is_suspicious(parameters.late_threshold):
        if state.health is Health.SUSPECT and not unknown:
            return state  # its reason is told anew with its health
        suspicion = degradation.heaviest_reason(state, at, parameters)
        return state.enter(Health.UNKNOWN if unknown else Health.SUSPECT, at, suspicion)
    if unknown:
        return state.enter(Health.UNKNOWN, at, reason)
    return state if state.health is Health.UP else state.enter(Health.UP, at, reason)


def _report_check(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState:
    """The state with the observed check marked as reported, where it fails again and again without a verdict."""
    failures = state.failures_of(observation.check)
    if len(parameters.checks) == 1 or state.health not in HEALTHY or not failures:
        return state
    if failures.failed < REPORTED_FAILURES or failures.reported_at:
        return state
    return state.mark_reported(observation)
