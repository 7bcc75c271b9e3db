"""A second request while a target in doubt is late: who answers, who is told, and that quiet times cost nothing."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing, Target

from tests.support.routes import FIRST, SECOND, THIRD, open_route

SHORT_S = 0.05
DOUBT: dict[str, dict[str, Any]] = {
    FIRST: {"health": "suspect", "limits": {"p95_s": SHORT_S}},
    SECOND: {},
    THIRD: {},
}


class OverloadedError(Exception):
    """As an SDK raises it."""

    status_code = 503


class RefusedError(Exception):
    """The provider's answer to this request."""

    status_code = 400


class Providers:
    """The first target answers when it is told to, the others as they are told; all count who asked."""

    def __init__(self, *, first: Exception | None = None, second: Exception | None = None) -> None:
        self.errors = {FIRST: first, SECOND: second}
        self.asked: list[str] = []
        self.timeouts: list[float] = []
        self.go_on = threading.Event()
        self.late: list[str] = []

    def ask(self, target: Target, timeout_s: float) -> str:
        """In a thread."""
        self._note(target, timeout_s)
        if target.id == FIRST:
            self.go_on.wait(30)
        return self._answer(target)

    async def ask_in_task(self, target: Target, timeout_s: float) -> str:
        """In a task."""
        self._note(target, timeout_s)
        try:
            while target.id == FIRST and not self.go_on.is_set():  # noqa: ASYNC110 - shared with threads
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.late.append(target.id)
            raise
        return self._answer(target)

    def _note(self, target: Target, timeout_s: float) -> None:
        self.asked.append(target.id)
        self.timeouts.append(timeout_s)

    def _answer(self, target: Target) -> str:
        error = self.errors.get(target.id)
        if target.id != FIRST:
            self.go_on.set()
        if error:
            raise error
        return f"answer of {target.id}"


async def run(kind: str, routing: Routing, providers: Providers, **terms: Any) -> tuple[str, str]:
    """The answer, and who the attempt says gave it."""
    if kind == "task":
        return await in_task(routing, providers, **terms)
    return await asyncio.to_thread(in_thread, routing, providers, **terms)


def in_thread(routing: Routing, providers: Providers, **terms: Any) -> tuple[str, str]:
    """An application's loop."""
    for attempt in routing.attempts("chat", hedge=True, **terms):
        with attempt:
            answer = attempt.call(providers.ask)
            return answer, attempt.target.id
    raise AssertionError


async def in_task(routing: Routing, providers: Providers, **terms: Any) -> tuple[str, str]:
    """The same in asyncio."""
    async for attempt in routing.attempts("chat", hedge=True, **terms):
        async with attempt:
            answer = await attempt.call(providers.ask_in_task)
            return answer, attempt.target.id
    raise AssertionError


KINDS = pytest.mark.parametrize("kind", ["thread", "task"])


@KINDS
async def test_the_second_target_answers_for_a_late_one(tmp_path: Path, kind: str) -> None:
    """The caller learns who did; each request has its own time."""
    providers = Providers()
    assert await run(kind, open_route(tmp_path, targets=DOUBT), providers, deadline_s=30) == (
        f"answer of {SECOND}",
        SECOND,
    )
    assert providers.asked == [FIRST, SECOND]
    assert all(0 < timeout_s <= 10 for timeout_s in providers.timeouts)
    assert providers.late == ([FIRST] if kind == "task" else [])


@KINDS
@pytest.mark.parametrize(
    "targets",
    [
        pytest.param({**DOUBT, FIRST: {"limits": {"p95_s": SHORT_S}}}, id="up"),
        pytest.param({**DOUBT, FIRST: {"health": "suspect"}}, id="no published p95"),
        pytest.param({FIRST: DOUBT[FIRST]}, id="nobody else"),
        pytest.param({FIRST: DOUBT[FIRST], SECOND: DOUBT[FIRST], THIRD: {"health": "down"}}, id="the others, too"),
    ],
)
async def test_nothing_extra_is_sent_in_quiet_times(tmp_path: Path, kind: str, targets: dict[str, Any]) -> None:
    """Nor where nobody is in less doubt."""
    providers = Providers()
    threading.Timer(4 * SHORT_S, providers.go_on.set).start()
    assert await run(kind, open_route(tmp_path, targets=targets), providers) == (f"answer of {FIRST}", FIRST)
    assert providers.asked == [FIRST]


@KINDS
async def test_what_must_not_be_moved_is_not_hedged(tmp_path: Path, kind: str) -> None:
    """Two requests would both have begun."""
    providers = Providers()
    threading.Timer(4 * SHORT_S, providers.go_on.set).start()
    assert (await run(kind, open_route(tmp_path, targets=DOUBT), providers, stateful=True))[1] == FIRST
    assert providers.asked == [FIRST]


@KINDS
async def test_hedges_are_within_the_budget(tmp_path: Path, kind: str) -> None:
    """Three a minute, of few requests."""
    routing, hedged = open_route(tmp_path, targets=DOUBT), []
    for number in range(4):
        providers = Providers()
        if number == 3:
            threading.Timer(4 * SHORT_S, providers.go_on.set).start()
        await run(kind, routing, providers)
        hedged.append(SECOND in providers.asked)
    assert hedged == [True, True, True, False]


@KINDS
async def test_one_failure_of_two_is_not_the_answer(tmp_path: Path, kind: str) -> None:
    """Of whichever; it is remembered, so that the next request begins elsewhere."""
    routing, providers = open_route(tmp_path, targets=DOUBT), Providers(second=OverloadedError())
    assert await run(kind, routing, providers) == (f"answer of {FIRST}", FIRST)
    assert providers.asked == [FIRST, SECOND]
    assert routing.memory.is_failing(SECOND, routing.monotonic())
    providers = Providers(first=OverloadedError())
    providers.go_on.set()
    assert await run(kind, open_route(tmp_path, targets=DOUBT), providers) == (f"answer of {SECOND}", SECOND)


@KINDS
async def test_when_both_fail_the_next_one_is_asked(tmp_path: Path, kind: str) -> None:
    """Neither is asked again."""
    providers = Providers(first=OverloadedError(), second=OverloadedError())
    answer = await run(kind, open_route(tmp_path, targets=DOUBT), providers)
    assert answer == (f"answer of {THIRD}", THIRD)
    assert providers.asked == [FIRST, SECOND, THIRD]


@KINDS
async def test_a_refusal_of_one_is_the_answer(tmp_path: Path, kind: str) -> None:
    """The other one is not waited for."""
    error = RefusedError("content policy")
    providers = Providers(second=error)
    with pytest.raises(RefusedError) as caught:
        await run(kind, open_route(tmp_path, targets=DOUBT), providers)
    assert caught.value is error
    [asked] = caught.value.hotspare_attempts  # type: ignore[attr-defined]
    assert asked.target == SECOND


@KINDS
async def test_the_deadline_ends_a_race(tmp_path: Path, kind: str) -> None:
    """Also where a request does not keep its own limit."""
    providers = Providers()
    targets = {FIRST: {"health": "suspect", "limits": {"p95_s": 30}}, SECOND: {}}
    with pytest.raises(TimeoutError, match="had not answered by the deadline"):
        await run(kind, open_route(tmp_path, targets=targets), providers, deadline_s=2 * SHORT_S)
    providers.go_on.set()


async def test_a_race_may_be_cancelled_at_every_await(tmp_path: Path) -> None:
    """Both its tasks end with it."""
    for steps in range(12):
        providers = Providers()
        before = asyncio.all_tasks()
        task = asyncio.create_task(in_task(open_route(tmp_path, targets=DOUBT), providers))
        for _ in range(steps):
            await asyncio.sleep(0)
        if steps > 8:
            await asyncio.sleep(0.9 * SHORT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before


def test_a_stream_that_came_too_late_is_closed(tmp_path: Path) -> None:
    """Nobody reads it."""
    closed, go_on = threading.Event(), threading.Event()

    class Stream:
        def __init__(self, close: Callable[[], None]) -> None:
            self.close = close

    def ask(target: Target, _: float) -> Stream:
        if target.id == FIRST:
            go_on.wait(30)
            return Stream(closed.set)
        return Stream(lambda: None)

    for attempt in open_route(tmp_path, targets=DOUBT).attempts("chat", hedge=True):
        with attempt:
            attempt.call(ask)
    assert attempt.target.id == SECOND
    go_on.set()
    assert closed.wait(30)
