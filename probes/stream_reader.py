"""Reads a stream: chunks as they arrive, via the framing's parser and the dialect, into one reply."""

from collections.abc import Iterable

from probes.classifier import Classification
from probes.dialects.base import Dialect
from probes.json_values import MalformedError
from probes.outcome import Outcome
from probes.reply import EMPTY_REPLY
from probes.streaming.sse import ServerSentEvent


class StreamReader:
    """Adds chunks to `reply` until `done`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._parser = dialect.stream_parser()
        self.reply = EMPTY_REPLY
        self.fault: Classification | None = None
        """Set by a corrupt frame."""

    @property
    def stray(self) -> str:
        """Text that was no part of the framing."""
        return self._parser.stray

    @property
    def done(self) -> bool:
        """Whether the terminator, an error frame or a corrupt frame was read: nothing that follows matters."""
        return self.reply.ended or self.reply.error is not None or self.fault is not None

    def feed(self, chunk: bytes) -> None:
        """Reads a chunk; never raises, whatever the bytes."""
        self._read(self._parser.feed(chunk))

    def close(self) -> None:
        """Reads what the end of the stream completes; never raises."""
        self._read(self._parser.close())

    def _read(self, events: Iterable[ServerSentEvent]) -> None:
        try:
            for event in events:
                if self.done:
                    return
                self.reply = self._dialect.read_event(self.reply, event)
        except MalformedError as fault:
            self.fault = Classification(outcome=Outcome.BROKEN_STREAM, detail=f"the stream held a frame with {fault}")
