"""A stream's events as they came over the wire, each with the time at which it was complete; for people to look at."""

import re
from collections.abc import Iterable, Iterator

from probes.dialects.base import Framing
from probes.exchange import BodyChunk
from probes.reply import MalformedError
from probes.streaming import aws_eventstream as eventstream

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LONGEST_BLANK_LINE = 4


def events_in(pieces: Iterable[BodyChunk], framing: Framing) -> Iterator[tuple[float, str]]:
    """Every event with the seconds at which its last byte came; the last one may be cut off.

    Server-sent events as they are, comments among them; binary frames as the name and the text that they hold.
    """
    return _frames(pieces) if framing is Framing.EVENTSTREAM else _lines(pieces)


def _lines(pieces: Iterable[BodyChunk]) -> Iterator[tuple[float, str]]:
    waiting, looked_at, at_s = bytearray(), 0, 0.0
    for piece in pieces:
        waiting += piece.data
        at_s, begin = piece.at_s, 0
        for end in _BLANK_LINE.finditer(waiting, max(0, looked_at - _LONGEST_BLANK_LINE)):
            yield from _event(at_s, waiting[begin : end.start()])
            begin = end.end()
        del waiting[:begin]
        looked_at = len(waiting)
    yield from _event(at_s, waiting)


def _event(at_s: float, data: bytes | bytearray) -> Iterator[tuple[float, str]]:
    text = data.decode("utf-8", "replace").strip("\r\n")
    if text:
        yield at_s, text


def _frames(pieces: Iterable[BodyChunk]) -> Iterator[tuple[float, str]]:
    parser, at_s = eventstream.AwsEventStreamParser(), 0.0
    try:
        for piece in pieces:
            at_s = piece.at_s
            for event in parser.feed(piece.data):
                yield at_s, f"{event.name}: {event.data}"
        list(parser.close())
    except MalformedError as fault:
        yield at_s, f"(a frame with {fault})"
