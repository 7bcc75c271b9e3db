"""Which changes of health call for a control cycle in a simulation: one that can find nothing takes time alone."""

from collections.abc import Mapping, Sequence

from controller.routing import policy
from controller.routing.decision import Decision
from monitor.config.route import Route
from monitor.health import TargetHealth, Transition


class NeededCycles:
    """Whether these routes, as they were decided on last, may move by a change of health."""

    def __init__(self, routes: Sequence[Route], *, every: bool) -> None:
        """`every` change calls for a cycle: so it is found out whether those that are left out would find nothing."""
        self._routes, self._every = routes, every
        self._moving = frozenset(health for route in routes for health in route.fail_over_on)
        self._at_rest = False
        """Whether all routes stand on their first candidates, which serve."""
        self._left_out_s = 0.0
        """When the cycle was due that was left out last."""
        self.any_late = False
        """Whether any target was late when silent ones were looked for last: time alone may then change health."""

    def look(self, states: Mapping[str, Decision], health: Mapping[str, TargetHealth]) -> None:
        """Take in where the routes stand after a cycle, by name, and the targets' health, by id."""
        self._left_out_s = 0.0
        self._at_rest = all(policy.may_stay(route, states.get(route.name), health) for route in self._routes)

    def may_move(self, changed: Sequence[Transition]) -> bool:
        """Whether a cycle may find anything after these changes of health."""
        if not self._at_rest or self.any_late or self._every:
            return bool(changed)
        return any(moved.after in self._moving for moved in changed)

    def gathered_s(self, now_s: float) -> float:
        """When the cycle comes that is called for now: what one was left out for is gathered with it."""
        return self._left_out_s if self._left_out_s > now_s else now_s + policy.GATHER_S

    def leave_out(self, now_s: float) -> None:
        """No cycle comes for a change of health now."""
        self._left_out_s = self.gathered_s(now_s)
