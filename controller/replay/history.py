"""Reads what a database recorded: observations in the order in which they came in, decisions, overrides."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge

from sqlalchemy import Engine

from controller.journal import Journal
from controller.routing.decision import Decision
from controller.routing.overrides import Override
from monitor.config.settings import Settings
from monitor.connectivity.state import ConnectivityObservation
from monitor.storage.store import Store
from probes.observation import Observation

_PAGE = 20_000
_ALL = 1_000_000
_CONNECTIVITY_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedContext:
    """Everything that was recorded but the observations, which are read as they are replayed."""

    recorded: Mapping[str, tuple[datetime, datetime]]
    """When the oldest and the newest observation started, by target; also of targets no longer configured."""
    decisions: tuple[Decision, ...]
    """Oldest first."""
    overrides: tuple[Override, ...]
    """Each with `until` set to when it expired or was ended."""
    last_beat_at: datetime | None
    """The service's last heartbeat."""


def read_history(engine: Engine) -> RecordedContext:
    """Return what was recorded; raises DatabaseError."""
    store, journal = Store(engine), Journal(engine)
    beat = store.last_beat()
    return RecordedContext(
        recorded=store.recorded(),
        decisions=tuple(reversed(journal.decisions(_ALL))),
        overrides=tuple(_as_it_lasted(override) for override in reversed(journal.overrides.latest(_ALL))),
        last_beat_at=beat.beat_at if beat else None,
    )


def read_observations(engine: Engine, settings: Settings, *, after: datetime, until: datetime) -> Iterator[Observation]:
    """Yield the configured targets' observations that started between these instants, in the order they came in."""
    store = Store(engine)
    each = (_of_target(store, target.id, after, until) for target in settings.targets)
    return merge(*each, key=lambda observation: observation.finished_at)


def read_connectivity(engine: Engine, *, after: datetime, until: datetime) -> list[ConnectivityObservation]:
    """Return what the neutral endpoints answered, from an hour before `after`: so long an answer counts."""
    store, answers = Store(engine), list[ConnectivityObservation]()
    at = after - _CONNECTIVITY_LIFETIME
    while page := store.connectivity(after=at, before=until, limit=_PAGE):
        answers += page
        at = page[-1].at
    return answers


def _of_target(store: Store, target: str, after: datetime, until: datetime) -> Iterator[Observation]:
    # The store has milliseconds and returns what started later than `after`.
    at = after - timedelta(milliseconds=1)
    while page := store.observations(target, after=at, limit=_PAGE):
        for observation in page:
            if observation.started_at > until:
                return
            yield observation
        at = page[-1].started_at


def _as_it_lasted(override: Override) -> Override:
    ended_at = override.ended_at or override.until
    return replace(override, until=min(override.until, ended_at), ended_at=None, ended_by=None, ended_reason=None)
