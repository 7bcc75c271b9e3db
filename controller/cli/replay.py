"""`hotspare replay`: what a configuration would have decided over what was recorded, beside what was decided."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rich.console import Console

from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings, past_duration
from controller.cli.layout import TextTable, plain_table
from controller.replay.comparison import DecisionDifference, DecisionPair
from controller.replay.document import ReplayResult, notes, replay_document, route_summaries
from controller.replay.runner import NothingRecordedError, replay
from monitor.config.database_url import shown_url
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import format_elapsed, plural
from monitor.storage.database import open_reader, shared_now
from probes.redaction import one_line

_WEEK_S = 7 * 86400.0
_LONGEST_REASON = 300
_ONE_SIDED = frozenset({DecisionDifference.ONLY_THEN, DecisionDifference.ONLY_NOW})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `replay`."""
    add_config(parser)
    text = "how far back, such as 12h or 7d (default: 7d)"
    parser.add_argument("--since", type=past_duration, default=_WEEK_S, metavar="DURATION", help=text)
    parser.add_argument("--database", metavar="URL", help="the history to read (default: that of the configuration)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the difference; 1 when nothing was recorded, 2 when there is no database to read."""
    settings = load_settings(args.config, keys=False, stores=args.database is None)
    url = args.database or settings.database
    try:
        with output.progress_bar("replaying") as on_progress:
            engine, now = open_reader(url), shared_now(url)
            answer = replay(settings, engine, since_s=args.since, now=now, on_progress=on_progress)
    except NothingRecordedError as error:
        output.print_error(f"{error} in {shown_url(url)}")
        return output.BAD_NEWS
    output.print_answer(args, replay_document(answer, shown_url(url)), print_replay, answer)
    return output.OK


def print_replay(answer: ReplayResult, console: Console) -> None:
    """Print the answer for people."""
    window = answer.window
    lasted = format_elapsed((window.until - window.deciding_from).total_seconds())
    console.print(
        f"{answer.settings.path} over {lasted} from {_clock(window.deciding_from)} to {_clock(window.until)} UTC,"
        f" {plural(answer.now.observations, 'observation')}",
        markup=False,
    )
    if answer.pairs:
        _timeline(answer.pairs).print(console)
    for line in _sentences(answer):
        console.print(line, markup=False)
    for note in notes(answer):
        console.print(f"note: {note}", markup=False)


def _timeline(pairs: Iterable[DecisionPair]) -> TextTable:
    table = plain_table("UTC", "route", "move", "to", "difference", prose="why")
    for pair in pairs:
        decision = pair.decision
        cells = (
            _clock(decision.at),
            decision.route,
            decision.move,
            ", ".join(f"{target} {percent:g} %" for target, percent in decision.weights) or decision.target,
            _difference(pair),
            one_line(plain_reason(decision.reason), _LONGEST_REASON),
        )
        style = "" if pair.change is DecisionDifference.SAME else "bold" if pair.change in _ONE_SIDED else "yellow"
        table.add(*cells, style=style)
    return table


def _difference(pair: DecisionPair) -> str:
    if pair.change is DecisionDifference.SAME or pair.change in _ONE_SIDED:
        return pair.change.replace("_", " ")
    return f"{format_elapsed(abs(pair.apart_s))} {pair.change}"


def _sentences(answer: ReplayResult) -> Iterator[str]:
    counts = Counter(pair.change for pair in answer.pairs)
    if not answer.pairs:
        yield "no route was moved then, and none would be now"
    elif counts.keys() == {DecisionDifference.SAME}:
        yield f"no difference: {plural(counts[DecisionDifference.SAME], 'decision')} then, and the same now"
    else:
        parts = [f"{counts[change]} {change.replace('_', ' ')}" for change in DecisionDifference if counts[change]]
        yield f"{plural(len(answer.pairs), 'decision')}: {', '.join(parts)}"
    for row in route_summaries(answer):
        flips, away = row["flips"], row["away_s"]
        if any(flips.values()) or any(away.values()):
            yield (
                f"{row['route']}: {plural(flips['then'], 'flip')} then, {flips['now']} now;"
                f" away from {row['first']} for {format_elapsed(away['then'])} then, {format_elapsed(away['now'])} now"
            )


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%m-%d %H:%M:%S")
