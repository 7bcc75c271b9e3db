"""What a target waits for before a route may go to it, and until when (pure)."""

from datetime import datetime, timedelta

from monitor.detection import hold
from monitor.detection.pacing import is_resting
from monitor.detection.parameters import RECOVERING_SHARE, TargetParameters
from monitor.detection.target_state import TargetState
from monitor.formatting import clock, format_elapsed
from monitor.health import HEALTHY, Health


def describe_wait(state: TargetState, parameters: TargetParameters, now: datetime, *, lasting: bool = False) -> str:
    """Its health and what it waits for: `down, next probe by 14:02:10 UTC`, `recovering, up at 14:08:20 UTC if …`.

    `lasting`: only what still holds after the next probe, for what is not written anew with every probe.
    """
    health = str(state.health)
    if state.health is Health.RECOVERING:
        up_at = state.since + timedelta(seconds=hold.hold_s(state, parameters))
        if up_at > now:
            proviso = "at the soonest" if state.failed_in_hold else "if every probe until then is clean"
            return f"{health}, up at {clock(up_at, now)} {proviso}"
    if state.health in HEALTHY and state.held_until and state.held_until > now:
        return f"{health}, held until {clock(state.held_until, now)}"
    low = state.low_limit.text(now) if state.low_limit and state.health in HEALTHY else None
    if low and not lasting:
        return f"{health}, close to a limit: {low}"
    if lasting:
        return f"{health}, probed every {format_elapsed(parameters.interval_s)}"
    if is_resting(state, now) and state.resting_until:
        return f"{health}, not probed before {clock(state.resting_until, now)}, as it asked for (Retry-After)"
    answers = state.health is Health.RECOVERING or (state.out_of_service and state.recovery.clean)
    share = RECOVERING_SHARE if answers else 1.0
    due = state.last_started_at and state.last_started_at + timedelta(seconds=parameters.interval_s * share)
    return f"{health}, next probe by {clock(due, now)}" if due and due > now else f"{health}, next probe due now"
