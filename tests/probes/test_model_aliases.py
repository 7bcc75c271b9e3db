"""Which names of models mean the same model."""

import pytest

from probes.substitution import substituted


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("mistral-small-latest", "mistral-small-2503"),
        ("mistral-small-latest", "mistral-small"),
        ("llama3", "llama3:latest"),
        ("openai/gpt-oss-20b", "gpt-oss-20b"),
        ("gemini-3.1-flash-lite", "models/gemini-3.1-flash-lite-001"),
        ("meta-llama/Llama-4-Scout", "llama-4-scout"),
    ],
)
def test_the_same_model_by_another_name(asked: str, answered: str) -> None:
    """Dates, versions, paths and case are vendors' habits."""
    assert not substituted(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-6-luna", "gpt-5.6-luna"),
        ("deepseek-chat", "deepseek-v4-flash"),
        ("gpt-4-1106", "gpt-4-0613"),
        ("gemini-embedding-001", "gemini-embedding-002"),
        ("gemini-flash-latest", "gemini-3.8-flash"),
    ],
)
def test_another_model(asked: str, answered: str) -> None:
    """Anything else is another model, an alias that has moved on included."""
    assert substituted(asked, answered)
