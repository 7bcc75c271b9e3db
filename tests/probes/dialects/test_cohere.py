"""The `cohere` dialect: what each model is asked, and how its replies are read."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmock.simulation import MockResponseSettings
from llmock.testing import LLMockServer

from probes.checks import SCHEMA, Task
from probes.dialects.cohere import DIALECT
from probes.outcome import Outcome
from probes.prober import Prober
from probes.request_reply import Request
from probes.target import Check, Provider, Secret, Target
from tests.support.any_json import bodies, read_all, read_bytes


def target(model: str, url: str = "https://api.cohere.com") -> Target:
    """A model at this address."""
    return Target(provider=Provider(name="p", dialect="cohere", base_url=url, api_key=Secret("test-key")), model=model)


def request(model: str, check: Check) -> Request:
    """What is sent."""
    return DIALECT.build_request(target(model), Task(check=check, nonce="k7f3q9x2"))


def test_the_key_stands_in_a_header_alone() -> None:
    """Never in the address, nor in the body."""
    asked = request("command-r7b-12-2024", Check.CHAT)

    assert asked.headers == {"Authorization": "Bearer test-key"}
    assert b"test-key" not in asked.url.encode() + asked.content


@pytest.mark.parametrize(
    ("model", "tokens", "least_thinking"),
    [
        ("command-r7b-12-2024", 256, {}),
        ("command-a-03-2025", 256, {}),
        ("command-a-reasoning-08-2025", 256, {"thinking": {"type": "disabled"}}),
        ("command-a-plus-05-2026", 256, {"thinking": {"type": "disabled"}}),
        ("something-new", 1024, {}),
    ],
)
def test_each_family_thinks_as_little_as_it_can(model: str, tokens: int, least_thinking: dict[str, Any]) -> None:
    """And a model that nobody knows gets room for thinking."""
    say = [{"role": "user", "content": "Reply with exactly this word: k7f3q9x2"}]
    chat = {"model": model, "messages": say, "max_tokens": tokens, **least_thinking}

    assert request(model, Check.CHAT).body == chat
    assert request(model, Check.STREAM).body == {**chat, "stream": True}
    assert request(model, Check.CHAT).url == "https://api.cohere.com/v2/chat"


def test_structured_output_is_asked_for_by_schema() -> None:
    """The schema stands directly in the format, not in an envelope as OpenAI's does."""
    body = request("command-r7b-12-2024", Check.STRUCTURED).body

    assert body["response_format"] == {"type": "json_object", "json_schema": SCHEMA}


@pytest.mark.parametrize(
    ("model", "choice"),
    [
        ("command-r7b-12-2024", "REQUIRED"),
        ("command-a-03-2025", "REQUIRED"),
        ("command-r-08-2024", None),
        ("command-r-plus-08-2024", None),
    ],
)
def test_a_tool_must_be_called_where_a_model_can_be_told_so(model: str, choice: str | None) -> None:
    """Older models refuse the parameter."""
    body = request(model, Check.TOOL).body

    assert body.get("tool_choice") == choice
    assert body["strict_tools"] is True
    assert [tool["function"]["parameters"] for tool in body["tools"]] == [SCHEMA]


def test_an_embedding_is_asked_for_in_floats() -> None:
    """Of a search query, which newer models must be told."""
    asked = request("embed-v4.0", Check.EMBEDDING)

    assert asked.url == "https://api.cohere.com/v2/embed"
    assert asked.body == {
        "model": "embed-v4.0",
        "texts": ["k7f3q9x2"],
        "input_type": "search_query",
        "embedding_types": ["float"],
    }


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"api_version": {"version": "1", "is_deprecated": True}}, "this version of the API is deprecated"),
        ({"api_version": {"version": "2"}}, None),
        ({"api_version": {"is_deprecated": "no"}}, None),
        ({"warnings": ["model 'embed-v2' is deprecated"]}, "model 'embed-v2' is deprecated"),
        ({"warnings": ["your input was cut", 7]}, None),
        ({"warnings": "deprecated"}, None),
        (None, None),
    ],
)
def test_what_is_on_its_way_out_says_so(meta: object, said: str | None) -> None:
    """In the reply's notes about itself."""
    assert DIALECT.read_reply({"message": {}}).deprecation is None
    assert DIALECT.read_embedding is not None
    assert DIALECT.read_embedding({"embeddings": {"float": [[1.0]]}, "meta": meta}).deprecation == said


@pytest.fixture(scope="module")
def simulator() -> Iterator[LLMockServer]:
    """llmock, whose calls and structures carry `mock-word` as their word."""
    with LLMockServer(responses=MockResponseSettings(response_style="echo")) as server:
        yield server


@pytest.mark.parametrize("check", sorted(set(Check) - {Check.EMBEDDING}))
async def test_the_simulator_answers(check: Check, simulator: LLMockServer) -> None:
    """Over a real socket every check that llmock knows ends well, with tokens and cost."""
    prober = Prober(clock=lambda: datetime.now(UTC), nonce=lambda: "mock-word")
    seen = await prober.probe(target("command-r7b-12-2024", f"{simulator.url}/cohere"), check)

    assert (seen.outcome, seen.detail) == (Outcome.OK, "")
    assert (seen.input_tokens or 0) > 0
    assert (seen.cost_usd or 0) > 0


WORDS = """
id message content type text thinking tool_calls function name arguments tool_plan finish_reason COMPLETE ERROR TIMEOUT
MAX_TOKENS usage billed_units tokens input_tokens output_tokens cached_tokens delta content-start content-delta
message-start message-end error embeddings float meta api_version is_deprecated warnings deprecated
"""


@pytest.mark.slow
@settings(deadline=None)
@given(body=bodies(WORDS))
def test_no_json_makes_it_stumble(body: dict[str, Any]) -> None:
    """Whatever shape it has, replies hold text, calls and numbers, and errors hold words."""
    for reply in read_all(DIALECT, body):
        assert isinstance(reply.text, str)
        assert all(type(word) is str for call in reply.calls for word in (call.name, call.arguments))
        assert all(type(number) is float for number in reply.embedding or ())
        assert type(reply.input_tokens) in {int, type(None)}
    words = DIALECT.read_error(body)
    assert all(isinstance(word, str) for word in (*words.codes, words.message))


@pytest.mark.slow
@given(data=st.binary() | bodies(WORDS).map(lambda body: b"event: x\ndata: " + json.dumps(body).encode() + b"\n\n"))
def test_no_bytes_make_it_stumble(data: bytes) -> None:
    """As a whole body and as a stream."""
    read_bytes(DIALECT, data)
