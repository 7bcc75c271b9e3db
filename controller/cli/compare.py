"""`hotspare compare`: the same questions to all candidates of a route, side by side."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from controller.cli import output
from controller.cli.arguments import add_config, add_json, add_schema, load_settings
from controller.cli.layout import TextTable, plain_table, print_lines, wrap
from controller.compare.comparison import CandidateFigures, Share
from controller.compare.golden_set import GoldenSet, GoldenSetDocument
from controller.compare.judges import Verdict
from controller.compare.report import ComparisonReport, build_report, document_of
from controller.compare.runner import Asking, most_usd, read_set
from controller.routing.operator_requests import OperatorRequest, RefusedError, check_names
from controller.routing.overrides import OverrideKind
from monitor.budget.allocation import format_usd
from monitor.clock import utc_now
from monitor.config.settings import Settings
from monitor.config.units import parse_share
from monitor.formatting import listed, plural
from probes.pricing import costs_money
from probes.prober import Prober
from probes.target import Target

_MOST_ROUNDS = 50
_MOST_FLAWS = 5
_EACH_USD = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `compare`."""
    add_config(parser)
    parser.add_argument("route", metavar="ROUTE", help="a route of the configuration: all its candidates are asked")
    text = "ask this one as well, a target of the configuration; may be repeated"
    parser.add_argument("--also", action="append", default=[], metavar="ID", help=text)
    text = "the golden set, YAML or .jsonl (default: a small one of Hotspare's)"
    parser.add_argument("--set", type=Path, metavar="FILE", help=text)
    text = "ask every question so many times (default: %(default)s)"
    parser.add_argument("--repeat", type=_rounds, default=1, metavar="N", help=text)
    text = "exit with 1 unless every candidate is right at least so often, such as 90%%"
    parser.add_argument("--at-least", type=_share, metavar="PERCENT", help=text)
    parser.add_argument("--yes", action="store_true", help="do not ask whether it may cost what it costs")
    add_json(parser)
    add_schema(parser, GoldenSetDocument, "A golden set of Hotspare")


def run(args: argparse.Namespace) -> int:
    """Ask and print; 1 when a candidate gave no answer or is right too seldom, 2 without a set or consent."""
    settings = load_settings(args.config)
    targets, golden = _candidates(settings, args.route, args.also), read_set(args.set)
    _require_consent(targets, golden, args)
    prober = Prober(proxy=settings.network.proxy, ca_bundle=settings.network.ca_bundle, clock=utc_now)
    at = utc_now()
    with output.progress_bar("asking") as on_progress:
        asking = Asking(prober=prober, targets=targets, golden=golden, repeat=args.repeat, on_progress=on_progress)
        trials = asyncio.run(asking.ask_all())
    report = build_report(trials, route=args.route, golden=golden, repeat=args.repeat, at=at)
    output.print_answer(args, document_of(report), _print, report)
    return output.BAD_NEWS if report.lacking(args.at_least) else output.OK


def _rounds(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= _MOST_ROUNDS:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a count; expected 1 to {_MOST_ROUNDS}")


def _share(text: str) -> float:
    try:
        share = parse_share(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
    if 0 <= share <= 1:
        return share
    raise argparse.ArgumentTypeError(f"{text!r} is out of range: expected 0% to 100%")


def _candidates(settings: Settings, name: str, also: Sequence[str]) -> list[Target]:
    """The candidates of a route and others, each once; raises RefusedError for names that are not there."""
    check_names(settings, OperatorRequest(kind=OverrideKind.DRILL, subject=name, reason="", author=""))
    [route] = [route for route in settings.routes if route.name == name]
    targets = {target.id: target for target in settings.targets}
    if unknown := [target for target in also if target not in targets]:
        raise RefusedError(f"{unknown[0]!r} is no target of {settings.path}; known are {listed([*targets], 10)}")
    return [targets[target] for target in dict.fromkeys((*route.candidates, *also))]


def _require_consent(targets: Sequence[Target], golden: GoldenSet, args: argparse.Namespace) -> None:
    """Say what it may cost, and ask on a terminal; raises RefusedError without consent. What is free needs none."""
    if args.yes or not any(map(costs_money, targets)):
        return
    usd, unknown = most_usd(targets, golden, args.repeat)
    questions = plural(len(golden.questions) * args.repeat, "question")
    price = f" (not known of {listed(unknown)})" if unknown else ""
    cost = f"{questions} to {plural(len(targets), 'candidate')} may cost up to about {format_usd(usd)}{price}"
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError(f"nothing was asked: {cost}; say --yes")
    sys.stderr.write(f"{cost}. Ask? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RefusedError("nothing was asked")


def _print(report: ComparisonReport, console: Console) -> None:
    rounds = "" if report.repeat == 1 else f", each {report.repeat} times"
    console.print(Text(f"{report.golden.name}: {plural(len(report.golden.questions), 'question')}{rounds}"))
    _table(report).print(console)
    for line in (*_agreements(report), *(line for each in report.candidates for line in _remarks(each))):
        print_lines(console, wrap(Text(line), console.width, indent=2))


def _table(report: ComparisonReport) -> TextTable:
    figures = ("right", "schema", "tools", "tokens", "$ per 1,000", "median", "p95")
    table = plain_table("target", figures=figures)
    for each in report.candidates:
        answered = sum(trial.answered for trial in each.trials)
        usd = None if each.cost_usd is None or not answered else each.cost_usd / answered * _EACH_USD
        table.add(
            each.target,
            _right(each),
            _counts(each.fits_schema),
            _counts(each.right_with_tools),
            "–" if each.input_tokens is None else f"{each.input_tokens:.0f}+{each.output_tokens or 0:.0f}",
            "–" if usd is None else f"{usd:.2f}",
            "–" if each.median_s is None else f"{each.median_s:.2f} s",
            "–" if each.p95_s is None else f"{each.p95_s:.2f} s",
        )
    return table


def _right(each: CandidateFigures) -> str:
    """With the interval in which the true share lies with a confidence of 95 %."""
    if (interval := each.right.interval) is None:
        return "–"
    low, high = interval
    return f"{_counts(each.right)} ({100 * low:.0f} to {100 * high:.0f} %)"


def _counts(share: Share) -> str:
    return f"{share.count} of {share.of}" if share.of else "–"


def _agreements(report: ComparisonReport) -> Iterator[str]:
    for (one, other), share in report.agreements.items():
        if share.of:
            yield f"{one} and {other} agree on {_counts(share)}"


def _remarks(each: CandidateFigures) -> Iterator[str]:
    """What was wrong, by question; what was not answered, or could not be asked, with the first reason."""
    wrong = [trial for trial in each.trials if trial.verdict is Verdict.WRONG]
    by_question = {trial.question: trial for trial in reversed(wrong)}
    names = list(dict.fromkeys(trial.question for trial in wrong))
    for name in names[:_MOST_FLAWS]:
        times = sum(trial.question == name for trial in wrong)
        often = f" ({times} times)" if times > 1 else ""
        yield f"{each.target}, {name}{often}: {by_question[name].flaw}"
    if len(names) > _MOST_FLAWS:
        yield f"{each.target}: {len(names) - _MOST_FLAWS} more questions were answered wrongly (--json has them all)"
    for verdict, what in ((Verdict.UNSUPPORTED, "not supported"), (Verdict.UNANSWERED, "without an answer")):
        if first := each.first(verdict):
            yield f"{each.target}: {each.count(verdict)} {what}: {first.flaw}"
