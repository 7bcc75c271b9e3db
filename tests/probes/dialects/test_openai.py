"""OpenAI's three dialects: what each check asks, and that nothing a provider writes can make them stumble."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.checks import SCHEMA, Task
from probes.classifier import classify_response
from probes.dialects.openai.chat import openai_family, with_usage
from probes.dialects.registry import DIALECTS
from probes.json_values import MalformedError, overlay, to_json
from probes.outcome import Outcome
from probes.request_reply import EMPTY_REPLY, Reply, Request
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Provider, Secret, Target
from tests.probes.test_outcome import NOW
from tests.support.any_json import new_exchange

KEY = "sk-proj-Zx81mQp4vTe7LrW2"
OPENAI = ("openai-chat", "openai-responses", "azure-openai")
AZURE = "https://res.openai.azure.com"
WORD = "Reply with exactly this word: k7f3q9x2"
TOOL = {"name": "report", "description": "Reports a word and a number.", "parameters": SCHEMA, "strict": True}


def asked(
    dialect: str, check: Check, model: str = "gpt-6-luna", *, key: str = KEY, api_version: str | None = None
) -> Request:
    """The request that a dialect builds."""
    base_url = DIALECTS[dialect].default_base_url or AZURE
    provider = Provider(name="p", dialect=dialect, base_url=base_url, api_key=Secret(key), api_version=api_version)
    return DIALECTS[dialect].build_request(Target(provider=provider, model=model), Task(check=check, nonce="k7f3q9x2"))


CHAT_BODIES: dict[Check, dict[str, Any]] = {
    Check.CHAT: {"max_completion_tokens": 64},
    Check.STREAM: {"max_completion_tokens": 64, "stream": True, "stream_options": {"include_usage": True}},
    Check.STRUCTURED: {
        "max_completion_tokens": 192,
        "response_format": {"type": "json_schema", "json_schema": {"name": "probe", "strict": True, "schema": SCHEMA}},
    },
    Check.TOOL: {
        "max_completion_tokens": 192,
        "tools": [{"type": "function", "function": TOOL}],
        "tool_choice": {"type": "function", "function": {"name": "report"}},
    },
}
RESPONSES_BODIES: dict[Check, dict[str, Any]] = {
    Check.CHAT: {"max_output_tokens": 64},
    Check.STREAM: {"max_output_tokens": 64, "stream": True},
    Check.STRUCTURED: {
        "max_output_tokens": 192,
        "text": {"format": {"type": "json_schema", "name": "probe", "strict": True, "schema": SCHEMA}},
    },
    Check.TOOL: {
        "max_output_tokens": 192,
        "tools": [{"type": "function", **TOOL}],
        "tool_choice": {"type": "function", "name": "report"},
    },
}


@pytest.mark.parametrize("dialect", ["openai-chat", "azure-openai"])
@pytest.mark.parametrize("check", CHAT_BODIES)
def test_chat_completions_ask_each_check(dialect: str, check: Check) -> None:
    """The prompt, the family's budget and effort, and what the check needs; nothing else."""
    messages = [{"role": "user", "content": Task(check=check, nonce="k7f3q9x2").prompt}]
    expected = {"model": "gpt-6-luna", "messages": messages, "reasoning_effort": "none", **CHAT_BODIES[check]}

    assert asked(dialect, check).body == expected


@pytest.mark.parametrize("check", RESPONSES_BODIES)
def test_responses_ask_each_check(check: Check) -> None:
    """The same in the words of Responses, and nothing is stored."""
    common = {"model": "gpt-6-luna", "store": False, "reasoning": {"effort": "none"}}
    prompt = Task(check=check, nonce="k7f3q9x2").prompt

    assert asked("openai-responses", check).body == {**common, "input": prompt, **RESPONSES_BODIES[check]}


@pytest.mark.parametrize("dialect", OPENAI)
def test_an_embedding_is_asked_for_plainly(dialect: str) -> None:
    """A model and a text; floats are the default, and some gateways refuse to be told the format."""
    request = asked(dialect, Check.EMBEDDING, "text-embedding-3-small")

    assert request.body == {"model": "text-embedding-3-small", "input": "k7f3q9x2"}
    assert request.url.endswith("/v1/embeddings")


def test_a_model_that_does_not_reason_is_told_no_effort() -> None:
    """Responses of gpt-4o carry no `reasoning`, which it would refuse."""
    assert "reasoning" not in asked("openai-responses", Check.CHAT, "gpt-4o-mini").body


@pytest.mark.parametrize(
    ("check", "api_version", "url"),
    [
        (Check.CHAT, None, f"{AZURE}/openai/v1/chat/completions"),
        (Check.EMBEDDING, None, f"{AZURE}/openai/v1/embeddings"),
        (Check.STREAM, "2024-10-21", f"{AZURE}/openai/deployments/my%2Fmini/chat/completions?api-version=2024-10-21"),
        (Check.EMBEDDING, "2024-10-21", f"{AZURE}/openai/deployments/my%2Fmini/embeddings?api-version=2024-10-21"),
    ],
)
def test_azure_has_two_kinds_of_address(check: Check, api_version: str | None, url: str) -> None:
    """With an `api_version` the deployment stands in the path, without one it is the model of `/openai/v1`."""
    request = asked("azure-openai", check, "my/mini", api_version=api_version)

    assert request.url == url
    assert request.headers == {"api-key": KEY}
    assert request.body["model"] == "my/mini"


@pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses"])
@pytest.mark.parametrize(("key", "headers"), [(KEY, {"Authorization": f"Bearer {KEY}"}), ("", {})])
def test_without_a_key_there_is_no_header_for_it(dialect: str, key: str, headers: dict[str, str]) -> None:
    """A header with nothing after `Bearer` is refused by HTTP libraries and servers alike."""
    assert asked(dialect, Check.CHAT, key=key).headers == headers
    assert asked(dialect, Check.EMBEDDING, key=key).headers == headers


def test_parameters_of_a_target_win() -> None:
    """An operator can rename the budget, and say how much a model may reason."""
    body = overlay(
        asked("openai-chat", Check.CHAT).body,
        {"max_completion_tokens": None, "max_tokens": 200, "reasoning_effort": "low"},
    )

    assert body == {
        "model": "gpt-6-luna",
        "messages": [{"role": "user", "content": WORD}],
        "max_tokens": 200,
        "reasoning_effort": "low",
    }


@pytest.mark.parametrize(
    ("model", "tokens", "effort"),
    [
        ("gpt-6-luna-2026-10-01", 64, "none"),
        ("openai/gpt-6-luna", 64, "none"),
        ("gpt-6-sol", 64, "none"),
        ("gpt-5.4", 64, "none"),
        ("gpt-5.4-2026-03-05", 64, "none"),
        ("gpt-5-nano-2025-08-07", 512, "minimal"),
        ("gpt-5", 512, "minimal"),
        ("o3-mini", 1024, "low"),
        ("openai/gpt-oss-20b", 512, "low"),
        ("accounts/fireworks/models/gpt-oss-120b", 512, "low"),
        ("google/gemini-3.8-flash", 2048, "low"),
        ("google/gemini-3.5-flash-lite", 512, None),
        ("grok-4.20-0309-non-reasoning", 64, None),
        ("gpt-4.1-mini", 64, None),
        # None of these takes the effort of the model whose name begins like theirs.
        ("gpt-6.1-sol", 1024, None),
        ("gpt-6-astra", 1024, None),
        ("gpt-5.4-pro", 1024, None),
        ("gpt-5-chat-latest", 1024, None),
        ("gpt-5.1-codex-max", 1024, None),
        ("grok-4.3", 1024, None),
        ("my-own-deployment", 1024, None),
    ],
)
def test_a_family_knows_what_its_models_take(model: str, tokens: int, effort: str | None) -> None:
    """Budget and effort follow the model; one that is not known is told nothing and may reason."""
    family = openai_family(model)

    def budget(check: Check) -> int:
        return family.budget(Task(check=check, nonce="k7f3q9x2"))

    assert (budget(Check.CHAT), family.extra.get("reasoning_effort")) == (tokens, effort)
    assert budget(Check.TOOL) == budget(Check.STRUCTURED) == tokens + 128


@given(vector=st.lists(st.floats(width=32), min_size=1, max_size=50))
def test_base64_holds_the_same_vector(vector: list[float]) -> None:
    """An embedding in base64 reads as the same numbers, bit by bit."""
    packed = struct.pack(f"<{len(vector)}f", *vector)
    reply = DIALECTS["openai-chat"].read_embedding
    assert reply is not None
    found = reply({"data": [{"embedding": base64.b64encode(packed).decode()}]}).embedding

    assert found is not None
    assert struct.pack(f"<{len(found)}f", *found) == packed


@pytest.mark.parametrize(
    ("usage", "cost_usd"),
    [
        ({"prompt_tokens": 1, "cost": 0}, 0.0),
        ({"prompt_tokens": 1, "cost": 0.5}, 0.5),
        ({"prompt_tokens": 1, "cost": {"total_cost": 0.5}}, 0.5),
        ({"prompt_tokens": 1, "cost": 0.5, "is_byok": True}, None),
        ({"prompt_tokens": 1, "cost": -1}, None),
        ({"prompt_tokens": 1, "cost": 11}, None),
        ({"prompt_tokens": 1, "cost": True}, None),
        ({"prompt_tokens": 1, "cost": "0.5"}, None),
        ({"prompt_tokens": 1, "cost": float("nan")}, None),
        ({"prompt_tokens": 1, "cost": 10**400}, None),
        ({"prompt_tokens": 1, "cost_in_usd_ticks": 37756000}, 0.0037756),
        ({"prompt_tokens": 1}, None),
    ],
)
def test_a_stated_cost_is_believed_within_reason(usage: dict[str, Any], cost_usd: float | None) -> None:
    """Dollars as OpenRouter, Perplexity and xAI say them; what one probe cannot cost is not believed."""
    assert with_usage(EMPTY_REPLY, usage).cost_usd == cost_usd


def test_reasoning_beside_the_output_is_added_to_it() -> None:
    """The total tells whether reasoning is inside of the completion tokens, as OpenAI has it, or beside them."""
    inside = {"prompt_tokens": 9, "completion_tokens": 70, "total_tokens": 79}
    beside = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 79}
    details = {"completion_tokens_details": {"reasoning_tokens": 64}}

    assert [with_usage(EMPTY_REPLY, usage | details).output_tokens for usage in (inside, beside)] == [70, 70]


KEYS = st.sampled_from(
    """
    error code type status message detail details reason innererror metadata raw headers retry-after retry-after-ms
    choices delta content finish_reason refusal tool_calls function name arguments x_groq usage prompt_tokens
    completion_tokens total_tokens prompt_tokens_details cached_tokens cost cost_details is_byok data embedding output
    response incomplete_details object request_id model text
    """.split()  # noqa: SIM905 - forty quoted words read worse
)
WORDS = st.sampled_from(
    ["error", "text", "message", "output_text", "function_call", "response.completed", "response.failed", "AAAA", "1e9"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", OPENAI)
@settings(deadline=None)
@given(body=st.dictionaries(KEYS, JSON, max_size=6), name=st.just("") | WORDS)
def test_no_json_makes_openais_dialects_stumble(dialect: str, body: dict[str, Any], name: str) -> None:
    """Any JSON is a reply, an embedding, a frame or malformed, and has words as an error."""
    shape = DIALECTS[dialect]
    assert shape.read_embedding is not None
    frame = ServerSentEvent(name=name, data=to_json(body))
    for read in (shape.read_reply, shape.read_embedding, lambda _: shape.read_event(EMPTY_REPLY, frame)):
        try:
            assert isinstance(read(body), Reply)
        except MalformedError:
            continue
    words = shape.read_error(body)
    assert all(isinstance(word, str) for word in (*words.codes, words.message))


LINES = st.sampled_from(
    [
        b"data: ",
        b"event: error\n",
        b"event: response.failed\n",
        b"[DONE]",
        b"\n\n",
        b"\r\n",
        b'{"error": {"code": ',
        b"}}",
    ]
)


@pytest.mark.parametrize("dialect", OPENAI)
@settings(deadline=None)
@given(chunks=st.lists(LINES | st.binary(max_size=20), max_size=30), status=st.sampled_from([200, 400, 401, 429, 500]))
def test_any_bytes_end_in_one_outcome(dialect: str, chunks: list[bytes], status: int) -> None:
    """Whatever arrives, streamed or whole, has exactly one outcome and raises nothing."""
    for check in Check:
        content_type = "text/event-stream" if check == Check.STREAM else "application/json"
        exchange = new_exchange(dialect, check, status, content_type)
        if not any(exchange.receive(chunk) for chunk in chunks):
            exchange.receive_end()
        task = Task(check=check, nonce="k7f3q9x2")
        found = classify_response(DIALECTS[dialect], task, exchange.response(None), now=NOW)
        assert found.outcome in set(Outcome) - {Outcome.OK}


@pytest.mark.slow
@pytest.mark.parametrize("depth", [500, 100_000])
def test_deep_arguments_are_malformed_or_read(depth: int) -> None:
    """Arguments that came as an object nested beyond reason cost no exception that nobody expects."""
    deep: Any = {}
    for _ in range(depth):
        deep = {"a": deep}
    message = {"tool_calls": [{"function": {"name": "report", "arguments": deep}}]}
    try:
        reply = DIALECTS["openai-chat"].read_reply({"choices": [{"message": message}]})
    except MalformedError:
        return
    assert json.loads(reply.calls[0].arguments)
