"""The keys under `defaults` and `providers`."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final

from monitor.config.checks import CHECK_TURNS, CheckTurns
from monitor.config.context_check import ContextCheckSection
from monitor.config.owner import OwnerSection
from monitor.config.provider_keys import KEYS
from monitor.config.reading import Text
from monitor.config.regions import SOME_REGIONS
from monitor.config.requirements import CAPABILITIES, LARGEST_CONTEXT, REGION
from monitor.config.section import Key, NamedSections, Section
from monitor.config.units import SHORTEST_INTERVAL_S
from monitor.config.values import (
    Value,
    address,
    as_written,
    choice,
    duration,
    flag,
    must,
    number,
    secret,
    text,
    tokens,
    whole_number,
)
from probes.dialects.presets import PRESETS
from probes.dialects.registry import CONFIG_FIELDS, DIALECTS
from probes.target import Provider, Secret, Target

LONGEST_EMBEDDING: Final = 100_000
#: Ten times the dearest model there is; more than that is a price per thousand or per token in the wrong place.
_HIGHEST_USD: Final = 10_000.0
NO_PAGE: Final = "none"
ONE_DIALECT: Final = f"one of {', '.join(DIALECTS)}"
#: The values that a target has where the file says nothing.
PLAIN_TARGET: Final = Target(provider=Provider(name="", dialect="", base_url="", api_key=Secret("")), model="")
_PRICE: Final = number(
    must(
        lambda usd: 0 <= usd <= _HIGHEST_USD,
        f"{{:g}} is not a price in dollars per million tokens; expected 0 to {_HIGHEST_USD:g}",
    ),
    "dollars per million tokens, such as 0.10",
    minimum=0,
    maximum=_HIGHEST_USD,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutSection(Section):
    """Deadlines of one probe, counted from its start."""

    connect_s: Annotated[float | None, duration(), Key(shown=PLAIN_TARGET.timeouts.connect_s)] = None
    """Deadline for DNS, TCP and TLS, from the start of the probe. Change it when the provider is behind a slow
    proxy."""
    first_token_s: Annotated[float | None, duration(), Key(shown=PLAIN_TARGET.timeouts.first_token_s)] = None
    """Deadline for a stream's first text. Change it when the model thinks for long."""
    total_s: Annotated[float | None, duration(), Key(shown=PLAIN_TARGET.timeouts.total_s)] = None
    """Deadline for the whole answer. Change it when good answers take longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbingSection(Section):
    """How models are probed. Each model under `providers` may override any of it."""

    interval_s: Annotated[
        float | None, duration(at_least_s=SHORTEST_INTERVAL_S), Key(shown=PLAIN_TARGET.interval_s)
    ] = None
    """From probe to probe of one model; at least `500ms`. Change it when outages must be noticed sooner, or probes
    cost too much."""
    timeout: TimeoutSection = TimeoutSection()
    slow_s: Annotated[float | None, duration(), Key(shown=PLAIN_TARGET.slow_s)] = None
    """A correct answer that took longer is `slow`; shorter than `timeout.total`. Change it when users' patience
    differs."""
    checks: Annotated[CheckTurns | None, CHECK_TURNS, Key(shown=PLAIN_TARGET.checks)] = None
    """What to ask, in turn: `chat`, `stream`, `structured`, `tool`, `embedding`. With weights, `{chat: 3, stream:
    1}` asks a stream every fourth time. See [checks](probing.md#what-is-asked). Change it when your application
    streams, parses JSON, calls tools or embeds, or add [a check of your own](probing.md#checks-of-your-own)."""
    context_check: ContextCheckSection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSection(Section):
    """What a million tokens cost, in dollars."""

    empty_is_absent: ClassVar = True

    input: Annotated[float, _PRICE, Key(default_text="from the price list")]
    """Dollars per million tokens of input: `price: {input: 0.10, output: 0.50, cached: 0.01}`. Change it when the
    list lacks the model, you pay otherwise, or it is free (`{input: 0, output: 0}`)."""
    output: Annotated[float, _PRICE, Key(default_text="from the price list")]
    """The same for output."""
    cached: Annotated[float | None, _PRICE, Key(default_text="as `price.input`")] = None
    """The same for input that the provider had cached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSection(ProbingSection):
    """One model: how it is probed where that differs from `defaults`."""

    parameters: Annotated[
        dict[str, Any],
        as_written("a mapping of what the provider takes, such as {reasoning_effort: low}"),
        Key(default_text="none"),
    ] = field(default_factory=dict)
    """Laid over the body of every request, section by section, in the provider's own words: `{reasoning_effort:
    low}`. `null` removes a key. Change it when Hotspare does not know the model's family, or your application asks
    differently."""
    dimensions: Annotated[
        int | None, whole_number(1, LONGEST_EMBEDDING), Key(default_text="what the model is known for")
    ] = None
    """The length of an embedding; any will do for models that Hotspare does not know, and with `parameters`. Change
    it when shorter ones are asked for: `{parameters: {dimensions: 256}, dimensions: 256}`."""
    capabilities: Annotated[frozenset[str], CAPABILITIES, Key(default_text="none")] = frozenset()
    """What it can do, in words of your own, for `requires` of routes: `[tools, schema, vision]`."""
    region: Annotated[str | None, REGION, Key(default_text="none")] = None
    """Where it is, for `requires` of routes: `eu`."""
    regions: Annotated[tuple[Text, ...], SOME_REGIONS, Key(default_text="the provider's")] = ()
    """Of the file's `regions`, those that probe and use it. Change it when it cannot be reached, or may not be used,
    from the others."""
    context: Annotated[int | None, tokens(LARGEST_CONTEXT), Key(default_text="from the price list")] = None
    """The most tokens that a request may have. The routing file tells applications. Change it when the list lacks the
    model, or it takes less where you use it."""
    price: PriceSection | None = None


def _config_field(name: str) -> Value:
    """A key that only some dialects take, as they declare it."""
    declared = CONFIG_FIELDS[name]
    if declared.pattern is None:
        return flag()
    return text(declared.expected, any_kind=True, pattern=declared.pattern.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSection(Section):
    """One provider and its models."""

    dialect: Annotated[
        Text | None,
        text(f"{ONE_DIALECT}, or a preset", check=lambda _: None, pattern="|".join(DIALECTS), placed=True),
        Key(default_text="required, unless there is a preset"),
    ] = None
    """The wire format. See [dialects](probing.md#who-can-be-asked)."""
    preset: Annotated[str | None, choice(PRESETS, "a preset of this version", f"one of {', '.join(PRESETS)}")] = None
    """In place of `dialect`: a provider that speaks `openai-chat`, with its address and peculiarities. See
    [presets](probing.md#presets). Change it when yours is among them."""
    base_url: Annotated[str | None, address(), Key(default_text="the vendor's own")] = None
    """An http(s) address without user name, query or fragment. With `openai-chat`, `openai-responses` and presets
    it ends in the version (`https://api.openai.com/v1`), otherwise it is the host alone
    (`https://api.anthropic.com`). `azure-openai` (`https://RESOURCE.openai.azure.com`) and the preset `vertex` have
    no default. Change it when a gateway or somebody else serves the models."""
    api_key: Annotated[Secret | None, secret("", "key"), Key(default_text="required")] = None
    """The key, as `${NAME}` or `${file:PATH}`. Not needed with `signing` and the presets `vllm`, `ollama` and
    `litellm`; for another server that wants none, write any text."""
    api_keys: Annotated[tuple[Secret, ...], KEYS, Key(default_text="none")] = ()
    """Several in place of `api_key`, in order: `["${A}", "${B}"]`. The first that works is used, by applications too;
    see [several keys](#several-keys). Change it when one may be refused or run out of money."""
    region: Annotated[str | None, _config_field("region"), Key(default_text="required for `bedrock`")] = None
    """`bedrock` only: the account's region, such as `us-east-1`; not needed with a `base_url` and a key."""
    signing: Annotated[bool, _config_field("signing")] = False
    """`bedrock` only: `true` signs requests (SigV4) with [the credentials that AWS's tools find](probing.md#bedrock),
    in place of `api_key`. Needs `pip install hotspare[bedrock]`. Change it when there is no Bedrock API key."""
    api_version: Annotated[str | None, _config_field("api_version")] = None
    """`azure-openai` only: the `api-version` of a classic resource (`2024-10-21`); a model is then named by its
    deployment. Change it when the resource is not on the v1 API."""
    status_page: Annotated[
        str | None,
        address(f"an http(s) address, or {NO_PAGE}", instead=NO_PAGE),
        Key(default_text="the vendor's own"),
    ] = None
    """Where the vendor publishes its status, or `none`; the default follows from the host of `base_url`. See
    [vendors' status pages](vendor-status.md). Change it when a gateway hides the vendor, or the page moved."""
    sentinel: Annotated[
        Text | None, text("one of the provider's models", any_kind=True, placed=True), Key(default_text="none")
    ] = None
    """The model, best the cheapest, that is probed at a sixth of `defaults.interval`, and the others at one and a
    half times: see [sentinels](#sentinels). Change it when outages are to be noticed sooner, for less money."""
    owner: OwnerSection | None = None
    regions: Annotated[tuple[Text, ...], SOME_REGIONS, Key(default_text="all")] = ()
    """Of the file's `regions`, those that probe and use it, unless a model names its own. Change it when it serves some
    only."""
    models: Annotated[
        dict[str, ModelSection],
        NamedSections(
            kind=ModelSection,
            what="model",
            name_expected="a name without spaces and braces (variables are expanded in values only)",
            pattern=r"[^\s{}]+",
        ),
    ]
    """What to probe: models as the provider calls them, each with its settings or `{}`."""
