"""Writes the log on a thread of its own: a terminal that is held, or a pipe that nobody reads, must stop nothing."""

import copy
import logging
import os
import queue
import select
import threading
from logging.handlers import QueueHandler
from typing import Final

#: So many lines wait at the most; what comes beyond is counted and left out.
MOST_WAITING: Final = 10_000
_LAST_WORDS_S: Final = 0.5


class DescriptorStream:
    """A text stream of an open file that holds nothing back, so that a write that hangs locks nobody out."""

    encoding = "utf-8"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        """Write all of it; raises OSError."""
        left = text.encode(self.encoding, "backslashreplace")
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # whoever started us made it so
                select.select([], [self._descriptor], [])
        return len(text)

    def flush(self) -> None:
        """There is nothing to flush."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)


class BackgroundHandler(QueueHandler):
    """Passes records on to another handler, in order; logging never waits for that one.

    What is still waiting when the process ends has half a second.
    """

    queue: "queue.Queue[logging.LogRecord | None]"

    def __init__(self, handler: logging.Handler, *, most_waiting: int = MOST_WAITING) -> None:
        super().__init__(queue.Queue(most_waiting))
        self._handler = handler
        self._left_out = 0
        """How many lines, since the start; counted under the handler's lock."""
        self._thread = threading.Thread(target=self._pass_on, name="log", daemon=True)
        self._thread.start()

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record with its text as of now; formatting it is the other handler's."""
        prepared = copy.copy(record)
        prepared.msg, prepared.args = record.getMessage(), None
        return prepared

    def enqueue(self, record: logging.LogRecord) -> None:
        """Let it wait for its turn, or count it."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self._left_out += 1

    def close(self) -> None:
        """Write what waits, for half a second at the most."""
        try:
            self.queue.put_nowait(None)
            self._thread.join(_LAST_WORDS_S)
        except queue.Full:
            pass  # nobody reads
        super().close()

    def _pass_on(self) -> None:
        told = 0
        while (record := self.queue.get()) is not None:
            self._handler.emit(record)  # without its lock, for which the end of the process would wait
            left_out = self._left_out
            if left_out > told:
                text = f"log_lines_left_out lines={left_out - told}: nobody read the log"
                told = left_out
                self._handler.emit(logging.LogRecord(__name__, logging.WARNING, "", 0, text, None, None))
