"""What a route waits for before it moves, from what the service has stored (pure)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil

from controller.routing import waiting
from controller.routing.decision import Decision
from controller.status.headline import RouteView
from monitor.config.settings import Settings
from monitor.detection import coming_back, state_machine
from monitor.detection.evidence import step_up
from monitor.detection.parameters import TargetParameters, target_parameters
from monitor.detection.quiet_progress import read_state
from monitor.detection.target_state import TargetState
from monitor.formatting import clock
from monitor.health import HEALTHY, Health
from monitor.storage.row_conversions import SavedTargetState

#: The stored evidence is that of failures, and not of slow or wrong answers, where they differ by no more.
_SAME_EVIDENCE = 0.01
_ANSWERS_AGAIN = frozenset({Health.UP, Health.RECOVERING})


def describe_route_wait(
    view: RouteView,
    pointed: Decision | None,
    saved: Mapping[str, SavedTargetState],
    settings: Settings,
    now: datetime,
) -> str | None:
    """What the route waits for, with the time; None where it waits for nothing.

    `saved` are the stored states by target, `settings` have the intervals at which targets are probed now.
    """
    if view.override or view.dry_run or view.weights or pointed is None:
        return None
    dwell_until = waiting.dwell_end(pointed, settings.controller, now)
    others = [candidate for candidate in view.candidates if not candidate.serving]
    if view.stuck:
        drains = {candidate.target: candidate.drain for candidate in others if candidate.drain}
        waits = {candidate.target: _wait(candidate.target, saved, settings, now) for candidate in others}
        own_wait = _wait(view.target, saved, settings, now)
        return waiting.stuck_until(own_wait, waits, drains, least_bad_from=dwell_until, now=now)
    drain = next((candidate.drain for candidate in view.candidates if candidate.serving), None)
    if drain and all(candidate.drain or candidate.why_not for candidate in others):
        until = clock(drain.until, now)
        return f"it stays on {view.target}, which is drained until {until}: no other candidate is eligible"
    if view.failed_over and not view.waiting:
        ahead = view.candidates[: [candidate.target for candidate in view.candidates].index(view.target)]
        better = next((each.target for each in ahead if each.health in _ANSWERS_AGAIN and not each.drain), None)
        if better:
            return waiting.goes_back(better, _wait(better, saved, settings, now), dwell_until, now)
    due = _verdict_due(view.target, saved, settings)
    if due:
        return f"it moves at {clock(due, now)} unless {view.target} answers before (min_outage)"
    has_refuge = any(each.health in HEALTHY and not (each.serving or each.drain) for each in view.candidates)
    return _failures_left(view.target, saved, settings, now) if has_refuge else None


def _failures_left(target: str, saved: Mapping[str, SavedTargetState], settings: Settings, now: datetime) -> str | None:
    """How many more failures in a row make a verdict on a suspect target, and when the next probe is due."""
    known = saved.get(target)
    if known is None or known.health.health is not Health.SUSPECT or known.health.evidence <= 0:
        return None
    state, parameters = _state(target, saved), _parameters(target, settings)
    if state is None or parameters is None or abs(state.down.value - known.health.evidence) > _SAME_EVIDENCE:
        return None
    step = step_up(state.down.background.rate, parameters.p1)
    left = ceil((known.health.threshold - state.down.value) / step)
    due = state.last_started_at and state.last_started_at + timedelta(seconds=parameters.interval_s)
    when = f"due by {clock(due, now)}" if due and due > now else "due now"
    if left <= 1:
        return f"it moves at the next failed probe, {when}"
    return f"it moves after {left} more failed probes at most, the next {when}"


def _verdict_due(target: str, saved: Mapping[str, SavedTargetState], settings: Settings) -> datetime | None:
    known = saved.get(target)
    if known is None or not 0 < known.health.threshold <= known.health.evidence:
        return None  # nearly always: the record need not be read
    state, parameters = _state(target, saved), _parameters(target, settings)
    return state_machine.verdict_due_at(state, parameters, known.health.threshold) if state and parameters else None


def _wait(target: str, saved: Mapping[str, SavedTargetState], settings: Settings, now: datetime) -> str:
    state, parameters = _state(target, saved), _parameters(target, settings)
    if state is None or parameters is None:
        return Health.UNKNOWN
    return coming_back.describe_wait(state, parameters, now)


def _state(target: str, saved: Mapping[str, SavedTargetState]) -> TargetState | None:
    return read_state(saved[target].record, saved[target].progress) if target in saved else None


def _parameters(target: str, settings: Settings) -> TargetParameters | None:
    configured = next((each for each in settings.targets if each.id == target), None)
    return target_parameters(configured, settings.controller) if configured else None
