"""Replays what a database recorded under other settings and compares the decisions with those of then."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush, merge
from itertools import takewhile
from operator import attrgetter
from typing import TypeVar

from sqlalchemy import Connection, Engine

from controller.incidents.queries import read_transitions
from controller.journal import Journal
from controller.replay.document import ReplayResult, shorten_names
from controller.replay.loop import Replay, ReplayWindow
from controller.replay.queries import read_starts
from controller.replay.stretches import Stretches, all_changes, stretch_changes
from controller.routing.decision import Decision
from controller.routing.overrides import Override
from monitor.budget import tracker
from monitor.config.settings import Settings
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.connectivity.state import ConnectivityObservation
from monitor.detection.fresh_evidence import SHORTEST_HANG_S
from monitor.detection.reasons import REPORTED
from monitor.formatting import format_elapsed, instant
from monitor.health import Health, Transition
from monitor.liveness import ServiceBeat
from monitor.storage.store import Store
from probes.observation import Observation, replaced
from probes.outcome import Outcome
from probes.pricing import costs_money, usual_usd

T = TypeVar("T")

#: So many observations are held at once, those of each target read in pages of at least so many.
_HELD, _SHORTEST_PAGE = 20_000, 100
_ALL = 1_000_000
_CONNECTIVITY_LIFETIME = timedelta(hours=1)
#: The detector learns usual failure rates and latencies over about a week.
_LEARNING = timedelta(days=7)
#: What happened before the oldest observation is unknown; after this time it hardly matters.
_LISTENING = timedelta(hours=1)
#: A service decides when it starts, moments before its first observation.
_START = timedelta(minutes=5)
_REPORT_EVERY = 2_000


class NothingRecordedError(Exception):
    """Nothing of these targets was recorded; the text says what was looked for and what there is."""


def replay(
    settings: Settings,
    engine: Engine,
    *,
    since_s: float,
    now: datetime,
    on_progress: Callable[[float, float], None] | None = None,
) -> ReplayResult:
    """Return what these settings would have decided in the last `since_s` seconds before `now`.

    `on_progress` is called with the recorded seconds that are replayed, and all of them. Raises DatabaseError, and
    NothingRecordedError when nothing of the settings' targets was recorded in that time.
    """
    store, journal = Store(engine), Journal(engine)
    spans, then = store.recorded(), journal.decisions(_ALL)[::-1]
    overrides = [_as_it_lasted(override) for override in reversed(journal.overrides.latest(_ALL))]
    window = _window(
        settings, spans, then, beat=store.last_beat(), asked_from=now - timedelta(seconds=since_s), now=now
    )
    states = {decision.route: decision for decision in then if decision.at < window.deciding_from}
    usd = {target.id: usual_usd(target) for target in settings.targets if settings.controller.spend_where_used}
    reported = _verdicts_on_reports(engine, settings, window)
    stretches = _stretches(engine, store, settings, window)
    run = Replay(settings, window, states, overrides, then=then, reported=reported, usd=usd, stretches=stretches)
    detector = NetworkLossDetector(settings.connectivity.endpoints, frozenset(p.name for p in settings.providers))
    observations = _reported(_observations(store, settings, window), window, on_progress)
    run.run(detector.replay(observations, _connectivity(store, window)))
    return ReplayResult(
        settings=settings,
        window=window,
        spans=spans,
        overrides=overrides,
        states=states,
        then=then,
        reported=len(reported),
        is_stretched=any(stretch > 1 for _, known in stretches for stretch in known.values()),
        now=run,
    )


def _verdicts_on_reports(engine: Engine, settings: Settings, window: ReplayWindow) -> list[Transition]:
    names = [target.id for target in settings.targets]
    with engine.connect() as connection:
        transitions = read_transitions(connection, names, window.listening_from, window.until)
    return [each for each in transitions if each.after is Health.DOWN and REPORTED in each.reason]


def _stretches(engine: Engine, store: Store, settings: Settings, window: ReplayWindow) -> Stretches:
    """How the budget of the service stretched the intervals, by which it judged; nothing where it had none.

    Only how it does now is stored. What it did then is known from when the probes of a target began while it was up;
    but where intervals follow the routes as well, it is taken to have been as now.
    """
    stored = store.throttling()
    throttling = tracker.from_json(stored) if stored else None
    if throttling is None:
        return ()
    since, until = window.listening_from, window.until
    if settings.controller.spend_where_used:
        return [(since, throttling.stretches)]
    with engine.connect() as connection:
        known = {
            target.id: list(stretch_changes(_starts_while_up(connection, target.id, since, until), target.interval_s))
            for target in settings.targets
            if costs_money(target) or target.id in throttling.stretches
        }
    return all_changes(since, known, throttling.stretches)


def _starts_while_up(
    connection: Connection, target: str, since: datetime, until: datetime
) -> Iterator[datetime | None]:
    """When its probes began; None for each of those while it was not up."""
    moved = read_transitions(connection, [target], since, until)
    moved_at = [change.at for change in moved]
    health = [moved[0].before if moved else Health.UP, *(change.after for change in moved)]
    for at in read_starts(connection, target, since, until):
        yield at if health[bisect_right(moved_at, at)] is Health.UP else None


def _window(
    settings: Settings,
    recorded: Mapping[str, tuple[datetime, datetime]],
    then: Sequence[Decision],
    *,
    beat: ServiceBeat | None,
    asked_from: datetime,
    now: datetime,
) -> ReplayWindow:
    spans = [recorded[target.id] for target in settings.targets if target.id in recorded]
    if not spans:
        others = shorten_names(sorted(recorded)) if recorded else "nothing at all"
        raise NothingRecordedError(f"no target of {settings.path} was ever observed; recorded is {others}")
    begins_at, newest_at = min(oldest for oldest, _ in spans), max(newest for _, newest in spans)
    until = min(now, max(newest_at, beat.beat_at if beat else newest_at) + timedelta(seconds=1))
    if until <= asked_from:
        raise NothingRecordedError(
            f"nothing was recorded since {instant(asked_from)}; the history ends {instant(until)}"
        )
    complete = not then or then[0].at >= begins_at - _START
    if complete and then:
        begins_at = min(begins_at, then[0].at)
    listening_from = max(begins_at, asked_from - _LEARNING)
    deciding_from = max(asked_from, begins_at if complete else begins_at + _LISTENING)
    if deciding_from >= until:
        raise NothingRecordedError(f"less than {format_elapsed(_LISTENING.total_seconds())} of observations is left")
    return ReplayWindow(
        asked_from=asked_from,
        begins_at=begins_at,
        complete=complete,
        listening_from=listening_from,
        deciding_from=deciding_from,
        until=until,
    )


def _as_they_ended(begun: Iterable[Observation]) -> Iterator[Observation]:
    """Observations in the order in which they began, in that in which they ended: some are made beside each other."""
    under_way: list[tuple[datetime, int, Observation]] = []
    for number, observation in enumerate(begun):
        while under_way and under_way[0][0] <= observation.started_at:
            yield heappop(under_way)[2]
        heappush(under_way, (observation.finished_at, number, observation))
        if observation.duration_s > SHORTEST_HANG_S and not observation.afresh:
            # The detector knows whether that is long for its target.
            hanging = replaced(observation, outcome=Outcome.TIMEOUT, duration_s=SHORTEST_HANG_S, under_way=True)
            heappush(under_way, (hanging.finished_at, -number - 1, hanging))
    while under_way:
        yield heappop(under_way)[2]


def _observations(store: Store, settings: Settings, window: ReplayWindow) -> Iterator[Observation]:
    """The configured targets' observations that started in the window, in the order they came in."""
    page = max(_SHORTEST_PAGE, _HELD // len(settings.targets))

    def of(target: str) -> Iterator[Observation]:
        # The store has milliseconds and returns what started later than `after`.
        after = window.listening_from - timedelta(milliseconds=1)
        pages = _paged(lambda at: store.observations(target, after=at, limit=page), after, attrgetter("started_at"))
        return _as_they_ended(takewhile(lambda observation: observation.started_at <= window.until, pages))

    return merge(*(of(target.id) for target in settings.targets), key=attrgetter("finished_at"))


def _connectivity(store: Store, window: ReplayWindow) -> list[ConnectivityObservation]:
    """What the neutral endpoints answered, from an hour before the window: so long an answer counts."""
    after = window.listening_from - _CONNECTIVITY_LIFETIME
    read = partial(store.connectivity, before=window.until, limit=_HELD)
    return list(_paged(lambda at: read(after=at), after, attrgetter("at")))


def _paged(read: Callable[[datetime], list[T]], at: datetime, instant_of: Callable[[T], datetime]) -> Iterator[T]:
    while page := read(at):
        yield from page
        at = instant_of(page[-1])


def _as_it_lasted(override: Override) -> Override:
    ended_at = override.ended_at or override.until
    return replace(override, until=min(override.until, ended_at), ended_at=None, ended_by=None, ended_reason=None)


def _reported(
    observations: Iterable[Observation], window: ReplayWindow, on_progress: Callable[[float, float], None] | None
) -> Iterator[Observation]:
    """The same observations; reports how far they reach."""
    total_s = (window.until - window.listening_from).total_seconds()
    for number, observation in enumerate(observations):
        if on_progress and number % _REPORT_EVERY == 0:
            on_progress((observation.started_at - window.listening_from).total_seconds(), total_s)
        yield observation
