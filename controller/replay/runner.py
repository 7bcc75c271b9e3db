"""`hotspare replay`: what a configuration would have decided over what was recorded, beside what was decided."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from controller.cli import output as answers
from controller.cli.terminal import terminal
from controller.replay import history
from controller.replay.answer import (
    ReplayAnswer,
    Window,
    first_candidates,
    notes,
    replay_document,
    route_summary,
    shorten_names,
)
from controller.replay.comparison import Change, Pair, compare
from controller.replay.history import RecordedHistory
from controller.replay.run import Replay
from controller.routing.decision import Decision
from monitor.clock import utc_now
from monitor.connectivity.blindness import Blindness
from monitor.formatting import instant, plural, span
from monitor.settings import Settings
from monitor.storage.database import DatabaseError, open_reader
from probes.observation import Observation
from probes.redaction import one_line

#: Usual failure rates and latencies are learned over about a week.
_LEARNING = timedelta(days=7)
#: What was before the oldest observation is not known; after so long it hardly matters any more.
_LISTENING = timedelta(hours=1)
_LONGEST_REASON = 300
_EVERY = 2_000


class NothingRecordedError(Exception):
    """There is nothing to replay; the text says what was looked for and what there is."""


def run(settings: Settings, *, since_s: float, database: str | None, as_json: bool) -> int:
    """Print the difference; 1 when nothing was recorded, 2 when there is no database to read.

    `database` is a SQLite URL to read in place of the configuration's own.
    """
    url = database or settings.database
    try:
        engine = open_reader(url)
        try:
            answer = replay(settings, engine, since_s=since_s, now=utc_now(), progress=True)
        finally:
            engine.dispose()
    except DatabaseError as error:
        answers.complain(error)
        return answers.WRONG
    except NothingRecordedError as error:
        answers.complain(f"{error} in {url}")
        return answers.BAD_NEWS
    if as_json:
        answers.print_document(replay_document(answer, url))
    else:
        show(answer)
    return answers.OK


def replay(
    settings: Settings, engine: Engine, *, since_s: float, now: datetime, progress: bool = False
) -> ReplayAnswer:
    """What these settings would have decided in the last so many seconds before `now`.

    Raises DatabaseError, and NothingRecordedError when nothing of their targets was recorded in that time.
    """
    past = history.read_history(engine)
    window = _window(settings, past, now - timedelta(seconds=since_s), now)
    before = [one for one in past.decisions if one.at < window.deciding_from]
    states = {one.route: one.state() for one in before}
    under_way = Replay(
        settings,
        listening_from=window.listening_from,
        deciding_from=window.deciding_from,
        states=states,
        overrides=past.overrides,
    )
    said = history.read_connectivity(engine, after=window.listening_from, until=window.until)
    blindness = Blindness(settings.connectivity_endpoints, frozenset(p.name for p in settings.providers))
    seen = history.read_observations(engine, settings, after=window.listening_from, until=window.until)
    course = under_way.run(blindness.recall(_shown(seen, window, progress), said), window.until)
    ours = {route.name for route in settings.routes}
    then = tuple(one for one in past.decisions if one.route in ours and window.deciding_from <= one.at <= window.until)
    pairs = tuple(compare(then, course.decisions))
    return ReplayAnswer(
        settings=settings, past=past, window=window, course=course, states=states, then=then, pairs=pairs
    )


def _window(settings: Settings, past: RecordedHistory, asked_from: datetime, now: datetime) -> Window:
    ids = [target.id for target in settings.targets]
    begins_at, ends_at = past.begins_at(ids), past.ends_at(ids)
    if begins_at is None or ends_at is None:
        others = shorten_names(sorted(past.recorded)) if past.recorded else "nothing at all"
        raise NothingRecordedError(f"no target of {settings.path} was ever observed; recorded is {others}")
    until = min(now, ends_at + timedelta(seconds=1))
    if until <= asked_from:
        raise NothingRecordedError(
            f"nothing was recorded since {instant(asked_from)}; the history ends {instant(until)}"
        )
    whole = past.whole(begins_at)
    if whole and past.decisions:
        begins_at = min(begins_at, past.decisions[0].at)
    listening_from = max(begins_at, asked_from - _LEARNING)
    deciding_from = max(asked_from, begins_at if whole else begins_at + _LISTENING)
    if deciding_from >= until:
        raise NothingRecordedError(f"less than {span(_LISTENING.total_seconds())} of observations is left")
    return Window(
        asked_from=asked_from,
        begins_at=begins_at,
        whole=whole,
        listening_from=listening_from,
        deciding_from=deciding_from,
        until=until,
    )


def _shown(seen: Iterable[Observation], window: Window, progress: bool) -> Iterator[Observation]:
    """The same, with progress on a terminal."""
    errors = Console(stderr=True)
    whole_s = (window.until - window.listening_from).total_seconds()
    with Progress(console=errors, transient=True, disable=not (progress and errors.is_terminal)) as bar:
        task = bar.add_task("replaying", total=whole_s)
        for number, one in enumerate(seen):
            if number % _EVERY == 0:
                bar.update(task, completed=(one.started_at - window.listening_from).total_seconds())
            yield one


def show(answer: ReplayAnswer, console: Console | None = None) -> None:
    """The answer for people."""
    console = console or terminal()
    window = answer.window
    lasted = span((window.until - window.deciding_from).total_seconds())
    console.print(
        f"{answer.settings.path} over {lasted} from {_clock(window.deciding_from)} to {_clock(window.until)} UTC,"
        f" {plural(answer.course.observations, 'observation')}",
        markup=False,
    )
    if answer.pairs:
        console.print(_timeline(answer.pairs))
    for line in _sentences(answer):
        console.print(line, markup=False)
    for note in notes(answer):
        console.print(f"note: {note}", markup=False)


def _timeline(pairs: Iterable[Pair]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("UTC", "route", "move", "to", "difference", "why"):
        table.add_column(name, overflow="fold", no_wrap=name == "UTC")
    for pair in pairs:
        one = pair.one
        cells = (
            _clock(one.at),
            one.route,
            one.move,
            _to(one),
            _difference(pair),
            one_line(one.reason, _LONGEST_REASON),
        )
        style = None if pair.change is Change.SAME else "bold" if pair.change in _ALONE else "yellow"
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


_ALONE = frozenset({Change.ONLY_THEN, Change.ONLY_NOW})


def _to(one: Decision) -> str:
    return ", ".join(f"{target} {percent:g} %" for target, percent in one.weights) or one.target


def _difference(pair: Pair) -> str:
    if pair.change is Change.SAME or pair.change in _ALONE:
        return pair.change.replace("_", " ")
    return f"{span(abs(pair.apart_s))} {pair.change}"


def _sentences(answer: ReplayAnswer) -> Iterator[str]:
    counts = Counter(pair.change for pair in answer.pairs)
    if not answer.pairs:
        yield "no route was moved then, and none would be now"
    elif counts.keys() == {Change.SAME}:
        yield f"no difference: {plural(counts[Change.SAME], 'decision')} then, and the same now"
    else:
        said = [f"{counts[change]} {change.replace('_', ' ')}" for change in Change if counts[change]]
        yield f"{plural(len(answer.pairs), 'decision')}: {', '.join(said)}"
    for name, home in first_candidates(answer):
        row = route_summary(answer, name, home)
        flips, away = row["flips"], row["away_s"]
        if any(flips.values()) or any(away.values()):
            yield (
                f"{name}: {plural(flips['then'], 'flip')} then, {flips['now']} now;"
                f" away from {home} for {span(away['then'])} then, {span(away['now'])} now"
            )


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%m-%d %H:%M:%S")
