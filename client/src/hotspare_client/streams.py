"""Reads a stream with limits, in a thread of its own or in the caller's task."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import queue
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from hotspare_client.stream_watch import StreamWatch

T = TypeVar("T")

_CLOSE_S = 1.0
#: What a thread that still gets pieces is given to end by itself.
_NEXT_PIECE_S = 0.05
#: How far the reading thread may be ahead of the application.
_AHEAD = 64


class _Pump:
    """Iterates a stream in a thread, because nothing else can bound how long a blocking iterator blocks."""

    def __init__(self, open_stream: Callable[[], Iterable[Any]]) -> None:
        self._open = open_stream
        self._stream: Iterable[Any] | None = None
        self._items: queue.Queue[tuple[str, Any]] = queue.Queue(_AHEAD)
        self._abandoned = False
        self._has_ended = False
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="hotspare-stream", daemon=True)
        self._thread.start()

    def get(self, timeout_s: float) -> tuple[str, Any]:
        """What came next: "open", a "piece", the "end" or an "error", and what it is. Raises queue.Empty when late."""
        kind, value = self._items.get(timeout=max(0.001, timeout_s))
        self._has_ended = kind in {"end", "error"}
        return kind, value

    def close(self) -> None:
        """Let the thread end, and the provider know."""
        if self._has_ended:
            return
        self._abandoned = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._items.get_nowait()
        # A thread that gets its next piece ends by itself; only one that gets none is in the middle of a response, so
        # that its connection is nobody else's.
        self._thread.join(_NEXT_PIECE_S)
        if self._thread.is_alive():
            _shut_down(self._stream)

    def _run(self) -> None:
        try:
            self._stream = self._open()
            self._items.put(("open", None))
            for piece in self._stream:
                self._items.put(("piece", piece))
                if self._abandoned:
                    break
            last: tuple[str, Any] = ("end", None)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the stream is read
            last = ("error", error)
        if self._abandoned:
            _call(self._stream, "close")
        else:
            self._items.put(last)


def read_stream(
    open_stream: Callable[[], Iterable[T]],
    watch: StreamWatch,
    clock: Callable[[], float],
    left_s: Callable[[], float],
) -> Iterator[T]:
    """The pieces of a stream that keeps its limits. Raises what the stream raises, or what `watch` finds wrong."""
    pump = _Pump(open_stream)
    try:
        while True:
            asked_at = clock()
            patience_s = watch.patience_s(asked_at, left_s())
            try:
                kind, value = pump.get(patience_s)
            except queue.Empty:
                if watch.is_whole:
                    break
                raise watch.silence(patience_s) from None
            if kind == "open":
                watch.is_open = True
            elif kind == "piece":
                yield from watch.take(value, clock() - asked_at)
            elif kind == "error" and not watch.is_whole:
                raise value
            else:
                watch.check_end()
                break
        yield from watch.give()
    finally:
        pump.close()


async def read_async_stream(
    open_stream: Callable[[], Awaitable[AsyncIterable[T]]],
    watch: StreamWatch,
    clock: Callable[[], float],
    left_s: Callable[[], float],
) -> AsyncGenerator[T, None]:
    """The same in asyncio, in the task of the caller."""
    stream: AsyncIterable[T] | None = None
    iterator: AsyncIterator[T] | None = None
    has_ended = False
    try:
        while not has_ended:
            asked_at = clock()
            limit = _Limit(watch.patience_s(asked_at, left_s()))
            try:
                async with limit:
                    if iterator is None:
                        stream = await open_stream()
                        iterator, watch.is_open = stream.__aiter__(), True
                    piece = await iterator.__anext__()
            except StopAsyncIteration:
                has_ended = True
                watch.check_end()
            except Exception:
                if watch.is_whole:
                    break
                if limit.has_passed:
                    raise watch.silence(limit.seconds) from None
                raise
            else:
                for given in watch.take(piece, clock() - asked_at):
                    yield given
        for given in watch.give():
            yield given
    finally:
        if not has_ended:
            await _close(stream)


class _Limit:
    """A limit for the awaits of a block, as `asyncio.timeout` of Python 3.11 is; raises TimeoutError."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.has_passed = False

    async def __aenter__(self) -> _Limit:
        task: Any = asyncio.current_task()
        self._task = task
        # Python 3.10 cannot tell a second cancellation at the same moment from ours.
        self._cancelling = task.cancelling() if hasattr(task, "cancelling") else 0
        self._timer = asyncio.get_running_loop().call_later(self.seconds, self._pass)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if not self.has_passed:
            return
        remaining = self._task.uncancel() if hasattr(self._task, "uncancel") else 0
        if remaining <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _pass(self) -> None:
        self.has_passed = True
        self._task.cancel()


async def _close(stream: object) -> None:
    """Let the provider know, within a second."""
    with contextlib.suppress(Exception):
        for name in ("aclose", "close"):
            method = getattr(stream, name, None)
            if method is not None:
                async with _Limit(_CLOSE_S):
                    result = method()
                    if inspect.isawaitable(result):
                        await result
                return


def _shut_down(stream: object) -> None:
    """Wake a thread that reads from the connection of `stream`, where the SDK shows it (those on httpx do)."""
    with contextlib.suppress(Exception):
        response: Any = getattr(stream, "response", None)
        # A connection of HTTP/2 carries other requests, too.
        if response.http_version.startswith("HTTP/1"):
            connection = response.extensions["network_stream"].get_extra_info("socket")
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _call(value: object, name: str) -> None:
    with contextlib.suppress(Exception):
        getattr(value, name)()
