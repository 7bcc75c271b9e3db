"""`hotspare once`: probe now, print the outcomes, store nothing."""

import argparse
import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings
from controller.cli.layout import plain_table
from controller.cli.transcript import print_transcript, transcript_document
from controller.routing.operator_requests import RefusedError
from monitor.clock import utc_now
from monitor.config.provider_targets import checks_of
from monitor.config.settings import Settings
from monitor.formatting import format_elapsed, instant
from probes import loop_lag, pricing
from probes.observation import Observation
from probes.outcome import Outcome
from probes.prober import Prober
from probes.target import Check, Target
from probes.transcript import Transcript

_MAX_CONCURRENT = 10
_ROOMY_COLUMNS = 110
_FIELDS = (
    *("first_token_s", "http_status", "input_tokens", "output_tokens", "cost_usd"),
    *("request_id", "model", "deprecation", "detail"),
)
"""The fields of an observation that are printed unchanged in JSON."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `once`."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("-t", "--target", action="append", metavar="ID", help="only this one; may be repeated")
    text = f"ask this instead of the target's own checks: {', '.join(Check)}, or one of yours; may be repeated"
    parser.add_argument("--check", action="append", metavar="CHECK", help=text)
    text = "show the whole exchange (keys masked), the phases, and why it ended as it did"
    parser.add_argument("-v", "--verbose", action="store_true", help=text)


def run(args: argparse.Namespace) -> int:
    """Probe and print; 1 unless every outcome is `ok`, 2 for a target or a check that cannot be asked."""
    settings = load_settings(args.config)
    transcripts = ask(settings, _questions(settings, args.target or (), args.check or ()))
    document = {"observations": [probe_document(each, verbose=args.verbose) for each in transcripts]}
    output.print_answer(args, document, _print, args, transcripts)
    return output.OK if all_ok(transcripts) else output.BAD_NEWS


def all_ok(transcripts: Sequence[Transcript]) -> bool:
    """Whether each was answered rightly."""
    return all(each.observation.outcome is Outcome.OK for each in transcripts)


def _print(args: argparse.Namespace, transcripts: Sequence[Transcript], console: Console) -> None:
    for transcript in transcripts if args.verbose else ():
        print_transcript(transcript, console)
    print_table([each.observation for each in transcripts], console)


def _questions(settings: Settings, only: Sequence[str], checks: Sequence[str]) -> list[tuple[Target, str]]:
    """Every target (or only those) with each of its checks (or with these); raises RefusedError.

    A check of people's own is asked of the targets that have it.
    """
    unknown = set(only) - {target.id for target in settings.targets}
    if unknown:
        known = ", ".join(target.id for target in settings.targets)
        raise RefusedError(f"{min(unknown)!r} is no target of {settings.path}; known are {known}")
    wanted = [target for target in settings.targets if not only or target.id in only]
    own = {check for target in wanted for check in target.own_checks}
    questions = [
        (target, check)
        for target in wanted
        for check in dict.fromkeys(checks) or target.questions
        if check not in own or check in target.own_checks
    ]
    for target, question in questions:
        provider, known_checks = target.provider, checks_of(target.provider)
        if question not in known_checks and question not in target.own_checks:
            who = f"preset, {provider.preset}" if provider.preset else f"dialect, {provider.dialect}"
            able = ", ".join([*(check for check in Check if check in known_checks), *target.own_checks])
            raise RefusedError(f"{target.id} cannot be asked {question}: its {who}, can ask {able}")
    return questions


def ask(settings: Settings, questions: Sequence[tuple[Target, str]]) -> list[Transcript]:
    """Return what comes of the questions, in their order, a few at a time; progress on a terminal."""

    async def ask_all() -> list[Transcript]:
        await pricing.warm_up()
        prober = Prober(proxy=settings.network.proxy, ca_bundle=settings.network.ca_bundle, clock=utc_now)
        turn = asyncio.Semaphore(_MAX_CONCURRENT)
        done = itertools.count(1)

        async def ask(target: Target, question: str) -> Transcript:
            async with turn:
                transcript = await prober.probe_with_transcript(target, question)
            on_progress(next(done), len(questions))
            return transcript

        return list(await asyncio.gather(*(ask(target, question) for target, question in questions)))

    with output.progress_bar("asking") as on_progress:
        on_progress(0, len(questions))
        return loop_lag.run(ask_all())


def print_table(observations: Sequence[Observation], console: Console) -> None:
    """Print a line for each observation, and below what the providers said, uncut."""
    roomy = console.width >= _ROOMY_COLUMNS
    figures = ("time", *(("first token", "tokens") if roomy else ()), "cost")
    table = plain_table("target", "check", "outcome", figures=figures)
    for observation in observations:
        lasted_s = observation.duration_s
        details = (
            f"{observation.first_token_s:.2f} s" if observation.first_token_s is not None else "–",
            f"{observation.input_tokens}+{observation.output_tokens}" if observation.input_tokens is not None else "–",
        )
        table.add(
            observation.target,
            observation.check,
            Text(observation.outcome, style=output.outcome_style(observation.outcome)),
            format_elapsed(lasted_s) if lasted_s >= 10 else f"{lasted_s:.2f} s",
            *(details if roomy else ()),
            f"${observation.cost_usd:.6f}" if observation.cost_usd is not None else "unknown",
        )
    table.print(console)
    for observation in observations:
        if observation.detail:
            # A provider wrote this: no markup.
            console.print(Text(f"{observation.target} ({observation.check}): {observation.detail}"))


def probe_document(transcript: Transcript, *, verbose: bool = False) -> dict[str, Any]:
    """An observation as JSON; seconds, tokens and dollars, null where not known."""
    observation = transcript.observation
    document = {
        "target": observation.target,
        "check": observation.check,
        "started_at": instant(observation.started_at),
        "outcome": observation.outcome,
        "blame": observation.outcome.blame,
        "duration_s": round(observation.duration_s, 4),
    } | {name: getattr(observation, name) for name in _FIELDS}
    return document | {"exchange": transcript_document(transcript)} if verbose else document
