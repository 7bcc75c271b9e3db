"""`hotspare check` and `hotspare once`: ask now, print how it went, remember nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from controller import answers
from controller.terminal import terminal
from monitor.clock import utc_now
from monitor.settings import Settings
from monitor.words import instant, plural, span
from probes import pricing
from probes.observation import Observation
from probes.outcome import Effect, Outcome
from probes.prober import Prober
from probes.target import Check, Target

_AT_A_TIME = 10
_ROOMY_COLUMNS = 110
_COLOURS = {Effect.UP: "green", Effect.DEGRADED: "yellow", Effect.THROTTLED: "yellow", Effect.NOTHING: "yellow"}


def once(settings: Settings, *, only: Sequence[str] | None, as_json: bool) -> int:
    """Probe every target (or only those) with each of its checks; 1 unless all are `ok`."""
    unknown = set(only or ()) - {target.id for target in settings.targets}
    if unknown:
        known = ", ".join(target.id for target in settings.targets)
        answers.complain(f"{min(unknown)!r} is no target of {settings.path}; known are {known}")
        return answers.WRONG
    wanted = [target for target in settings.targets if not only or target.id in only]
    seen = _ask(settings, [(target, check) for target in wanted for check in target.checks])
    if as_json:
        answers.print_document({"observations": [_document(one) for one in seen]})
    else:
        print_table(seen)
    return _verdict(seen)


def check(settings: Settings, *, as_json: bool) -> int:
    """Ask each provider's first model one chat question; 1 unless all are `ok`. The configuration is already valid."""
    first = {target.provider.name: target for target in reversed(settings.targets)}
    seen = _ask(settings, [(first[provider.name], Check.CHAT) for provider in settings.providers])
    if as_json:
        answers.print_document(
            {"config": str(settings.path), "valid": True, "providers": [_document(one) for one in seen]}
        )
    else:
        console = terminal()
        counts = f"{plural(len(settings.routes), 'route')}, {plural(len(settings.targets), 'target')}"
        console.print(f"{settings.path}: valid; {counts}", markup=False)
        print_table(seen)
    return _verdict(seen)


def _verdict(seen: Sequence[Observation]) -> int:
    return answers.OK if all(one.outcome is Outcome.OK for one in seen) else answers.BAD_NEWS


def _ask(settings: Settings, questions: Sequence[tuple[Target, Check]]) -> list[Observation]:
    """The observations in the order of the questions, a few at a time; progress on a terminal."""
    errors = Console(stderr=True)

    async def ask_all() -> list[Observation]:
        await asyncio.to_thread(pricing.warm_up)
        prober = Prober(proxy=settings.network.proxy, ca_bundle=settings.network.ca_bundle, clock=utc_now)
        turn = asyncio.Semaphore(_AT_A_TIME)

        async def ask(target: Target, question: Check) -> Observation:
            async with turn:
                seen = await prober.probe(target, question)
            progress.advance(task)
            return seen

        return list(await asyncio.gather(*(ask(target, question) for target, question in questions)))

    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("asking", total=len(questions))
        return asyncio.run(ask_all())


def print_table(seen: Sequence[Observation], console: Console | None = None) -> None:
    """The observations, a line each, on standard output by default; below it what the providers said, uncut."""
    console = console or terminal()
    roomy = console.width >= _ROOMY_COLUMNS
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("target", "check", "outcome"):
        table.add_column(name, no_wrap=name != "target", overflow="fold")
    for name in ("time", *(("first token", "tokens") if roomy else ()), "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in seen:
        details = (
            f"{one.first_token_s:.2f} s" if one.first_token_s is not None else "–",
            f"{one.input_tokens}+{one.output_tokens}" if one.input_tokens is not None else "–",
        )
        table.add_row(
            one.target,
            one.check,
            Text(one.outcome, style=_COLOURS.get(one.outcome.effect, "red")),
            span(one.duration_s) if one.duration_s >= 10 else f"{one.duration_s:.2f} s",
            *(details if roomy else ()),
            f"${one.cost_usd:.6f}" if one.cost_usd is not None else "unknown",
        )
    console.print(table)
    for one in seen:
        if one.detail:
            # A provider wrote this: no markup.
            console.print(Text(f"{one.target} ({one.check}): {one.detail}"))


def _document(one: Observation) -> dict[str, Any]:
    """An observation as JSON; seconds, tokens and dollars, null where not known."""
    return {
        "target": one.target,
        "check": one.check,
        "started_at": instant(one.started_at),
        "outcome": one.outcome,
        "blame": one.outcome.blame,
        "duration_s": round(one.duration_s, 4),
        "first_token_s": one.first_token_s,
        "http_status": one.http_status,
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "cost_usd": one.cost_usd,
        "request_id": one.request_id,
        "detail": one.detail,
    }
