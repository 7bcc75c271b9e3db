"""What is known of models by their names."""

from dataclasses import replace

import pytest

from probes.dialects.model_families import expected_length, is_substitute
from tests.support.builders import target


@pytest.mark.parametrize(
    ("model", "length"),
    [
        ("text-embedding-3-small", 1536),
        ("openai/text-embedding-3-large", 3072),
        ("amazon.titan-embed-text-v2:0", 1024),
        ("embed-english-light-v3.0", 384),
        ("somebody-elses-embedding", None),
    ],
)
def test_a_known_model_has_its_length(model: str, length: int | None) -> None:
    """Wherever it is served; an unknown one may answer with any length."""
    assert expected_length(target(f"openai/{model}")) == length


def test_the_settings_know_better() -> None:
    """A length in the settings wins, and parameters of one's own may ask for another one."""
    known = target("openai/text-embedding-3-small")

    assert expected_length(replace(known, dimensions=256)) == 256
    assert expected_length(replace(known, parameters={"dimensions": 512})) is None


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
        ("claude-sonnet-4-0", "claude-sonnet-4-20250514"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4-20250514"),
        ("x-ai/grok-4.6:nitro", "x-ai/grok-4.6"),
        ("openai/gpt-4o-mini:online", "openai/gpt-4o-mini"),
        ("openai/gpt-oss-120b:fireworks-ai", "accounts/fireworks/models/gpt-oss-120b"),
        ("doubao-pro-32k", "doubao-pro-32k-241215"),
        ("openrouter/auto", "google/gemini-3-flash"),
        ("gemini-3-flash-preview", "gemini-3-flash-preview-05-20"),
        ("command-r", "command-r-08-2024"),
        ("ep-20260101123456-abcde", "doubao-seed-1-6-250615"),
        ("tgi", "meta-llama/Llama-4-Scout"),
    ],
)
def test_the_same_model_by_another_name(asked: str, answered: str) -> None:
    """Dates, versions, paths and case are vendors' habits."""
    assert not is_substitute(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-6-luna", "gpt-5.6-luna"),
        ("deepseek-chat", "deepseek-v4-flash"),
        ("gpt-4-1106", "gpt-4-0613"),
        ("gpt-5.3-codex", "gpt-5.2-2025-12-11"),
        ("llama3:8b", "llama3:70b"),
        ("gemini-embedding-001", "gemini-embedding-002"),
        ("gemini-flash-latest", "gemini-3.8-flash"),
    ],
)
def test_another_model(asked: str, answered: str) -> None:
    """Anything else is another model, an alias that has moved on included."""
    assert is_substitute(asked, answered)
