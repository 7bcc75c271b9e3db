"""`hotspare compare`: the same questions to all candidates of a route, side by side."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from controller.cli import output
from controller.cli.arguments import add_config, add_json, add_schema, load_settings
from controller.cli.compare_report import print_report
from controller.compare.comparison import Trial
from controller.compare.golden_set import GoldenSet, GoldenSetDocument
from controller.compare.history import past_run
from controller.compare.report import build_report, document_of
from controller.compare.runner import Asking, most_usd, read_set
from controller.compare.store import ComparisonStore
from controller.routing.operator_requests import OperatorRequest, RefusedError, check_names
from controller.routing.overrides import OverrideKind
from monitor.budget.allocation import format_usd
from monitor.clock import utc_now
from monitor.config.settings import Settings
from monitor.config.units import parse_share
from monitor.formatting import listed, plural
from monitor.storage.database import DatabaseError, open_operator
from probes import loop_lag
from probes.observation import Observation
from probes.pricing import costs_money
from probes.prober import Prober
from probes.target import Target

_MOST_ROUNDS = 50


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
    """Ask and print; 1 when a candidate gave no answer, or is right too seldom or less often than in the last run.

    2 for a wrong name or set, without consent, and where the budget does not pay for it.
    """
    settings = load_settings(args.config)
    targets, golden = _candidates(settings, args.route, args.also), read_set(args.set)
    kept = _kept(settings)
    _require_consent(targets, golden, args, kept.left_usd(settings, utc_now()) if kept else None)
    past = kept.runs(args.route, golden.digest) if kept else ()
    at, trials = utc_now(), _ask(settings, targets, golden, args.repeat, kept)
    report = build_report(trials, route=args.route, golden=golden, repeat=args.repeat, at=at, past=past)
    if kept:
        try:
            kept.add(args.route, golden.digest, past_run(report.candidates, at))
        except DatabaseError as error:
            output.warn([f"this run is not kept: {error}"])
    output.print_answer(args, document_of(report), print_report, report)
    return output.OK if report.is_good(args.at_least) else output.BAD_NEWS


def _kept(settings: Settings) -> ComparisonStore | None:
    """The runs so far, and what has been spent; None, with a warning, where there is no database."""
    try:
        return ComparisonStore(open_operator(settings.database))
    except DatabaseError as error:
        output.warn([f"this run is not kept, and does not count against the budget: {error}"])
        return None


def _ask(
    settings: Settings, targets: Sequence[Target], golden: GoldenSet, repeat: int, kept: ComparisonStore | None
) -> Mapping[str, Sequence[Trial]]:
    """Ask with progress on a terminal; what that costs is counted, also when it is interrupted."""
    prober = Prober(proxy=settings.network.proxy, ca_bundle=settings.network.ca_bundle, clock=utc_now)
    with output.progress_bar("asking") as on_progress:
        asking = Asking(prober=prober, targets=targets, golden=golden, repeat=repeat, on_progress=on_progress)
        try:
            return loop_lag.run(asking.ask_all())
        finally:
            if kept:
                _count_costs(kept, targets, asking.observations)


def _count_costs(kept: ComparisonStore, targets: Sequence[Target], observations: Sequence[Observation]) -> None:
    try:
        kept.add_costs(targets, observations)
    except DatabaseError as error:
        output.warn([f"what this has cost does not count against the budget: {error}"])


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


def _require_consent(
    targets: Sequence[Target], golden: GoldenSet, args: argparse.Namespace, left_usd: float | None
) -> None:
    """Say what it may cost, and ask on a terminal; what is free needs no consent.

    Raises RefusedError without consent, and where it may cost more than is left of the budget.
    """
    if not any(map(costs_money, targets)):
        return
    usd, unknown = most_usd(targets, golden, args.repeat)
    questions = plural(len(golden.questions) * args.repeat, "question")
    price = f" (not known of {listed(unknown)})" if unknown else ""
    cost = f"{questions} to {plural(len(targets), 'candidate')} may cost up to about {format_usd(usd)}{price}"
    if left_usd is not None and usd > left_usd:
        left = f"{format_usd(max(0.0, left_usd))} of this month's budget is left, and probing needs it"
        raise RefusedError(f"nothing was asked: {cost}; {left}. Ask less, or raise budget.usd_per_month")
    if args.yes:
        return
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError(f"nothing was asked: {cost}; say --yes")
    sys.stderr.write(f"{cost}. Ask? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RefusedError("nothing was asked")
