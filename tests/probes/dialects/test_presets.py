"""The presets of `openai-chat`: what each provider is asked otherwise than OpenAI."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from probes.checks import SCHEMA, Task
from probes.dialects.presets import OPENAI, PRESETS, preset_of
from probes.dialects.registry import DIALECTS
from probes.pricing import cost_usd
from probes.target import Check, Provider, Secret, Target

MODELS = {
    "mistral": "ministral-3b-latest",
    "groq": "openai/gpt-oss-20b",
    "deepseek": "deepseek-flash",
    "xai": "grok-4.20-0309-non-reasoning",
    "openrouter": "mistralai/ministral-3b-2512",
    "together": "openai/gpt-oss-20b",
    "fireworks": "accounts/fireworks/models/gpt-oss-20b",
    "perplexity": "sonar",
    "vertex": "google/gemini-3.5-flash-lite",
    "vllm": "meta-llama/Llama-3.1-8B-Instruct",
    "ollama": "llama3.2",
    "litellm": "gpt-6-luna",
}
BUDGETS: dict[str, dict[str, Any]] = {
    "mistral": {"max_tokens": 64},
    "groq": {"max_completion_tokens": 512, "reasoning_effort": "low"},
    "deepseek": {"max_tokens": 128, "thinking": {"type": "disabled"}},
    "xai": {"max_tokens": 64},
    "openrouter": {"max_tokens": 64},
    "together": {"max_tokens": 512, "reasoning_effort": "low"},
    "fireworks": {"max_tokens": 512, "reasoning_effort": "low"},
    "perplexity": {"max_tokens": 256, "disable_search": True},
    "vertex": {"max_tokens": 512},
    "vllm": {"max_tokens": 256},
    "ollama": {"max_tokens": 256},
    "litellm": {"max_tokens": 64, "reasoning_effort": "none"},
}


def target(preset: str, model: str | None = None) -> Target:
    """A target of a provider with nothing but its preset and a key."""
    base_url = (
        PRESETS[preset].default_base_url
        or "https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi"
    )
    provider = Provider(name="p", dialect="openai-chat", base_url=base_url, api_key=Secret("k"), preset=preset)
    return Target(provider=provider, model=model or MODELS[preset])


def body(preset: str, check: Check, model: str | None = None) -> dict[str, Any]:
    """The body of the request."""
    request = DIALECTS["openai-chat"].build_request(target(preset, model), Task(check=check, nonce="k7f3q9x2"))
    return dict(request.body)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_wants_its_own_budget_and_parameters(preset: str) -> None:
    """The budget under the provider's name for it, and what keeps the model from reasoning or searching there."""
    messages = [{"role": "user", "content": "Reply with exactly this word: k7f3q9x2"}]

    assert body(preset, Check.CHAT) == {"model": MODELS[preset], "messages": messages, **BUDGETS[preset]}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_is_asked_for_usage_where_it_understands(preset: Any) -> None:
    """`stream_options` goes to those who know it; Mistral would answer it with 422."""
    found = body(preset.name, Check.STREAM)

    assert found["stream"] is True
    assert ("stream_options" in found) == preset.stream_usage
    assert preset.stream_usage == (preset.name not in {"mistral", "groq", "together", "perplexity"})


@pytest.mark.parametrize("preset", PRESETS)
def test_structured_output_is_asked_for_as_the_provider_can(preset: str) -> None:
    """Under the schema, strictly; DeepSeek knows only "some JSON", and is told the schema in words."""
    found = body(preset, Check.STRUCTURED)
    roles = [message["role"] for message in found["messages"]]

    if preset == "deepseek":
        assert found["response_format"] == {"type": "json_object"}
        assert roles == ["system", "user"]
        assert json.dumps(SCHEMA) in found["messages"][0]["content"]
        assert "JSON" in found["messages"][0]["content"]
    else:
        assert found["response_format"]["json_schema"] == {"name": "probe", "strict": True, "schema": SCHEMA}
        assert roles == ["user"]


@pytest.mark.parametrize("preset", [name for name, preset in PRESETS.items() if Check.TOOL not in preset.unsupported])
def test_a_tool_is_forced(preset: str) -> None:
    """The function is the only one offered and must be called; strictness is told to those who know the word."""
    found = body(preset, Check.TOOL)
    function = found["tools"][0]["function"]

    assert found["tool_choice"] == {"type": "function", "function": {"name": function["name"]}}
    assert ("strict" in function) == (preset not in {"deepseek", "together"})


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_is_complete(preset: Any) -> None:
    """Its address is a base URL over TLS, or one of this machine; what it cannot be asked is asked of others."""
    assert preset.unsupported <= DIALECTS["openai-chat"].checks - {Check.CHAT, Check.STREAM}
    assert preset_of(preset.name) is preset
    if preset.default_base_url is None:
        assert preset.name == "vertex"
        return
    place = urlsplit(preset.default_base_url)
    assert not preset.default_base_url.endswith("/")
    assert (place.scheme, preset.key_needed) == (("http", False) if place.hostname == "127.0.0.1" else ("https", True))


def test_without_a_preset_it_is_openai() -> None:
    """The dialect's own ways are those of the provider that it is named after."""
    assert preset_of(None) is OPENAI
    assert OPENAI.default_base_url == DIALECTS["openai-chat"].default_base_url
    assert not OPENAI.unsupported


@pytest.mark.parametrize(
    ("preset", "model"),
    [
        ("mistral", "mistral-small-latest"),
        ("groq", "openai/gpt-oss-20b"),
        ("deepseek", "deepseek-chat"),
        ("xai", "grok-4"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("perplexity", "sonar"),
        ("vertex", "google/gemini-2.5-flash-lite"),
    ],
)
def test_the_price_list_knows_the_preset(preset: str, model: str) -> None:
    """The address alone says whose prices they are; nobody configures that."""
    assert cost_usd(target(preset, model), Check.CHAT, 1000, 1000)
