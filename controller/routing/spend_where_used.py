"""Spends probes where users are: a target that a route is on is probed more often, one that waits less often (pure).

A route that has lost its target loses requests until that is noticed; a target that waits loses none. So the interval
of targets in use is shortened by what is saved at the others (`controller.spend_where_used`), at the same cost.
"""

from collections.abc import Mapping
from dataclasses import replace

from controller.routing.decision import Decision
from monitor.config.settings import Settings
from monitor.config.units import SHORTEST_INTERVAL_S
from probes.target import Target

#: The interval of a target that waits, as a multiple of its own.
_WAITING = 2.0
#: The same for one in use, the shortest first: few, because each needs new thresholds.
_IN_USE = (1 / 2, 2 / 3, 4 / 5)


def spend_where_used(
    settings: Settings, states: Mapping[str, Decision], usd: Mapping[str, float | None] | None = None
) -> Settings:
    """The settings with the intervals for routes that stand so; the same object where nothing is to be changed.

    In use is what a route points at (its first candidate where it has no state). Its siblings, whose probes find an
    outage of the provider as well, and the candidates that a route may return to keep their intervals; all others
    wait. `usd` is the cost of a probe by target id; where any is unknown, all count alike.
    """
    if not settings.controller.spend_where_used:
        return settings
    in_use = _in_use(settings, states)
    waiting = _waiting(settings, states, in_use)
    costs = usd or {}
    known = all(costs.get(target.id) is not None for target in settings.targets)

    def per_s(names: frozenset[str]) -> float:
        paid = (target for target in settings.targets if target.id in names)
        return sum(((costs[target.id] or 0.0) if known else 1.0) / target.interval_s for target in paid)

    saved, spent = per_s(waiting) * (1 - 1 / _WAITING), per_s(in_use)
    share = next((share for share in _IN_USE if spent * (1 / share - 1) <= saved), None)
    if not waiting or share is None:
        return settings

    def paced(target: Target) -> Target:
        factor = share if target.id in in_use else _WAITING if target.id in waiting else 1.0
        return replace(target, interval_s=max(SHORTEST_INTERVAL_S, target.interval_s * factor))

    return replace(settings, targets=tuple(map(paced, settings.targets)))


def _in_use(settings: Settings, states: Mapping[str, Decision]) -> frozenset[str]:
    present: set[str] = set()
    for route in settings.routes:
        state = states.get(route.name)
        if state is None or settings.controller.dry_run:
            present.add(route.candidates[0])
        else:
            present |= {state.target, *(target for target, _ in state.weights)}
    return frozenset(present)


def _waiting(settings: Settings, states: Mapping[str, Decision], in_use: frozenset[str]) -> frozenset[str]:
    providers = {target.partition("/")[0] for target in in_use}
    better: set[str] = set()
    for route in settings.routes:
        state = states.get(route.name)
        if state and state.target in route.candidates:
            better |= set(route.candidates[: route.candidates.index(state.target)])
    return frozenset(
        target.id for target in settings.targets if target.provider.name not in providers and target.id not in better
    )
