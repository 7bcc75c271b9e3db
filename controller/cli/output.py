"""Prints what the commands answer: exit statuses, JSON documents, errors, and text for a terminal or a pipe."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from probes.outcome import Effect, Outcome

if TYPE_CHECKING:
    from rich.console import Console

OK = 0
BAD_NEWS = 1
"""It did what was asked, and the answer is bad news: a check failed, a target is down."""
WRONG = 2
"""It was asked wrongly, or cannot work with this configuration."""

_PIPE_COLUMNS = 400
_COLOURS = {Effect.UP: "green", Effect.DEGRADED: "yellow", Effect.THROTTLED: "yellow", Effect.NOTHING: "yellow"}


def print_document(document: Mapping[str, Any]) -> None:
    """Print one JSON document on standard output, for `--json`."""
    escaped = not (sys.stdout.encoding or "").lower().startswith("utf")
    print(json.dumps(document, ensure_ascii=escaped, indent=2))  # noqa: T201 - what was asked for


def print_lines(lines: Iterable[str]) -> None:
    """Print these lines on standard output, unchanged."""
    for line in lines:
        print(line)  # noqa: T201 - what was asked for


def print_error(message: object) -> None:
    """Print an error on standard error: an exception, or a sentence."""
    print(message, file=sys.stderr)  # noqa: T201 - the command line's own output


def warn(warnings: Iterable[str]) -> None:
    """Print each warning on standard error, so that `--json` stays one document."""
    for warning in warnings:
        print_error(f"warning: {warning}")


def terminal() -> "Console":
    """Return a console on standard output: no automatic highlighting, and long lines are not folded in a pipe."""
    from controller.cli.pipe_console import PipeConsole  # noqa: PLC0415 - rich, which `run` does without

    console = PipeConsole(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    return console


def print_answer(
    args: argparse.Namespace, document: Mapping[str, Any], show: Callable[..., None], *values: object
) -> None:
    """Print the document with `--json`; else the same for people: `show` prints `values` on a console, its last."""
    if args.json:
        print_document(document)
    else:
        show(*values, terminal())


def seconds_or_minutes(seconds: float | None) -> str:
    """Format a time of which the last digit does not matter; a dash where there is none."""
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.1f} min"


def outcome_style(outcome: Outcome) -> str:
    """Return the colour of an outcome: green, yellow, or red."""
    return _COLOURS.get(outcome.effect, "red")


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float, float], None]]:
    """Yield a function (done, total) that moves a bar on standard error; nothing is shown unless that is a terminal.

    The bar and its thread start with the first call, so that worker processes can be forked before it.
    """
    from rich.console import Console  # noqa: PLC0415 - as in `terminal`
    from rich.progress import Progress  # noqa: PLC0415

    errors = Console(stderr=True)
    bar = Progress(console=errors, transient=True, disable=not errors.is_terminal)
    task = bar.add_task(label, total=None)

    def move(done: float, total: float) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield move
    finally:
        bar.stop()
