"""Routes that wait for a person, or for a candidate to come back: what is said of them, once each."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from controller.routing import waiting
from controller.routing.decision import Decision, failback_command
from controller.routing.overrides import Overrides
from controller.routing.route_case import RouteVerdict
from monitor.config.settings import Settings
from monitor.detection import coming_back
from monitor.detection.detector import Detector
from monitor.storage.store import Store

log = logging.getLogger(__name__)

_NOTIFIED: Final = frozenset({"drained_route_held", "move_paused"})


class WaitingRoutes:
    """What was said of them in earlier cycles."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reported: dict[tuple[str, str], str] = {}
        """By event kind and route."""
        self._stuck: frozenset[str] = frozenset()

    def report(self, verdicts: Mapping[str, RouteVerdict], overrides: Overrides, now: datetime) -> None:
        """Report once that a route waits for a person; `ActiveOverrides` reports a pin to a failing target."""
        due: dict[tuple[str, str], str] = {}
        for name, verdict in verdicts.items():
            if verdict.waiting:
                text = f"{verdict.waiting} has proven itself; {failback_command(name, verdict.waiting)}"
                due["failback_waiting", name] = text
            if verdict.held:
                due["move_paused", name] = verdict.held
            if verdict.warning and not overrides.pin(name):
                kind = "pause_on_failing_target" if overrides.paused(name) else "drained_route_held"
                due[kind, name] = verdict.warning
        for kind, name in due.keys() - self._reported.keys():
            log.warning("%s route=%s: %s", kind, name, due[kind, name])
            # A move that a pause holds back is told: nothing else says so. That users are held on a failing target is
            # told by the incident, which calls somebody.
            self._store.add_event(now, kind, name, due[kind, name], notify=kind in _NOTIFIED)
        self._reported = due

    def log_stuck(self, stuck: Mapping[str, str]) -> None:
        """Log once that a route has no healthy candidate, and what moves it; the incident tells people."""
        for name in sorted(stuck.keys() - self._stuck):
            log.error("nothing_eligible route=%s: %s", name, stuck[name])
        self._stuck = frozenset(stuck)


def stuck_until(pointed: Decision, settings: Settings, overrides: Overrides, detector: Detector, now: datetime) -> str:
    """What moves a route that is stuck there."""
    [route] = [route for route in settings.routes if route.name == pointed.route]
    others = [target for target in route.candidates if target != pointed.target]
    drained = {target: overrides.drained(target, target.partition("/")[0]) for target in others}
    waits = {
        target: coming_back.describe_wait(detector.state_of(target), detector.parameters_of(target), now, lasting=True)
        for target in (pointed.target, *others)
    }
    return waiting.stuck_until(
        waits[pointed.target],
        {target: waits[target] for target in others},
        {target: drain for target, drain in drained.items() if drain},
        least_bad_from=waiting.dwell_end(pointed, settings.controller, now),
        now=now,
    )
