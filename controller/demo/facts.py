"""What the service has written down since the drill began, read from its database for the narrator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controller.journal import Journal
from monitor.health import TargetHealth, Transition
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome

_MOST_TRANSITIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillFacts:
    """What is known at an instant."""

    at: datetime
    health: Mapping[str, TargetHealth] = field(default_factory=dict)
    """By target; without those that the service has not judged yet."""
    observations: Mapping[str, Sequence[Observation]] = field(default_factory=dict)
    """By target, oldest first."""
    transitions: Sequence[Transition] = ()
    """Oldest first."""
    open_incidents: int = 0
    untold_incidents: int = 0
    """Those whose latest revision Slack does not show."""

    def recent(self, target: str, count: int) -> tuple[Outcome, ...]:
        """The last outcomes of a target, the newest last."""
        return tuple(observation.outcome for observation in self.observations.get(target, ())[-count:])


def read(store: Store, journal: Journal, *, targets: Sequence[str], since: datetime, now: datetime) -> DrillFacts:
    """The facts of these targets since an instant; raises DatabaseError when the database cannot be read."""
    transitions = [one for one in store.transitions(limit=_MOST_TRANSITIONS) if one.at >= since]
    return DrillFacts(
        at=now,
        health={target: state.health for target, state in store.states().items()},
        observations={target: store.observations(target, after=since) for target in targets},
        transitions=transitions[::-1],
        open_incidents=len(journal.open_incidents()),
        untold_incidents=journal.count_untold(),
    )
