"""Proves a route's refuge at the first failure of its target, so that the proof is fresh when it is needed (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from controller.routing.candidates import best_alternative, build_candidates
from controller.routing.decision import Decision
from controller.routing.overrides import NO_OVERRIDES, Overrides
from monitor.config.settings import Settings
from monitor.detection.pacing import BurstProbe
from monitor.health import Health, TargetHealth, Transition

#: A standby that answered within this share of its interval has proof enough; with none, 0.4 % more probes are made.
_FRESH_SHARE = 1 / 2


def refuge_probes(
    settings: Settings,
    states: Mapping[str, Decision],
    health: Mapping[str, TargetHealth],
    transitions: Iterable[Transition],
    *,
    planned: Sequence[BurstProbe] = (),
    now: datetime,
    overrides: Overrides = NO_OVERRIDES,
) -> tuple[BurstProbe, ...]:
    """An extra probe of the standby that each route would go to whose target has just become suspect.

    `states` are where the routes stand, by name. Only a standby that is up: one with evidence against it is probed as
    that demands, and a limit is not pushed. None of one that the `planned` probes ask at once.
    """
    suspects = {moved.target for moved in transitions if moved.after is Health.SUSPECT}
    routes = [route for route in settings.routes if (at := states.get(route.name)) and at.target in suspects]
    candidates = build_candidates(settings, routes, health, overrides, now) if routes else {}
    refuges: dict[str, None] = {}
    for route in routes:
        present = candidates.get(states[route.name].target)
        listed = [candidates[target] for target in route.candidates]
        if present and (refuge := best_alternative(present, listed, candidates, now)):
            refuges[refuge.id] = None
    asked = {probe.targets[0] for probe in planned if not probe.delay_s}
    stale = _stale([target for target in refuges if target not in asked], settings, health, now)
    return tuple(BurstProbe(slot=f"{target} refuge", targets=(target,), delay_s=0.0) for target in stale)


def _stale(targets: Sequence[str], settings: Settings, health: Mapping[str, TargetHealth], now: datetime) -> list[str]:
    """Those of them that are up and have not answered for half of their interval."""
    fresh_s = {target.id: target.interval_s * _FRESH_SHARE for target in settings.targets}
    return [
        target
        for target in targets
        if (state := health[target]).health is Health.UP
        and state.last_ok_at
        and abs((now - state.last_ok_at).total_seconds()) > fresh_s[target]
    ]
