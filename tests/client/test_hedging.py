"""A second request while a target in doubt is late: who answers, who is told, and that quiet times cost nothing."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing, Target

from tests.client.test_shared_faults import as_exception
from tests.support.routes import open_route
from tests.support.shared_cases import Case, load_cases, name_of

SHORT_S = 0.05
DOUBT: dict[str, dict[str, Any]] = {
    "alpha": {"health": "suspect", "limits": {"p95_s": SHORT_S}},
    "beta": {},
    "gamma": {},
}
LATE: Case = {"answers": {"alpha": {"after_s": 1}}}


class Providers:
    """Answer as a case says, and note who was asked, how long it may take, and which requests were cancelled."""

    def __init__(self, case: Case) -> None:
        self._answers = case["answers"]
        self.asked: list[str] = []
        self.timeouts: list[float] = []
        self.cancelled: list[str] = []

    def ask(self, target: Target, timeout_s: float) -> str:
        """In a thread."""
        time.sleep(self._note(target, timeout_s))
        return self._answer(target)

    async def ask_in_task(self, target: Target, timeout_s: float) -> str:
        """In a task."""
        try:
            await asyncio.sleep(self._note(target, timeout_s))
        except asyncio.CancelledError:
            self.cancelled.append(target.provider)
            raise
        return self._answer(target)

    def _note(self, target: Target, timeout_s: float) -> float:
        self.asked.append(target.provider)
        self.timeouts.append(timeout_s)
        return float(self._answers.get(target.provider, {}).get("after_s", 0))

    def _answer(self, target: Target) -> str:
        case = self._answers.get(target.provider, {})
        if "status" in case or "error" in case:
            raise as_exception(case)
        return f"answer of {target.provider}"


def open_case(folder: Path, case: Case) -> Routing:
    """A route whose first target is in doubt, or the targets of the case."""
    targets = {f"{name}/m": fields for name, fields in case.get("targets", DOUBT).items()}
    return open_route(folder, target="alpha/m", targets=targets)


async def run(kind: str, routing: Routing, providers: Providers, **terms: Any) -> tuple[str, str]:
    """The answer, and who the attempt says gave it."""
    return await in_task(routing, providers, **terms) if kind == "task" else in_thread(routing, providers, **terms)


def in_thread(routing: Routing, providers: Providers, **terms: Any) -> tuple[str, str]:
    """An application's loop."""
    for attempt in routing.attempts("chat", **{"hedge": True, **terms}):
        with attempt:
            answer = attempt.call(providers.ask)
            return answer, attempt.target.provider
    raise AssertionError


async def in_task(routing: Routing, providers: Providers, **terms: Any) -> tuple[str, str]:
    """The same in asyncio."""
    async for attempt in routing.attempts("chat", **{"hedge": True, **terms}):
        async with attempt:
            answer = await attempt.call(providers.ask_in_task)
            return answer, attempt.target.provider
    raise AssertionError


KINDS = pytest.mark.parametrize("kind", ["thread", "task"])


@KINDS
@pytest.mark.parametrize("case", load_cases("hedging"), ids=name_of)
async def test_a_second_target_is_asked_where_it_should_be(tmp_path: Path, kind: str, case: Case) -> None:
    """The same in JavaScript: who is asked, who answers, and which error is the answer."""
    routing, providers = open_case(tmp_path, case), Providers(case)
    found: Any = None
    try:
        for _ in range(case.get("requests", 1)):
            found = await run(kind, routing, providers, **case.get("terms", {}))
    except Exception as error:  # noqa: BLE001 - whatever it is
        found = error
    assert providers.asked == case["asked"]
    assert all(0 < timeout_s <= 10 for timeout_s in providers.timeouts)
    if "raises" in case:
        [asked] = found.hotspare_attempts
        assert (asked.outcome, asked.target) == (case["raises"], f"{case['of']}/m")
    else:
        assert found == (f"answer of {case['answer']}", case["answer"])


async def test_a_request_that_is_not_needed_is_cancelled(tmp_path: Path) -> None:
    """In asyncio; a thread goes on, and nobody hears it."""
    providers = Providers(LATE)
    await in_task(open_case(tmp_path, LATE), providers)
    assert providers.cancelled == ["alpha"]


@KINDS
async def test_a_failure_of_one_is_remembered(tmp_path: Path, kind: str) -> None:
    """So that the next request begins elsewhere."""
    case = {"answers": {"alpha": {"after_s": 0.3}, "beta": {"status": 503}}}
    routing = open_case(tmp_path, case)
    await run(kind, routing, Providers(case))
    assert routing.memory.is_failing("beta/m", routing.monotonic())


async def test_a_race_may_be_cancelled_at_every_await(tmp_path: Path) -> None:
    """Both its tasks end with it."""
    never = {"after_s": 60}
    for steps in range(12):
        providers = Providers({"answers": {"alpha": never, "beta": never}})
        before = asyncio.all_tasks()
        task = asyncio.create_task(in_task(open_case(tmp_path, LATE), providers))
        for _ in range(steps):
            await asyncio.sleep(0)
        if steps > 8:
            await asyncio.sleep(0.9 * SHORT_S)  # about when the second is asked
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
        if target.provider == "alpha":
            go_on.wait(30)
            return Stream(closed.set)
        return Stream(lambda: None)

    for attempt in open_case(tmp_path, LATE).attempts("chat", hedge=True):
        with attempt:
            attempt.call(ask)
    assert attempt.target.provider == "beta"
    go_on.set()
    assert closed.wait(30)
