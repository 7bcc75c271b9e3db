"""The `gemini` dialect: what each model is asked, and how its replies are read."""

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
from probes.dialects.gemini import DIALECT
from probes.outcome import Outcome
from probes.prober import Prober
from probes.request_reply import EMPTY_REPLY, Request
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Provider, Secret, Target
from tests.support.any_json import bodies, read_all, read_bytes


def target(model: str, url: str = "https://generativelanguage.googleapis.com") -> Target:
    """A model at this address."""
    return Target(provider=Provider(name="p", dialect="gemini", base_url=url, api_key=Secret("test-key")), model=model)


def request(model: str, check: Check) -> Request:
    """What is sent."""
    return DIALECT.build_request(target(model), Task(check=check, nonce="k7f3q9x2"))


@pytest.mark.parametrize(
    ("model", "tokens", "thinking"),
    [
        ("gemini-3.1-flash-lite", 256, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.5-flash-lite", 256, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash-preview", 256, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.7-flash", 1024, {"thinkingLevel": "LOW"}),
        ("gemini-3.8-flash", 1024, {"thinkingLevel": "LOW"}),
        ("gemini-3.1-pro-preview", 1024, {"thinkingLevel": "LOW"}),
        ("gemini-2.5-flash", 256, {"thinkingBudget": 0}),
        ("gemini-2.5-pro", 1024, None),
        ("gemma-4-31b-it", 1024, None),
        ("gemini-4-argon", 1024, None),
    ],
)
def test_each_family_thinks_as_little_as_it_can(model: str, tokens: int, thinking: dict[str, Any] | None) -> None:
    """And what cannot be kept from thinking has room for it."""
    config = request(model, Check.CHAT).body["generationConfig"]

    assert config == {"maxOutputTokens": tokens} | ({"thinkingConfig": thinking} if thinking else {})


def test_structured_output_is_asked_for_by_schema() -> None:
    """Beside the budget and the thinking of the family."""
    config = request("gemini-3.1-flash-lite", Check.STRUCTURED).body["generationConfig"]

    assert (config["responseMimeType"], config["responseJsonSchema"]) == ("application/json", SCHEMA)
    assert config["maxOutputTokens"] == 256


def test_a_tool_must_be_called() -> None:
    """The one that is offered, and no text instead."""
    body = request("gemini-3.1-flash-lite", Check.TOOL).body
    (declared,) = body["tools"][0]["functionDeclarations"]

    assert (declared["name"], declared["parametersJsonSchema"]) == ("report", SCHEMA)
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["report"]}


@pytest.mark.parametrize("model", ["gemini-embedding-001", "models/gemini-embedding-001"])
def test_an_embedding_is_asked_of_its_own_method(model: str) -> None:
    """With the model in the body too, as Google's documents have it, and never twice the folder that it lives in."""
    asked = request(model, Check.EMBEDDING)

    assert asked.url.endswith("/v1beta/models/gemini-embedding-001:embedContent")
    assert asked.body == {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "k7f3q9x2"}]}}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"modelStage": "DEPRECATED", "retirementTime": "2027-05-07T00:00:00Z"},
            "the model's stage is DEPRECATED, retires 2027-05-07",
        ),
        ({"modelStage": "LEGACY"}, "the model's stage is LEGACY"),
        ({"modelStage": "RETIRED", "retirementTime": 7}, "the model's stage is RETIRED"),
        ({"modelStage": "STABLE", "retirementTime": "2027-05-07T00:00:00Z"}, None),
        ({"modelStage": "PREVIEW"}, None),
        ({"modelStage": ["DEPRECATED"]}, None),
        ("DEPRECATED", None),
        (None, None),
    ],
    ids=["with a date", "without", "a senseless date", "stable", "preview", "a list", "a word", "nothing"],
)
def test_a_model_on_its_way_out_says_so(status: object, said: str | None) -> None:
    """In a reply and in a stream, where a later frame without the status does not take it back."""
    body = {"candidates": [{"content": {"parts": [{"text": "x"}]}}], "modelStatus": status}
    streamed = DIALECT.read_event(EMPTY_REPLY, ServerSentEvent(data=json.dumps(body)))
    later = DIALECT.read_event(streamed, ServerSentEvent(data=json.dumps({"candidates": [{"finishReason": "STOP"}]})))

    assert DIALECT.read_reply(body).deprecation == said
    assert (streamed.deprecation, later.deprecation) == (said, said)


@pytest.fixture(scope="module")
def simulator() -> Iterator[LLMockServer]:
    """llmock, whose calls and structures carry `mock-word` as their word."""
    with LLMockServer(responses=MockResponseSettings(response_style="echo")) as server:
        yield server


@pytest.mark.parametrize("check", sorted(set(Check) - {Check.EMBEDDING}))
async def test_the_simulator_answers(check: Check, simulator: LLMockServer) -> None:
    """Over a real socket every check that llmock knows ends well, with tokens and cost."""
    prober = Prober(clock=lambda: datetime.now(UTC), nonce=lambda: "mock-word")
    seen = await prober.probe(target("gemini-3.1-flash-lite", f"{simulator.url}/gemini"), check)

    assert (seen.outcome, seen.detail) == (Outcome.OK, "")
    assert (seen.input_tokens or 0) > 0
    assert (seen.cost_usd or 0) > 0


WORDS = """
candidates content parts text thought functionCall name args finishReason STOP MAX_TOKENS SAFETY promptFeedback
blockReason usageMetadata promptTokenCount candidatesTokenCount thoughtsTokenCount cachedContentTokenCount modelVersion
modelStatus modelStage DEPRECATED retirementTime embedding embeddings values error code status message details reason
violations quotaId quotaValue retryDelay 38s 0
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
    words = DIALECT.read_error(body)
    assert all(isinstance(word, str) for word in (*words.codes, words.message))


@pytest.mark.slow
@given(data=st.binary() | bodies(WORDS).map(lambda body: b"data: " + json.dumps(body).encode() + b"\r\n\r\n"))
def test_no_bytes_make_it_stumble(data: bytes) -> None:
    """As a whole body and as a stream."""
    read_bytes(DIALECT, data)
