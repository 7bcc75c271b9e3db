"""What one probe has seen so far: the moving deadline, the phases, and the bytes as they are read."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from probes.classifier import Classification, RawResponse, streams
from probes.dialects.registry import DIALECTS
from probes.loop_lag import LagWatch
from probes.outcome import Outcome
from probes.reply import EMPTY_REPLY, Request
from probes.stream_reader import StreamReader
from probes.target import Check, Target
from probes.transport.backend import SocketTimings
from probes.transport.decoding import CAP


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyChunk:
    """Bytes of an answer, decoded, and when they came."""

    at_s: float
    """Seconds since the probe started."""
    data: bytes


#: A deadline that passes is ours where our event loop stood still for more than this share of the time until then.
_OUR_SHARE = 0.2


class Exchange:
    """Filled while a probe runs, and complete at whatever point it stops.

    Phases are seconds since the transport's first step, which is to look up the name of the host.
    """

    def __init__(
        self,
        *,
        target: Target,
        check: Check,
        started_at: datetime,
        monotonic: Callable[[], float],
        pieces: list[BodyChunk] | None = None,
    ) -> None:
        self.target = target
        self.check = check
        self.started_at = started_at
        self.pieces = pieces
        """Where the bytes of the answer are kept as they come; None: nobody wants to see them."""
        self.request: Request | None = None
        """As it is sent; None where the probe did not get that far."""
        self.marks = SocketTimings()
        """Kept by the sockets."""
        self.lag = LagWatch(0.0)
        """Kept by whoever watches the event loop."""
        self.credentials_s = 0.0
        """How long the credentials took; counts against the deadlines, not in the phases."""
        self._monotonic = monotonic
        self._started = monotonic()
        self._over_s: float | None = None
        self._text_s: float | None = None
        self._text_length = 0
        self._timer: asyncio.Timeout | None = None
        self._timer_started = 0.0
        self._sent = False
        self._peer = ""
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()
        self._reader: StreamReader | None = None
        self.status: int | None = None
        self.sent_s: float | None = None
        self.first_byte_s: float | None = None
        self.first_token_s: float | None = None
        self.last_byte_s: float | None = None
        self.longest_stall_s: float | None = None

    @property
    def fresh(self) -> bool:
        """False where the request went over a connection that stood already."""
        return self.marks.tcp_at is not None or not self._sent

    @property
    def duration_s(self) -> float:
        """Until the answer was complete, else until it was given up."""
        given_up_s = self.seconds() if self._over_s is None else self._over_s
        return given_up_s if self.last_byte_s is None else self.last_byte_s

    def since_start(self, at: float | None) -> float | None:
        """A time by the monotonic clock as a phase."""
        return None if at is None else max(0.0, at - self._started)

    def seconds(self) -> float:
        """Since the start."""
        return self._monotonic() - self._started

    def arm(self, timer: asyncio.Timeout) -> None:
        """Makes `timer` the moving deadline, the connect deadline first."""
        self._timer = timer
        self._start_deadlines()

    def _start_deadlines(self) -> None:
        self._timer_started = asyncio.get_running_loop().time() - self.credentials_s
        self._move(self.target.timeouts.connect_s)

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Told by the transport of each of its steps; behind a proxy the last word on each counts."""
        step = name.partition(".")[2]
        if step == "connect_tcp.started" and not self._peer:
            self._peer = str(info["host"])
            # Read before the deadlines' clock, so that no deadline passes before its seconds are over.
            self._started = self._monotonic()
            self._start_deadlines()
        elif step == "send_request_headers.started" and info["request"].method != b"CONNECT":
            self._sent = True
            waits_for_token = self.check is Check.STREAM
            self._move(self.target.timeouts.first_token_s if waits_for_token else self.target.timeouts.total_s)
        elif step == "send_request_body.complete" and self._sent:
            self.sent_s = self.seconds()
        elif step == "receive_response_headers.complete" and self._sent:
            self.first_byte_s = self.since_start(self.marks.received_at)

    def begin(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Response headers are in."""
        self.status = status
        self._headers = {name.lower(): value for name, value in headers}
        if streams(self.check, status, self._headers):
            self._reader = StreamReader(DIALECTS[self.target.provider.dialect])

    def take(self, data: bytes) -> bool:
        """Adds decoded bytes; True once nothing that follows can matter."""
        if self.pieces is not None:
            self.pieces.append(BodyChunk(at_s=self.since_start(self.marks.received_at) or 0.0, data=data))
        if self._reader is None:
            self._body += data
            return False
        self._reader.feed(data)
        self._note_text(self._reader)
        if self._reader.done:
            self._complete()
        return self._reader.done

    @property
    def streaming(self) -> bool:
        """The answer is read as a stream."""
        return self._reader is not None

    def end(self) -> None:
        """The response ended in good order."""
        self._complete()
        if self._reader is not None:
            self._reader.close()
            self._note_text(self._reader)

    def over(self) -> None:
        """The transport is done with, in good order or not."""
        self._over_s = self.seconds()

    def answer(self, fault: Classification | None) -> RawResponse:
        """All that can be judged, once headers are in; `fault` is how the transport failed, where it did."""
        reader = self._reader
        return RawResponse(
            status=self.status or 0,
            headers=self._headers,
            body=bytes(self._body),
            reply=reader.reply if reader else EMPTY_REPLY,
            stray=reader.stray if reader else "",
            fault=(reader.fault if reader else None) or fault,
        )

    def overflowed(self) -> Classification:
        """The cap was reached before the end."""
        said = f"more than {CAP // 1024} KiB without an end"
        return self.broken(Classification(outcome=Outcome.SERVER_ERROR, detail=said))

    def broken(self, fault: Classification) -> Classification:
        """The same fault; inside a stream it is the stream that broke, unless the fault is ours."""
        inside = self._reader is not None and fault.outcome in {Outcome.SERVER_ERROR, Outcome.UNREACHABLE}
        return replace(fault, outcome=Outcome.BROKEN_STREAM) if inside else fault

    def place(self, url: str) -> str:
        """Host and port of `url`, and the proxy where the way there leads through one."""
        parts = urlsplit(url)
        through = f" (through the proxy {self._peer})" if self._peer not in {"", parts.hostname} else ""
        return parts.netloc.rpartition("@")[2] + through

    def late(self, place: str) -> Classification:
        """What the deadline that has just passed means; after the first token a stream has stalled."""
        limits, stalled_s, waited_s = self.target.timeouts, self.lag.stalled_s, self.seconds()
        if stalled_s > _OUR_SHARE * waited_s:
            said = f"this machine was too busy: the event loop stood still for {stalled_s:.1f} s of {waited_s:.1f} s"
            return Classification(outcome=Outcome.BAD_REQUEST, detail=f"the probe itself failed: {said}")
        if not self._sent:
            limit_s = min(limits.connect_s, limits.total_s)
            return Classification(outcome=Outcome.TIMEOUT, detail=f"no connection to {place} within {limit_s:g} s")
        if self.first_token_s is not None:
            said = f"the stream stalled after the first token: no end within {limits.total_s:g} s"
            return Classification(outcome=Outcome.BROKEN_STREAM, detail=said)
        if self.check is Check.STREAM:
            limit_s = min(limits.first_token_s, limits.total_s)
            return Classification(outcome=Outcome.TIMEOUT, detail=f"no first token from {place} within {limit_s:g} s")
        missing = "no answer" if self.status is None else "no complete answer"
        return Classification(outcome=Outcome.TIMEOUT, detail=f"{missing} from {place} within {limits.total_s:g} s")

    def _complete(self) -> None:
        self.last_byte_s = self.since_start(self.marks.received_at)

    def _note_text(self, reader: StreamReader) -> None:
        length, text_s = len(reader.reply.text), self.since_start(self.marks.received_at)
        if length == self._text_length or text_s is None:
            return
        if self._text_s is None:
            self.first_token_s = text_s
            self._move(self.target.timeouts.total_s)
        else:
            self.longest_stall_s = max(self.longest_stall_s or 0.0, text_s - self._text_s)
        self._text_s, self._text_length = text_s, length

    def _move(self, limit_s: float) -> None:
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(self._timer_started + min(limit_s, self.target.timeouts.total_s))
