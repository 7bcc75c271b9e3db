"""How `hotspare run` logs: for machines in a pipe, for people on a terminal."""

import json
import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from controller.cli.background_log import BackgroundHandler, DescriptorStream
from probes.redaction import MASK
from probes.target import Secret

if TYPE_CHECKING:
    from rich.console import Console

#: `probe_failed target=openai/m outcome=timeout: no answer`: an event, keys with values, a text.
_LINE: Final = re.compile(r"([a-z]+(?:_[a-z]+)*)((?: [a-z_]+=(?:'[^']*'|\"[^\"]*\"|\S+?))*)(?:: (.*))?", re.DOTALL)
_PAIR: Final = re.compile(r"([a-z_]+)=('[^']*'|\"[^\"]*\"|\S+)")
#: What says nothing to people, or what the text says.
_LEFT_OUT: Final = frozenset({"id", "kind", "before", "after", "by", "author"})
_STYLES: Final = {logging.WARNING: "yellow", logging.ERROR: "bold red", logging.CRITICAL: "bold red"}
_TIME: Final = "%Y-%m-%dT%H:%M:%S"
#: A shorter one cannot be told from words.
_SHORTEST_SECRET: Final = 8
_STDERR: Final = 2
_CHATTY: Final = ("httpx", "httpcore", "slack_sdk", "alembic")


class LogFormat(StrEnum):
    """How lines are written."""

    AUTO = "auto"
    """For people on a terminal, else as JSON."""
    TEXT = "text"
    """`2026-11-21T18:00:00.000Z WARNING event key=value: text`, times in UTC."""
    JSON = "json"
    """The same as one JSON object on each line."""


def log_to_stderr(form: LogFormat = LogFormat.AUTO, level: str = "info", secrets: Iterable[Secret] = ()) -> None:
    """Log to standard error from now on, from this level on, with the secrets as `***`."""
    mask = Mask(secrets)
    stream = DescriptorStream(_STDERR)
    handler: logging.Handler = logging.StreamHandler(stream)
    if form is LogFormat.AUTO and stream.isatty():
        from rich.console import Console  # noqa: PLC0415 - not for machines

        handler = TerminalHandler(Console(file=cast(IO[str], stream), highlight=False), mask)
    handler.setFormatter(TextFormatter(mask) if form is LogFormat.TEXT else JsonFormatter(mask))
    logging.basicConfig(level=level.upper(), handlers=[BackgroundHandler(handler)])
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of every skipped probe; the service logs those itself, less often.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def secrets_in(value: object) -> Iterator[Secret]:
    """Every secret of some settings, however deep."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping):
        yield from secrets_in(tuple(value.values()))
    elif isinstance(value, tuple | list | frozenset):
        for item in value:
            yield from secrets_in(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from secrets_in(getattr(value, each.name))


class Mask:
    """Replaces secrets. Texts from outside are masked where they come in: this is for what nobody thought of."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        revealed = {secret.reveal() for secret in secrets}
        forms = {form for text in revealed if len(text) >= _SHORTEST_SECRET for form in (text, quote(text, safe=""))}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        return self._secrets.sub(MASK, text) if self._secrets else text


class TextFormatter(logging.Formatter):
    """An event as one line: `2026-11-21T18:00:00.000Z WARNING event key=value: text`."""

    def __init__(self, mask: Mask) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", datefmt=_TIME)
        self.converter = time.gmtime
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """The line; below it a traceback, if there is one."""
        return self._mask(super().format(record))


class JsonFormatter(logging.Formatter):
    """An event as one JSON object on one line, a traceback included."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        message = self._mask(record.getMessage())
        match = _LINE.fullmatch(message)
        pairs = {key: value.strip("'\"") for key, value in _PAIR.findall(match[2])} if match else {}
        document: dict[str, Any] = {
            "at": f"{time.strftime(_TIME, time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": match[1] if match else "library",
            "text": (match[3] or "") if match else message,
            "fields": pairs,
        }
        if record.exc_info:
            document["traceback"] = self._mask(self.formatException(record.exc_info))
        return json.dumps(document, ensure_ascii=True)


class TerminalHandler(logging.Handler):
    """Prints each record as a line for people, in the colour of its level."""

    def __init__(self, console: "Console", mask: Mask) -> None:
        super().__init__()
        self._console = console
        self._mask = mask

    def emit(self, record: logging.LogRecord) -> None:
        """Print it; a terminal that is gone must not end the service."""
        from rich.text import Text  # noqa: PLC0415 - as above

        try:
            at = time.strftime("%H:%M:%S", time.gmtime(record.created))
            level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
            line = Text.assemble(
                (f"{at}  ", "dim"), (f"{level}{plain_words(self._mask(record.getMessage()))}", _style(record))
            )
            if record.exc_info and self.formatter:
                line.append(f"\n{self._mask(self.formatter.formatException(record.exc_info))}")
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
