"""Spreads work over processes: the answers come in the order of the work, whichever process did it."""

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MOST_AT_ONCE = 4


@contextmanager
def spread(work: Callable[[T], R], pieces: Sequence[T], jobs: int | None) -> Iterator[Iterator[R]]:
    """What `work` makes of each piece, in order, done by `jobs` processes (None: one per core), or by this one alone.

    Enter it before anything starts a thread: a fork and threads do not go together. On leaving, what has not begun is
    not done any more. `work` and the pieces must be picklable.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(pieces))
    if jobs <= 1:
        gc.disable()  # millions of values, and no cycles among them: looking for some costs a twentieth of the time
        try:
            yield map(work, pieces)
        finally:
            gc.enable()
        return
    chunk = max(1, min(_MOST_AT_ONCE, len(pieces) // (4 * jobs)))
    workers = ProcessPoolExecutor(jobs, initializer=_begin)
    try:
        yield workers.map(work, pieces, chunksize=chunk)
    finally:
        workers.shutdown(cancel_futures=True)


def _begin() -> None:
    """An interrupt ends a worker without a word; the process that started it says what there is to say."""
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
