"""The loops around a request: `for attempt in attempts: with attempt: …`, and the same with `async`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Final, TypeVar

from hotspare_client.failure import read_failure
from hotspare_client.hedging import Racer, race, race_tasks
from hotspare_client.policy import Step, is_final
from hotspare_client.request import USUAL_LIMIT_S, Request, Terms, World
from hotspare_client.stream_watch import StreamWatch
from hotspare_client.streams import read_async_stream, read_stream
from hotspare_client.target import Target

T = TypeVar("T")

#: SDKs take 0 for "no limit", or refuse it.
_SHORTEST_TIMEOUT_S: Final = 0.001


class AttemptBase:
    """One request at one target, as the block of the application sees it."""

    __slots__ = (
        *("_began_at", "_entered", "_first_token_s", "_request", "_stream_error", "has_begun", "input_tokens"),
        *("is_running", "number", "output_tokens", "restarted", "target"),
    )

    def __init__(self, request: Request, target: Target, *, restarted: bool) -> None:
        self._request = request
        self._entered = False
        self._began_at = 0.0
        self._stream_error: BaseException | None = None
        self.is_running = True
        """Until its block has ended."""
        self._first_token_s: float | None = None
        self.has_begun = False
        """Whether `watch` has given a piece of its stream."""
        request.number += 1
        self.number = request.number
        """1 for the first attempt."""
        self.target = target
        """Whom to ask."""
        self.input_tokens = self.output_tokens = 0
        """What the answer took, for the report of it, where the application says so."""
        self.restarted = restarted
        """Whether an attempt before this one has given pieces of a stream already: discard them."""

    @property
    def timeout_s(self) -> float:
        """What to give the SDK as the timeout of a plain call: `answer_s`, else 10 s, and no more than is left."""
        limit_s = self._request.terms.answer_s or USUAL_LIMIT_S
        return max(_SHORTEST_TIMEOUT_S, min(limit_s, self._request.left_s()))

    @property
    def first_token_s(self) -> float:
        """What a stream may take from the start of the attempt to its first piece."""
        return self._request.terms.first_token_s or self.target.limits.first_token_s or USUAL_LIMIT_S

    @property
    def stall_s(self) -> float:
        """What a stream may take between two pieces."""
        return self.target.limits.stall_s or max(USUAL_LIMIT_S, self._request.terms.first_token_s or 0.0)

    @property
    def stream_timeout_s(self) -> float:
        """What to give the SDK as the timeout of a stream: the longest silence that `watch` allows."""
        return max(_SHORTEST_TIMEOUT_S, min(max(self.first_token_s, self.stall_s), self._request.left_s()))

    def _judge(self) -> StreamWatch:
        return StreamWatch(
            self.target.id, began_at=self._began_at, first_token_s=self.first_token_s, stall_s=self.stall_s
        )

    def _enter(self) -> None:
        if self._entered:
            raise RuntimeError("an attempt is one request: take the next one from the loop")
        self._entered = True
        self._began_at = self._request.routing.monotonic()

    def _leave(self, error: BaseException | None) -> bool:
        self.is_running = False
        if error is None:
            tokens = {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens}
            self._request.succeed(self.target, self._began_at, first_token_s=self._first_token_s, **tokens)
        # KeyboardInterrupt, CancelledError, GeneratorExit and the like are none of ours.
        if not isinstance(error, Exception):
            return False
        return self._request.fail(
            error,
            self.target,
            self._began_at,
            in_stream=error is self._stream_error,
            has_begun=self.has_begun,
        )

    def _note_piece(self) -> None:
        if not self.has_begun:
            self.has_begun, self._first_token_s = True, self._request.routing.monotonic() - self._began_at

    def win(self, racer: Racer) -> None:
        """From now on the attempt is that of the target that gave the answer, or the error."""
        self.target, self._began_at = racer

    def _hedge_after_s(self) -> float | None:
        return self._request.hedge_after_s(self.target)

    def _referee(self) -> AttemptReferee:
        return AttemptReferee(self, self._request)


class AttemptReferee:
    """What a race of two targets within one attempt leads to."""

    __slots__ = ("_attempt", "_request")

    def __init__(self, attempt: AttemptBase, request: Request) -> None:
        self._attempt = attempt
        self._request = request

    def start(self, target: Target) -> Racer:
        """A request to `target` begins now."""
        return Racer(target, self._request.routing.monotonic())

    def second(self) -> Target | None:
        """Whom to ask as well, now that the first is late; None for nobody."""
        return self._request.choose_hedge(self._attempt.target)

    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self._request.left_s()

    def timeout_s(self) -> float:
        """What a request that begins now may take."""
        return self._attempt.timeout_s

    def win(self, racer: Racer) -> None:
        """`racer` has given the answer, or the error that is raised."""
        self._attempt.win(racer)

    def lose(self, racer: Racer, error: BaseException) -> bool:
        """Remember that `racer` has failed; False where its error is the answer, and the other is not waited for."""
        if not isinstance(error, Exception) or is_final(read_failure(error)):
            return False
        self._request.note(error, *racer)
        return True


class Attempt(AttemptBase):
    """One request at one target: `with attempt: …`."""

    __slots__ = ()

    def __enter__(self) -> Attempt:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return self._leave(error)

    def call(self, ask: Callable[[Target, float], T]) -> T:
        """What `ask(target, timeout_s)` gives: the way to send a request that may be hedged.

        With `hedge=True`, while the routing file calls the target `suspect` or `degraded`: when it has not answered
        within its usual time (`limits.p95_s`), the next target is asked as well, in a thread, as far as the budget of
        repeats allows; the first good answer counts, and `attempt.target` is who gave it. Of a stream, its start is
        the answer.
        """
        after_s = self._hedge_after_s()
        if after_s is None:
            return ask(self.target, self.timeout_s)
        return race(ask, self.target, after_s, self._referee())

    def watch(self, stream: Iterable[T] | Callable[[Target, float], Iterable[T]]) -> Iterator[T]:
        """The pieces of `stream`, within the limits, up to its right end.

        `stream` may be a function `ask(target, timeout_s)` that opens it: then the limit until the first piece also
        bounds how long it takes to open.

        Until the first piece that holds a part of the answer, nothing is given, so that a failure goes unseen to the
        next target. Raises what the stream raises; StreamSilentError past a limit, StreamCutError where it ends before
        its right end, StreamFailedError where the provider says inside it that it failed: leave them to the block.
        """
        request, judge = self._request, self._judge()

        def open_stream() -> Iterable[T]:
            return stream if isinstance(stream, Iterable) else stream(self.target, self.stream_timeout_s)

        try:
            for piece in read_stream(open_stream, judge, request.routing.monotonic, request.left_s):
                self._note_piece()
                yield piece
        except Exception as error:
            self._stream_error = error if judge.is_open else None
            raise


class AsyncAttempt(AttemptBase):
    """One request at one target: `async with attempt: …`."""

    __slots__ = ()

    async def __aenter__(self) -> AsyncAttempt:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return self._leave(error)

    async def call(self, ask: Callable[[Target, float], Awaitable[T]]) -> T:
        """The same as `Attempt.call`, in tasks; the one that is not needed any more is cancelled."""
        after_s = self._hedge_after_s()
        if after_s is None:
            return await ask(self.target, self.timeout_s)
        return await race_tasks(ask, self.target, after_s, self._referee())

    async def watch(
        self, stream: AsyncIterable[T] | Callable[[Target, float], Awaitable[AsyncIterable[T]]]
    ) -> AsyncIterator[T]:
        """The same as `Attempt.watch`, for `async for`; a function that opens the stream is awaited."""
        request, judge = self._request, self._judge()

        async def open_stream() -> AsyncIterable[T]:
            return stream if isinstance(stream, AsyncIterable) else await stream(self.target, self.stream_timeout_s)

        pieces = read_async_stream(open_stream, judge, request.routing.monotonic, request.left_s)
        try:
            async for piece in pieces:
                self._note_piece()
                yield piece
        except Exception as error:
            self._stream_error = error if judge.is_open else None
            raise
        finally:
            await pieces.aclose()


class Attempts:
    """The attempts of a request: `for attempt in attempts: with attempt: …`, or `async for` and `async with`.

    Each loop is a request of its own, and the deadline begins with the loop.
    """

    __slots__ = ("_routing", "_terms")

    def __init__(self, routing: World, terms: Terms) -> None:
        self._routing = routing
        self._terms = terms

    def __iter__(self) -> AttemptLoop:
        return AttemptLoop(Request(self._routing, self._terms))

    def __aiter__(self) -> AsyncAttemptLoop:
        return AsyncAttemptLoop(Request(self._routing, self._terms))


class AttemptLoop:
    """Gives one attempt after another until one has ended well."""

    __slots__ = ("_last", "_request")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._last: Attempt | None = None

    def __iter__(self) -> AttemptLoop:
        return self

    def __next__(self) -> Attempt:
        step = _next_step(self._request, self._last)
        if step is None:
            raise StopIteration
        if step.pause_s > 0:
            time.sleep(step.pause_s)
        self._last = Attempt(self._request, step.target, restarted=_is_restart(self._last))
        return self._last


class AsyncAttemptLoop:
    """The same for `async for`."""

    __slots__ = ("_last", "_request")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._last: AsyncAttempt | None = None

    def __aiter__(self) -> AsyncAttemptLoop:
        return self

    async def __anext__(self) -> AsyncAttempt:
        step = _next_step(self._request, self._last)
        if step is None:
            raise StopAsyncIteration
        if step.pause_s > 0:
            await asyncio.sleep(step.pause_s)
        self._last = AsyncAttempt(self._request, step.target, restarted=_is_restart(self._last))
        return self._last


def _next_step(request: Request, last: AttemptBase | None) -> Step | None:
    if last is None:
        return request.start()
    if last.is_running:
        raise RuntimeError("the last attempt has not ended: put the request into `with attempt:`")
    return request.next_step()


def _is_restart(last: AttemptBase | None) -> bool:
    return last is not None and (last.has_begun or last.restarted)
