"""Tokens to money: the price in the configuration, the price list, and what counts against a budget."""

from dataclasses import replace

import pytest

from probes.pricing import (
    _look_up_context,
    believable_usd,
    context_tokens,
    cost_usd,
    costs_money,
    usual_usd,
    warm_up,
)
from probes.target import Check, Price, Provider, Secret, Target

OPENAI = "https://api.openai.com/v1"


def target(name: str, base_url: str, dialect: str = "openai-chat", price: Price | None = None) -> Target:
    """A target that is only looked at; `name` is `provider/model`."""
    whose, _, model = name.partition("/")
    provider = Provider(name=whose, dialect=dialect, base_url=base_url, api_key=Secret("k"))
    return Target(provider=provider, model=model, price=price)


@pytest.mark.parametrize(
    ("whose", "usd"),
    [
        pytest.param(target("openai/gpt-6-luna", OPENAI), 6e-4, id="by name"),
        pytest.param(target("main/gpt-6-luna", OPENAI), 6e-4, id="by address"),
        pytest.param(target("a/claude-haiku-5-5", "https://api.anthropic.com", "anthropic"), 6e-4, id="Anthropic"),
        pytest.param(
            target("g/gemini-3.1-flash-lite", "https://generativelanguage.googleapis.com", "gemini"),
            1.75e-3,
            id="Gemini",
        ),
        pytest.param(target("q/openai/gpt-oss-20b", "https://api.groq.com/openai/v1"), 3.75e-4, id="Groq"),
        pytest.param(target("a/gpt-6-luna", "https://mine.openai.azure.com", "azure-openai"), 6e-4, id="Azure"),
        pytest.param(target("a/gpt-6-luna", "https://gateway.example", "azure-openai"), 6e-4, id="Azure by dialect"),
        pytest.param(
            target("b/amazon.nova-micro-v1:0", "https://bedrock-runtime.eu-central-1.amazonaws.com", "bedrock"),
            1.75e-4,
            id="Bedrock",
        ),
        pytest.param(
            target("b/us.anthropic.claude-haiku-5-5", "https://bedrock-runtime.us-east-1.amazonaws.com", "bedrock"),
            6.6e-4,
            id="an inference profile of Bedrock",
        ),
        pytest.param(target("c/command-r7b-12-2024", "https://api.cohere.com", "cohere"), 1.875e-4, id="Cohere"),
        pytest.param(
            target("v/google/gemini-3.1-flash-lite", "https://aiplatform.googleapis.com/v1/x/endpoints/openapi"),
            1.75e-3,
            id="Vertex, which puts google/ before its models",
        ),
        pytest.param(target("m/mistral-small-latest", "https://api.mistral.ai/v1"), 7.5e-4, id="Mistral"),
        pytest.param(target("x/grok-4.20-0309-non-reasoning", "https://api.x.ai/v1"), 3.75e-3, id="xAI"),
        pytest.param(target("o/openai/gpt-6-luna", "https://openrouter.ai/api/v1"), 6e-4, id="OpenRouter"),
        pytest.param(target("openai/gpt-6-luna", "http://127.0.0.1:8000/v1"), 6e-4, id="a gateway of that name"),
        pytest.param(target("LiteLLM/openai/gpt-6-luna", "http://127.0.0.1:4000/v1"), 6e-4, id="LiteLLM, by the model"),
    ],
)
def test_a_known_model_has_its_price(whose: Target, usd: float) -> None:
    """A thousand tokens each way cost what the price list says."""
    assert cost_usd(whose, Check.CHAT, 1000, 1000) == pytest.approx(usd)


async def test_how_much_a_model_takes() -> None:
    """As configured, else as the list says, once it is loaded; None where nobody knows."""
    await warm_up()
    mini = target("openai/gpt-4o-mini", OPENAI)
    unknown = replace(mini, model="nobody-knows")
    assert [context_tokens(each) for each in (mini, unknown, replace(unknown, context=8_000))] == [128_000, None, 8_000]


def test_a_price_may_follow_the_clock() -> None:
    """DeepSeek's is half as high at some hours of the day, and the list knows them."""
    asked = cost_usd(target("d/deepseek-v4-flash", "https://api.deepseek.com"), Check.CHAT, 1000, 1000)

    assert asked == pytest.approx(1.5e-3) or asked == pytest.approx(0.75e-3)


async def test_nothing_is_kept_of_models_whose_owner_the_list_has_not() -> None:
    """A list of thousands of targets of one's own takes no memory."""
    await warm_up()
    before = _look_up_context.cache_info().currsize
    own = [target(f"mine/model-{number}", "http://127.0.0.1:8000/v1") for number in range(10)]
    assert [context_tokens(each) for each in own] == [None] * 10
    assert _look_up_context.cache_info().currsize == before


@pytest.mark.parametrize(
    ("model", "read", "written"),
    [
        pytest.param("no-such-model", 5, 5, id="unknown model"),
        pytest.param("gpt-6-luna", None, 5, id="unknown input"),
        pytest.param("gpt-6-luna", 5, None, id="unknown output"),
        pytest.param("gpt-6-luna", 10**30, 5, id="a claim of more than any probe can take"),
        pytest.param("gpt-6-luna", 5, -5, id="fewer than none"),
    ],
)
def test_what_is_not_known_is_none(model: str, read: int | None, written: int | None) -> None:
    """Unknown is never free."""
    assert cost_usd(target(f"openai/{model}", OPENAI), Check.CHAT, read, written) is None


def test_an_unknown_provider_has_no_price() -> None:
    """A model of a known name at an unknown address may cost anything."""
    assert cost_usd(target("cellar/gpt-6-luna", "http://127.0.0.1:8000/v1"), Check.CHAT, 5, 5) is None


def test_an_embedding_has_no_output() -> None:
    """Of an embedding, and of nothing else, an output that is not said is none."""
    embedding = target("openai/text-embedding-3-small", OPENAI)
    assert cost_usd(embedding, Check.EMBEDDING, 1000, None) == pytest.approx(2e-5)
    assert cost_usd(embedding, Check.CHAT, 1000, None) is None


@pytest.mark.parametrize(
    ("price", "cached", "usd"),
    [
        pytest.param(None, 0, 6e-4, id="the list, nothing cached"),
        pytest.param(None, 500, 5.55e-4, id="the list, half of the input cached"),
        pytest.param(None, 5000, 5.1e-4, id="the list, more cached than there was"),
        pytest.param(Price(input_usd=1, output_usd=2), 500, 3e-3, id="a price of its own without one for cached input"),
        pytest.param(Price(input_usd=1, output_usd=2, cached_usd=0.5), 500, 2.75e-3, id="a price for cached input"),
        pytest.param(Price(input_usd=0, output_usd=0), 0, 0.0, id="free, because somebody says so"),
    ],
)
def test_cached_input_is_cheaper(price: Price | None, cached: int, usd: float) -> None:
    """Cached tokens are part of the input, and the price in the configuration wins over the list."""
    whose = target("openai/gpt-6-luna", OPENAI, price=price)
    assert cost_usd(whose, Check.CHAT, 1000, 1000, cached) == pytest.approx(usd)


def test_the_usual_cost_is_the_mean_of_the_checks() -> None:
    """Checks that take turns share the cost of a probe; one unknown price makes it unknown."""
    one = replace(target("x/m", OPENAI, price=Price(input_usd=1, output_usd=1)), checks=(Check.CHAT, Check.STRUCTURED))
    assert usual_usd(one) == pytest.approx((30 + 110) / 2 / 1e6)
    assert usual_usd(replace(one, price=None)) is None


@pytest.mark.parametrize(
    ("whose", "usd", "believed"),
    [
        pytest.param(target("openai/gpt-6-luna", OPENAI), 0.05, True, id="five cents"),
        pytest.param(target("openai/gpt-6-luna", OPENAI), 0.051, False, id="more than fifty times the usual"),
        pytest.param(target("x/unknown", "https://api.example/v1"), 0.05, True, id="five cents at an unknown price"),
        pytest.param(target("x/unknown", "https://api.example/v1"), 0.051, False, id="more at an unknown price"),
        pytest.param(target("x/m", OPENAI, price=Price(input_usd=100, output_usd=100)), 0.149, True, id="a dear model"),
        pytest.param(target("x/m", OPENAI, price=Price(input_usd=100, output_usd=100)), 0.151, False, id="not so dear"),
        pytest.param(target("openai/gpt-6-luna", OPENAI), 0.0, True, id="nothing"),
        pytest.param(target("openai/gpt-6-luna", OPENAI), -0.01, False, id="less than nothing"),
        pytest.param(target("openai/gpt-6-luna", OPENAI), float("nan"), False, id="no number"),
        pytest.param(target("openai/gpt-6-luna", OPENAI), float("inf"), False, id="endless"),
    ],
)
def test_what_no_probe_can_cost_is_not_believed(whose: Target, usd: float, believed: bool) -> None:
    """Our own estimate bounds what a provider can claim."""
    assert believable_usd(whose, Check.CHAT, usd) == (usd if believed else None)


@pytest.mark.parametrize(
    ("base_url", "price", "counts"),
    [
        pytest.param(OPENAI, None, True, id="the internet"),
        pytest.param("http://127.0.0.1:8000/v1", None, False, id="this machine"),
        pytest.param("http://[::1]:8000/v1", None, False, id="this machine by IPv6"),
        pytest.param("http://10.1.2.3/v1", None, False, id="a private network"),
        pytest.param("http://localhost:11434/v1", None, False, id="localhost"),
        pytest.param("http://vllm:8000/v1", None, False, id="a name without a dot"),
        pytest.param("http://gpu.local/v1", None, False, id="a name of the local network"),
        pytest.param("https://10.example.com/v1", None, True, id="a name that only looks like an address"),
        pytest.param(
            "http://127.0.0.1:1/v1", Price(input_usd=1, output_usd=1), True, id="a local gateway with a price"
        ),
        pytest.param("http://127.0.0.1:1/v1", Price(input_usd=0, output_usd=0), False, id="a local one that is free"),
        pytest.param(OPENAI, Price(input_usd=0, output_usd=0), False, id="a free one in the internet"),
    ],
)
def test_what_counts_against_a_budget(base_url: str, price: Price | None, counts: bool) -> None:
    """Own models are free; a price that somebody wrote says otherwise, either way."""
    assert costs_money(target("x/m", base_url, price=price)) is counts
