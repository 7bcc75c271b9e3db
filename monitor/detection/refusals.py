"""A target that refuses every probe as a bad request: unusable, misconfigured, or the fault of our own probe (pure).

One refusal says nothing of the provider, because the probe may be wrong. A target that answered the same probe before,
and refuses every one of them now, serves nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from monitor.detection import reasons
from monitor.detection.parameters import AWAITED_INTERVALS, TargetParameters
from monitor.detection.target_state import TargetState
from monitor.formatting import listed
from monitor.health import NO_VERDICT, Health
from probes.observation import Observation

#: Refusals in a row of each check that make a verdict.
_REFUSALS = 3
#: Refusals that begin so close together at two providers of one dialect are the fault of the probe.
_TOGETHER = timedelta(hours=1)


class RefusalCause(Enum):
    """What it means that a target refuses all its probes."""

    CHANGED = auto()
    """The provider, or what it accepts: it answered the very same probe before."""
    NEVER_ANSWERED = auto()
    """It has not answered since it was configured as it is now."""
    UNCLEAR = auto()
    """Hotspare was changed since its last answer, or what it answered then is not known."""


def cause_of(state: TargetState, parameters: TargetParameters) -> RefusalCause:
    """What it would mean that the target refuses all probes."""
    if state.answered_as == parameters.probe:
        return RefusalCause.CHANGED
    if state.answered_as is None:
        return RefusalCause.NEVER_ANSWERED if state.last_ok_at is None else RefusalCause.UNCLEAR
    return (
        RefusalCause.UNCLEAR if state.answered_as.settings == parameters.probe.settings else RefusalCause.NEVER_ANSWERED
    )


def is_pending(state: TargetState, parameters: TargetParameters) -> bool:
    """Whether every probe was refused of late, so that a verdict may follow."""
    return state.refused_since is not None and cause_of(state, parameters) is not RefusalCause.UNCLEAR


def verdict(state: TargetState, observation: Observation, parameters: TargetParameters) -> TargetState | None:
    """The state as unusable or misconfigured, where it has refused every check often and long enough; else None."""
    at, since = observation.finished_at, state.refused_since
    if since is None or (at - since).total_seconds() < parameters.min_outage_s:
        return None
    not_asked = at - since >= timedelta(seconds=AWAITED_INTERVALS * parameters.interval_s)
    refused = {failures.check: failures.refused for failures in state.check_failures}
    if any(refused.get(check, _REFUSALS if not_asked else 0) < _REFUSALS for check in parameters.checks):
        return None
    reason = reasons.all_refused(observation.http_status, since, observation.detail)
    match cause_of(state, parameters):
        case RefusalCause.CHANGED:
            return state.replace(refuses_all=True).enter(Health.UNUSABLE, at, reason)
        case RefusalCause.NEVER_ANSWERED:
            return state.enter(Health.MISCONFIGURED, at, reasons.never_answered(observation.detail))
    return None


def began_together(state: TargetState, others: Iterable[TargetState]) -> list[TargetState]:
    """Those of the others that refuse probes as well and began to do so within an hour of this one."""
    since = state.refused_since
    return [
        other for other in others if since and other.refused_since and abs(since - other.refused_since) <= _TOGETHER
    ]


def excusable(before: TargetState, after: TargetState, others: Sequence[TargetState]) -> list[TargetState]:
    """Those that refuse again and again because our probe is at fault.

    `before` and `after` are the states around one more observation, `others` those of other providers that began
    together with it. A single refusal of another provider is enough to hold a verdict off, but only several in a row
    take one back.
    """
    several = _is_frequent(after) and any(map(_is_frequent, others))
    known = ((after, before), *((other, other) for other in others))
    return [
        state for state, earlier in known if others and _is_frequent(state) and (several or not _is_condemned(earlier))
    ]


def judged(
    before: TargetState,
    after: TargetState,
    observation: Observation,
    states: Mapping[str, TargetState],
    parameters: Mapping[str, TargetParameters],
) -> list[TargetState]:
    """The states to go on from after one more observation; `before` and `after` are those of its target.

    That is `after`, and what becomes of all that are excused, where other providers with the same dialect refuse as
    well. `states` and `parameters` are of all targets.
    """
    if not after.refused_since:
        return [after]
    dialect, provider = parameters[after.target].dialect, after.target.partition("/")[0]
    same = (name for name, known in parameters.items() if known.dialect == dialect)
    others = began_together(after, (states[name] for name in same if name.partition("/")[0] != provider))
    at, names = observation.finished_at, listed([state.target for state in (after, *others)])
    reason, found = reasons.probe_refused(dialect, names, observation.detail), excusable(before, after, others)
    return [*([] if after in found else [after]), *(excuse(state, at, reason) for state in found)]


def excuse(state: TargetState, at: datetime, reason: str) -> TargetState:
    """The state as unknown, because its refusals are the fault of the probe; unchanged where others condemned it."""
    if _is_condemned(state) or state.health in NO_VERDICT:
        return state.clear_evidence().enter(Health.UNKNOWN, at, reason)
    return state


def _is_frequent(state: TargetState) -> bool:
    return any(failures.refused >= _REFUSALS for failures in state.check_failures)


def _is_condemned(state: TargetState) -> bool:
    """Whether a verdict for its refusals stands against it."""
    return state.refuses_all or (state.health is Health.MISCONFIGURED and state.suspicion is None)
