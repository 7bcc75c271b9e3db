"""Streams through attempts: in threads and in tasks, cut, silent, broken, and given up by whoever reads them."""

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing, StreamCutError, StreamFailedError, StreamSilentError, Target

from tests.support.routes import FIRST, SECOND, open_route

#: Long enough for a thread to be late on a busy machine, short enough to wait for.
SHORT_S = 0.2
WORDS = ["one", "two", "three"]

Fault = Callable[[int], None]


def chunk(text: str = "", finish: str | None = None) -> dict[str, Any]:
    """A piece of a chat."""
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def whole() -> Iterator[dict[str, Any]]:
    """A role, three words, and the end."""
    yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    yield from map(chunk, WORDS)
    yield chunk(finish="stop")


class Stream:
    """A stream that does something at its piece number `at`, both for threads and for tasks."""

    def __init__(self, at: int | None = None, then: BaseException | str = "cut") -> None:
        self.at, self.then = at, then
        self.closed = False
        self.resumed = threading.Event()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number, piece in enumerate(whole()):
            if number == self.at and self.then == "silent":
                self.resumed.wait(30)
                return
            if number == self.at and self.then == "cut":
                return
            if number == self.at and isinstance(self.then, BaseException):
                raise self.then
            yield piece
        if self.then == "open":
            self.resumed.wait(30)

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for number, piece in enumerate(whole()):
            if number == self.at and self.then == "silent":
                await asyncio.sleep(30)
            if number == self.at and self.then == "cut":
                return
            if number == self.at and isinstance(self.then, BaseException):
                raise self.then
            yield piece
        if self.then == "open":
            await asyncio.sleep(30)

    def close(self) -> None:
        self.closed = True


class Answer:
    """What an application collects."""

    def __init__(self) -> None:
        self.text = ""
        self.target = ""
        self.restarted = False
        self.asked: list[str] = []

    def add(self, piece: dict[str, Any]) -> None:
        """One more piece."""
        self.text += piece["choices"][0]["delta"].get("content", "")


#: The streams of each target, or what opens them.
Streams = dict[str, list[Stream]] | Callable[[Target, float], Any]


def source_of(streams: Streams, target: Target) -> Any:
    """What the application watches."""
    return streams if callable(streams) else streams[target.id].pop(0)


def read(routing: Routing, answer: Answer, streams: Streams, **terms: Any) -> None:
    """An application's loop in a thread."""
    for attempt in routing.attempts("chat", **terms):
        with attempt:
            answer.asked.append(attempt.target.id)
            answer.text, answer.target, answer.restarted = "", attempt.target.id, attempt.restarted
            for piece in attempt.watch(source_of(streams, attempt.target)):
                answer.add(piece)


async def read_in_task(routing: Routing, answer: Answer, streams: Streams, **terms: Any) -> None:
    """The same in a task."""
    async for attempt in routing.attempts("chat", **terms):
        async with attempt:
            answer.asked.append(attempt.target.id)
            answer.text, answer.target, answer.restarted = "", attempt.target.id, attempt.restarted
            async for piece in attempt.watch(source_of(streams, attempt.target)):
                answer.add(piece)


async def ask_by(kind: str, routing: Routing, answer: Answer, streams: Streams, **terms: Any) -> None:
    """By either."""
    if kind == "task":
        await read_in_task(routing, answer, streams, **terms)
    else:
        await asyncio.to_thread(read, routing, answer, streams, **terms)


KINDS = pytest.mark.parametrize("kind", ["thread", "task"])


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Each stream that was begun has ended, whatever became of it."""
    yield
    deadline = time.monotonic() + 30
    while any(thread.name == "hotspare-stream" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@KINDS
@pytest.mark.parametrize("then", ["cut", "open"])
async def test_a_whole_stream_is_asked_for_once(tmp_path: Path, kind: str, then: str) -> None:
    """Also where the connection stays open after its end."""
    answer, stream = Answer(), Stream(then=then)
    await ask_by(kind, open_route(tmp_path), answer, {FIRST: [stream]})
    stream.resumed.set()
    assert (answer.text, answer.target) == ("onetwothree", FIRST)


@KINDS
@pytest.mark.parametrize(
    ("then", "asked"),
    [
        ("cut", [FIRST, FIRST]),
        ("silent", [FIRST, SECOND]),
        (ConnectionResetError(), [FIRST, FIRST]),
        (ValueError("Expecting value: line 1 column 1"), [FIRST, FIRST]),
    ],
    ids=repr,
)
async def test_a_failure_before_the_first_piece_is_unseen(
    tmp_path: Path, kind: str, then: BaseException | str, asked: list[str]
) -> None:
    """A role is no piece of the answer: the caller gets one whole stream, and need not discard anything."""
    answer, bad = Answer(), Stream(1, then)
    await ask_by(
        kind, open_route(tmp_path), answer, {FIRST: [bad, Stream()], SECOND: [Stream()]}, first_token_s=SHORT_S
    )
    bad.resumed.set()
    assert (answer.text, answer.asked, answer.restarted) == ("onetwothree", asked, False)


@KINDS
@pytest.mark.parametrize(
    ("then", "error"),
    [
        ("cut", StreamCutError),
        ("silent", StreamSilentError),
        (ConnectionResetError(), ConnectionResetError),
        (KeyError("not JSON"), KeyError),
    ],
    ids=repr,
)
async def test_a_stream_that_breaks_off_is_never_passed_off_as_whole(
    tmp_path: Path, kind: str, then: BaseException | str, error: type[Exception]
) -> None:
    """After its first piece it is the caller's error, or, where that was agreed, begun anew at the next target."""
    targets = {FIRST: {"limits": {"stall_s": SHORT_S}}, SECOND: {}}
    answer, bad = Answer(), Stream(3, then)
    with pytest.raises(error) as caught:
        await ask_by(kind, open_route(tmp_path, targets=targets), answer, {FIRST: [bad], SECOND: [Stream()]})
    bad.resumed.set()
    assert (answer.text, answer.asked) == ("onetwo", [FIRST])
    [asked] = caught.value.hotspare_attempts  # type: ignore[attr-defined]
    assert asked.outcome == ("timeout" if then == "silent" else "broken_stream")

    anew, bad = Answer(), Stream(3, then)
    streams = {FIRST: [bad], SECOND: [Stream()]}
    await ask_by(kind, open_route(tmp_path, targets=targets), anew, streams, on_cut="restart")
    bad.resumed.set()
    assert (anew.text, anew.asked, anew.restarted) == ("onetwothree", [FIRST, SECOND], True)


@KINDS
async def test_an_error_after_the_right_end_is_none(tmp_path: Path, kind: str) -> None:
    """The answer is whole."""

    class Torn(Stream):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            yield from whole()
            raise ConnectionResetError

        async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
            for piece in whole():
                yield piece
            raise ConnectionResetError

    answer = Answer()
    await ask_by(kind, open_route(tmp_path), answer, {FIRST: [Torn()]})
    assert answer.text == "onetwothree"


@KINDS
async def test_what_must_not_be_moved_is_not_begun_anew(tmp_path: Path, kind: str) -> None:
    """A stream that was cut had begun."""
    answer = Answer()
    with pytest.raises(StreamCutError):
        await ask_by(
            kind, open_route(tmp_path), answer, {FIRST: [Stream(1), Stream()]}, stateful=True, on_cut="restart"
        )
    assert answer.asked == [FIRST]


@KINDS
async def test_the_deadline_bounds_a_stream(tmp_path: Path, kind: str) -> None:
    """After it nobody else is asked."""
    answer, bad = Answer(), Stream(3, "silent")
    with pytest.raises(StreamSilentError):
        await ask_by(
            kind, open_route(tmp_path), answer, {FIRST: [bad], SECOND: [Stream()]}, deadline_s=SHORT_S, on_cut="restart"
        )
    bad.resumed.set()
    assert answer.asked == [FIRST]


@KINDS
async def test_an_error_that_the_provider_tells_inside_the_stream(tmp_path: Path, kind: str) -> None:
    """It is read as an answer would be: a policy is final, an overload is not."""

    class Telling(Stream):
        def __init__(self, code: str) -> None:
            super().__init__()
            self.piece = {"error": {"code": code, "message": "…"}}

        def __iter__(self) -> Iterator[dict[str, Any]]:
            yield self.piece

        async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
            yield self.piece

    answer = Answer()
    await ask_by(kind, open_route(tmp_path), answer, {FIRST: [Telling("overloaded_error")], SECOND: [Stream()]})
    assert answer.asked == [FIRST, SECOND]
    with pytest.raises(StreamFailedError, match="content_filter"):
        await ask_by(kind, open_route(tmp_path), Answer(), {FIRST: [Telling("content_filter")], SECOND: [Stream()]})


# Opening


@KINDS
async def test_a_provider_that_does_not_even_open_a_stream_is_left(tmp_path: Path, kind: str) -> None:
    """The limit until the first piece includes the opening, whatever the SDK's own timeout is."""
    go_on, given = threading.Event(), list[float]()

    def ask(target: Target, timeout_s: float) -> Stream:
        given.append(timeout_s)
        if target.id == FIRST:
            go_on.wait(30)
        return Stream()

    async def ask_in_task(target: Target, timeout_s: float) -> Stream:
        given.append(timeout_s)
        if target.id == FIRST:
            await asyncio.sleep(30)
        return Stream()

    answer, opens = Answer(), ask_in_task if kind == "task" else ask
    await ask_by(kind, open_route(tmp_path), answer, opens, first_token_s=SHORT_S)
    go_on.set()
    assert answer.text == "onetwothree"
    assert given == [10.0, 10.0]


@KINDS
async def test_a_fault_of_what_opens_it_is_the_caller_s(tmp_path: Path, kind: str) -> None:
    """Before there is a stream, an error that says nothing of a provider says nothing about one."""

    def ask(target: Target, timeout_s: float) -> Stream:
        raise KeyError(target.id, timeout_s)

    async def ask_in_task(target: Target, timeout_s: float) -> Stream:
        raise KeyError(target.id, timeout_s)

    routing, answer = open_route(tmp_path), Answer()
    with pytest.raises(KeyError):
        await ask_by(kind, routing, answer, ask_in_task if kind == "task" else ask)
    assert answer.asked == [FIRST]
    assert not routing.memory.is_failing(FIRST, routing.monotonic())


# Who reads


def test_a_reader_that_stops_closes_the_stream(tmp_path: Path) -> None:
    """Nothing is read from the provider that nobody wants; the block has ended well."""
    closed = threading.Event()

    def endless() -> Iterator[dict[str, Any]]:
        try:
            while True:
                yield chunk("word")
        finally:
            closed.set()

    for attempt in open_route(tmp_path).attempts("chat"):
        with attempt:
            for _ in attempt.watch(endless()):
                break
    assert closed.wait(30)


def test_a_slow_reader_is_no_silent_provider(tmp_path: Path) -> None:
    """The limits count the time that is waited for, not what the application takes."""
    targets = {FIRST: {"limits": {"stall_s": 0.05}}, SECOND: {}}
    answer = Answer()
    for attempt in open_route(tmp_path, targets=targets).attempts("chat"):
        with attempt:
            for piece in attempt.watch(Stream()):
                time.sleep(0.1)
                answer.add(piece)
    assert answer.text == "onetwothree"


def test_a_fault_of_the_reader_is_its_own(tmp_path: Path) -> None:
    """It is raised, and nobody is asked again."""

    class Failing(Answer):
        def add(self, piece: dict[str, Any]) -> None:
            raise ZeroDivisionError(piece)

    answer = Failing()
    with pytest.raises(ZeroDivisionError):
        read(open_route(tmp_path), answer, {FIRST: [Stream()]}, on_cut="restart")
    assert answer.asked == [FIRST]


def test_the_reading_thread_has_the_context_of_the_caller(tmp_path: Path) -> None:
    """What traces requests finds its span."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("span")
    variable.set("mine")

    def stream() -> Iterator[str]:
        yield variable.get()

    for attempt in open_route(tmp_path).attempts("chat"):
        with attempt:
            assert list(attempt.watch(stream())) == ["mine"]


async def test_a_task_may_be_cancelled_at_every_piece(tmp_path: Path) -> None:
    """Its stream is closed, and the cancellation is never lost."""
    ended = 0
    for steps in range(30):
        stream = Stream(4, "silent")
        task = asyncio.create_task(read_in_task(open_route(tmp_path), Answer(), {FIRST: [stream]}))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ended += stream.closed
    assert ended > 20


async def test_a_timeout_of_the_caller_is_the_caller_s(tmp_path: Path) -> None:
    """`asyncio.timeout` around a stream ends it, and nobody else is asked."""
    answer = Answer()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SHORT_S):
            await read_in_task(
                open_route(tmp_path), answer, {FIRST: [Stream(3, "silent")], SECOND: [Stream()]}, on_cut="restart"
            )
    assert answer.asked == [FIRST]


@KINDS
@pytest.mark.parametrize(("first_token_s", "limits"), [(None, {"first_token_s": 24, "stall_s": 30}), (40.0, {})])
async def test_the_limits_are_the_file_s_or_the_caller_s(
    tmp_path: Path, kind: str, first_token_s: float | None, limits: dict[str, float]
) -> None:
    """The SDK is given the longest silence of both; a plain call has its own."""
    routing = open_route(tmp_path, targets={FIRST: {"limits": limits}, SECOND: {}})
    attempt = next(iter(routing.attempts("chat", first_token_s=first_token_s, deadline_s=1000)))
    expected = (40.0, 40.0, 40.0) if first_token_s else (24.0, 30.0, 30.0)
    assert (attempt.first_token_s, attempt.stall_s, attempt.stream_timeout_s) == expected
    assert attempt.timeout_s == 10.0
