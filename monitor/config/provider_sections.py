"""The keys under `defaults` and `providers`, and how they become targets.

A model inherits what its section leaves out from `defaults`, a provider from its preset or its dialect.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import ValidationInfo

from monitor.config.checks import CHECK_TURNS, CheckTurns
from monitor.config.context_check import ContextCheckSection, context_check_problem
from monitor.config.document import Node
from monitor.config.owner import OwnerSection
from monitor.config.provider_keys import KEYS, provider_keys
from monitor.config.reading import ReadContext, Text
from monitor.config.regions import SOME_REGIONS, regions_named, target_in
from monitor.config.requirements import CAPABILITIES, LARGEST_CONTEXT, REGION
from monitor.config.section import Key, NamedSections, Section
from monitor.config.sentinel import interval_beside_sentinel
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
from monitor.formatting import format_duration
from monitor.status_pages.catalog import default_page
from probes.dialects.presets import PRESETS, Preset, preset_of
from probes.dialects.registry import CONFIG_FIELDS, DIALECTS, PRESET_DIALECT
from probes.target import Check, Price, Provider, Secret, Target, Timeouts

LONGEST_EMBEDDING: Final = 100_000
#: Ten times the dearest model there is; more than that is a price per thousand or per token in the wrong place.
_HIGHEST_USD: Final = 10_000.0
_NO_PAGE: Final = "none"
_ONE_DIALECT: Final = f"one of {', '.join(DIALECTS)}"
#: The values that a target has where the file says nothing.
_PLAIN: Final = Target(provider=Provider(name="", dialect="", base_url="", api_key=Secret("")), model="")
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

    connect_s: Annotated[float | None, duration(), Key(shown=_PLAIN.timeouts.connect_s)] = None
    """Deadline for DNS, TCP and TLS, from the start of the probe. Change it when the provider is behind a slow
    proxy."""
    first_token_s: Annotated[float | None, duration(), Key(shown=_PLAIN.timeouts.first_token_s)] = None
    """Deadline for a stream's first text. Change it when the model thinks for long."""
    total_s: Annotated[float | None, duration(), Key(shown=_PLAIN.timeouts.total_s)] = None
    """Deadline for the whole answer. Change it when good answers take longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbingSection(Section):
    """How models are probed. Each model under `providers` may override any of it."""

    interval_s: Annotated[float | None, duration(at_least_s=SHORTEST_INTERVAL_S), Key(shown=_PLAIN.interval_s)] = None
    """From probe to probe of one model; at least `500ms`. Change it when outages must be noticed sooner, or probes
    cost too much."""
    timeout: TimeoutSection = TimeoutSection()
    slow_s: Annotated[float | None, duration(), Key(shown=_PLAIN.slow_s)] = None
    """A correct answer that took longer is `slow`; shorter than `timeout.total`. Change it when users' patience
    differs."""
    checks: Annotated[CheckTurns | None, CHECK_TURNS, Key(shown=_PLAIN.checks)] = None
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
        text(f"{_ONE_DIALECT}, or a preset", check=lambda _: None, pattern="|".join(DIALECTS), placed=True),
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
        address(f"an http(s) address, or {_NO_PAGE}", instead=_NO_PAGE),
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


def build_targets(sections: dict[str, ProviderSection], info: ValidationInfo[ReadContext]) -> tuple[Target, ...]:
    """Every model of every provider, in the order of the file, with regions once for each of its own.

    The context holds them from now on, by the names that have no region.
    """
    context, root = info.context, info.context.root
    base = _probing(info.data["defaults"], _PLAIN, root.child("defaults"), context)
    regions, targets = info.data["regions"], list[Target]()
    for name, section in sections.items():
        node = root.child("providers").child(name)
        usual = regions_named(section.regions, regions, context) or regions
        for target in _models(_provider(name, section, node, context), section, node.child("models"), base, context):
            context.targets[target.plain_name] = target
            own = regions_named(section.models[target.model].regions, regions, context)
            targets += [target_in(region, target) for region in own or usual or ("",)]
    return tuple(targets)


def checks_of(provider: Provider) -> frozenset[Check]:
    """The checks that can be asked of it; all of them where its dialect could not be read."""
    if not provider.dialect:
        return frozenset(Check)
    return DIALECTS[provider.dialect].checks - preset_of(provider.preset).unsupported


def _models(
    provider: Provider, section: ProviderSection, node: Node, base: Target, context: ReadContext
) -> Iterator[Target]:
    for name, model in section.models.items():
        price, inherited = model.price, base
        if provider.sentinel:
            interval_s = interval_beside_sentinel(base.interval_s, is_sentinel=name == provider.sentinel)
            inherited = replace(base, interval_s=interval_s)
        target = replace(
            _probing(model, inherited, node.child(name), context),
            provider=provider,
            model=name,
            parameters=model.parameters,
            dimensions=model.dimensions,
            context=model.context,
            capabilities=model.capabilities,
            location=model.region,
            price=Price(input_usd=price.input, output_usd=price.output, cached_usd=price.cached) if price else None,
        )
        _report_checks(target, node.child(name), context)
        if problem := context_check_problem(target, checks_of(provider)):
            context.report(node.child(name).at("context_check"), problem)
        yield target


def _report_checks(target: Target, node: Node, context: ReadContext) -> None:
    """Report the checks that cannot be asked of this provider."""
    provider, known = target.provider, checks_of(target.provider)
    whose = f"the preset {provider.preset}" if provider.preset else f"the dialect {provider.dialect}"
    for check in target.questions:
        if check not in known and check not in target.custom_checks:
            problem = f"{check} cannot be asked of {target.id}: {whose} supports {', '.join(sorted(known))}"
            context.report(node.at("checks"), problem)


def _probing(section: ProbingSection, base: Target, node: Node, context: ReadContext) -> Target:
    """How to probe, as far as this section says so, on top of what it inherits."""
    interval_s = base.interval_s if section.interval_s is None else section.interval_s
    timeouts = _timeouts(section.timeout, base.timeouts, node.child("timeout"), context)
    total_s = timeouts.total_s
    slow_s = min(base.slow_s, total_s) if section.slow_s is None else section.slow_s
    if section.slow_s is not None and slow_s >= total_s:
        problem = f"is not shorter than timeout.total ({format_duration(total_s)}): no answer would ever be slow"
        context.report(node.at("slow"), f"{format_duration(slow_s)} {problem}")
    written = [name for name in ("interval", "timeout") if node.has(name)]
    if written and total_s > interval_s:
        problem = (
            f"a probe may take {format_duration(total_s)} (timeout.total), longer than the interval of"
            f" {format_duration(interval_s)}: probes that are due meanwhile are skipped"
        )
        context.problems.warn(node.at(written[0]), problem)
    checks = section.checks or CheckTurns(order=base.checks, custom=base.custom_checks)
    return replace(
        base,
        interval_s=interval_s,
        timeouts=timeouts,
        slow_s=slow_s,
        checks=checks.order,
        custom_checks=checks.custom,
        context_check=section.context_check.check() if section.context_check else base.context_check,
    )


def _timeouts(section: TimeoutSection, base: Timeouts, node: Node, context: ReadContext) -> Timeouts:
    total_s = base.total_s if section.total_s is None else section.total_s
    for name, seconds in (("connect", section.connect_s), ("first_token", section.first_token_s)):
        if seconds is not None and seconds > total_s:
            problem = f"{format_duration(seconds)} is longer than the total of {format_duration(total_s)}"
            context.report(node.at(name), problem)
    # What is inherited gives way to a shorter total.
    return Timeouts(
        connect_s=min(base.connect_s, total_s) if section.connect_s is None else section.connect_s,
        first_token_s=min(base.first_token_s, total_s) if section.first_token_s is None else section.first_token_s,
        total_s=total_s,
    )


def _provider(provider_name: str, section: ProviderSection, node: Node, context: ReadContext) -> Provider:
    preset = PRESETS[section.preset] if section.preset else None
    dialect = _dialect(section, preset, node, context)
    takes = {name: not dialect or DIALECTS[dialect].takes(name) for name in CONFIG_FIELDS}
    for name, taken in takes.items():
        if getattr(section, name) and not taken:
            takers = ", ".join(taker for taker, other in DIALECTS.items() if other.takes(name))
            problem = f"is not used by the dialect {dialect}, only by {takers}; leave it out"
            context.report(node.at(name), problem)
    signing = section.signing
    if signing and dialect and takes["signing"]:
        context.require(node, "region", "the region to sign for, such as us-east-1")
    base_url = _base_url(section, dialect, preset, node, context)
    first, *others = provider_keys(
        section.api_key,
        section.api_keys,
        node,
        context,
        signing=signing,
        needed=preset is None or preset.key_needed,
    )
    return Provider(
        name=provider_name,
        dialect=dialect,
        base_url=base_url,
        api_key=first.secret,
        api_key_env=first.variable,
        api_key_file=first.file,
        other_keys=tuple(others),
        preset=preset.name if preset else None,
        region=section.region,
        api_version=section.api_version,
        signing=signing,
        status_page=_status_page(section, base_url, node),
        owner=section.owner.owner if section.owner else None,
        sentinel=_sentinel(section, provider_name, node.child("models"), context),
    )


def _sentinel(section: ProviderSection, provider_name: str, models: Node, context: ReadContext) -> str | None:
    """The model that stands for the others; None where there are no others, of which is warned."""
    sentinel = section.sentinel
    if sentinel is None or not section.models:
        return None
    if not models.has(sentinel):
        hint = context.problems.did_you_mean(sentinel, section.models) or f"; known: {', '.join(section.models)}"
        context.refuse(sentinel, f"is not a model of {provider_name}{hint}")
        return None
    if len(section.models) == 1:
        problem = f"has no effect: {provider_name} has no other model that it could stand for"
        context.problems.warn(sentinel.place, f"{context.problems.shown(sentinel.written)} {problem}")
        return None
    return str(sentinel)


def _dialect(section: ProviderSection, preset: Preset | None, node: Node, context: ReadContext) -> str:
    """The name of the dialect; empty where it is wrong, which has been reported."""
    if preset:
        if node.has("dialect"):
            problem = f"the preset {preset.name} speaks {PRESET_DIALECT.name}; leave dialect out"
            context.report(node.at("dialect"), problem)
        return PRESET_DIALECT.name
    if not node.has("preset"):
        context.require(node, "dialect", f"{_ONE_DIALECT}, or a preset")
    dialect = section.dialect
    if dialect is None or node.has("preset"):
        return ""
    if dialect in DIALECTS:
        return str(dialect)
    if dialect in PRESETS:
        context.refuse(dialect, f"is not a dialect but a preset; write preset: {dialect}")
    else:
        hint = context.problems.did_you_mean(dialect, DIALECTS) or f"; expected {_ONE_DIALECT}"
        context.refuse(dialect, f"is not a dialect of this version{hint}")
    return ""


def _base_url(section: ProviderSection, dialect: str, preset: Preset | None, node: Node, context: ReadContext) -> str:
    """The address in the file, else the preset's or the dialect's own; empty where there is none, which is reported."""
    if section.base_url:
        warning = DIALECTS[dialect].base_url_warning(section.base_url) if dialect else None
        if warning:
            context.problems.warn(node.at("base_url"), warning)
        return section.base_url.rstrip("/")
    if node.has("base_url"):
        return ""
    default = (preset.default_base_url if preset else DIALECTS[dialect].default_base_url if dialect else "") or ""
    if "{region}" in default and section.region is None:
        if not section.signing:  # without one to sign for, that has been reported
            problem = "the region of the account, such as us-east-1 (or a base_url)"
            context.require(node, "region", problem)
        return ""
    if not default and (preset or dialect):
        whose = f"the preset {preset.name}" if preset else f"the dialect {dialect}"
        problem = f"the address of your own resource; {whose} has no default"
        context.require(node, "base_url", problem)
    return default.replace("{region}", section.region or "")


def _status_page(section: ProviderSection, base_url: str, node: Node) -> str | None:
    """The vendor's own, unless the file names another one or none."""
    if not node.has("status_page"):
        return default_page(base_url)
    return None if section.status_page == _NO_PAGE else section.status_page
