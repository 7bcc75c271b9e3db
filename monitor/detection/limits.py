"""How a target is probed that refuses probes for a limit, so that our own probes never keep it at its limit (pure)."""

from collections.abc import Sequence
from datetime import datetime

from monitor.detection.parameters import TargetParameters
from monitor.detection.target_state import TargetState
from monitor.health import Health

#: Limits of requests are mostly those of a minute.
LIMIT_WINDOW_S = 60.0
#: The most extra probes in a window; more of them may be what the limit refuses.
MOST_EXTRA = 4
#: A probe so much of an interval after the last regular one is the next regular one.
_REGULAR_SHARE = 0.9
#: So long a limit that a burst has met is remembered.
_REMEMBERED_S = 600.0
#: Evidence that neither fades nor suffices gets no more extra probes after so many.
LONGEST_EXCURSION = 120
#: Probes that began within the window may end a little later.
_SLACK_S = 5.0


def is_limited(state: TargetState, at: datetime) -> bool:
    """Whether the target has refused probes of late for a limit, so that bursts would only add to what it refuses."""
    return state.throttled.value > 0 or (state.limit_met_at is not None and _since_burst_s(state, at) is not None)


def is_spared(state: TargetState, at: datetime) -> bool:
    """Whether our own burst met the limit, less than a window ago."""
    since_s = _since_burst_s(state, at)
    return since_s is not None and since_s < LIMIT_WINDOW_S


def _since_burst_s(state: TargetState, at: datetime) -> float | None:
    """Seconds since our own burst met the limit; None when it did not, or long ago."""
    since_s = (at - state.limit_met_at).total_seconds() if state.limit_met_at else None
    return since_s if since_s is not None and 0 <= since_s < _REMEMBERED_S else None


def is_crowded(probed_at: Sequence[datetime], at: datetime, interval_s: float) -> bool:
    """Whether more than four probes beyond the regular ones came in within the window before `at`.

    Then what is refused at `at` may be our own doing. `interval_s` is from one regular probe to the next.
    """
    ages_s = [(at - before).total_seconds() for before in probed_at]
    young_s = [age_s for age_s in ages_s if 0 <= age_s <= LIMIT_WINDOW_S - _SLACK_S]
    return len(young_s) - max(young_s, default=0.0) / interval_s > MOST_EXTRA


def spared(state: TargetState, at: datetime) -> TargetState:
    """The state spared for a window from now on; unchanged where it is known to be at a limit."""
    return state if state.throttled.value or is_spared(state, at) else state.replace(limit_met_at=at)


def after_burst(state: TargetState, at: datetime) -> TargetState:
    """The state of a target that refuses a probe for a limit: spared where its own burst may have met it."""
    extra = [probed_at for probed_at in state.extra_at if 0 <= (at - probed_at).total_seconds() <= LIMIT_WINDOW_S]
    return spared(state, at) if len(extra) > MOST_EXTRA else state


def note_start(state: TargetState, started_at: datetime, interval_s: float) -> TargetState:
    """The state with the start of one more probe, as a regular or an extra one."""
    if not is_extra(state, started_at, interval_s):
        return state.replace(regular_at=started_at)
    return state.replace(extra_at=(*state.extra_at, started_at)[-MOST_EXTRA - 1 :])


def is_extra(state: TargetState, started_at: datetime, interval_s: float) -> bool:
    """Whether a probe that starts then is beside the regular ones."""
    regular_at = state.regular_at
    return regular_at is not None and abs((started_at - regular_at).total_seconds()) < _REGULAR_SHARE * interval_s


def extra_probe_s(state: TargetState, parameters: TargetParameters, *, sharing: int = 1) -> float | None:
    """Seconds from the last probe to an extra one of a target that is at a limit; None when there is to be none.

    A quarter of the interval, but so that no more than four in a minute are added to the regular ones of the targets
    that are `sharing` the limit. None while it is spared, after a Retry-After, and once it is unusable.
    """
    at = state.last_seen_at
    if at is None or state.resting_until or is_spared(state, at) or state.health is Health.UNUSABLE:
        return None
    most = max(1, MOST_EXTRA // sharing)
    earliest_s = 0.0
    if len(state.extra_at) >= most:
        earliest_s = (state.extra_at[-most] - at).total_seconds() + LIMIT_WINDOW_S
    if earliest_s > parameters.interval_s:
        return None  # to be asked again after the next regular probe, if there is any evidence left
    return max(parameters.degraded_s, earliest_s)
