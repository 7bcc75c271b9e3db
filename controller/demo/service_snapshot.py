"""Reads for the narrator what the service has recorded since the drill began."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controller.journal import Journal
from monitor.health import TargetHealth, Transition
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome

_MAX_TRANSITIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSnapshot:
    """What the database says at one instant."""

    at: datetime
    health: Mapping[str, TargetHealth] = field(default_factory=dict)
    """By target; without targets that have no health yet."""
    observations: Mapping[str, Sequence[Observation]] = field(default_factory=dict)
    """By target, oldest first."""
    transitions: Sequence[Transition] = ()
    """Oldest first."""
    open_incidents: int = 0
    undelivered_incidents: int = 0
    """Incidents whose latest revision Slack does not show."""

    def recent(self, target: str, count: int) -> tuple[Outcome, ...]:
        """Return the last outcomes of a target, the newest last."""
        return tuple(observation.outcome for observation in self.observations.get(target, ())[-count:])


def read_facts(
    store: Store, journal: Journal, *, targets: Sequence[str], since: datetime, now: datetime
) -> ServiceSnapshot:
    """Read the facts of these targets since an instant; raises DatabaseError."""
    transitions = [each for each in store.transitions(limit=_MAX_TRANSITIONS) if each.at >= since]
    return ServiceSnapshot(
        at=now,
        health={target: state.health for target, state in store.states().items()},
        observations={target: store.observations(target, after=since) for target in targets},
        transitions=transitions[::-1],
        open_incidents=len(journal.open_incidents()),
        undelivered_incidents=journal.count_untold(),
    )
