"""What one probe has seen so far: the moving deadline, the phases, and the bytes as they are read."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from probes.body import CAP
from probes.dialects.registry import DIALECTS
from probes.dialects.wire import NOTHING_SAID
from probes.outcome import Outcome
from probes.stream import StreamReader
from probes.target import Check, Target
from probes.verdict import Answer, Verdict, streams


class Exchange:
    """Filled while a probe runs, and complete at whatever point it stops. Phases are seconds since the start."""

    def __init__(self, *, target: Target, check: Check, started_at: datetime, monotonic: Callable[[], float]) -> None:
        self.target = target
        self.check = check
        self.started_at = started_at
        self._monotonic = monotonic
        self._started = monotonic()
        self._timer: asyncio.Timeout | None = None
        self._timer_started = 0.0
        self._sent = False
        self._peer = ""
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()
        self._reader: StreamReader | None = None
        self.status: int | None = None
        self.connected_s: float | None = None
        self.first_byte_s: float | None = None
        self.first_token_s: float | None = None

    def seconds(self) -> float:
        """Since the start."""
        return self._monotonic() - self._started

    def arm(self, timer: asyncio.Timeout) -> None:
        """Makes `timer` the moving deadline, the connect deadline first."""
        self._timer = timer
        self._timer_started = asyncio.get_running_loop().time() - self.seconds()
        self._move(self.target.timeouts.connect_s)

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Told by the transport of each of its steps; behind a proxy the last word on each counts."""
        step = name.partition(".")[2]
        if step == "connect_tcp.started":
            self._peer = str(info["host"])
        elif step in {"connect_tcp.complete", "start_tls.complete"}:
            self.connected_s = self.seconds()
        elif step == "send_request_headers.started" and info["request"].method != b"CONNECT":
            self._sent = True
            waits_for_token = self.check is Check.STREAM
            self._move(self.target.timeouts.first_token_s if waits_for_token else self.target.timeouts.total_s)
        elif step == "receive_response_headers.complete":
            self.first_byte_s = self.seconds()

    def begin(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Response headers are in."""
        self.status = status
        self._headers = {name.lower(): value for name, value in headers}
        if streams(self.check, status, self._headers):
            self._reader = StreamReader(DIALECTS[self.target.provider.dialect])

    def take(self, data: bytes) -> bool:
        """Adds decoded bytes; True once nothing that follows can matter."""
        if self._reader is None:
            self._body += data
            return False
        self._reader.feed(data)
        self._note_token(self._reader)
        return self._reader.done

    def end(self) -> None:
        """The response ended in good order."""
        if self._reader is not None:
            self._reader.close()
            self._note_token(self._reader)

    def answer(self, fault: Verdict | None) -> Answer:
        """All that can be judged, once headers are in; `fault` is how the transport failed, where it did."""
        reader = self._reader
        return Answer(
            status=self.status or 0,
            headers=self._headers,
            body=bytes(self._body),
            reply=reader.reply if reader else NOTHING_SAID,
            stray=reader.stray if reader else "",
            fault=(reader.fault if reader else None) or fault,
        )

    def overflowed(self) -> Verdict:
        """The cap was reached before the end."""
        said = f"more than {CAP // 1024} KiB without an end"
        return self.broken(Verdict(outcome=Outcome.SERVER_ERROR, detail=said))

    def broken(self, fault: Verdict) -> Verdict:
        """The same fault; inside a stream it is the stream that broke, unless the fault is ours."""
        inside = self._reader is not None and fault.outcome in {Outcome.SERVER_ERROR, Outcome.UNREACHABLE}
        return replace(fault, outcome=Outcome.BROKEN_STREAM) if inside else fault

    def place(self, url: str) -> str:
        """Host and port of `url`, and the proxy where the way there leads through one."""
        parts = urlsplit(url)
        through = f" (through the proxy {self._peer})" if self._peer not in {"", parts.hostname} else ""
        return parts.netloc.rpartition("@")[2] + through

    def late(self, place: str) -> Verdict:
        """What the deadline that has just passed means; after the first token a stream has stalled."""
        limits = self.target.timeouts
        if not self._sent:
            limit_s = min(limits.connect_s, limits.total_s)
            return Verdict(outcome=Outcome.TIMEOUT, detail=f"no connection to {place} within {limit_s:g} s")
        if self.first_token_s is not None:
            said = f"the stream stalled after the first token: no end within {limits.total_s:g} s"
            return Verdict(outcome=Outcome.BROKEN_STREAM, detail=said)
        if self.check is Check.STREAM:
            limit_s = min(limits.first_token_s, limits.total_s)
            return Verdict(outcome=Outcome.TIMEOUT, detail=f"no first token from {place} within {limit_s:g} s")
        missing = "no answer" if self.status is None else "no complete answer"
        return Verdict(outcome=Outcome.TIMEOUT, detail=f"{missing} from {place} within {limits.total_s:g} s")

    def _note_token(self, reader: StreamReader) -> None:
        if self.first_token_s is None and reader.reply.text:
            self.first_token_s = self.seconds()
            self._move(self.target.timeouts.total_s)

    def _move(self, limit_s: float) -> None:
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(self._timer_started + min(limit_s, self.target.timeouts.total_s))
