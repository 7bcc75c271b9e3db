"""The families of OpenAI's models and of open models that are served in its formats."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from probes.dialects.families import Family, family_of

_UNKNOWN_TOKENS: Final = 1024


def _families(tokens: int, extra: Mapping[str, Any], *patterns: str) -> Iterator[Family]:
    return (Family(pattern=pattern, tokens=tokens, extra=extra) for pattern in patterns)


def _exactly(*models: str) -> tuple[str, ...]:
    """Patterns of these models and their dated snapshots; `gpt-5.4-pro` is another family than `gpt-5.4`."""
    return tuple(pattern for model in models for pattern in (model, f"{model}-20[0-9][0-9]-*"))


#: Sampling parameters are never sent: none of these models takes them.
_FAMILIES: Final = (
    *_families(64, {"reasoning_effort": "none"}, "gpt-6-luna*", "gpt-5.6-luna*", "gpt-5.4-nano*", "gpt-5.4-mini*"),
    *_families(64, {"reasoning_effort": "none"}, *_exactly("gpt-6-sol", "gpt-6.1-terra")),
    *_families(64, {"reasoning_effort": "none"}, *_exactly("gpt-5.6", "gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.5")),
    *_families(64, {"reasoning_effort": "none"}, *_exactly("gpt-5.4", "gpt-5.2", "gpt-5.1")),
    *_families(512, {"reasoning_effort": "minimal"}, "gpt-5-nano*", "gpt-5-mini*", *_exactly("gpt-5")),
    *_families(1024, {"reasoning_effort": "low"}, *_exactly("o1", "o3", "o3-mini", "o4-mini")),
    *_families(64, {}, "gpt-4o*", "gpt-4.1*", "gpt-4-turbo*", "gpt-3.5-turbo*"),
    *_families(512, {"reasoning_effort": "low"}, "gpt-oss-*"),
    *_families(64, {}, "grok-*non-reasoning*", "ministral-*", "open-mistral-*"),
    # Some of these can reason, but only on request.
    *_families(256, {}, "mistral-*", "codestral-*", "devstral-*", "llama*"),
    *_families(512, {}, "gemini-*flash-lite*"),
    *_families(2048, {"reasoning_effort": "low"}, "gemini-*"),
)


def openai_family(model: str, first: tuple[Family, ...] = ()) -> Family:
    """The family of a model, without the path before its name (`openai/gpt-oss-20b`); those in `first` precede."""
    name = model.rpartition("/")[2].lower()
    return family_of(name, (*first, *_FAMILIES), unknown_tokens=_UNKNOWN_TOKENS)
