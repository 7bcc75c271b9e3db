"""The `anthropic` dialect: what each model is asked, and how its replies are read."""

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
from probes.dialects.anthropic import DIALECT
from probes.json_values import MalformedError
from probes.outcome import Outcome
from probes.prober import Prober
from probes.target import Check, Provider, Secret, Target
from tests.support.any_json import bodies, read_all, read_bytes

FORCED = {"type": "tool", "name": "report"}
OFF = {"thinking": {"type": "disabled"}}
BETWEEN = {"thinking": {"type": "between_tools"}}
LOW = {"output_config": {"effort": "low"}}


def target(model: str, url: str = "https://api.anthropic.com") -> Target:
    """A model at this address."""
    return Target(
        provider=Provider(name="p", dialect="anthropic", base_url=url, api_key=Secret("test-key")), model=model
    )


def body(model: str, check: Check) -> dict[str, Any]:
    """What is sent, as the other side parses it."""
    found: dict[str, Any] = json.loads(
        DIALECT.build_request(target(model), Task(check=check, nonce="k7f3q9x2")).content
    )
    return found


@pytest.mark.parametrize(
    ("model", "text_tokens", "structure_tokens", "least_thinking", "choice"),
    [
        ("claude-haiku-5-5", 64, 256, OFF, FORCED),
        ("anthropic/claude-haiku-5.5", 64, 256, OFF, FORCED),
        ("claude-sonnet-5-5", 1024, 1024, BETWEEN, {"type": "auto"}),
        ("claude-opus-5-5", 2048, 2048, LOW, {"type": "auto"}),
        ("claude-fable-5-1", 2048, 2048, LOW, {"type": "auto"}),
        ("claude-mythos-5-2", 2048, 2048, LOW, {"type": "auto"}),
        ("claude-sonnet-5", 64, 256, OFF, FORCED),
        ("claude-opus-5", 64, 256, OFF, FORCED),
        ("claude-opus-4-8", 64, 256, {}, FORCED),
        ("claude-haiku-4-5-20251001", 64, 256, {}, FORCED),
        ("claude-sonnet-4-0", 64, 256, {}, FORCED),
        ("claude-3-haiku-20240307", 64, 256, {}, FORCED),
        ("claude-haiku-6", 1024, 1024, {}, {"type": "auto"}),
    ],
)
def test_each_family_is_asked_in_its_own_way(
    model: str, text_tokens: int, structure_tokens: int, least_thinking: dict[str, Any], choice: dict[str, str]
) -> None:
    """Enough tokens, as little thinking as the model lets itself be told, and the tool forced where that is allowed."""
    chat, tool, structured = (body(model, check) for check in (Check.CHAT, Check.TOOL, Check.STRUCTURED))

    assert chat == {"model": model, "max_tokens": text_tokens, "messages": chat["messages"], **least_thinking}
    assert body(model, Check.STREAM) == {**chat, "stream": True}
    assert (tool["max_tokens"], structured["max_tokens"]) == (structure_tokens, structure_tokens)
    assert tool["tool_choice"] == choice
    assert {key: tool[key] for key in least_thinking} == least_thinking
    assert {**structured, **least_thinking} | {"output_config": structured["output_config"]} == structured


def test_structured_output_is_asked_for_by_schema() -> None:
    """Beside whatever else is configured about the output."""
    wanted = {"type": "json_schema", "schema": SCHEMA}

    assert body("claude-haiku-5-5", Check.STRUCTURED)["output_config"] == {"format": wanted}
    assert body("claude-opus-5-5", Check.STRUCTURED)["output_config"] == {"effort": "low", "format": wanted}


def test_a_tool_is_offered_strictly() -> None:
    """Its arguments are held to the schema by the provider."""
    offered = body("claude-haiku-5-5", Check.TOOL)["tools"]

    assert [(tool["name"], tool["strict"], tool["input_schema"]) for tool in offered] == [("report", True, SCHEMA)]


@pytest.mark.parametrize("check", Check)
def test_no_sampling_parameter_is_ever_sent(check: Check) -> None:
    """Newer models answer 400 to them."""
    assert not {"temperature", "top_p", "top_k"} & body("claude-haiku-5-5", check).keys()


@pytest.fixture(scope="module")
def simulator() -> Iterator[LLMockServer]:
    """llmock, whose calls carry `mock-word` as their word."""
    with LLMockServer(responses=MockResponseSettings(response_style="echo")) as server:
        yield server


@pytest.mark.parametrize("check", [Check.CHAT, Check.STREAM, Check.TOOL])
@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-opus-5-5"])
async def test_the_simulator_answers(model: str, check: Check, simulator: LLMockServer) -> None:
    """Over a real socket every check that llmock knows ends well, with tokens and cost."""
    prober = Prober(clock=lambda: datetime.now(UTC), nonce=lambda: "mock-word")
    seen = await prober.probe(target(model, f"{simulator.url}/anthropic"), check)

    assert (seen.outcome, seen.detail) == (Outcome.OK, "")
    assert (seen.input_tokens or 0) > 0
    assert (seen.cost_usd or 0) > 0


def test_arguments_too_deep_to_write_are_malformed() -> None:
    """What was just about readable need not be writable: it is refused, and nothing breaks."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(MalformedError):
        DIALECT.read_reply({"content": [{"type": "tool_use", "name": "report", "input": deep}]})


WORDS = """
type text tool_use content name input stop_reason end_turn max_tokens model usage input_tokens output_tokens
cache_read_input_tokens cache_creation_input_tokens output_tokens_details thinking_tokens message message_start delta
content_block_delta text_delta message_delta message_stop ping error overloaded_error details error_code request_id
"""


@pytest.mark.slow
@settings(deadline=None)
@given(body=bodies(WORDS))
def test_no_json_makes_it_stumble(body: dict[str, Any]) -> None:
    """Whatever shape it has, replies hold text and calls, and errors hold words."""
    for reply in read_all(DIALECT, body):
        assert isinstance(reply.text, str)
        assert all(type(word) is str for call in reply.calls for word in (call.name, call.arguments))
    words = DIALECT.read_error(body)
    assert all(isinstance(word, str) for word in (*words.codes, words.message))


@pytest.mark.slow
@given(data=st.binary() | bodies(WORDS).map(lambda body: b"event: x\ndata: " + json.dumps(body).encode() + b"\n\n"))
def test_no_bytes_make_it_stumble(data: bytes) -> None:
    """As a whole body and as a stream."""
    read_bytes(DIALECT, data)
