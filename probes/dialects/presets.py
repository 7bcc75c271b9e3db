"""Providers that speak `openai-chat`: their addresses, and where they differ from OpenAI, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from probes.dialects.base import VendorStatusPage, incident_io_page
from probes.dialects.model_families import ModelFamily
from probes.target import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A provider, or a server that people run themselves."""

    name: str
    default_base_url: str | None
    """None where each customer has one of its own."""
    key_needed: bool = True
    """Without a key, requests carry no Authorization header."""
    unsupported: frozenset[Check] = frozenset()
    """Those of the dialect's checks that it cannot be asked."""
    budget_key: str = "max_tokens"
    """Its name for the token budget."""
    stream_usage: bool = True
    """Whether streams request token counts by `stream_options`; others send them unasked."""
    strict_schema: bool = True
    """Whether it enforces a JSON schema; else any JSON is requested, with the schema in the prompt."""
    strict_tools: bool = True
    """Whether it can enforce the schema of a call's arguments."""
    owner_names_models: bool = False
    """Whether models have names of their owner's choice, so that the name of the model that answers tells nothing."""
    families: tuple[ModelFamily, ...] = ()
    """Of its own models; they precede the families that all presets share."""
    status_page: VendorStatusPage | None = None
    """None where it has none that a program can read."""


#: Assumed of an `openai-chat` provider without a preset.
OPENAI: Final = Preset(
    name="openai",
    default_base_url="https://api.openai.com/v1",
    budget_key="max_completion_tokens",
    status_page=incident_io_page(
        r"api\.openai\.com", "status.openai.com", "Chat Completions", "Responses", "Embeddings"
    ),
)

PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        # Refuses unknown parameters (422 `extra_forbidden`).
        Preset(name="mistral", default_base_url="https://api.mistral.ai/v1", stream_usage=False),
        Preset(
            name="groq",
            default_base_url="https://api.groq.com/openai/v1",
            unsupported=frozenset({Check.EMBEDDING}),
            budget_key="max_completion_tokens",
            stream_usage=False,
            status_page=incident_io_page(r"api\.groq\.com", "groqstatus.com"),
        ),
        Preset(
            name="deepseek",
            default_base_url="https://api.deepseek.com/v1",
            unsupported=frozenset({Check.EMBEDDING}),
            strict_schema=False,
            strict_tools=False,
            # All its models reason by default.
            families=(ModelFamily(patterns="deepseek-*", tokens=128, extra={"thinking": {"type": "disabled"}}),),
            status_page=VendorStatusPage(
                host=r"api\.deepseek\.com",
                url="https://status.deepseek.com/api/status-page/6410630422455/summary/active",
                components=("API",),
            ),
        ),
        Preset(
            name="xai",
            default_base_url="https://api.x.ai/v1",
            unsupported=frozenset({Check.EMBEDDING}),
            status_page=VendorStatusPage(host=r"api\.x\.ai", url="https://status.x.ai/feed.xml"),
        ),
        Preset(
            name="openrouter",
            default_base_url="https://openrouter.ai/api/v1",
            status_page=VendorStatusPage(
                host=r"openrouter\.ai",
                url="https://status.openrouter.ai/config.json",
                components=("/chat/completions",),
            ),
        ),
        Preset(
            name="together",
            default_base_url="https://api.together.xyz/v1",
            stream_usage=False,
            strict_tools=False,
            status_page=VendorStatusPage(
                host=r"api\.together\.(?:xyz|ai)", url="https://status.together.ai/index.json"
            ),
        ),
        Preset(
            name="fireworks",
            default_base_url="https://api.fireworks.ai/inference/v1",
            status_page=incident_io_page(r"api\.fireworks\.ai", "status.fireworks.ai"),
        ),
        Preset(
            name="perplexity",
            default_base_url="https://api.perplexity.ai",
            unsupported=frozenset({Check.TOOL, Check.EMBEDDING}),
            stream_usage=False,
            # A search would cost more than the tokens.
            families=(
                ModelFamily(patterns="sonar-*re*", tokens=2048, extra={"disable_search": True}),
                ModelFamily(patterns="sonar*", tokens=256, extra={"disable_search": True}),
            ),
            status_page=incident_io_page(r"api\.perplexity\.ai", "status.perplexity.com", "API"),
        ),
        Preset(
            name="vertex",
            default_base_url=None,
            unsupported=frozenset({Check.EMBEDDING}),
            status_page=VendorStatusPage(
                host=r"(?:(?P<region>[a-z]+-[a-z]+\d+)-)?aiplatform\.googleapis\.com",
                url="https://status.cloud.google.com/incidents.json",
                components=("Vertex", "Z0FZJAMvEB4j3NbCJs6B"),
            ),
        ),
        Preset(name="vllm", default_base_url="http://127.0.0.1:8000/v1", key_needed=False),
        Preset(name="ollama", default_base_url="http://127.0.0.1:11434/v1", key_needed=False),
        Preset(name="litellm", default_base_url="http://127.0.0.1:4000/v1", key_needed=False, owner_names_models=True),
    )
}


def preset_of(name: str | None) -> Preset:
    """The preset of that name; OpenAI's for None."""
    return OPENAI if name is None else PRESETS[name]
