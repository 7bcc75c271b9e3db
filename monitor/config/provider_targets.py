"""How the sections of providers and models become targets.

A model inherits what its section leaves out from `defaults`, a provider from its preset or its dialect.
"""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import ValidationInfo

from monitor.config.checks import CheckTurns
from monitor.config.context_check import context_check_problem
from monitor.config.document import Node
from monitor.config.provider_keys import provider_keys
from monitor.config.provider_sections import (
    NO_PAGE,
    ONE_DIALECT,
    PLAIN_TARGET,
    ProbingSection,
    ProviderSection,
    TimeoutSection,
)
from monitor.config.reading import ReadContext
from monitor.config.regions import regions_named, target_in
from monitor.config.sentinel import interval_beside_sentinel
from monitor.formatting import format_duration
from monitor.status_pages.catalog import default_page
from probes.dialects.presets import PRESETS, Preset, preset_of
from probes.dialects.registry import CONFIG_FIELDS, DIALECTS, PRESET_DIALECT
from probes.target import Check, Price, Provider, Target, Timeouts


def build_targets(sections: dict[str, ProviderSection], info: ValidationInfo[ReadContext]) -> tuple[Target, ...]:
    """Every model of every provider, in the order of the file, with regions once for each of its own.

    The context holds them from now on, by the names that have no region.
    """
    context, root = info.context, info.context.root
    base = _probing(info.data["defaults"], PLAIN_TARGET, root.child("defaults"), context)
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
        context.require(node, "dialect", f"{ONE_DIALECT}, or a preset")
    dialect = section.dialect
    if dialect is None or node.has("preset"):
        return ""
    if dialect in DIALECTS:
        return str(dialect)
    if dialect in PRESETS:
        context.refuse(dialect, f"is not a dialect but a preset; write preset: {dialect}")
    else:
        hint = context.problems.did_you_mean(dialect, DIALECTS) or f"; expected {ONE_DIALECT}"
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
    return None if section.status_page == NO_PAGE else section.status_page
