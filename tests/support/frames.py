"""Frames of AWS's event stream, written as people can read them."""

import json
import struct
from typing import Any
from zlib import crc32


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame, with both of its checksums."""
    written = b"".join(string_header(name, value) for name, value in headers.items())
    return framed(written, payload)


def string_header(name: str, value: str) -> bytes:
    """One header whose value is a string."""
    said = value.encode()
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(said)) + said


def framed(headers: bytes, payload: bytes) -> bytes:
    """A frame around headers that are written already."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return whole + struct.pack(">I", crc32(whole))


def event(name: str, payload: dict[str, Any] | None = None) -> bytes:
    """One event as AWS sends it."""
    return frame(_typed("event", name), _json({} if payload is None else payload))


def frames(text: str) -> bytes:
    """The stream that JSON lines describe.

    Each is `{"event": name, "payload": {…}}`, `{"exception": name, "payload": {…}}`, or with all `headers` spelled
    out. `"spoil": "checksum"` breaks the last byte of a frame, `"spoil": "lengths"` those of its lengths,
    `"keep": n` leaves only the first bytes of it, and a payload may be a string, to be no JSON.
    """
    return b"".join(_frame(json.loads(line)) for line in text.splitlines() if line.strip())


def _frame(line: dict[str, Any]) -> bytes:
    kind = "exception" if "exception" in line else "event"
    headers = line.get("headers") or _typed(kind, line[kind])
    payload = line.get("payload", {})
    whole = bytearray(frame(headers, payload.encode() if isinstance(payload, str) else _json(payload)))
    if "spoil" in line:
        whole[{"checksum": -1, "lengths": 11}[line["spoil"]]] ^= 0xFF
    return bytes(whole[: line.get("keep")])


def _typed(kind: str, name: str) -> dict[str, str]:
    return {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}


def _json(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
