"""Virtual time for several processes: each has an event loop, and threads whose calls may last.

One thing happens at a time, in the order of its instant. A thread is a greenlet: while its call waits, for an answer of
the database, say, all others go on.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, TypeVar, TypeVarTuple

from greenlet import getcurrent, greenlet

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_set_loop: Final = events._set_running_loop  # noqa: SLF001 - exported for those who write event loops


class KilledError(BaseException):
    """Stands for the end of the process at that point."""


class Timeline:
    """Instants are seconds from the start."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, SimulatedProcess | None, Callable[[], object]]] = []
        self._number = count()
        self._hub = getcurrent()
        self.running: SimulatedProcess | None = None
        """The process whose call or callback this is; None: the world's."""
        self.after_each: Callable[[], None] = lambda: None
        """Is called after whatever has happened."""
        self.errors: list[BaseException] = []
        """What was raised and nobody caught."""

    def at(self, at_s: float, act: Callable[[], object], process: "SimulatedProcess | None" = None) -> None:
        """Do it then; of a process that is dead by then not, of one that stands still once it goes on."""
        heappush(self._due, (max(at_s, self.now_s), next(self._number), process, act))

    def run(self, until_s: float, happened: Callable[[], bool] = lambda: False) -> bool:
        """Go on until then, or until it has happened; says whether it has."""
        while self._due and self._due[0][0] < until_s:
            at_s, number, process, act = heappop(self._due)
            if process is not None and process.is_dead:
                continue
            if process is not None and process.still_until_s > at_s:
                process.held.append((number, act))
                continue
            self.now_s = at_s
            self.act(process, act)
            self.after_each()
            if happened():
                return True
        self.now_s = max(self.now_s, until_s)
        return False

    def hold(self, process: "SimulatedProcess", until_s: float) -> None:
        """Let it stand still until then, as after SIGSTOP."""

        def go_on() -> None:
            if process.still_until_s <= self.now_s:
                held, process.held = process.held, []
                for number, act in held:
                    heappush(self._due, (self.now_s, number, process, act))

        process.still_until_s = until_s
        self.at(until_s, go_on)

    def act(self, process: "SimulatedProcess | None", act: Callable[[], object]) -> None:
        """Let a process do it now."""
        before, self.running = self.running, process
        loop = process.loop if process else None
        _set_loop(loop)
        try:
            act()
        except KilledError:
            pass
        except Exception as error:  # noqa: BLE001 - what is wrong with the drill or the product must be known
            self.errors.append(error)
        finally:
            _set_loop(None)
            self.running = before
        if process is not None and process.dies:
            process.kill()

    def wait(self, seconds: float, *, elsewhere: bool = False) -> None:
        """Of a thread: let time pass; raises KilledError where its process is killed meanwhile.

        `elsewhere`: another machine works for it, and goes on while this process stands still.
        """
        waiting, process = getcurrent(), self.running
        if waiting is self._hub or process is None:
            return  # whoever only looks, or is not a thread, cannot wait

        def go_on() -> None:
            if waiting in process.waiting:
                self.act(process, waiting.switch)

        process.waiting.add(waiting)
        self.at(self.now_s + seconds, go_on, None if elsewhere else process)
        self._hub.switch()
        process.waiting.discard(waiting)

    def in_thread(self, act: Callable[[], None]) -> None:
        """Begin a thread of the process that runs; it goes on at once."""
        greenlet(act, self._hub).switch()


class SimulatedProcess:
    """One process from its start to its end: a loop, its threads, and what is to be let go of when it is killed."""

    def __init__(self, timeline: Timeline, name: str) -> None:
        self.timeline = timeline
        self.name = name
        self.is_dead = False
        self.dies = False
        """It has met the step at which it is killed."""
        self.dies_in: int | None = None
        """At which step from now on it is killed."""
        self.still_until_s = 0.0
        """Until when it stands still, as after SIGSTOP."""
        self.held: list[tuple[int, Callable[[], object]]] = []
        """What it will do once it goes on."""
        self.waiting: set[greenlet] = set()
        self.on_end: list[Callable[[], object]] = []
        """What the kernel does when it is gone."""
        self.loop = ProcessLoop(self)

    def step(self) -> None:
        """One message or step with a file is about to be made: raises KilledError where it is not made any more."""
        if self.is_dead or self.dies:
            raise KilledError
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in <= 0:
                self.dies = True
                raise KilledError

    def start(self, make: Callable[[], Any]) -> None:
        """Run what `make` returns, a coroutine, from now on."""

        def begin() -> None:
            task = self.loop.create_task(make())
            task.add_done_callback(self._ended)

        self.timeline.at(self.timeline.now_s, begin, self)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        error = None if task.cancelled() else task.exception()
        if not self.is_dead and not self.dies and error is not None:
            self.timeline.errors.append(error)

    def kill(self) -> None:
        """It is gone, wherever it was; nothing of it touches anything any more."""
        if self.is_dead:
            return
        self.is_dead = True
        for act in self.on_end:
            act()
        self.loop.end()
        for thread in tuple(self.waiting):
            with suppress(KilledError):
                thread.throw(KilledError)
        self.waiting.clear()


class ProcessLoop(asyncio.BaseEventLoop):
    """An event loop whose time is the timeline's; a call in a thread is one greenlet after the other."""

    def __init__(self, process: SimulatedProcess) -> None:
        super().__init__()
        self._process = process
        self._timeline = process.timeline
        self._threads: dict[object, deque[Callable[[], None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def time(self) -> float:
        """Virtual seconds."""
        return self._timeline.now_s

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio has it."""
        handle = asyncio.Handle(callback, args, self, context)
        self._timeline.at(self._timeline.now_s, lambda: self._run(handle), self._process)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio has it."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timeline.at(when, lambda: self._run(handle), self._process)
        return handle

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """As asyncio has it."""
        task = asyncio.Task(coro, loop=self, **options)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]
        """As asyncio has it: of one executor one call at a time, without one all at once."""
        future: asyncio.Future[T] = self.create_future()
        key = executor if executor is not None else object()

        def call() -> None:
            try:
                result, error = func(*args), None
            except KilledError:
                return
            except BaseException as raised:  # noqa: BLE001 - whoever waits raises it
                result, error = None, raised
            queue = self._threads[key]
            queue.popleft()
            if queue:
                self._timeline.at(self._timeline.now_s, lambda: self._timeline.in_thread(queue[0]), self._process)
            elif executor is None:
                del self._threads[key]
            self.call_soon(_settle, future, result, error)

        queue = self._threads.setdefault(key, deque())
        queue.append(call)
        if len(queue) == 1:
            self._timeline.at(self._timeline.now_s, lambda: self._timeline.in_thread(queue[0]), self._process)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What nobody has caught."""
        error = context.get("exception")
        if isinstance(error, Exception) and not self._process.is_dead:
            self._timeline.errors.append(error)

    def end(self) -> None:
        """Let the tasks end that are under way, none of which can do anything any more."""
        handles: list[asyncio.Handle] = []

        def call_soon(callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
            handle = asyncio.Handle(callback, args, self, context)
            handles.append(handle)
            return handle

        self.call_soon = call_soon  # type: ignore[method-assign,assignment]
        self.run_in_executor = self._refuse  # type: ignore[method-assign,assignment]
        before = events._get_running_loop()  # noqa: SLF001 - as above
        _set_loop(self)
        try:
            for task in tuple(self._tasks):
                task.cancel()
            while handles:
                self._run(handles.pop(0))
        finally:
            _set_loop(before)
        self.close()

    def _refuse(self, *_: Any) -> "asyncio.Future[Any]":
        raise KilledError

    def _run(self, handle: asyncio.Handle) -> None:
        if not handle.cancelled():
            handle._run()  # noqa: SLF001 - what every loop does with one

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays where it is, and does nothing."""


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
