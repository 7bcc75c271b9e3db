"""The state of one request in flight: its moving deadline, its phases, and the response as far as it was read."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias
from urllib.parse import urlsplit

from probes.classifier import Classification, RawResponse
from probes.dialects.registry import DIALECTS
from probes.json_values import MalformedError
from probes.loop_lag import LagWatch
from probes.observation import OWN_FAULT
from probes.outcome import Outcome
from probes.question import Question
from probes.request_reply import EMPTY_REPLY, Request
from probes.streaming.aws_eventstream import AwsEventStreamParser
from probes.streaming.sse import ServerSentEvent, SseParser
from probes.target import Check, Target
from probes.transport.decoding import CAP
from probes.transport.sockets import SocketTimings

#: Decoded bytes of a response, and when they arrived, in seconds since the probe started.
BodyChunk: TypeAlias = tuple[float, bytes]
#: How an event stream begins, whatever its content type says.
_STREAM_START = re.compile(rb"\s*(\xef\xbb\xbf)?(data|event|id|retry)?:")
_LONGEST_START = 32
#: A longer answer is cut off: no answer to a probe comes in so many pieces.
MOST_PIECES = 8192
#: From so many pieces on, an answer is the reason of a stall rather than its victim.
_FLOOD = 1024
#: A missed deadline is our own fault where our event loop stalled for more than this share of the time until then.
_OWN_SHARE = 0.2


class Exchange:
    """Filled while a probe runs; consistent at whatever point the probe stops.

    Phases are seconds since the transport's first step, the lookup of the host name.
    """

    def __init__(
        self,
        *,
        target: Target,
        check: str,
        started_at: datetime,
        monotonic: Callable[[], float],
        question: Question | None = None,
        chunks: list[BodyChunk] | None = None,
    ) -> None:
        self.target = target
        self.check = check
        self.question = question
        """What is asked in place of the check's own question."""
        self.started_at = started_at
        self.chunks = chunks
        """Collects the bytes of the response for a transcript; None: they are not kept."""
        self.request: Request | None = None
        """As it was sent; None where the probe did not get that far."""
        self.timings = SocketTimings()
        """Filled by the sockets."""
        self.loop_lag = LagWatch(0.0)
        """Set by whoever watches the event loop."""
        self.headers: Mapping[str, str] = {}
        """Of the response, names in lower case; empty until they have arrived."""
        self.pieces = 0
        """Pieces of the body so far, as the transport gave them."""
        self.credentials_s = 0.0
        """How long the credentials took; counts against the deadlines, not in the phases."""
        self._monotonic = monotonic
        self._started = monotonic()
        self._closed_s: float | None = None
        self._last_text_s: float | None = None
        self._text_length = 0
        self._timer: asyncio.Timeout | None = None
        self._timer_started = 0.0
        self._request_begun = False
        self._connected_host = ""
        self._body = bytearray()
        self._parser: SseParser | AwsEventStreamParser | None = None
        self._reply = EMPTY_REPLY
        self._corrupt_frame: Classification | None = None
        self.status: int | None = None
        self.sent_s: float | None = None
        self.first_byte_s: float | None = None
        self.first_token_s: float | None = None
        self.last_byte_s: float | None = None
        self.longest_stall_s: float | None = None

    @property
    def streaming(self) -> bool:
        """Whether the response is read as a stream."""
        return self._parser is not None

    @property
    def duration_s(self) -> float:
        """Until the response was complete, else until the probe gave up."""
        if self.last_byte_s is not None:
            return self.last_byte_s
        return self.elapsed_s() if self._closed_s is None else self._closed_s

    def since_start(self, at: float | None) -> float | None:
        """An instant of the monotonic clock as a phase."""
        return None if at is None else max(0.0, at - self._started)

    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._monotonic() - self._started

    def begin_connecting(self, host: str, timer: asyncio.Timeout) -> None:
        """The lookup of this host comes next; `timer` becomes the moving deadline, first that of the connection."""
        self._connected_host = host
        # Read before the deadlines' clock, so that no deadline passes before its seconds are over.
        self._started = self._monotonic()
        self._timer, self._timer_started = timer, asyncio.get_running_loop().time() - self.credentials_s
        self._set_deadline(self.target.timeouts.connect_s)

    def begin_request(self) -> None:
        """The connection stands, and the request is sent over it."""
        self._request_begun = True
        limits = self.target.timeouts
        self._set_deadline(limits.first_token_s if self.check == Check.STREAM else limits.total_s)

    def end_request(self) -> None:
        """The system has taken the whole request."""
        self.sent_s = self.elapsed_s()

    def receive_headers(self, status: int, headers: Mapping[str, str]) -> None:
        """Takes the head of the response; names of headers are in lower case."""
        self.first_byte_s = self.since_start(self.timings.received_at)
        self.status, self.headers = status, headers
        label = self.headers.get("content-type", "").partition(";")[0].lower()
        if self._awaits_stream and "json" not in label and "html" not in label:
            self._parser = DIALECTS[self.target.provider.dialect].stream_parser()

    def receive(self, data: bytes) -> bool:
        """Takes decoded bytes of the body; True once nothing that follows can matter. Never raises."""
        self.pieces += 1
        if self.chunks is not None:
            self.chunks.append((self.since_start(self.timings.received_at) or 0.0, data))
        if self._parser is None:
            self._body += data
            if not self._is_mislabelled_stream():
                return False
            self._parser = DIALECTS[self.target.provider.dialect].stream_parser()
            data, self._body = bytes(self._body), bytearray()
        self._read(self._parser.feed(data))
        if self._done:
            self._record_end()
        return self._done

    def receive_end(self) -> None:
        """The response ended as its framing says it should."""
        self._record_end()
        if self._parser is not None:
            self._read(self._parser.close())

    def close(self) -> None:
        """The connection is closed, for whatever reason."""
        self._closed_s = self.elapsed_s()

    def response(self, fault: Classification | None) -> RawResponse:
        """What the classifier reads, once headers are in; `fault` is how the transport failed, where it did."""
        return RawResponse(
            status=self.status or 0,
            headers=self.headers,
            body=bytes(self._body),
            model=self.target.model,
            streamed=self.streaming,
            reply=self._reply,
            stray=self._parser.stray if self._parser else "",
            fault=self._corrupt_frame or fault,
        )

    def body_too_large(self) -> Classification:
        """The body reached a cap before its end."""
        flood = self.pieces > MOST_PIECES
        detail = f"more than {f'{MOST_PIECES:,} pieces' if flood else f'{CAP // 1024} KiB'} without an end"
        return self.interrupted(Classification(Outcome.SERVER_ERROR, detail))

    def interrupted(self, fault: Classification) -> Classification:
        """The fault of the transport; inside a stream it is a broken stream, unless the fault is our own."""
        in_stream = self.streaming and fault.outcome in {Outcome.SERVER_ERROR, Outcome.UNREACHABLE}
        return replace(fault, outcome=Outcome.BROKEN_STREAM) if in_stream else fault

    def describe_peer(self, url: str) -> str:
        """Host and port of `url`, and the proxy where the connection leads through one."""
        parts = urlsplit(url)
        host = self._connected_host
        through = f" (through the proxy {host})" if host not in {"", parts.hostname} else ""
        return parts.netloc.rpartition("@")[2] + through

    def deadline_passed(self, peer: str) -> Classification:
        """What the deadline that has just passed means; after the first token a stream has stalled."""
        limits, stalled_s, waited_s = self.target.timeouts, self.loop_lag.stalled_s, self.elapsed_s()
        if self.loop_lag.stalled_since_answers_s() > _OWN_SHARE * waited_s and self.pieces < _FLOOD:
            reason = f"this machine was too busy: the event loop stood still for {stalled_s:.1f} s of {waited_s:.1f} s"
            return Classification(Outcome.BAD_REQUEST, f"{OWN_FAULT} failed: {reason}")
        if self._request_begun and self.first_token_s is not None:
            return Classification(
                Outcome.BROKEN_STREAM, f"the stream stalled after the first token: no end within {limits.total_s:g} s"
            )
        if not self._request_begun:
            missing, limit_s = "connection to", limits.connect_s
        elif self.check == Check.STREAM:
            missing, limit_s = "first token from", limits.first_token_s
        else:
            missing, limit_s = "answer from" if self.status is None else "complete answer from", limits.total_s
        return Classification(Outcome.TIMEOUT, f"no {missing} {peer} within {min(limit_s, limits.total_s):g} s")

    @property
    def _done(self) -> bool:
        """Whether the stream's terminator, an error frame or a corrupt frame was read: nothing that follows matters."""
        return self._reply.ended or self._reply.error is not None or self._corrupt_frame is not None

    def _read(self, events: Iterable[ServerSentEvent]) -> None:
        """Adds events of the stream to the reply until `_done`."""
        dialect = DIALECTS[self.target.provider.dialect]
        try:
            for event in events:
                if self._done:
                    break
                self._reply = dialect.read_event(self._reply, event)
        except MalformedError as fault:
            detail = f"the stream held a frame with {fault}"
            self._corrupt_frame = Classification(Outcome.BROKEN_STREAM, detail)
        self._record_text()

    @property
    def _awaits_stream(self) -> bool:
        """Whether the body should be a stream; errors are read whole."""
        return self.check == Check.STREAM and 200 <= (self.status or 0) < 300

    def _is_mislabelled_stream(self) -> bool:
        """Whether events come under another content type, as clients read them all the same."""
        return self._awaits_stream and _STREAM_START.match(self._body[:_LONGEST_START]) is not None

    def _record_end(self) -> None:
        self.last_byte_s = self.since_start(self.timings.received_at)

    def _record_text(self) -> None:
        length, text_s = len(self._reply.text), self.since_start(self.timings.received_at)
        if length == self._text_length or text_s is None:
            return
        if self._last_text_s is None:
            self.first_token_s = text_s
            self._set_deadline(self.target.timeouts.total_s)
        else:
            self.longest_stall_s = max(self.longest_stall_s or 0.0, text_s - self._last_text_s)
        self._last_text_s, self._text_length = text_s, length

    def _set_deadline(self, limit_s: float) -> None:
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(self._timer_started + min(limit_s, self.target.timeouts.total_s))
