"""One thread that runs blocking calls one after the other, for an event loop that must not wait."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class WorkerThread:
    """Calls are run in the order in which they were handed in."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))

    def submit(self, lost: str, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run the call without waiting for it; `lost` names the log event when the database refuses it."""

        def call() -> None:
            try:
                function(*args, **kwargs)
            except DatabaseError as error:
                log.error("%s: %s", lost, error)

        self._executor.submit(call)

    def shutdown(self, *, cancel: bool = False) -> None:
        """Wait for the call under way, and for those handed in, unless they are to be cancelled."""
        self._executor.shutdown(cancel_futures=cancel)
