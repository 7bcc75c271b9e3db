"""Streams through attempts: in threads and in tasks, cut, silent, broken, and given up by whoever reads them."""

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing, Target

from tests.client.test_shared_faults import as_exception
from tests.support.routes import FIRST, SECOND, open_route
from tests.support.shared_cases import Case, load_cases, name_of

#: Long enough for a thread to be late on a busy machine, short enough to wait for.
SHORT_S = 0.2
WORDS = ["one", "two", "three"]

OWN_FAULT: Case = {"opens": {"error": "own"}}


def chunk(text: str = "", finish: str | None = None) -> dict[str, Any]:
    """A piece of a chat."""
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def whole() -> Iterator[dict[str, Any]]:
    """A role, three words, and the end."""
    yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    yield from map(chunk, WORDS)
    yield chunk(finish="stop")


class Stream:
    """A stream that does at its piece number `at` what a case of `streams.json` says, for threads and for tasks."""

    def __init__(self, at: int = -1, then: str = "", told: dict[str, Any] | None = None, **_: object) -> None:
        self.at, self.then, self.told = at, then, told
        self.closed = False
        self.resumed = threading.Event()

    def _pieces(self) -> Iterator[dict[str, Any] | None]:
        """None where it falls silent."""
        for number, piece in enumerate([*whole(), None]):
            if number == self.at and self.told:
                yield self.told
            elif number == self.at and self.then == "silent":
                yield None
            elif number == self.at and self.then != "cut":
                raise as_exception({"error": self.then})
            if number == self.at or piece is None:
                break
            yield piece
        if self.then == "open":
            yield None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for piece in self._pieces():
            if piece is None:
                self.resumed.wait(30)
                return
            yield piece

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for piece in self._pieces():
            if piece is None:
                await asyncio.sleep(30)
                return
            yield piece

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


class Opening:
    """Opens the streams of a case, or does not."""

    def __init__(self, streams: dict[str, list[Case]]) -> None:
        self._left = {name: list(each) for name, each in streams.items()}
        self.go_on = threading.Event()
        self.opened: list[Stream] = []
        self.timeouts: list[float] = []

    def open(self, target: Target, timeout_s: float) -> Stream:
        """In a thread."""
        case = self._next(target, timeout_s)
        if case.get("opens") == "silent":
            self.go_on.wait(30)
        return self._stream(case)

    async def open_in_task(self, target: Target, timeout_s: float) -> Stream:
        """In a task."""
        case = self._next(target, timeout_s)
        if case.get("opens") == "silent":
            await asyncio.sleep(30)
        return self._stream(case)

    def _next(self, target: Target, timeout_s: float) -> Case:
        self.timeouts.append(timeout_s)
        return self._left[target.provider].pop(0)

    def _stream(self, case: Case) -> Stream:
        if isinstance(case.get("opens"), dict):
            raise as_exception(case["opens"])
        self.opened.append(Stream(**case))
        return self.opened[-1]


@KINDS
@pytest.mark.parametrize("case", load_cases("streams"), ids=name_of)
async def test_a_stream_goes_on_or_fails_as_it_should(tmp_path: Path, kind: str, case: Case) -> None:
    """The same in JavaScript: unseen before the first piece, never passed off as whole after it."""
    described = case.get("targets", {"alpha": {}, "beta": {}, "gamma": {}})
    routing = open_route(tmp_path, target="alpha/m", targets={f"{name}/m": each for name, each in described.items()})
    answer, opening = Answer(), Opening(case["streams"])
    ask = opening.open_in_task if kind == "task" else opening.open
    error = None
    try:
        await ask_by(kind, routing, answer, ask, **case.get("terms", {}))
    except Exception as raised:  # noqa: BLE001 - whatever it is
        error = raised
    opening.go_on.set()
    for stream in opening.opened:
        stream.resumed.set()
    assert [name.partition("/")[0] for name in answer.asked] == case["asked"]
    assert answer.text == (case.get("text", "onetwothree") or "")
    assert answer.restarted is case.get("restarted", False)
    outcome = error.hotspare_attempts[-1].outcome if error else None  # type: ignore[attr-defined]
    assert outcome == case.get("raises")
    assert all(0 < each <= 10 for each in opening.timeouts)


@KINDS
async def test_a_fault_of_what_opens_it_says_nothing_of_the_target(tmp_path: Path, kind: str) -> None:
    """The next request asks it as before."""
    routing, opening = open_route(tmp_path, target="alpha/m", targets={"alpha/m": {}}), Opening({"alpha": [OWN_FAULT]})
    with pytest.raises(KeyError):
        await ask_by(kind, routing, Answer(), opening.open_in_task if kind == "task" else opening.open)
    assert not routing.memory.is_failing("alpha/m", routing.monotonic())


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
