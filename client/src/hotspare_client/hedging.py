"""Asks a second target while the first is late; the first good answer counts."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

from hotspare_client.target import Target

R = TypeVar("R")

#: How long a request that lost may take to end once it is cancelled.
_CANCEL_S = 1.0


class Racer(NamedTuple):
    """A request on its way."""

    target: Target
    began_at: float


class Referee(Protocol):
    """Decides for a race: see `AttemptReferee`."""

    def start(self, target: Target) -> Racer: ...  # noqa: D102

    def second(self) -> Target | None: ...  # noqa: D102

    def left_s(self) -> float: ...  # noqa: D102

    def timeout_s(self) -> float: ...  # noqa: D102

    def win(self, racer: Racer) -> None: ...  # noqa: D102

    def lose(self, racer: Racer, error: BaseException) -> bool: ...  # noqa: D102


def race(ask: Callable[[Target, float], R], first: Target, after_s: float, referee: Referee) -> R:
    """The first good answer of two threads, the second of which starts after `after_s`; else the last error."""
    results: queue.SimpleQueue[tuple[Racer, R | None, BaseException | None]] = queue.SimpleQueue()
    settled = threading.Event()

    def run(racer: Racer, timeout_s: float) -> None:
        try:
            answer = ask(racer.target, timeout_s)
        except BaseException as error:  # noqa: BLE001 - raised again where the answer is waited for
            results.put((racer, None, error))
            return
        if settled.is_set():
            # Nobody reads the stream that came too late.
            with contextlib.suppress(Exception):
                answer.close()  # type: ignore[attr-defined]
        results.put((racer, answer, None))

    def start(target: Target) -> None:
        racer, context = referee.start(target), contextvars.copy_context()
        arguments = (run, racer, referee.timeout_s())
        threading.Thread(target=context.run, args=arguments, name="hotspare-hedge", daemon=True).start()

    start(first)
    running, is_late = 1, False
    try:
        while True:
            wait_s = min(threading.TIMEOUT_MAX if is_late else after_s, referee.left_s())
            try:
                racer, answer, error = results.get(timeout=max(0.0, wait_s))
            except queue.Empty:
                second = _second(referee, first, is_late=is_late)
                is_late = True
                if second:
                    start(second)
                    running += 1
                continue
            running -= 1
            if error is None:
                referee.win(racer)
                return answer  # type: ignore[return-value]
            if not running or not referee.lose(racer, error):
                referee.win(racer)
                raise error
    finally:
        settled.set()


async def race_tasks(
    ask: Callable[[Target, float], Awaitable[R]], first: Target, after_s: float, referee: Referee
) -> R:
    """The same of two tasks; the one that is not needed any more is cancelled."""
    tasks: dict[asyncio.Future[R], Racer] = {}

    def start(target: Target) -> None:
        racer = referee.start(target)
        tasks[asyncio.ensure_future(ask(target, referee.timeout_s()))] = racer

    start(first)
    is_late = False
    try:
        while True:
            wait_s = min(threading.TIMEOUT_MAX if is_late else after_s, referee.left_s())
            done, _ = await asyncio.wait(tasks, timeout=max(0.0, wait_s), return_when=asyncio.FIRST_COMPLETED)
            if not done:
                second = _second(referee, first, is_late=is_late)
                is_late = True
                if second:
                    start(second)
            # Where both have ended, the good answer counts.
            for task in sorted(done, key=lambda each: each.cancelled() or each.exception() is not None):
                racer, error = tasks.pop(task), task.exception()
                if error is None or not tasks or not referee.lose(racer, error):
                    referee.win(racer)
                    return task.result()
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_S)


def _second(referee: Referee, first: Target, *, is_late: bool) -> Target | None:
    """Whom to ask as well; raises TimeoutError where there is no time left."""
    if referee.left_s() <= 0:
        raise TimeoutError(f"{first.id} had not answered by the deadline")
    return None if is_late else referee.second()
