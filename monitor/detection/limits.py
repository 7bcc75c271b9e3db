"""How a target is probed that refuses probes for a limit, so that our own probes never keep it at its limit (pure)."""

import math
from collections.abc import Iterable
from datetime import datetime

from monitor.detection.parameters import TargetParameters
from monitor.detection.target_state import TargetState
from monitor.health import Health, low_limit
from probes.observation import Observation
from probes.outcome import Effect

#: Limits of requests are mostly those of a minute.
LIMIT_WINDOW_S = 60.0
#: The most extra probes in a window; more of them may be what the limit refuses.
MOST_EXTRA = 4
#: Hardly any limit refuses one of fewer probes in a window, regular ones included.
_FEW_PROBES = 8
#: Nor do fewer extra probes than this share of the regular ones make the difference.
_SHARE = 1 / 8
#: A probe so much of an interval after the last regular one is the next regular one.
_REGULAR_SHARE = 0.9
#: A rest up to this only delays the extra probes, which come so long after it.
_SHORT_REST_S = 10.0
_AFTER_REST_S = 0.1
#: So long a limit that a burst has met is remembered.
_REMEMBERED_S = 600.0
#: Evidence that neither fades nor suffices gets no more extra probes after so many.
_LONGEST_EXCURSION = 120
_SEVERAL = 3


def is_limited(state: TargetState, at: datetime) -> bool:
    """Whether the target has refused probes of late for a limit, so that bursts would only add to what it refuses."""
    if state.limit_met_at is not None and _since_burst_s(state, at) is not None:
        return True
    return _is_refusing(state)


def is_unsettled(state: TargetState) -> bool:
    """Whether more probes would tell soon how much it refuses: not after 120 since it began."""
    return _is_refusing(state) and max(state.throttled.evidence.probes, state.useless.answers) <= _LONGEST_EXCURSION


def _is_refusing(state: TargetState) -> bool:
    """Whether there is evidence of it, or the test on shares goes on, and not for a refusal or two."""
    if state.throttled.evidence.value:
        return True
    return state.useless.bad >= _SEVERAL and any(probe.effect is Effect.THROTTLED for probe in state.recent)


def is_spared(state: TargetState, at: datetime) -> bool:
    """Whether our own burst met the limit, and its last probe was at most a window ago."""
    return state.limit_met_at is not None and _in_window(state.limit_met_at, at)


def _in_window(since: datetime, at: datetime) -> bool:
    """Whether this is at most a window later."""
    return 0 <= (at - since).total_seconds() <= LIMIT_WINDOW_S


def _since_burst_s(state: TargetState, at: datetime) -> float | None:
    """Seconds since the last probe of our own burst that met the limit; None when none did, or long ago."""
    since_s = (at - state.limit_met_at).total_seconds() if state.limit_met_at else None
    return since_s if since_s is not None and 0 <= since_s < _REMEMBERED_S else None


def _rest_s(state: TargetState) -> float:
    """Seconds from its last probe until the end of the rest that the provider asked for."""
    if state.resting_until is None or state.last_seen_at is None:
        return 0.0
    return max(0.0, (state.resting_until - state.last_seen_at).total_seconds())


def rests_long(state: TargetState) -> bool:
    """Whether the provider asked (Retry-After) for more than 10 s of rest with the last probe: none is added then."""
    return _rest_s(state) > _SHORT_REST_S


def spared(state: TargetState, burst_at: datetime) -> TargetState:
    """The state spared for a window from this probe of a burst on; unchanged where it is known to be at a limit.

    It may be spared already, for a later probe of its siblings.
    """
    known_at = state.limit_met_at
    if _is_refusing(state) or (known_at and _in_window(burst_at, known_at)):
        return state
    return state.replace(limit_met_at=burst_at)


def met_by_bursts(states: Iterable[TargetState], intervals_s: Iterable[float], refused: Observation) -> datetime | None:
    """When the last extra probe before this one began, if bursts may have met the limit of these targets; else None.

    That is after more than four extra probes within a window, this one included where it is one, or after fewer that
    make eight or more with the regular ones, and are an eighth as many: some are still under way, and hardly any limit
    is lower than ten. The extra probes of targets known to be at a limit are not counted.
    """
    probed = (probed_at for state in states if not _is_refusing(state) for probed_at in state.extra_at)
    extra = [probed_at for probed_at in probed if _in_window(probed_at, refused.finished_at)]
    regular = sum(LIMIT_WINDOW_S / interval_s for interval_s in intervals_s)
    suffices = len(extra) + regular >= _FEW_PROBES and len(extra) >= _SHARE * regular
    if len(extra) <= MOST_EXTRA and not suffices:
        return None
    return max((probed_at for probed_at in extra if probed_at < refused.started_at), default=None)


def note_limit(state: TargetState, observation: Observation) -> TargetState:
    """The state with what this observation says of a limit that is nearly used up."""
    if observation.under_way:
        return state
    low = low_limit(observation.finished_at, observation.limit_left, observation.limit_resets_s)
    return state.replace(low_limit=low)


def note_start(state: TargetState, started_at: datetime, interval_s: float) -> TargetState:
    """The state with the start of one more probe, as a regular or an extra one."""
    return note_starts(state, (started_at,), interval_s)


def note_starts(
    state: TargetState, starts: Iterable[datetime], interval_s: float, *, in_quiet: bool = False
) -> TargetState:
    """The state with the starts of so many more probes, in their order; in quiet time only those of extra ones."""
    last_at, regular_at, extra_at = state.last_started_at, state.regular_at, state.extra_at
    for at in starts:
        if is_extra(at, last_at, regular_at, interval_s):
            extra_at = with_extra(extra_at, at)
        elif not in_quiet:
            regular_at = at
        last_at = at
    if extra_at is state.extra_at and regular_at is state.regular_at:
        return state
    return state.replace(regular_at=regular_at, extra_at=extra_at)


def with_extra(extra_at: tuple[datetime, ...], started_at: datetime) -> tuple[datetime, ...]:
    """The starts of extra probes, as many as are kept, after one more."""
    return (*extra_at, started_at)[-MOST_EXTRA - 1 :]


def is_extra(started_at: datetime, last_at: datetime | None, regular_at: datetime | None, interval_s: float) -> bool:
    """Whether a probe that starts then is beside the regular ones, the last of which was noted if not in quiet time."""
    if last_at is None:
        return False
    after_s = (started_at - last_at).total_seconds()
    if abs(after_s) >= _REGULAR_SHARE * interval_s:
        return False
    since_s = (started_at - regular_at).total_seconds() if regular_at else math.inf
    if 0 <= since_s < 2 * interval_s:
        return since_s < _REGULAR_SHARE * interval_s
    return after_s < interval_s / 2


def extra_probe_s(state: TargetState, parameters: TargetParameters, *, sharing: int = 1) -> float | None:
    """Seconds from the last answer to an extra probe of a target that is at a limit; None when there is to be none.

    A quarter of the interval after the start of the last probe, but so that no more than four in a minute are added to
    the regular ones of the targets that are `sharing` the limit, and after the rest that the provider asks for. None
    while it is spared, after a Retry-After of more than 10 s, and once it is unusable.
    """
    at = state.last_seen_at
    if at is None or rests_long(state) or is_spared(state, at) or state.health is Health.UNUSABLE:
        return None
    most = max(1, MOST_EXTRA // sharing)
    earliest_s = _rest_s(state) + _AFTER_REST_S
    if len(state.extra_at) >= most:
        earliest_s = max(earliest_s, (state.extra_at[-most] - at).total_seconds() + LIMIT_WINDOW_S)
    if earliest_s > parameters.interval_s:
        return None  # to be asked again after the next regular probe, if there is any evidence left
    since_start_s = (at - state.last_started_at).total_seconds() if state.last_started_at else 0.0
    return max(parameters.degraded_s - since_start_s, earliest_s)
