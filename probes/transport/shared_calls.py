"""Blocking calls in threads of their own: one that hangs delays neither other calls nor the end of the process."""

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCalls(Generic[T]):
    """Calls `function` once at a time for the same arguments: whoever asks meanwhile gets the same result."""

    def __init__(self, function: Callable[..., T], *, thread_name: str) -> None:
        self._function = function
        self._thread_name = thread_name
        self._pending: dict[tuple[Hashable, ...], Future[T]] = {}

    async def __call__(self, *arguments: Hashable) -> T:
        """The result, or what the function raised; the call goes on where its callers are cancelled."""
        future = self._pending.get(arguments)
        if future is None:
            future = self._pending[arguments] = Future()
            future.set_running_or_notify_cancel()  # a cancelled waiter must not cancel it for the others
            thread = threading.Thread(target=self._run, args=(arguments, future), name=self._thread_name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads: the next call tries again
                self._pending.pop(arguments, None)
                raise
        return await asyncio.wrap_future(future)

    def _run(self, arguments: tuple[Hashable, ...], future: Future[T]) -> None:
        try:
            settle = partial(future.set_result, self._function(*arguments))
        except Exception as error:  # noqa: BLE001 - raised in those who wait
            settle = partial(future.set_exception, error)
        self._pending.pop(arguments, None)
        settle()
