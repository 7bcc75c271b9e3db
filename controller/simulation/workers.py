"""Runs work in several processes and returns the results in the order of the work."""

import gc
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

ProgressCallback = Callable[[float, float], None]
"""Called with what is done and the total, both in the same unit."""

_MAX_CHUNK = 4


@contextmanager
def process_map(
    work: Callable[[T], R], pieces: Sequence[T], jobs: int | None, on_progress: ProgressCallback | None = None
) -> Iterator[Iterator[R]]:
    """Yield the results of `work` for each piece, in order, from `jobs` processes (None: one per core; 1: this one).

    `on_progress` is called with the number of finished pieces, the first time once the processes run: enter this
    before anything starts a thread, because forking a process with threads is unsafe. On leaving, work that has not
    begun is cancelled. `work` and the pieces must be picklable.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(pieces))
    if jobs <= 1:
        gc.disable()  # millions of values without reference cycles: the collector would cost a twentieth of the time
        try:
            yield _reported(map(work, pieces), len(pieces), on_progress)
        finally:
            gc.enable()
        return
    chunk = max(1, min(_MAX_CHUNK, len(pieces) // (4 * jobs)))
    executor = ProcessPoolExecutor(jobs, initializer=_begin)
    try:
        yield _reported(executor.map(work, pieces, chunksize=chunk), len(pieces), on_progress)
    finally:
        executor.shutdown(cancel_futures=True)


def _reported(results: Iterable[R], total: int, on_progress: ProgressCallback | None) -> Iterator[R]:
    """The same results; reports how many have been consumed."""
    report = on_progress or (lambda _done, _total: None)
    report(0, total)
    for done, result in enumerate(results, 1):
        yield result
        report(done, total)


def _begin() -> None:
    """Let an interrupt end a worker silently; the parent process reports it."""
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
