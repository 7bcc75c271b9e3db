"""Parses the binary event stream of AWS from chunks of bytes, in linear time, without botocore, an optional extra.

A frame:

    [u32 length of all][u32 length of the headers][u32 CRC of these eight bytes]
    headers [u8 length][name][u8 type][value] …
    payload
    [u32 CRC of everything before]
"""

import json
import struct
from collections.abc import Iterator
from typing import Final
from zlib import crc32

from probes.json_values import MalformedError
from probes.streaming.sse import ServerSentEvent

#: Names of our own: the type of an exception follows the colon; the end of the stream is an event, because the last
#: frame of a format may be missing without harm.
EXCEPTION: Final = "exception:"
END: Final = ":end"

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_LEAST = _PRELUDE.size + _CRC.size
#: The longest frame that is read, in bytes: more than any reply to a probe, and less than the 24 MiB that AWS allows.
_LONGEST = 1024 * 1024
#: Of the header types that are not strings: true, false, byte, short, integer, long, timestamp, UUID.
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7


class AwsEventStreamParser:
    """Turns chunks, cut anywhere, into events."""

    stray: Final = ""

    def __init__(self) -> None:
        self._partial = bytearray()

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """The events that this chunk completes, in order; raises MalformedError at the first corrupt frame."""
        self._partial += chunk
        while len(self._partial) >= _PRELUDE.size:
            length, headers = _prelude(self._partial)
            if len(self._partial) < length:
                return
            frame = bytes(self._partial[:length])
            del self._partial[:length]
            yield _event(frame, headers)

    def close(self) -> Iterator[ServerSentEvent]:
        """The `END` event; raises MalformedError when the stream ended inside a frame."""
        if self._partial:
            raise MalformedError("no end: the stream was cut inside it")
        yield ServerSentEvent(name=END)


def _prelude(data: bytearray) -> tuple[int, int]:
    """The length of the frame and of its headers."""
    length, headers, crc = _PRELUDE.unpack_from(data)
    if crc32(data[:8]) != crc:
        raise MalformedError("a wrong checksum of its lengths")
    if not _LEAST + headers <= length <= _LONGEST:
        raise MalformedError("impossible lengths")
    return length, headers


def _event(frame: bytes, headers: int) -> ServerSentEvent:
    if crc32(frame[: -_CRC.size]) != _CRC.unpack(frame[-_CRC.size :])[0]:
        raise MalformedError("a wrong checksum")
    payload_at = _PRELUDE.size + headers
    fields = _headers(frame[_PRELUDE.size : payload_at])
    payload = frame[payload_at : -_CRC.size].decode("utf-8", "replace")
    match fields.get(":message-type"):
        case "exception":
            return ServerSentEvent(name=EXCEPTION + fields.get(":exception-type", ""), data=payload)
        case "error":  # one without a payload
            body = {"message": fields.get(":error-message", "")}
            return ServerSentEvent(name=EXCEPTION + fields.get(":error-code", ""), data=json.dumps(body))
    return ServerSentEvent(name=fields.get(":event-type", ""), data=payload)


def _headers(data: bytes) -> dict[str, str]:
    """The headers whose value is a string; others are skipped."""
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name, at = _take(data, at + 1, data[at])
            kind, at = data[at], at + 1
            if kind in {_BYTES, _STRING}:
                value, at = _take(data, at + _LENGTH.size, *_LENGTH.unpack_from(data, at))
            else:
                value, at = _take(data, at, _SIZES[kind])
            if kind == _STRING:
                headers[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
    except (IndexError, KeyError, struct.error) as error:
        raise MalformedError("invalid headers") from error
    return headers


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """`size` bytes from `at`, and where they end; raises IndexError where there are fewer."""
    if at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size
