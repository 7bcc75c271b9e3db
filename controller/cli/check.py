"""`hotspare check`: whether the configuration is right, and everything that it names answers; stores nothing."""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console

from controller.cli import output
from controller.cli.arguments import (
    add_config,
    add_json,
    add_schema,
    budget_warnings,
    load_settings,
    warn_about_backgrounds,
)
from controller.cli.machine_check import MachineProblem, machine_faults, print_machine
from controller.cli.probe import all_ok, ask, print_table, probe_document
from controller.cli.reachability import Reachability, print_reachability, reach_channels
from monitor.config.settings import Settings
from monitor.formatting import plural
from probes.target import Check, Target
from probes.transcript import Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnswers:
    """What answered."""

    transcripts: Sequence[Transcript] = ()
    """Of one probe of each provider."""
    channels: Sequence[Reachability] = ()
    machine: Sequence[MachineProblem] = ()

    @property
    def all_well(self) -> bool:
        """Whether nothing has to be done."""
        return all_ok(self.transcripts) and not any(channel.error for channel in self.channels) and not self.machine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    add_config(parser)
    add_json(parser)
    add_schema(parser, Settings, "The configuration of Hotspare")
    text = "validate alone: ask neither providers nor channels of alerts"
    parser.add_argument("--offline", action="store_true", help=text)


def run(args: argparse.Namespace) -> int:
    """Ask and print; 1 unless every provider answers rightly, every channel can be reached, and the machine is fit."""
    settings = load_settings(args.config, warns=True)
    output.warn(budget_warnings(settings))
    warn_about_backgrounds(settings)
    answers = check_now(settings, offline=args.offline)
    output.print_answer(args, check_document(settings, answers), print_check, settings, answers)
    return output.OK if answers.all_well else output.BAD_NEWS


def check_now(settings: Settings, *, offline: bool = False) -> CheckAnswers:
    """Look at the machine, ask each provider once, as cheaply as can be, and each channel; `offline`: nobody."""
    if offline:
        return CheckAnswers(machine=machine_faults(settings, (), offline=True))
    transcripts = ask(settings, _cheapest_questions(settings))
    return CheckAnswers(
        transcripts=transcripts,
        channels=asyncio.run(reach_channels(settings)),
        machine=machine_faults(settings, transcripts, offline=False),
    )


def check_document(settings: Settings, answers: CheckAnswers) -> dict[str, Any]:
    """The answers as one JSON document."""
    return {
        "config": str(settings.path),
        "valid": True,
        "providers": [probe_document(each) for each in answers.transcripts],
        "alerts": [asdict(channel) for channel in answers.channels],
        "machine": [asdict(fault) for fault in answers.machine],
    }


def print_check(settings: Settings, answers: CheckAnswers, console: Console) -> None:
    """Print them for people."""
    counts = f"{plural(len(settings.routes), 'route')}, {plural(len(settings.targets), 'target')}"
    console.print(f"{settings.path}: valid; {counts}", markup=False)
    if answers.transcripts:
        print_table([each.observation for each in answers.transcripts], console)
    print_reachability(answers.channels, console)
    print_machine(answers.machine, console)


def _cheapest_questions(settings: Settings) -> list[tuple[Target, str]]:
    """Ask each provider's first model a chat, unless it only embeds, with each of its keys."""
    first = {target.provider.name: target for target in reversed(settings.targets)}
    questions: list[tuple[Target, str]] = []
    for target in (first[provider.name] for provider in settings.providers):
        check = Check.EMBEDDING if target.questions == (Check.EMBEDDING,) else Check.CHAT
        keys = target.provider.keys
        questions += [(replace(target, provider=target.provider.with_key(key)), check) for key in keys]
    return questions
