"""What the policy and the page read of the targets, found anew only for those that have changed (pure)."""

from collections.abc import Iterable, Mapping

from monitor.detection import degradation
from monitor.detection.parameters import TargetParameters
from monitor.detection.target_state import TargetState
from monitor.health import TargetHealth
from probes.observation import replaced


class PresentHealth:
    """The health of targets as it was when it was last asked for. Not thread-safe."""

    def __init__(self, targets: Iterable[str]) -> None:
        self.stale = set(targets)
        """Those that have changed since."""
        self._known: dict[str, TargetHealth] = {}
        self._changed: set[str] = set()

    def of(self, state: TargetState, parameters: TargetParameters) -> TargetHealth:
        """That of one target."""
        target = state.target
        if target in self.stale:
            self.stale.remove(target)
            known = self._known.get(target)
            same = known and (known.health, known.since, known.reason) == (state.health, state.since, state.reason)
            if not same:
                self._changed.add(target)
            if known and same and known.proven and not known.evidence and state.no_evidence:
                self._known[target] = replaced(
                    known,
                    last_ok_at=state.last_ok_at,
                    low_limit=state.low_limit,
                    failing_context=state.failing_context,
                )
            else:
                self._known[target] = degradation.target_health(state, parameters)
        return self._known[target]

    def of_all(
        self, states: Mapping[str, TargetState], parameters: Mapping[str, TargetParameters]
    ) -> Mapping[str, TargetHealth]:
        """That of each, by id."""
        for target in tuple(self.stale):
            self.of(states[target], parameters[target])
        # A set that held all targets once is as slow to go through when it is empty; a cleared one is not.
        self.stale.clear()
        return self._known

    def take_changed(self) -> frozenset[str]:
        """The targets whose health, its time or its reason have been found to be others since the last call."""
        changed, self._changed = frozenset(self._changed), set()
        return changed
