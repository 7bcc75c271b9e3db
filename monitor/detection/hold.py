"""How long a target that answers again is held before routes come back to it, and what it must pass meanwhile (pure).

A sequential test (Wald 1945) weighs every probe of the hold between what is usual for the target and a lower rate of
failures than the one that recovery looks for. A failure now and then lengthens the hold and does not end it.
"""

import math
from datetime import datetime

from monitor.detection.evidence import RECOVERED, step_down, step_up
from monitor.detection.parameters import RECOVERING_SHARE, TargetParameters
from monitor.detection.target_state import TargetState
from monitor.health import Health

_LARGEST_FACTOR = 8
#: A relapse within so many holds of the return makes the next hold longer.
_RELAPSE_HOLDS = 4
#: The rate of failures that the hold looks for, as a share of the one that recovery looks for: 10 % at the defaults.
_LOWER_SHARE = 1 / 3
#: A background below this share of it is taken to be so much; else one failure would cost thirty good probes.
_USUAL_SHARE = 1 / 5
#: Of the probes that a hold has time for, so many come in at the least, as answers take time.
_PROBED_SHARE = 0.9
#: A hold has so many times the probes of one without a failure at the most, but time enough to make good for one.
_LONGEST, _FEWEST_PROBES = 2, 25
#: Log odds that decide then.
_AT_ITS_END = math.log(3)


def hold_s(state: TargetState, parameters: TargetParameters) -> float:
    """Seconds that this target is held at the least once it has recovered; relapses double it, up to eightfold."""
    return parameters.hold_s * state.hold_factor


def hold_factor(state: TargetState, at: datetime, parameters: TargetParameters, *, by_provider: bool) -> int:
    """Doubled when the target fails again soon after its return, by its provider's fault; else 1."""
    if state.health is Health.RECOVERING:
        return state.hold_factor
    if state.returned_at is None or not by_provider:
        return 1
    soon = (at - state.returned_at).total_seconds() <= _RELAPSE_HOLDS * hold_s(state, parameters)
    return min(_LARGEST_FACTOR, state.hold_factor * 2) if soon else 1


def begin(state: TargetState, at: datetime) -> TargetState:
    """The state at the beginning of a hold; its health is left alone."""
    return state.replace(since=at, clean_in_hold=0, failed_in_hold=0)


def add_probe(state: TargetState, *, failed: bool) -> TargetState:
    """The state after one more probe of its hold."""
    if failed:
        return state.replace(failed_in_hold=state.failed_in_hold + 1)
    return state.replace(clean_in_hold=state.clean_in_hold + 1)


def is_passed(state: TargetState, at: datetime, parameters: TargetParameters) -> bool:
    """Whether the hold has lasted long enough, and its probes speak for what is usual.

    They do at the odds that a hold without a failure reaches, twenty to one at the most; after twice its
    probes three to one decide. Each earlier hold of the outage that ended in failures raises the odds by
    half: many tries must not add up to a return.
    """
    probes = _probes(state, parameters)
    clean = probes * step_down(*hold_rates(state.down.background.rate, parameters.p1))
    height = _AT_ITS_END if _is_at_its_end(state, parameters) else min(RECOVERED, clean)
    lasted = (at - state.since).total_seconds() >= hold_s(state, parameters)
    return lasted and _evidence(state, parameters) >= height + math.log(1 + state.failed_holds / 2)


def is_failed(state: TargetState, parameters: TargetParameters) -> bool:
    """Whether the probes of its hold speak for a target that still fails: at odds of twenty to one, or at its end."""
    evidence = _evidence(state, parameters)
    return evidence <= -RECOVERED or (evidence < _AT_ITS_END and _is_at_its_end(state, parameters))


def _probes(state: TargetState, parameters: TargetParameters) -> float:
    """How many probes a hold has time for, at the least."""
    return _PROBED_SHARE * hold_s(state, parameters) / (parameters.interval_s * RECOVERING_SHARE)


def _is_at_its_end(state: TargetState, parameters: TargetParameters) -> bool:
    longest = max(_FEWEST_PROBES, _LONGEST * _probes(state, parameters))
    return state.clean_in_hold + state.failed_in_hold >= longest


def _evidence(state: TargetState, parameters: TargetParameters) -> float:
    """The log odds that its probes in the hold speak for what is usual, against what is too much."""
    usual, lower = hold_rates(state.down.background.rate, parameters.p1)
    return state.clean_in_hold * step_down(usual, lower) - state.failed_in_hold * step_up(usual, lower)


def hold_rates(p0: float, p1: float) -> tuple[float, float]:
    """The rates of failures between which a hold decides: what is usual, and what is too much; from p0 to p1."""
    lower = max(p1 * _LOWER_SHARE, math.sqrt(p0 * p1))
    return max(p0, lower * _USUAL_SHARE), lower
