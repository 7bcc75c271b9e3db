"""How `hotspare run` logs: for machines in a pipe, for people on a terminal."""

import logging
import re
import sys
import time
from typing import Final

from rich.console import Console
from rich.text import Text

#: `probe_failed target=openai/m outcome=timeout: no answer`: an event, keys with values, a text.
_LINE: Final = re.compile(r"([a-z]+(?:_[a-z]+)*)((?: [a-z_]+=(?:'[^']*'|\"[^\"]*\"|\S+?))*)(?:: (.*))?", re.DOTALL)
_PAIR: Final = re.compile(r"([a-z_]+)=('[^']*'|\"[^\"]*\"|\S+)")
#: What says nothing to people, or what the text says.
_LEFT_OUT: Final = frozenset({"id", "kind", "before", "after", "by", "author"})
_STYLES: Final = {logging.WARNING: "yellow", logging.ERROR: "bold red", logging.CRITICAL: "bold red"}
_CHATTY: Final = ("httpx", "httpcore", "slack_sdk", "alembic")


def log_to_stderr() -> None:
    """Log to standard error from now on: `2026-11-21T18:00:00.000Z WARNING event key=value: text`, times in UTC.

    On a terminal in colour, without date and keys.
    """
    handler: logging.Handler = logging.StreamHandler()
    if sys.stderr.isatty():
        handler = TerminalHandler(Console(stderr=True, highlight=False))
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of every skipped probe; the service logs those itself, less often.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


class TerminalHandler(logging.Handler):
    """Prints each record as a line for people, in the colour of its level."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print it; a terminal that is gone must not end the service."""
        try:
            at = time.strftime("%H:%M:%S", time.gmtime(record.created))
            level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
            line = Text.assemble((f"{at}  ", "dim"), (f"{level}{plain_words(record.getMessage())}", _style(record)))
            if record.exc_info and self.formatter:
                line.append(f"\n{self.formatter.formatException(record.exc_info)}")
            self._console.print(line, soft_wrap=True)
        except Exception:  # noqa: BLE001 - as logging's own handlers do
            self.handleError(record)


def _style(record: logging.LogRecord) -> str:
    return _STYLES.get(record.levelno, "")


def plain_words(message: str) -> str:
    """The message without underscores and keys: the event, values that its text does not hold, and the text."""
    match = _LINE.fullmatch(message)
    if match is None:
        return message
    event, pairs, text = match[1], dict(_PAIR.findall(match[2])), match[3] or ""
    wait_s = pairs.pop("retry_in_s", None)
    values = [value.strip("'\"") for key, value in pairs.items() if key not in _LEFT_OUT]
    shown = [value for value in values if value not in text]
    head = " ".join([event.replace("_", " "), *shown])
    again = f" (again in {wait_s} s)" if wait_s else ""
    return f"{head}: {text}{again}" if text else f"{head}{again}"
