"""A Router of LiteLLM in step with the routing file; LiteLLM's own retries ask the standby."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import litellm
import pytest
from benchmarks.client_faults.faults import ANSWER, QUESTION
from conftest import CUT, KEYS, REFUSED_KEY, World
from tests.support.routes import FIRST, SECOND

from hotspare_client import Routing
from hotspare_client.litellm_router import follow_routes

MESSAGES = [{"role": "user", "content": QUESTION}]


@pytest.fixture(autouse=True)
def _quiet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM builds its own clients, which take what the environment says."""
    litellm.suppress_debug_info = True
    for name in ("OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.delenv(name)


@pytest.fixture
def following() -> Iterator[Callable[[Routing], litellm.Router]]:
    """Makes a router that follows; none does after the test."""
    stops = []

    def follow(routing: Routing, **options: Any) -> litellm.Router:
        router = litellm.Router(model_list=[])
        stops.append(follow_routes(router, routing, **options))
        return router

    yield follow
    for stop in stops:
        stop()


def places(router: litellm.Router) -> set[str]:
    """The deployments as `target:order`, and the weight."""
    found = router.registry().deployments(source="group", model_name=None) or []
    return {each["model_info"]["id"].removeprefix("chat:") for each in found}


def wait_for(holds: Callable[[], bool]) -> None:
    """Until the thread has looked."""
    until = time.monotonic() + 20
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    assert holds()


Following = Callable[..., litellm.Router]


@pytest.mark.parametrize("dialects", [("openai-chat", "openai-chat"), ("openai-chat", "anthropic")])
def test_example(world: World, dialects: tuple[str, str]) -> None:
    """The first provider refuses the key, and the second answers, with the keys of each."""
    world.fail(REFUSED_KEY)
    names = world.example("LiteLLM", routing=world.routing(*dialects))
    try:
        assert names["reply"].choices[0].message.content == ANSWER
        assert world.first.last
        assert world.second.last
        assert world.first.last.headers["authorization"] == f"Bearer {KEYS[FIRST]}"
        assert KEYS[SECOND] in str(world.second.last.headers)
    finally:
        names["stop"]()


def test_nothing_is_lost_in_half_an_outage(world: World, following: Following) -> None:
    """One after another, and ten at once in asyncio."""
    router = following(world.routing())
    world.half()
    for _ in range(10):
        assert router.completion(model="chat", messages=MESSAGES).choices[0].message.content == ANSWER

    async def at_once() -> list[Any]:
        return await asyncio.gather(*(router.acompletion(model="chat", messages=MESSAGES) for _ in range(10)))

    assert {reply.choices[0].message.content for reply in asyncio.run(at_once())} == {ANSWER}


def test_a_cut_stream_is_not_passed_off_as_whole(world: World, following: Following) -> None:
    """LiteLLM raises it."""
    router = following(world.routing())
    world.fail(CUT)
    pieces = router.completion(model="chat", messages=MESSAGES, stream=True)
    with pytest.raises(Exception):  # noqa: B017, PT011 - LiteLLM's own
        list(pieces)


def test_it_follows_the_file(world: World, following: Following) -> None:
    """The present target, shares, a candidate that is down, and one that comes back."""
    router = following(world.routing())
    assert places(router) == {f"{FIRST}:1", f"{SECOND}:2"}
    world.write(SECOND)
    wait_for(lambda: places(router) == {f"{FIRST}:2", f"{SECOND}:1"})
    assert router.completion(model="chat", messages=MESSAGES).model == "two"
    assert world.first.asked == []
    world.write(SECOND, weights={FIRST: 25, SECOND: 75})
    wait_for(lambda: places(router) == {f"{FIRST}:1:250", f"{SECOND}:1:750"})
    world.write(SECOND)
    world.path.write_text(world.path.read_text().replace('"up"', '"down"', 1))
    wait_for(lambda: places(router) == {f"{SECOND}:1"})
    world.path.write_text("{")
    time.sleep(0.6)
    assert places(router) == {f"{SECOND}:1"}
    world.write(FIRST)
    wait_for(lambda: places(router) == {f"{FIRST}:1", f"{SECOND}:2"})


def test_nothing_is_lost_while_the_route_moves(world: World, following: Following) -> None:
    """To and fro, with the first target failing, so that LiteLLM rests it."""
    router = following(world.routing())
    world.fail(REFUSED_KEY)
    texts: list[str] = []
    until = time.monotonic() + 6

    def ask() -> None:
        while time.monotonic() < until:
            try:
                texts.append(router.completion(model="chat", messages=MESSAGES).choices[0].message.content)
            except Exception as error:  # noqa: BLE001, PERF203 - shown below
                texts.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        for target in (SECOND, FIRST):
            world.write(target)
            time.sleep(0.4)
    for thread in threads:
        thread.join()
    assert set(texts) == {ANSWER}


def test_the_routers_own_deployments_stay(world: World, following: Following) -> None:
    """Groups beside the routes."""
    own = {"model_name": "mine", "litellm_params": {"model": "openai/m", "api_key": "k", "api_base": world.second.url}}
    router = litellm.Router(model_list=[own])
    stop = follow_routes(router, world.routing())
    stop()
    assert set(router.registry().names()) == {"mine", "chat"}
    assert router.completion(model="mine", messages=MESSAGES).choices[0].message.content == ANSWER


def test_a_target_that_cannot_be_built(
    world: World, following: Following, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Told at the start; later it is left out, and said once."""
    with pytest.raises(ValueError, match="beta/two speaks gemini"):
        following(world.routing("openai-chat", "gemini"))
    router = following(world.routing("openai-chat", "openai-chat"))
    monkeypatch.delenv("BETA_KEY")
    world.write(FIRST, reason="another")
    wait_for(lambda: places(router) == {f"{FIRST}:1"})
    time.sleep(0.6)
    assert [record.getMessage() for record in caplog.records if record.name == "hotspare_client"] == [
        "beta/two is left out: BETA_KEY is not set: it holds the key of beta/two"
    ]
    own = following(world.routing("openai-chat", "gemini"), build=lambda target: {"model": f"openai/{target.model}"})
    assert len(places(own)) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_process_follows_too(world: World, following: Following) -> None:
    """Its thread is not the parent's."""
    router = following(world.routing())
    child = os.fork()
    if not child:
        until = time.monotonic() + 20
        while f"{SECOND}:1" not in places(router) and time.monotonic() < until:
            time.sleep(0.05)
        os._exit(0 if f"{SECOND}:1" in places(router) else 1)
    time.sleep(0.3)
    world.write(SECOND)
    assert os.waitpid(child, 0)[1] == 0
