"""Replays what a database recorded under other settings and compares the decisions with those of then."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Engine

from controller.replay import history
from controller.replay.answer import ReplayAnswer, Window, shorten_names
from controller.replay.comparison import compare
from controller.replay.history import RecordedContext
from controller.replay.run import Replay
from monitor.config.settings import Settings
from monitor.connectivity.blindness import Blindness
from monitor.formatting import format_elapsed, instant
from probes.observation import Observation

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
) -> ReplayAnswer:
    """Return what these settings would have decided in the last `since_s` seconds before `now`.

    `on_progress` is called with the recorded seconds that are replayed, and all of them. Raises DatabaseError, and
    NothingRecordedError when nothing of the settings' targets was recorded in that time.
    """
    past = history.read_history(engine)
    window = _window(settings, past, now - timedelta(seconds=since_s), now)
    states = {decision.route: decision for decision in past.decisions if decision.at < window.deciding_from}
    run = Replay(
        settings,
        listening_from=window.listening_from,
        deciding_from=window.deciding_from,
        states=states,
        overrides=past.overrides,
    )
    connectivity = history.read_connectivity(engine, after=window.listening_from, until=window.until)
    blindness = Blindness(settings.connectivity.endpoints, frozenset(p.name for p in settings.providers))
    observations = history.read_observations(engine, settings, after=window.listening_from, until=window.until)
    reported = _reported(observations, window, on_progress)
    result = run.run(blindness.replay(reported, connectivity), window.until)
    configured = {route.name for route in settings.routes}
    recorded = tuple(
        decision
        for decision in past.decisions
        if decision.route in configured and window.deciding_from <= decision.at <= window.until
    )
    return ReplayAnswer(
        settings=settings,
        past=past,
        window=window,
        result=result,
        states=states,
        recorded=recorded,
        pairs=tuple(compare(recorded, result.decisions)),
    )


def _window(settings: Settings, past: RecordedContext, asked_from: datetime, now: datetime) -> Window:
    spans = [past.recorded[target.id] for target in settings.targets if target.id in past.recorded]
    if not spans:
        others = shorten_names(sorted(past.recorded)) if past.recorded else "nothing at all"
        raise NothingRecordedError(f"no target of {settings.path} was ever observed; recorded is {others}")
    begins_at, newest_at = min(oldest for oldest, _ in spans), max(newest for _, newest in spans)
    until = min(now, max(newest_at, past.last_beat_at or newest_at) + timedelta(seconds=1))
    if until <= asked_from:
        raise NothingRecordedError(
            f"nothing was recorded since {instant(asked_from)}; the history ends {instant(until)}"
        )
    complete = not past.decisions or past.decisions[0].at >= begins_at - _START
    if complete and past.decisions:
        begins_at = min(begins_at, past.decisions[0].at)
    listening_from = max(begins_at, asked_from - _LEARNING)
    deciding_from = max(asked_from, begins_at if complete else begins_at + _LISTENING)
    if deciding_from >= until:
        raise NothingRecordedError(f"less than {format_elapsed(_LISTENING.total_seconds())} of observations is left")
    return Window(
        asked_from=asked_from,
        begins_at=begins_at,
        complete=complete,
        listening_from=listening_from,
        deciding_from=deciding_from,
        until=until,
    )


def _reported(
    observations: Iterable[Observation], window: Window, on_progress: Callable[[float, float], None] | None
) -> Iterator[Observation]:
    """The same observations; reports how far they reach."""
    total_s = (window.until - window.listening_from).total_seconds()
    for number, observation in enumerate(observations):
        if on_progress and number % _REPORT_EVERY == 0:
            on_progress((observation.started_at - window.listening_from).total_seconds(), total_s)
        yield observation
