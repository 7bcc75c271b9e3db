"""The three simulated providers, and how one can fail (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulatedProvider:
    """The dialect, models and speed of a simulated provider."""

    name: str
    """Its name in the configuration and in llmock's base URLs."""
    dialect: str
    api_key_env: str
    models: tuple[str, ...]
    median_s: float
    """Median latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How a provider fails."""

    status: int
    """Of its answers."""
    share: float
    """Of the requests that it answers so, between 0 and 1."""


PROVIDERS = (
    SimulatedProvider("openai", "openai-chat", "OPENAI_API_KEY", ("gpt-6-luna", "gpt-5.6-luna"), 0.28),
    SimulatedProvider("anthropic", "anthropic", "ANTHROPIC_API_KEY", ("claude-haiku-5-5", "claude-haiku-4-5"), 0.36),
    SimulatedProvider("gemini", "gemini", "GEMINI_API_KEY", ("gemini-3.5-flash-lite", "gemini-3.1-flash-lite"), 0.24),
)
#: Every target of the drill, in the order of the configuration.
TARGETS = tuple(f"{provider.name}/{model}" for provider in PROVIDERS for model in provider.models)
#: The route's candidates: the first model of each provider.
CANDIDATES = tuple(f"{provider.name}/{provider.models[0]}" for provider in PROVIDERS)
