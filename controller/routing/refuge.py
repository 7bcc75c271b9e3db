"""Proves a route's refuge at the first failure of its target, so that the proof is fresh when it is needed (pure)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from controller.routing.candidates import Candidate, best_alternative, build_candidates
from controller.routing.decision import Decision
from controller.routing.overrides import NO_OVERRIDES, Overrides
from monitor.config.settings import Settings
from monitor.detection.detector import Detector
from monitor.detection.pacing import BurstProbe
from monitor.health import Health, TargetHealth, Transition
from probes.observation import Observation
from probes.outcome import Effect

#: A standby that answered within this share of its interval has proof enough; with none, 0.4 % more probes are made.
_FRESH_SHARE = 1 / 2
_BEGINS_TO_FAIL = frozenset({Health.SUSPECT, Health.DOWN, Health.UNUSABLE, Health.MISCONFIGURED})


def begin_to_fail(
    observations: Iterable[Observation], transitions: Iterable[Transition], detector: Detector
) -> frozenset[str]:
    """The targets that have begun to fail with these observations, which the detector has just judged.

    By a change of health, or by the first failure of those that were suspect, degraded or unknown already.
    """
    moved = {change.target for change in transitions if change.after in _BEGINS_TO_FAIL}
    failed = (each for each in observations if each.outcome.effect is Effect.DOWN and detector.knows(each.target))
    first = {each.target for each in failed if detector.state_of(each.target).down.evidence.since == each.finished_at}
    return frozenset(moved | first)


def refuge_probes(
    settings: Settings,
    states: Mapping[str, Decision],
    health: Mapping[str, TargetHealth],
    failing: Collection[str],
    *,
    planned: Sequence[BurstProbe] = (),
    now: datetime,
    overrides: Overrides = NO_OVERRIDES,
) -> tuple[BurstProbe, ...]:
    """An extra probe of the standby that each route would go to whose target is one of the `failing`.

    Those have just begun to fail. `states` are where the routes stand, by name. Only a standby that is up: one with
    evidence against it is probed as that demands, and a limit is not pushed. Where a route would go nowhere, every
    candidate of which nothing is known. None of those that the `planned` probes ask at once.
    """
    routes = [route for route in settings.routes if (at := states.get(route.name)) and at.target in failing]
    if not routes:
        return ()
    candidates = build_candidates(settings, routes, health, overrides, now)
    wanted: dict[str, None] = {probe.targets[0]: None for probe in planned if not probe.delay_s}
    asked = len(wanted)
    intervals_s = {target.id: target.interval_s for target in settings.targets}
    for route in routes:
        if present := candidates.get(states[route.name].target):
            listed = [candidates[target] for target in route.candidates]
            refuge = best_alternative(present, listed, candidates, now)
            possible = [refuge] if refuge else [each for each in listed if each is not present and not each.drain]
            wanted |= {each.id: None for each in possible if _needs_proof(each, intervals_s[each.id], now)}
    return tuple(BurstProbe(slot=f"{target} refuge", targets=(target,), delay_s=0.0) for target in list(wanted)[asked:])


def _needs_proof(candidate: Candidate, interval_s: float, now: datetime) -> bool:
    """Whether nothing is known of it, or it is up and has not answered for half its interval."""
    ok_at, is_up = candidate.health.last_ok_at, candidate.health.health is Health.UP
    stale = ok_at is None or abs((now - ok_at).total_seconds()) > _FRESH_SHARE * interval_s
    return stale if is_up else candidate.health.health is Health.UNKNOWN
