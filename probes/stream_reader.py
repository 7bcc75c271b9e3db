"""Reading a stream: chunks as they arrive, folded by the dialect into a reply."""

from collections.abc import Iterable

from probes.classifier import Classification
from probes.dialects.base import Dialect, Framing
from probes.json_values import MalformedError
from probes.outcome import Outcome
from probes.reply import EMPTY_REPLY
from probes.streaming import aws_eventstream as eventstream
from probes.streaming import sse


class StreamReader:
    """Folds chunks into `reply`; `done` once nothing that follows can matter."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        binary = dialect.framing is Framing.EVENTSTREAM
        self._parser = eventstream.AwsEventStreamParser() if binary else sse.SseParser()
        self.reply = EMPTY_REPLY
        self.fault: Classification | None = None
        """A corrupt frame."""

    @property
    def stray(self) -> str:
        """What stood in the stream without being part of one."""
        return self._parser.stray

    @property
    def done(self) -> bool:
        """The terminator, an error frame or a corrupt frame has been read."""
        return self.reply.ended or self.reply.error is not None or self.fault is not None

    def feed(self, chunk: bytes) -> None:
        """Reads on; never raises, whatever the bytes."""
        self._fold(self._parser.feed(chunk))

    def close(self) -> None:
        """Reads what the end of the stream completes; never raises."""
        self._fold(self._parser.close())

    def _fold(self, events: Iterable[sse.ServerSentEvent]) -> None:
        try:
            for event in events:
                if self.done:
                    return
                self.reply = self._dialect.read_event(self.reply, event)
        except MalformedError as fault:
            self.fault = Classification(outcome=Outcome.BROKEN_STREAM, detail=f"the stream held a frame with {fault}")
