"""What a database has kept of the past: observations in the order in which they came in, decisions, what people did."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge

from sqlalchemy import Engine

from controller.journal import Journal
from controller.routing.decision import Decision
from controller.routing.overrides import Override
from monitor.connectivity.state import ConnectivityObservation
from monitor.settings import Settings
from monitor.storage.store import Store
from probes.observation import Observation

_PAGE = 20_000
_ALL = 1_000_000
#: A service decides at its start, some moments before its first observation.
_START = timedelta(minutes=5)
_BEFORE_ASKED = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHistory:
    """All of it but the observations, which are read when they are needed."""

    recorded: Mapping[str, tuple[datetime, datetime]]
    """When the oldest and the newest observation of each target started, by target, of any configuration."""
    decisions: tuple[Decision, ...]
    """Oldest first."""
    overrides: tuple[Override, ...]
    """As they were while they lasted: until they expired or were ended."""
    alive_at: datetime | None
    """The service's last sign of life."""

    def begins_at(self, targets: Iterable[str]) -> datetime | None:
        """When the first of these targets was first observed, as far as that is kept."""
        return min((self.recorded[one][0] for one in targets if one in self.recorded), default=None)

    def ends_at(self, targets: Iterable[str]) -> datetime | None:
        """When the last of them was last observed, or the service last gave a sign of life."""
        seen = [self.recorded[one][1] for one in targets if one in self.recorded]
        return max((*seen, self.alive_at) if self.alive_at else seen) if seen else None

    def whole(self, begins_at: datetime) -> bool:
        """Whether nothing was decided before: then nothing that came earlier has been pruned."""
        return not self.decisions or self.decisions[0].at >= begins_at - _START


def read_history(engine: Engine) -> RecordedHistory:
    """What the database has kept; raises DatabaseError."""
    store, journal = Store(engine), Journal(engine)
    beat = store.last_beat()
    return RecordedHistory(
        recorded=store.recorded(),
        decisions=tuple(reversed(journal.decisions(_ALL))),
        overrides=tuple(_as_it_was(one) for one in reversed(journal.overrides.latest(_ALL))),
        alive_at=beat.beat_at if beat else None,
    )


def read_observations(engine: Engine, settings: Settings, *, after: datetime, until: datetime) -> Iterator[Observation]:
    """Those of the configured targets that started between these, in the order in which they came in."""
    store = Store(engine)
    each = (_of_target(store, target.id, after, until) for target in settings.targets)
    return merge(*each, key=lambda seen: seen.finished_at)


def read_connectivity(engine: Engine, *, after: datetime, until: datetime) -> list[ConnectivityObservation]:
    """What the neutral endpoints said from an hour before, which is how long their word counts."""
    store, said = Store(engine), list[ConnectivityObservation]()
    at = after - _BEFORE_ASKED
    while page := store.connectivity(after=at, before=until, limit=_PAGE):
        said += page
        at = page[-1].at
    return said


def _of_target(store: Store, target: str, after: datetime, until: datetime) -> Iterator[Observation]:
    # The store keeps milliseconds and gives what started later than that.
    at = after - timedelta(milliseconds=1)
    while page := store.observations(target, after=at, limit=_PAGE):
        for seen in page:
            if seen.started_at > until:
                return
            yield seen
        at = page[-1].started_at


def _as_it_was(one: Override) -> Override:
    ended_at = one.ended_at or one.until
    return replace(one, until=min(one.until, ended_at), ended_at=None, ended_by=None, ended_reason=None)
