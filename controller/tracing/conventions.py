"""What a span of a probe or a decision holds: OpenTelemetry's semantic conventions for GenAI, version 0.1 (pure).

The conventions still change: this is the one place that names their attributes. What they have no name for begins with
`hotspare.`. No text of a provider is among it but the sentence that is shown everywhere.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from controller.routing.decision import Decision
from monitor.detection.verdict_text import plain_reason
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Target

#: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/: well-known values.
_PROVIDERS: Final = {
    "openai-chat": "openai",
    "openai-responses": "openai",
    "azure-openai": "azure.ai.openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "bedrock": "aws.bedrock",
    "cohere": "cohere",
}
_PRESETS: Final = {
    "mistral": "mistral_ai",
    "groq": "groq",
    "deepseek": "deepseek",
    "xai": "x_ai",
    "perplexity": "perplexity",
    "vertex": "gcp.vertex_ai",
}
_EMBEDDING: Final = "embedding"

Attributes = Mapping[str, str | int | float | bool]


def probe_name(observation: Observation) -> str:
    """`chat gpt-6-luna`."""
    return f"{_operation(observation)} {observation.target.partition('/')[2]}"


def probe_attributes(observation: Observation, target: Target) -> Attributes:
    """Of the span of a probe; without what is not known."""
    provider, address = target.provider, urlsplit(target.provider.base_url)
    error = None if observation.outcome is Outcome.OK else str(observation.http_status or observation.outcome)
    return _known(
        {
            "gen_ai.operation.name": _operation(observation),
            "gen_ai.provider.name": _PRESETS.get(provider.preset or "") or _PROVIDERS.get(provider.dialect, "openai"),
            "gen_ai.request.model": target.model,
            "gen_ai.response.model": observation.model,
            "gen_ai.response.time_to_first_chunk": observation.first_token_s,
            "gen_ai.usage.input_tokens": observation.input_tokens,
            "gen_ai.usage.output_tokens": observation.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": observation.cached_tokens,
            "server.address": address.hostname,
            "server.port": address.port or {"https": 443, "http": 80}.get(address.scheme),
            "error.type": error,
            "http.response.status_code": observation.http_status,
            "hotspare.target": observation.target,
            "hotspare.check": observation.check,
            "hotspare.outcome": observation.outcome.value,
            "hotspare.region": observation.region,
        }
    )


def decision_name(decision: Decision) -> str:
    """`route chat`."""
    return f"route {decision.route}"


def decision_attributes(decision: Decision) -> Attributes:
    """Of the span of a decision."""
    return _known(
        {
            "hotspare.route": decision.route,
            "hotspare.move": decision.move.value,
            "hotspare.route.before": decision.before,
            "hotspare.target": decision.target,
            "hotspare.reason": plain_reason(decision.reason),
            "hotspare.generation": decision.generation,
            "hotspare.dry_run": decision.dry_run,
        }
    )


def _operation(observation: Observation) -> str:
    return "embeddings" if observation.check == _EMBEDDING else "chat"


def _known(values: Mapping[str, str | int | float | bool | None]) -> Attributes:
    return {name: value for name, value in values.items() if value is not None}
