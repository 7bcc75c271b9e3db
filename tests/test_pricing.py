"""Tokens to money."""

import pytest

from probes.pricing import cost_usd
from probes.target import Provider, Secret


def provider(name: str, base_url: str, dialect: str = "openai-chat") -> Provider:
    """A provider that is only looked at."""
    return Provider(name=name, dialect=dialect, base_url=base_url, api_key=Secret("k"))


@pytest.mark.parametrize(
    ("whose", "model", "usd"),
    [
        (provider("openai", "https://api.openai.com/v1"), "gpt-6-luna", 6e-4),
        (provider("main", "https://api.openai.com/v1"), "gpt-6-luna", 6e-4),
        (provider("main", "https://api.anthropic.com", "anthropic"), "claude-haiku-5-5", 6e-4),
        (provider("g", "https://generativelanguage.googleapis.com", "gemini"), "gemini-3.1-flash-lite", 1.75e-3),
        (provider("groq", "https://api.groq.com/openai/v1"), "openai/gpt-oss-20b", 3.75e-4),
        (provider("openai", "http://127.0.0.1:8000/v1"), "gpt-6-luna", 6e-4),
    ],
    ids=["by name", "by address", "Anthropic", "Gemini", "a compatible one", "a gateway of that name"],
)
def test_a_known_model_has_its_price(whose: Provider, model: str, usd: float) -> None:
    """A thousand tokens each way cost what the price list says."""
    assert cost_usd(whose, model, 1000, 1000) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("model", "read", "written"),
    [("no-such-model", 5, 5), ("gpt-6-luna", None, 5), ("gpt-6-luna", 5, None)],
    ids=["unknown model", "unknown input", "unknown output"],
)
def test_what_is_not_known_is_none(model: str, read: int | None, written: int | None) -> None:
    """Unknown is never free."""
    assert cost_usd(provider("openai", "https://api.openai.com/v1"), model, read, written) is None


def test_an_unknown_provider_has_no_price() -> None:
    """A model of a known name at an unknown address may cost anything."""
    assert cost_usd(provider("cellar", "http://127.0.0.1:8000/v1"), "gpt-6-luna", 5, 5) is None
