"""The first configuration of a newcomer, from the names of the variables in the environment (pure).

Of each provider the cheapest model that answers a plain chat reliably, by the price list of November 2026; one with a
known price comes before a cheaper one without.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """One provider as a newcomer's configuration has it."""

    name: str
    variables: tuple[str, ...]
    """Those that usually hold its key; the first that is set is taken."""
    speaks: str
    """The line that says how to talk to it."""
    model: str
    region: str | None = None
    """The variable that holds its region, where it has to be known."""

    def key_among(self, variables: Collection[str]) -> str | None:
        """The variable that holds its key; None where it cannot be asked with these."""
        if self.region and self.region not in variables:
            return None
        return next((variable for variable in self.variables if variable in variables), None)


def _preset(name: str, model: str, *variables: str) -> Starter:
    return Starter(
        name=name, variables=variables or (f"{name.upper()}_API_KEY",), speaks=f"preset: {name}", model=model
    )


def _dialect(name: str, dialect: str, model: str, *variables: str, region: str | None = None) -> Starter:
    return Starter(name=name, variables=variables, speaks=f"dialect: {dialect}", model=model, region=region)


#: In the order in which a route prefers them.
STARTERS: Final = (
    _dialect("openai", "openai-chat", "gpt-6-luna", "OPENAI_API_KEY"),
    _dialect("anthropic", "anthropic", "claude-haiku-5-5", "ANTHROPIC_API_KEY"),
    _dialect("gemini", "gemini", "gemini-3.1-flash-lite", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
    _dialect("bedrock", "bedrock", "amazon.nova-micro-v1:0", "AWS_BEARER_TOKEN_BEDROCK", region="AWS_REGION"),
    _preset("mistral", "ministral-8b-latest"),
    _dialect("cohere", "cohere", "command-r7b-12-2024", "COHERE_API_KEY", "CO_API_KEY"),
    _preset("groq", "openai/gpt-oss-20b"),
    _preset("deepseek", "deepseek-v4-flash"),
    _preset("xai", "grok-4.20-0309-non-reasoning"),
    _preset("openrouter", "openai/gpt-oss-20b"),
    _preset("together", "Qwen/Qwen3.5-9B"),
    _preset("fireworks", "accounts/fireworks/models/gpt-oss-20b"),
)
#: Keys of providers that a newcomer's configuration cannot have, and why.
_LEFT_OUT: Final = {
    "AZURE_OPENAI_API_KEY": "azure-openai needs the address of your resource and the names of your deployments",
    "PERPLEXITY_API_KEY": "perplexity takes a fee for each request, over a thousand dollars a month at one in 30 s",
}

_HEAD: Final = """\
# Every other key: docs/configuration.md. After a change: hotspare check.
database: sqlite:///var/hotspare.db
routing_file: var/routing.json      # what applications read

providers:"""
_TAIL: Final = """
# Tell people, too:
# alerts: {slack: {webhook_url: "${SLACK_WEBHOOK_URL}"}}
"""


def starters_in(variables: Collection[str]) -> tuple[tuple[Starter, str], ...]:
    """The providers whose keys are in variables of these names, each with the variable, in the order of preference."""
    found = ((starter, starter.key_among(variables)) for starter in STARTERS)
    return tuple((starter, variable) for starter, variable in found if variable)


def left_out(variables: Collection[str]) -> tuple[str, ...]:
    """A sentence about each key that is there and not used."""
    return tuple(f"{variable} is left out: {why}" for variable, why in _LEFT_OUT.items() if variable in variables)


def starter_yaml(starters: Sequence[tuple[Starter, str]]) -> str:
    """A configuration with a model of each of these providers, and one route, `chat`, over all of them."""
    lines = []
    for starter, variable in starters:
        lines += [f"  {starter.name}:", f"    {starter.speaks}", f"    api_key: ${{{variable}}}"]
        lines += [f"    region: ${{{starter.region}}}"] if starter.region else []
        lines += ["    models:", f"      {_quoted(starter.model)}: {{}}"]
    route = ["", "routes:", "  chat:", "    candidates:      # in order of preference"]
    route += [f"      - {_quoted(f'{starter.name}/{starter.model}')}" for starter, _ in starters]
    return "\n".join((_HEAD, *lines, *route, _TAIL))


def _quoted(name: str) -> str:
    return f'"{name}"' if ":" in name else name
