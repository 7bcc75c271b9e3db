"""The sections of providers and their models to targets, with the rules that concern several of their keys."""

from collections.abc import Iterator
from dataclasses import replace

from monitor.config.reading import ReadContext
from monitor.config.schema import (
    NO_PAGE,
    ONE_DIALECT,
    PLAIN_TARGET,
    Configuration,
    ModelSection,
    ProbingSection,
    ProviderSection,
    TimeoutSection,
)
from monitor.config.values import key_variable
from monitor.formatting import format_duration
from monitor.status_pages.catalog import default_page
from probes.dialects.presets import PRESETS, Preset, preset_of
from probes.dialects.registry import CONFIG_FIELDS, DIALECTS, PRESET_DIALECT
from probes.target import Check, Price, Provider, Secret, Target, Timeouts


def build_targets(root: Configuration, context: ReadContext) -> tuple[Target, ...]:
    """Every model of every provider, in the order of the file."""
    base = _probing(root.defaults, PLAIN_TARGET, context)
    return tuple(
        target
        for name, section in root.providers.items()
        for target in _models(_provider(name, section, context), section, base, context)
    )


def checks_of(provider: Provider) -> frozenset[Check]:
    """The checks that can be asked of it; all of them where its dialect could not be read."""
    if not provider.dialect:
        return frozenset(Check)
    return DIALECTS[provider.dialect].checks - preset_of(provider.preset).unsupported


def _models(provider: Provider, section: ProviderSection, base: Target, context: ReadContext) -> Iterator[Target]:
    for name, model in section.models.items():
        price = model.price
        target = replace(
            _probing(model, base, context),
            provider=provider,
            model=name,
            parameters=model.parameters,
            dimensions=model.dimensions,
            price=Price(input_usd=price.input, output_usd=price.output, cached_usd=price.cached) if price else None,
        )
        _report_checks(model, target, context)
        yield target


def _report_checks(section: ModelSection, target: Target, context: ReadContext) -> None:
    """Report the checks that cannot be asked of this provider."""
    provider, known = target.provider, checks_of(target.provider)
    whose = f"the preset {provider.preset}" if provider.preset else f"the dialect {provider.dialect}"
    for check in target.questions:
        if check not in known:
            text = f"{check} cannot be asked of {target.id}: {whose} supports {', '.join(sorted(known))}"
            context.report(section.at("checks"), text)


def _probing(section: ProbingSection, base: Target, context: ReadContext) -> Target:
    """How to probe, as far as this section says so, on top of what it inherits."""
    interval_s = base.interval_s if section.interval is None else section.interval
    timeouts = _timeouts(section.timeout, base.timeouts, context)
    total_s = timeouts.total_s
    slow_s = min(base.slow_s, total_s) if section.slow is None else section.slow
    if section.slow is not None and slow_s >= total_s:
        text = f"is not shorter than timeout.total ({format_duration(total_s)}): no answer would ever be slow"
        context.report(section.at("slow"), f"{format_duration(slow_s)} {text}")
    written = [name for name in ("interval", "timeout") if section.has(name)]
    if written and total_s > interval_s:
        text = (
            f"a probe may take {format_duration(total_s)} (timeout.total), longer than the interval of"
            f" {format_duration(interval_s)}: probes that are due meanwhile are skipped"
        )
        context.problems.warn(section.at(written[0]), text)
    checks = section.checks or base.checks
    return replace(base, interval_s=interval_s, timeouts=timeouts, slow_s=slow_s, checks=checks)


def _timeouts(section: TimeoutSection, base: Timeouts, context: ReadContext) -> Timeouts:
    total_s = base.total_s if section.total is None else section.total
    for name, seconds in (("connect", section.connect), ("first_token", section.first_token)):
        if seconds is not None and seconds > total_s:
            text = f"{format_duration(seconds)} is longer than the total of {format_duration(total_s)}"
            context.report(section.at(name), text)
    # What is inherited gives way to a shorter total.
    return Timeouts(
        connect_s=min(base.connect_s, total_s) if section.connect is None else section.connect,
        first_token_s=min(base.first_token_s, total_s) if section.first_token is None else section.first_token,
        total_s=total_s,
    )


def _provider(provider_name: str, section: ProviderSection, context: ReadContext) -> Provider:
    preset = PRESETS[section.preset] if section.preset else None
    dialect = _dialect(section, preset, context)
    takes = {name: not dialect or DIALECTS[dialect].takes(name) for name in CONFIG_FIELDS}
    for name, taken in takes.items():
        if getattr(section, name) and not taken:
            takers = ", ".join(taker for taker, other in DIALECTS.items() if other.takes(name))
            text = f"is not used by the dialect {dialect}, only by {takers}; leave it out"
            context.report(section.at(name), text)
    signing = section.signing
    if signing and section.has("api_key"):
        context.report(section.at("api_key"), "is not used where requests are signed; leave it or signing out")
    if signing and dialect and takes["signing"]:
        section.require("region", "the region to sign for, such as us-east-1", context)
    if not signing and (preset is None or preset.key_needed):
        section.require("api_key", f"a variable such as ${{{key_variable(provider_name)}}}", context)
    base_url = _base_url(section, dialect, preset, context)
    return Provider(
        name=provider_name,
        dialect=dialect,
        base_url=base_url,
        api_key=Secret(section.api_key.value if section.api_key else ""),
        api_key_env=section.api_key.variable if section.api_key else None,
        preset=preset.name if preset else None,
        region=section.region.value if section.region else None,
        api_version=section.api_version.value if section.api_version else None,
        signing=signing,
        status_page=_status_page(section, base_url),
    )


def _dialect(section: ProviderSection, preset: Preset | None, context: ReadContext) -> str:
    """The name of the dialect; empty where it is wrong, which has been reported."""
    if preset:
        if section.has("dialect"):
            text = f"the preset {preset.name} speaks {PRESET_DIALECT.name}; leave dialect out"
            context.report(section.at("dialect"), text)
        return PRESET_DIALECT.name
    if not section.has("preset"):
        section.require("dialect", f"{ONE_DIALECT}, or a preset", context)
    dialect = section.dialect
    if dialect is None or section.has("preset"):
        return ""
    if dialect.value in DIALECTS:
        return dialect.value
    if dialect.value in PRESETS:
        context.refuse(dialect, f"is not a dialect but a preset; write preset: {dialect.value}")
    else:
        hint = context.problems.did_you_mean(dialect.value, DIALECTS) or f"; expected {ONE_DIALECT}"
        context.refuse(dialect, f"is not a dialect of this version{hint}")
    return ""


def _base_url(section: ProviderSection, dialect: str, preset: Preset | None, context: ReadContext) -> str:
    """The address in the file, else the preset's or the dialect's own; empty where there is none, which is reported."""
    if section.base_url:
        warning = DIALECTS[dialect].base_url_warning(section.base_url.value) if dialect else None
        if warning:
            context.problems.warn(section.base_url.place, warning)
        return section.base_url.value.rstrip("/")
    if section.has("base_url"):
        return ""
    default = (preset.default_base_url if preset else DIALECTS[dialect].default_base_url if dialect else "") or ""
    if "{region}" in default and section.region is None:
        if not section.signing:  # without one to sign for, that has been reported
            text = "the region of the account, such as us-east-1 (or a base_url)"
            section.require("region", text, context)
        return ""
    if not default and (preset or dialect):
        whose = f"the preset {preset.name}" if preset else f"the dialect {dialect}"
        text = f"the address of your own resource; {whose} has no default"
        section.require("base_url", text, context)
    return default.replace("{region}", section.region.value if section.region else "")


def _status_page(section: ProviderSection, base_url: str) -> str | None:
    """The vendor's own, unless the file names another one or none."""
    if not section.has("status_page"):
        return default_page(base_url)
    page = section.status_page
    return page.value if page and page.value != NO_PAGE else None
