"""The loop around a request: what an application sees when a target fails, in threads, tasks and forked children."""

import asyncio
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Asked, DeadlineError, MissingKeyError, NoTargetError, Routing

from tests.support.routes import FIRST, SECOND, THIRD, open_route, write_route


class StatusError(Exception):
    """As an SDK raises it."""

    def __init__(self, status: int, message: str = "", **headers: str) -> None:
        super().__init__(message)
        self.status_code = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Providers:
    """Targets that answer as told: each id has a list of exceptions to raise, after which it answers well."""

    def __init__(self, **faults: list[BaseException]) -> None:
        self.asked: list[str] = []
        self._faults = faults

    def ask(self, target: str) -> str:
        """The answer of a target, by its provider's name."""
        self.asked.append(target)
        faults = self._faults.get(target.partition("/")[0], [])
        if faults:
            raise faults.pop(0)
        return f"answer of {target}"


def run(routing: Routing, providers: Providers, **terms: Any) -> str:
    """An application's own loop."""
    for attempt in routing.attempts("chat", **terms):
        with attempt:
            return providers.ask(attempt.target.id)
    raise AssertionError("the loop ended without an answer")


async def arun(routing: Routing, providers: Providers, **terms: Any) -> str:
    """The same in asyncio."""
    async for attempt in routing.attempts("chat", **terms):
        async with attempt:
            await asyncio.sleep(0)
            return providers.ask(attempt.target.id)
    raise AssertionError("the loop ended without an answer")


def test_a_good_answer_is_asked_for_once(tmp_path: Path) -> None:
    """Also where the block runs to its end, and the loop is left by itself."""
    routing, numbers = open_route(tmp_path), []
    for attempt in routing.attempts("chat"):
        with attempt:
            numbers.append((attempt.number, attempt.target.id, attempt.restarted))
    assert numbers == [(1, FIRST, False)]


@pytest.mark.parametrize(
    ("faults", "asked"),
    [
        ([StatusError(500)], [FIRST, FIRST]),
        ([StatusError(500), StatusError(500)], [FIRST, FIRST, SECOND]),
        ([StatusError(503)], [FIRST, SECOND]),
        ([StatusError(429, retry_after_ms="20")], [FIRST, FIRST]),
        ([StatusError(429, retry_after="30")], [FIRST, SECOND]),
        ([ConnectionResetError()], [FIRST, FIRST]),
        ([TimeoutError()], [FIRST, SECOND]),
        ([StatusError(401)], [FIRST, SECOND]),
        ([MissingKeyError("no key")], [FIRST, SECOND]),
    ],
    ids=lambda value: repr(value[0]) if isinstance(value[0], Exception) else None,
)
async def test_a_failure_is_answered_elsewhere(tmp_path: Path, faults: list[BaseException], asked: list[str]) -> None:
    """In both kinds of loop."""
    for_tasks, for_threads = Providers(alpha=list(faults)), Providers(alpha=list(faults))
    run(open_route(tmp_path), for_threads)
    await arun(open_route(tmp_path), for_tasks)
    assert for_threads.asked == asked
    assert for_tasks.asked == asked


@pytest.mark.parametrize(
    "error", [StatusError(400, "Unsupported value"), StatusError(400, "content policy"), KeyError()]
)
async def test_an_answer_that_is_final_is_raised_as_it_came(tmp_path: Path, error: Exception) -> None:
    """Nobody else is asked; the error is the SDK's own object, and says what was asked."""
    routing, providers = open_route(tmp_path), Providers(alpha=[error, error])
    with pytest.raises(type(error)) as caught:
        run(routing, providers)
    with pytest.raises(type(error)) as caught_in_task:
        await arun(routing, providers)
    assert caught.value is caught_in_task.value is error
    [asked] = error.hotspare_attempts  # type: ignore[attr-defined]
    assert asked.target == FIRST
    assert providers.asked == [FIRST, FIRST]


def test_the_last_error_is_raised_when_all_fail(tmp_path: Path) -> None:
    """With every target that was asked, what it said and how long it took."""
    last = StatusError(503, "third")
    providers = Providers(alpha=[StatusError(500)] * 2, beta=[TimeoutError()], gamma=[last])
    with pytest.raises(StatusError) as caught:
        run(open_route(tmp_path), providers)
    assert caught.value is last
    asked: tuple[Asked, ...] = caught.value.hotspare_attempts  # type: ignore[attr-defined]
    assert [(each.target, each.outcome, each.status) for each in asked] == [
        (FIRST, "server_error", 500),
        (FIRST, "server_error", 500),
        (SECOND, "timeout", None),
        (THIRD, "overloaded", 503),
    ]
    assert all(0 <= each.took_s < 60 for each in asked)


def test_where_no_candidate_has_a_key_the_error_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is tried, because another may have one; the last one's variable is named."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    routing = open_route(tmp_path, targets={name: {"api_key_env": "NO_SUCH_KEY"} for name in (FIRST, SECOND)})

    def ask() -> None:
        for attempt in routing.attempts("chat"):
            with attempt:
                attempt.target.api_key()

    with pytest.raises(MissingKeyError, match=f"^NO_SUCH_KEY is not set: it holds the key of {SECOND}$") as caught:
        ask()
    asked: tuple[Asked, ...] = caught.value.hotspare_attempts  # type: ignore[attr-defined]
    assert [(each.target, each.outcome) for each in asked] == [(FIRST, "auth"), (SECOND, "auth")]


class NoAttributesError(Exception):
    """Takes no attributes."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def test_an_exception_that_takes_no_attributes_is_raised_as_it_is(tmp_path: Path) -> None:
    """Without the list."""
    with pytest.raises(NoAttributesError):
        run(open_route(tmp_path), Providers(alpha=[NoAttributesError()]))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_is_no_failure_passes_through(tmp_path: Path, kind: type[BaseException]) -> None:
    """Untouched: nothing else is asked, and nothing is remembered."""
    routing, error = open_route(tmp_path), kind()
    providers = Providers(alpha=[error])
    with pytest.raises(kind) as caught:
        run(routing, providers)
    assert caught.value is error
    assert not hasattr(error, "hotspare_attempts")
    assert providers.asked == [FIRST]
    assert run(routing, Providers()) == f"answer of {FIRST}"


async def test_a_task_may_be_cancelled_at_every_await(tmp_path: Path) -> None:
    """Before, inside and between attempts, pauses included; other requests of the process go on as before."""
    ended = Counter[str]()
    for steps in range(12):
        routing = Routing(open_route(tmp_path)._path, draw=lambda: 0.0)
        providers = Providers(alpha=[TimeoutError()], beta=[StatusError(503)], gamma=[StatusError(503)])
        task = asyncio.create_task(arun(routing, providers))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ended[str(len(providers.asked))] += 1
        assert await arun(routing, Providers()) in {f"answer of {target}" for target in (FIRST, SECOND, THIRD)}
    assert len(ended) >= 3, ended


# What it must not do


def test_a_process_leaves_alone_what_just_failed(tmp_path: Path) -> None:
    """The next requests begin at the standby; another process's memory is its own."""
    routing, providers = open_route(tmp_path), Providers(alpha=[TimeoutError()])
    assert run(routing, providers) == f"answer of {SECOND}"
    assert run(routing, providers) == f"answer of {SECOND}"
    assert providers.asked == [FIRST, SECOND, SECOND]
    assert run(open_route(tmp_path), providers) == f"answer of {FIRST}"


def test_a_request_that_was_refused_says_nothing_about_the_target(tmp_path: Path) -> None:
    """The next request begins there again."""
    routing, providers = open_route(tmp_path), Providers(alpha=[StatusError(400)])
    with pytest.raises(StatusError):
        run(routing, providers)
    assert run(routing, providers) == f"answer of {FIRST}"


def test_an_outage_is_no_storm(tmp_path: Path) -> None:
    """A hundred requests at once, and a provider that fails: it is asked little more than that, the standby answers."""
    routing = open_route(tmp_path)
    providers = Providers(alpha=[StatusError(500) for _ in range(1000)])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: run(routing, providers), range(100)))
    assert set(answers) == {f"answer of {SECOND}"}
    assert Counter(providers.asked)[FIRST] <= 8 + 3


@pytest.mark.parametrize("per_s", [1, 10])
def test_half_of_all_requests_fail_for_a_minute_and_nobody_feels_it(tmp_path: Path, per_s: int) -> None:
    """The standby answers, and the failing provider gets fewer requests than there are users; none after the flip."""
    now, dice = 0.0, random.Random(7)
    write_route(tmp_path / "routing.json")
    routing = Routing(tmp_path / "routing.json", check_every_s=0, monotonic=lambda: now, draw=dice.random)
    asked = Counter[str]()
    users = 0

    def pass_a_minute() -> None:
        nonlocal now, users
        for _ in range(60 * per_s):
            now, users = now + 1 / per_s, users + 1
            providers = Providers(alpha=[StatusError(500)] if dice.random() < 0.5 else [])
            run(routing, providers)
            asked.update(providers.asked)

    pass_a_minute()
    assert asked[FIRST] <= 1.1 * users
    write_route(tmp_path / "routing.json", target=SECOND, targets={FIRST: {"health": "down"}, SECOND: {}})
    asked.clear()
    pass_a_minute()
    assert asked[FIRST] == 0


def test_repeats_end_with_their_budget(tmp_path: Path) -> None:
    """Each request fails once at its own target; three are repeated there, the others are answered elsewhere."""
    now = 0.0
    routing = Routing(open_route(tmp_path)._path, check_every_s=0, monotonic=lambda: now)
    repeated = []
    for _ in range(5):
        now += 6.0
        providers = Providers(alpha=[StatusError(500)])
        run(routing, providers)
        repeated.append(providers.asked == [FIRST, FIRST])
    assert repeated == [True, True, True, False, False]


@pytest.mark.parametrize("stateful_error", [StatusError(500), TimeoutError(), StatusError(401)])
def test_what_must_not_be_moved_goes_nowhere_else(tmp_path: Path, stateful_error: Exception) -> None:
    """Neither at a failure nor after it, while the target is left alone by others."""
    routing = open_route(tmp_path)
    run(routing, Providers(alpha=[TimeoutError()]))
    providers = Providers(alpha=[stateful_error])
    with pytest.raises(type(stateful_error)):
        run(routing, providers, stateful=True)
    assert providers.asked == [FIRST]
    refused = Providers(alpha=[ConnectionRefusedError()])
    assert run(routing, refused, stateful=True) == f"answer of {FIRST}"
    assert refused.asked == [FIRST, FIRST]


# Deadlines and limits


@pytest.mark.parametrize("deadline_s", [0, 0.0, -1.5])
def test_a_deadline_that_has_passed_asks_nobody(tmp_path: Path, deadline_s: float) -> None:
    """It is an error that says so, and a TimeoutError."""
    providers = Providers()
    with pytest.raises(DeadlineError, match=f"the deadline of {deadline_s} s had passed before {FIRST} could be asked"):
        run(open_route(tmp_path), providers, deadline_s=deadline_s)
    assert providers.asked == []
    assert issubclass(DeadlineError, TimeoutError)


def test_the_deadline_ends_the_attempts(tmp_path: Path) -> None:
    """What is left of it bounds each attempt; after it the last error is the answer."""
    now = 100.0
    routing = Routing(open_route(tmp_path)._path, check_every_s=0, monotonic=lambda: now)
    limits = []

    def ask() -> None:
        nonlocal now
        for attempt in routing.attempts("chat", deadline_s=12):
            with attempt:
                limits.append(attempt.timeout_s)
                now += attempt.timeout_s
                raise TimeoutError

    with pytest.raises(TimeoutError) as caught:
        ask()
    assert limits == [10.0, 2.0]
    assert len(caught.value.hotspare_attempts) == 2  # type: ignore[attr-defined]


def test_a_plain_answer_may_take_what_the_caller_says(tmp_path: Path) -> None:
    """Ten seconds where nothing is said, and never nothing at all."""
    now = 100.0
    routing = Routing(open_route(tmp_path)._path, check_every_s=0, monotonic=lambda: now)
    assert next(iter(routing.attempts("chat"))).timeout_s == 10
    for attempt in routing.attempts("chat", answer_s=60, deadline_s=90):
        with attempt:
            assert attempt.timeout_s == 60
            now += 50
            assert attempt.timeout_s == 40
            now += 50
            assert attempt.timeout_s == 0.001


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ({"deadline_s": float("nan")}, "deadline_s: expected seconds, found nan"),
        ({"deadline_s": "30"}, "deadline_s: expected seconds, found '30'"),
        ({"answer_s": 0}, "answer_s: expected seconds, 0.001 or more, found 0"),
        ({"first_token_s": True}, "first_token_s: expected seconds, 0.001 or more, found True"),
        ({"wait_s": -1}, "wait_s: expected seconds, 0 or more, found -1"),
        ({"on_cut": "ignore"}, "on_cut: expected 'raise' or 'restart', found 'ignore'"),
    ],
)
def test_terms_that_make_no_sense_are_refused(tmp_path: Path, terms: dict[str, Any], problem: str) -> None:
    """At once, by name."""
    with pytest.raises(ValueError, match=f"^{problem}$"):
        open_route(tmp_path).attempts("chat", **terms)


# Misuse, and files that change


async def test_an_unknown_route_is_an_error_that_says_why(tmp_path: Path) -> None:
    """A loop that ran not once would leave the caller without an answer, and without a word."""
    missing = Routing(tmp_path / "none.json")
    with pytest.raises(NoTargetError, match=r"^no target for route 'chat': .*none.json is missing$"):
        run(missing, Providers())
    with pytest.raises(NoTargetError, match=r"^no target for route 'other': the routing file does not have it$"):
        for _ in open_route(tmp_path).attempts("other"):
            pass
    with pytest.raises(NoTargetError):
        await arun(missing, Providers())


def test_a_loop_without_its_block_is_an_error(tmp_path: Path) -> None:
    """Otherwise every candidate would be asked, each with a good answer."""
    loop = iter(open_route(tmp_path).attempts("chat"))
    attempt = next(loop)
    with pytest.raises(RuntimeError, match="put the request into `with attempt:`"):
        next(loop)
    with attempt, pytest.raises(RuntimeError, match="an attempt is one request"), attempt:
        pass


def replace_by_nothing(path: Path) -> None:
    """The file is gone."""
    path.unlink()


def replace_by_a_folder(path: Path) -> None:
    """A folder is in its place."""
    path.unlink()
    path.mkdir()


def replace_by_noise(path: Path) -> None:
    """Bytes that are no table."""
    path.write_bytes(os.urandom(4096))


def replace_by_another_route(path: Path) -> None:
    """The route has vanished."""
    path.write_text(path.read_text().replace('"chat"', '"other"'))


def replace_by_another_target(path: Path) -> None:
    """The route has flipped, and the target that was asked is gone."""
    write_route(path, target=THIRD, targets={THIRD: {}, SECOND: {}})


@pytest.mark.parametrize(
    ("change", "answers"),
    [
        (replace_by_nothing, SECOND),
        (replace_by_a_folder, SECOND),
        (replace_by_noise, SECOND),
        (replace_by_another_route, None),
        (replace_by_another_target, THIRD),
    ],
)
def test_the_file_may_change_while_attempts_run(
    tmp_path: Path, change: Callable[[Path], None], answers: str | None
) -> None:
    """The next attempt follows the last good table; where the route has vanished, the error is the answer."""
    routing = open_route(tmp_path)
    providers = Providers(alpha=[TimeoutError()])
    try:
        for attempt in routing.attempts("chat"):
            with attempt:
                if attempt.number == 1:
                    change(tmp_path / "routing.json")
                providers.ask(attempt.target.id)
    except TimeoutError:
        assert answers is None
    assert providers.asked == [FIRST, *([answers] if answers else [])]


def test_a_route_that_vanishes_after_a_failure_leaves_its_candidates(tmp_path: Path) -> None:
    """Those that were known when the request began to fail are still asked."""
    routing = open_route(tmp_path)
    providers = Providers(alpha=[TimeoutError()], beta=[TimeoutError()])
    for attempt in routing.attempts("chat"):
        with attempt:
            if attempt.number == 2:
                replace_by_another_route(tmp_path / "routing.json")
            providers.ask(attempt.target.id)
    assert providers.asked == [FIRST, SECOND, THIRD]


def test_a_forked_child_has_attempts_of_its_own(tmp_path: Path) -> None:
    """A fork in the middle of a request, while other threads ask: the child ends its request, and begins new ones."""
    routing, stop = open_route(tmp_path), threading.Event()
    busy = threading.Thread(
        target=lambda: [run(routing, Providers(alpha=[StatusError(401)])) for _ in iter(stop.is_set, True)]
    )
    busy.start()
    try:
        for attempt in routing.attempts("chat"):
            with attempt:
                child = os.fork()
                if child == 0:
                    status = 1
                    try:
                        assert run(routing, Providers(alpha=[TimeoutError()], beta=[TimeoutError()]))
                        status = 0
                    finally:
                        os._exit(status)
        deadline = time.monotonic() + 30
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        stop.set()
        busy.join()
    assert ended == (child, 0)
