"""Who speaks `openai-chat` with an accent: where they live, and what they do otherwise than OpenAI, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from probes.dialects.families import Family
from probes.target import Check

_WITHOUT_EMBEDDINGS: Final = frozenset({Check.CHAT, Check.STREAM, Check.STRUCTURED, Check.TOOL})
_ALL: Final = _WITHOUT_EMBEDDINGS | {Check.EMBEDDING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One provider, or one server that people run themselves."""

    name: str
    base_url: str | None
    """In the shape of `Provider.base_url`; None where nobody can know it."""
    key_needed: bool = True
    """Without a key, requests carry no Authorization header."""
    checks: frozenset[Check] = _WITHOUT_EMBEDDINGS
    """The questions that it can be asked."""
    budget_key: str = "max_tokens"
    """What it calls the token budget."""
    stream_usage: bool = True
    """Whether it is asked to count a stream's tokens; those who do not know `stream_options` count them unasked."""
    strict_schema: bool = True
    """Whether it holds a reply to a JSON schema; else it is asked for any JSON, and told the schema in words."""
    strict_tools: bool = True
    """Whether it may be told to hold the arguments of a call to their schema."""
    families: tuple[Family, ...] = ()
    """Of its own models; they win over those that everybody knows."""


#: What is assumed of an `openai-chat` provider without a preset: OpenAI itself.
OPENAI: Final = Preset(
    name="openai", base_url="https://api.openai.com/v1", checks=_ALL, budget_key="max_completion_tokens"
)

PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        # Refuses what it does not know (422 `extra_forbidden`).
        Preset(name="mistral", base_url="https://api.mistral.ai/v1", checks=_ALL, stream_usage=False),
        Preset(
            name="groq",
            base_url="https://api.groq.com/openai/v1",
            budget_key="max_completion_tokens",
            stream_usage=False,
        ),
        Preset(
            name="deepseek",
            base_url="https://api.deepseek.com/v1",
            strict_schema=False,
            strict_tools=False,
            # All of them think unless they are told not to.
            families=(Family(pattern="deepseek-*", tokens=128, extra={"thinking": {"type": "disabled"}}),),
        ),
        Preset(name="xai", base_url="https://api.x.ai/v1"),
        Preset(name="openrouter", base_url="https://openrouter.ai/api/v1", checks=_ALL),
        Preset(
            name="together",
            base_url="https://api.together.xyz/v1",
            checks=_ALL,
            stream_usage=False,
            strict_tools=False,
        ),
        Preset(name="fireworks", base_url="https://api.fireworks.ai/inference/v1", checks=_ALL),
        Preset(
            name="perplexity",
            base_url="https://api.perplexity.ai",
            checks=frozenset({Check.CHAT, Check.STREAM, Check.STRUCTURED}),
            stream_usage=False,
            # A search would cost more than the words, and answer with the news.
            families=(
                Family(pattern="sonar-*re*", tokens=2048, extra={"disable_search": True}),
                Family(pattern="sonar*", tokens=256, extra={"disable_search": True}),
            ),
        ),
        Preset(name="vertex", base_url=None),
        Preset(name="vllm", base_url="http://127.0.0.1:8000/v1", key_needed=False, checks=_ALL),
        Preset(name="ollama", base_url="http://127.0.0.1:11434/v1", key_needed=False, checks=_ALL),
        Preset(name="litellm", base_url="http://127.0.0.1:4000/v1", key_needed=False, checks=_ALL),
    )
}


def preset_of(name: str | None) -> Preset:
    """The preset of that name; OpenAI's ways for None."""
    return OPENAI if name is None else PRESETS[name]
