"""Parses server-sent events from chunks of bytes, in linear time."""

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """One event; `name` is empty where the stream gives none."""

    name: str = ""
    data: str = ""


class SseParser:
    """Turns chunks, cut anywhere, into events.

    CR, LF and CRLF end a line; comments, `id`, `retry` and events without content, which are heartbeats, are dropped.
    Lines that are no field are collected in `stray`: Gemini sends an error as bare JSON into a stream that has begun.
    """

    def __init__(self) -> None:
        self._partial = bytearray()
        self._after_cr = False
        self._first = True
        self._name = ""
        self._data: list[str] = []
        self._stray: list[str] = []

    @property
    def stray(self) -> str:
        """The lines so far that were no field of an event stream."""
        return "\n".join([*self._stray, self._partial.decode("utf-8", "replace")]).strip()

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that this chunk completes, in order."""
        if not chunk:
            return []
        starts_inside_crlf = self._after_cr and chunk.startswith(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        lines = _LINE_END.split(chunk[1:] if starts_inside_crlf else chunk)
        self._partial += lines[0]
        if len(lines) == 1:
            return []
        complete = [bytes(self._partial), *lines[1:-1]]
        self._partial = bytearray(lines[-1])
        return [event for line in complete if (event := self._line(line)) is not None]

    def close(self) -> list[ServerSentEvent]:
        """The event that the end of the stream completes, whose blank line may be missing."""
        last = [self._line(bytes(self._partial)), self._dispatch()]
        self._partial = bytearray()
        return [event for event in last if event is not None]

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            return self._dispatch()
        text = line.decode("utf-8", "replace")
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field not in ("", "id", "retry"):
            self._stray.append(text)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        name, data = self._name, self._data
        self._name, self._data = "", []
        text = "\n".join(data)
        return ServerSentEvent(name=name, data=text) if text.strip() or (data and name == "error") else None
