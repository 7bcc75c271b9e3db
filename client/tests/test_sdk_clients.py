"""The clients of the SDKs, built from a target: what they send, that they are kept, and what an application loses."""

import asyncio
import os
import threading
from typing import Any

import openai
import pytest
from benchmarks.client_faults.faults import ANSWER, QUESTION, Reply
from conftest import CLIENT, CUT, KEYS, README, REFUSED_KEY, World
from tests.support.routes import FIRST, SECOND

from hotspare_client import MissingKeyError

MESSAGES = [{"role": "user", "content": QUESTION}]
SDKS = ["openai", "anthropic"]


def dialect(sdk: str) -> str:
    """Of the first target."""
    if sdk == "anthropic":
        pytest.importorskip("anthropic", reason="not in the environment of instructor")
    return {"openai": "openai-chat", "anthropic": "anthropic"}[sdk]


def create(client: Any, model: str, **options: Any) -> Any:
    """A request in the way of its SDK."""
    if hasattr(client, "messages"):
        return client.messages.create(model=model, messages=MESSAGES, max_tokens=200, **options)
    return client.chat.completions.create(model=model, messages=MESSAGES, **options)


def text_of(reply: Any) -> str:
    """The answer."""
    return (reply.content[0].text if hasattr(reply, "content") else reply.choices[0].message.content) or ""


def piece_of(piece: Any) -> str:
    """The text in a piece of a stream."""
    if hasattr(piece, "choices"):
        return "".join(choice.delta.content or "" for choice in piece.choices)
    return getattr(getattr(piece, "delta", None), "text", "")


@pytest.mark.parametrize("sdk", SDKS)
def test_example(world: World, sdk: str) -> None:
    """The first provider refuses the key, and the second answers."""
    routing = world.routing(dialect(sdk), dialect(sdk))
    world.fail(REFUSED_KEY)
    names = world.example(sdk, routing=routing)
    assert text_of(names["reply"]) == ANSWER
    assert (len(world.first.asked), len(world.second.asked)) == (1, 1)


def test_the_other_examples(world: World) -> None:
    """The target alone; `attempts`; a stream that is cut and begins anew."""
    names: dict[str, Any] = {}
    routing = world.routing()
    exec(world.code(README, "^## Use$"), names)
    assert names["answer"](QUESTION) == ANSWER
    world.fail(REFUSED_KEY)
    exec(world.code(CLIENT, "^# The client$"), names)
    assert names["answer"](QUESTION) == ANSWER
    world.fail(CUT)

    def ask(target: Any, timeout_s: float) -> Any:
        return create(target.openai(timeout=timeout_s), target.model, stream=True)

    names = {"routing": routing, "ask": ask}
    exec(world.code(CLIENT, "^## Streams$"), names)
    assert names["text"].split() == ANSWER.split()


@pytest.mark.parametrize("sdk", SDKS)
def test_nothing_is_lost_in_half_an_outage(world: World, sdk: str) -> None:
    """And a failing target is asked once for each failure: no retries of the SDK."""
    routing = world.routing(dialect(sdk), "openai-chat")
    world.half()
    for number in range(30):
        for attempt in routing.attempts("chat", stateful=False):
            with attempt:
                target = attempt.target
                client = target.anthropic() if target.dialect == "anthropic" else target.openai()
                reply = create(client, target.model, timeout=attempt.timeout_s)
        assert text_of(reply) == ANSWER, number
    assert 1 <= len(world.first.asked) <= 30


@pytest.mark.parametrize("sdk", SDKS)
async def test_a_stream_that_is_cut_begins_anew(world: World, sdk: str) -> None:
    """In asyncio, across dialects."""
    routing = world.routing(dialect(sdk), "openai-chat")
    world.fail(CUT)
    async for attempt in routing.attempts("chat", on_cut="restart"):
        async with attempt:
            text, target = "", attempt.target
            client = target.async_anthropic() if target.dialect == "anthropic" else target.async_openai()
            stream = await create(client, target.model, stream=True, timeout=attempt.stream_timeout_s)
            async for piece in attempt.watch(stream):
                text += piece_of(piece)
    assert text.split() == ANSWER.split()
    assert attempt.target.id == SECOND
    assert attempt.restarted


@pytest.mark.parametrize("sdk", SDKS)
def test_only_the_target_says_who_asks(world: World, sdk: str) -> None:
    """Its address and its key; none of the variables that the SDK reads, not even for a target without a key."""
    target = world.routing(dialect(sdk), dialect(sdk)).route("chat")
    assert target
    for options, key in (({}, KEYS[FIRST]), ({"api_key": "sk-own"}, "sk-own")):
        client = target.openai(**options) if sdk == "openai" else target.anthropic(**options)
        for each in (client, client.with_options(timeout=5)):
            create(each, target.model)
            assert world.first.last
            headers = world.first.last.headers
            said = {name: headers.get(name) for name in ("authorization", "x-api-key")}
            expected = {"authorization": f"Bearer {key}", "x-api-key": None}
            assert said == (expected if sdk == "openai" else {"authorization": None, "x-api-key": key})
            assert "ambient" not in str(headers)


def test_an_account_may_be_named(world: World) -> None:
    """The SDK's own arguments, where the application gives them."""
    target = world.routing().route("chat")
    assert target
    create(target.openai(organization="org-own", default_headers={"X-Mine": "1"}), target.model)
    assert world.first.last
    headers = world.first.last.headers
    assert (headers["openai-organization"], headers["x-mine"]) == ("org-own", "1")
    assert "openai-project" not in headers


@pytest.mark.parametrize(
    ("version", "path", "header"),
    [
        (None, "/openai/v1/chat/completions", "authorization"),
        ("2024-10-21", "/openai/deployments/one/chat/completions?api-version=2024-10-21", "api-key"),
    ],
)
def test_azure(world: World, version: str | None, path: str, header: str) -> None:
    """A classic resource is asked at the address of the deployment, with its own header."""
    routing = world.routing("azure-openai", "openai-chat")
    described = world.path.read_text().replace("/v1", "")
    if version:
        described = described.replace('"azure-openai",', f'"azure-openai", "api_version": "{version}",')
    world.path.write_text(described)
    target = routing.route("chat")
    assert target
    assert text_of(create(target.openai(), target.model)) == ANSWER
    assert world.first.last
    assert world.first.last.path == path
    assert world.first.last.headers[header].endswith(KEYS[FIRST])
    assert "ambient" not in str(world.first.last.headers)


def test_a_client_is_kept(world: World) -> None:
    """For all threads, until somebody closes it, or the key changes."""
    target = world.routing().route("chat")
    assert target
    first = target.openai()
    assert target.openai() is first
    assert target.openai(timeout=3)._client is first._client
    from_threads: list[Any] = []
    threads = [threading.Thread(target=lambda: from_threads.append(target.openai())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert from_threads == [first] * 4
    first.close()
    second = target.openai()
    assert second is not first
    assert text_of(create(second, target.model)) == ANSWER
    os.environ["ALPHA_KEY"] = "sk-new"
    assert target.openai() is not second


def test_a_client_of_asyncio_is_kept_within_its_loop(world: World) -> None:
    """Connections belong to a loop."""
    target = world.routing().route("chat")
    assert target

    async def twice() -> Any:
        client = target.async_openai()
        assert target.async_openai() is client
        for _ in range(2):
            assert text_of(await create(target.async_openai(), target.model)) == ANSWER
        return client

    assert asyncio.run(twice()) is not asyncio.run(twice())
    outside = target.async_openai()
    assert outside is not target.async_openai()
    assert text_of(asyncio.run(create(outside, target.model))) == ANSWER


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_has_connections_of_its_own(world: World) -> None:
    """A fork shares sockets, on which the answers of two processes would mix."""
    target = world.routing().route("chat")
    assert target
    client = target.openai()
    create(client, target.model)
    child = os.fork()
    if not child:
        os._exit(0 if target.openai() is not client and text_of(create(target.openai(), target.model)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert target.openai() is client


def test_what_cannot_be_built_says_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialect of another SDK, a key that is missing."""
    target = world.routing("gemini", "openai-chat").route("chat")
    assert target
    with pytest.raises(ValueError, match=r"alpha/one speaks gemini, which the openai package does not"):
        target.openai()
    with pytest.raises(ValueError, match=r"alpha/one speaks gemini, which the anthropic package does not"):
        target.async_anthropic()
    monkeypatch.delenv("ALPHA_KEY")
    target = world.routing("openai-chat", "openai-chat").route("chat")
    assert target
    with pytest.raises(MissingKeyError):
        target.openai()
    assert isinstance(target.openai(api_key="sk-own"), openai.OpenAI)


def test_a_wrong_request_is_nobodys_fault(world: World) -> None:
    """It is raised as the SDK made it, and goes nowhere else."""
    world.fail(Reply(status=400, code="invalid_request_error", message="Unknown parameter"))
    with pytest.raises(openai.BadRequestError) as raised:
        world.example("openai")
    assert [each.target for each in raised.value.hotspare_attempts] == [FIRST]  # type: ignore[attr-defined]
    assert world.second.asked == []
