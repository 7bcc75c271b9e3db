"""Every dialect: what it asks, and that nothing a provider writes can make it stumble."""

import json
import re
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.checks import Task
from probes.dialects.base import Dialect
from probes.dialects.presets import PRESETS, Preset
from probes.dialects.registry import CONFIG_FIELDS, DIALECTS, STATUS_PAGES
from probes.json_values import MalformedError, as_count, parse, status_code
from probes.request_reply import EMPTY_REPLY
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Provider, Secret, Target

KEY = "sk-proj-Zx81mQp4vTe7LrW2"


def request_for(dialect: str, model: str, check: Check = Check.CHAT) -> tuple[str, dict[str, str], dict[str, Any]]:
    """URL, headers and body of the request that a dialect builds."""
    shape = DIALECTS[dialect]
    provider = Provider(name="p", dialect=dialect, base_url=shape.default_base_url or "", api_key=Secret(KEY))
    request = shape.build_request(Target(provider=provider, model=model), Task(check=check, nonce="k7f3q9x2"))
    return request.url, dict(request.headers), json.loads(json.dumps(request.body))


SAY = [{"role": "user", "content": "Reply with exactly this word: k7f3q9x2"}]
BUDGETS = [
    ("openai-chat", "gpt-6-luna", {"messages": SAY, "max_completion_tokens": 64, "reasoning_effort": "none"}),
    (
        "openai-chat",
        "gpt-6-luna-2026-10-01",
        {"messages": SAY, "max_completion_tokens": 64, "reasoning_effort": "none"},
    ),
    ("openai-chat", "gpt-5.6-luna", {"messages": SAY, "max_completion_tokens": 64, "reasoning_effort": "none"}),
    ("openai-chat", "gpt-5-nano", {"messages": SAY, "max_completion_tokens": 512, "reasoning_effort": "minimal"}),
    ("openai-chat", "gpt-4o-mini", {"messages": SAY, "max_completion_tokens": 64}),
    ("openai-chat", "somebody/else-7b", {"messages": SAY, "max_completion_tokens": 1024}),
    ("anthropic", "claude-haiku-5-5", {"messages": SAY, "max_tokens": 64, "thinking": {"type": "disabled"}}),
    ("anthropic", "claude-sonnet-5-5", {"messages": SAY, "max_tokens": 1024, "thinking": {"type": "between_tools"}}),
    ("anthropic", "claude-unheard-of", {"messages": SAY, "max_tokens": 1024}),
]
GEMINI = [
    ("gemini-3.1-flash-lite", {"maxOutputTokens": 256, "thinkingConfig": {"thinkingLevel": "MINIMAL"}}),
    ("gemini-2.5-flash-lite", {"maxOutputTokens": 256, "thinkingConfig": {"thinkingBudget": 0}}),
    ("gemini-2.5-pro", {"maxOutputTokens": 1024}),
]


@pytest.mark.parametrize(
    ("dialect", "model", "body"), BUDGETS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_model_gets_the_parameters_of_its_family(dialect: str, model: str, body: dict[str, Any]) -> None:
    """The body is the prompt, the family's budget and what keeps it from reasoning; nothing else, and no sampling."""
    assert request_for(dialect, model)[2] == {"model": model, **body}


@pytest.mark.parametrize(("model", "config"), GEMINI, ids=lambda value: value if isinstance(value, str) else "")
def test_a_gemini_model_gets_the_parameters_of_its_family(model: str, config: dict[str, Any]) -> None:
    """The same for Gemini, whose model stands in the URL."""
    assert request_for("gemini", model)[2] == {
        "contents": [{"role": "user", "parts": [{"text": "Reply with exactly this word: k7f3q9x2"}]}],
        "generationConfig": config,
    }


@pytest.mark.parametrize(
    ("dialect", "check", "url"),
    [
        ("openai-chat", Check.CHAT, "https://api.openai.com/v1/chat/completions"),
        ("anthropic", Check.STREAM, "https://api.anthropic.com/v1/messages"),
        ("gemini", Check.CHAT, "https://generativelanguage.googleapis.com/v1beta/models/a%2Fb:generateContent"),
        (
            "gemini",
            Check.STREAM,
            "https://generativelanguage.googleapis.com/v1beta/models/a%2Fb:streamGenerateContent?alt=sse",
        ),
    ],
)
def test_the_address_is_the_dialects(dialect: str, check: Check, url: str) -> None:
    """The base URL of the configuration grows into the endpoint of the check."""
    assert request_for(dialect, "a/b", check)[0] == url


@pytest.mark.parametrize(
    ("dialect", "headers"),
    [
        ("openai-chat", {"Authorization": f"Bearer {KEY}"}),
        ("anthropic", {"x-api-key": KEY, "anthropic-version": "2023-06-01"}),
        ("gemini", {"x-goog-api-key": KEY}),
    ],
)
def test_the_key_stands_in_a_header_alone(dialect: str, headers: dict[str, str]) -> None:
    """Never in the URL, where logs would keep it, nor in the body."""
    url, found, body = request_for(dialect, "m")

    assert found == headers
    assert KEY not in url + json.dumps(body)


def test_a_stream_is_asked_for_with_usage() -> None:
    """OpenAI counts a stream's tokens only when asked to."""
    body = request_for("openai-chat", "m", Check.STREAM)[2]

    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert request_for("anthropic", "m", Check.STREAM)[2]["stream"] is True


@pytest.mark.parametrize("data", ["", " \n", "[]", "[1]", "3", '{"a":', "[" * 100_000, "1" * 5000, b"\xff"])
def test_what_is_no_object_is_malformed(data: str | bytes) -> None:
    """Anything but a JSON object is refused, deep and huge nonsense included."""
    with pytest.raises(MalformedError):
        parse(data)


@pytest.mark.parametrize("value", [-1, 1.5, True, "7", None, 10**12])
def test_an_unbelievable_count_is_none(value: object) -> None:
    """Tokens are a number that is one, and that a database takes."""
    assert as_count(value) is None


@pytest.mark.parametrize(
    ("value", "status"), [(503, 503), ("429", 429), (200, None), ("x", None), (True, None), ("٤٢٩", None)]
)
def test_a_body_may_claim_a_status(value: object, status: int | None) -> None:
    """An error code that is an HTTP error status counts as one, also as a string."""
    assert status_code(value) == status


KEYS = st.sampled_from(
    """
    error code type status message detail details choices delta content finish_reason usage prompt_tokens text reason
    stop_reason candidates parts finishReason usageMetadata promptTokenCount promptFeedback blockReason violations
    quotaId retryDelay refusal model object request_id input_tokens modelVersion
    """.split()  # noqa: SIM905 - forty quoted words read worse
)
WORDS = st.sampled_from(["error", "text", "message_start", "content_block_delta", "message_delta", "1s", "429", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 600) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
@settings(deadline=None)
@given(body=st.dictionaries(KEYS, JSON, max_size=6))
def test_no_json_makes_a_dialect_stumble(dialect: str, body: dict[str, Any]) -> None:
    """Whatever shape the provider's JSON has, a reply, a frame and an error are read, or refused as malformed."""
    shape = DIALECTS[dialect]
    for read in (shape.read_reply, lambda body: shape.read_event(EMPTY_REPLY, ServerSentEvent(data=json.dumps(body)))):
        try:
            reply = read(body)
        except MalformedError:
            continue
        assert isinstance(reply.text, str)
    words = shape.read_error(body)
    assert all(isinstance(word, str) for word in (*words.codes, words.message))


def test_a_field_of_the_configuration_reaches_the_provider() -> None:
    """Each key that a dialect declares is an attribute of the provider, and says what it expects."""
    attributes = {field.name for field in fields(Provider)}
    assert CONFIG_FIELDS.keys() <= attributes
    assert all(bool(field.pattern) == bool(field.expected) for field in CONFIG_FIELDS.values())
    assert [dialect.name for dialect in DIALECTS.values() if dialect.takes("region")] == ["bedrock"]


@pytest.mark.parametrize(
    ("dialect", "base_url", "warning"),
    [
        ("openai-chat", "http://x/v1/Chat/Completions/", "ends in /Chat/Completions"),
        ("openai-chat", "http://x/v1/completions", "requests would go to /v1/completions/chat/completions"),
        ("openai-chat", "http://x/gw/chat", None),
        ("openai-chat", "http://x/gw/messages", None),
        ("openai-responses", "http://x/v1/responses", "requests would go to /v1/responses/responses"),
        ("anthropic", "http://x/v1/messages", "requests would go to /v1/messages/v1/messages"),
        ("anthropic", "http://x/messages", "requests would go to /messages/v1/messages"),
        ("anthropic", "http://x/gw/chat", None),
        ("openai-responses", "http://x/v1/chat/completions", "a method of an API; leave it out"),
        ("openai-chat", "http://x/v1/models", "ends in /v1/models, a method of an API"),
        ("openai-chat", "http://x/openai/v1", None),
        ("gemini", "http://x/v1beta/openai", "its dialect is openai-chat"),
        ("gemini", "http://x/v1beta/models", "ends in /v1beta/models, which is added to it"),
        ("bedrock", "http://x/openai/v1", "its dialect is openai-chat"),
        ("bedrock", "http://x/model", "ends in /model, which is added to it"),
        ("cohere", "http://x/v2/embed", "ends in /v2/embed,"),
        ("bedrock", "http://x/model/some.model-v1%3A0/converse-stream", "ends in /model/some.model-v1%3A0/converse-st"),
        ("gemini", "http://x/v1beta/models/gemini-2:generateContent", "ends in /v1beta/models/gemini-2:generateCont"),
        ("gemini", "http://x/v1beta/models/gemini-2:streamgeneratecontent", "MODEL:streamGenerateContent; leave it"),
    ],
)
def test_a_method_in_the_base_url_is_warned_of(dialect: str, base_url: str, warning: str | None) -> None:
    """The methods are those that the dialect itself adds."""
    shown = DIALECTS[dialect].base_url_warning(base_url)

    assert warning in shown if shown and warning else shown is warning


@pytest.mark.parametrize("declared", [*DIALECTS.values(), *PRESETS.values()], ids=lambda declared: declared.name)
def test_a_status_page_is_that_of_the_default_address(declared: Dialect | Preset) -> None:
    """The host of the default base URL is one of the status page's, and no other page claims it."""
    host = urlsplit((declared.default_base_url or "").replace("{region}", "eu-west-1")).hostname or ""
    claiming = [page for page in STATUS_PAGES if re.fullmatch(page.host, host)]
    assert claiming == ([declared.status_page] if host and declared.status_page else [])
