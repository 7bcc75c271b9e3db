"""The configuration of providers, their models, and how each is probed: everything that makes a `Target`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from monitor.config.config_checks import read_checks
from monitor.config.config_free import free
from monitor.config.config_price import read_price
from monitor.config.config_providers import checks_of, read_provider
from monitor.config.document import Kind, Scalar
from monitor.config.document import Mapping as YamlMapping
from monitor.config.schema import Section
from monitor.formatting import format_duration
from probes.target import Provider, Secret, Target, Timeouts

#: Two probes a second for one target; the demonstration needs as many, real life never does.
SHORTEST_INTERVAL_S = 0.5
LONGEST_EMBEDDING = 100_000

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_MODEL = re.compile(r"[^\s{}]+")
#: Holds the defaults of everything that a section may leave out.
_PLAIN = Target(provider=Provider(name="", dialect="", base_url="", api_key=Secret("")), model="")


def read_targets(root: Section) -> tuple[Target, ...]:
    """Every model of every provider, in the order of the file."""
    base = _probing(root.section("defaults"), _PLAIN)
    return tuple(
        target for name, section in root.named("providers", "provider") for target in _models(name, section, base)
    )


def check_name(section: Section, name: Scalar, what: str) -> None:
    """Report a name of a provider or a route that could not stand in a target's id, a file or a message."""
    if _is_text(section, name) and not _NAME.fullmatch(name.text):
        expected = "lower-case letters, digits, '_', '.' and '-', beginning with a letter or a digit"
        section.findings.problem(name.place, f"cannot name {what}; expected {expected}")


def _models(name: Scalar, section: Section, base: Target) -> Iterator[Target]:
    check_name(section, name, "a provider")
    provider = read_provider(name.text, section)
    for model, probing in section.named("models", "model"):
        _check_model(probing, model)
        target = replace(
            _probing(probing, base),
            provider=provider,
            model=model.text,
            parameters=_parameters(probing),
            dimensions=_dimensions(probing),
            price=read_price(probing),
        )
        _check_checks(probing, target)
        yield target


def _check_checks(section: Section, target: Target) -> None:
    """Report the checks that cannot be asked of this provider."""
    known = checks_of(target.provider)
    whose = (
        f"the preset {target.provider.preset}" if target.provider.preset else f"the dialect {target.provider.dialect}"
    )
    for check in target.questions:
        if check not in known:
            can = ", ".join(sorted(known))
            text = f"{check} cannot be asked of {target.id}: {whose} knows {can}"
            section.findings.problem(section.at("checks"), text)


def _parameters(section: Section) -> Mapping[str, Any]:
    """What is laid over the body of every request."""
    node = section.entries.get("parameters")
    if node is None:
        return {}
    if not isinstance(node, YamlMapping):
        section.reader.wrong(node, "a mapping of what the provider takes, such as {reasoning_effort: low}")
        return {}
    return {key.text: free(section.reader, value) for key, value in node.entries}


def _dimensions(section: Section) -> int | None:
    number = section.number("dimensions")
    if number is None:
        return None
    if number != int(number) or not 1 <= number <= LONGEST_EMBEDDING:
        text = f"{number:g} is not a whole number from 1 to {LONGEST_EMBEDDING}"
        section.findings.problem(section.at("dimensions"), text)
        return None
    return int(number)


def _check_model(section: Section, name: Scalar) -> None:
    if _is_text(section, name) and not (_MODEL.fullmatch(name.text) and name.text.isprintable()):
        expected = "a name without spaces and braces (variables are expanded in values only)"
        section.findings.problem(name.place, f"cannot name a model; expected {expected}")


def _is_text(section: Section, name: Scalar) -> bool:
    if name.kind is not Kind.TEXT:
        section.findings.problem(name.place, f"YAML takes this name for {name.kind}; put it in quotes")
    return name.kind is Kind.TEXT


def _probing(section: Section, base: Target) -> Target:
    """How to probe, as far as this section says so, on top of what it inherits."""
    interval_s = section.duration("interval", base.interval_s, SHORTEST_INTERVAL_S)
    timeouts = _timeouts(section.section("timeout"), base.timeouts)
    _warn_about_overlap(section, interval_s, timeouts.total_s)
    checks = read_checks(section)
    return replace(
        base,
        interval_s=interval_s,
        timeouts=timeouts,
        slow_s=_slow(section, base.slow_s, timeouts.total_s),
        checks=checks or base.checks,
    )


def _timeouts(section: Section, base: Timeouts) -> Timeouts:
    total_s = section.duration("total", base.total_s)
    parts_s: dict[str, float] = {}
    for key, inherited_s in (("connect", base.connect_s), ("first_token", base.first_token_s)):
        # What is inherited gives way to a shorter total; what is written must make sense.
        parts_s[key] = section.duration(key, min(inherited_s, total_s))
        if parts_s[key] > total_s:
            shown = f"{format_duration(parts_s[key])} is longer than the total of {format_duration(total_s)}"
            section.findings.problem(section.at(key), shown)
    return Timeouts(connect_s=parts_s["connect"], first_token_s=parts_s["first_token"], total_s=total_s)


def _slow(section: Section, inherited_s: float, total_s: float) -> float:
    slow_s = section.duration("slow", min(inherited_s, total_s))
    if section.has("slow") and slow_s >= total_s:
        text = f"is not shorter than timeout.total ({format_duration(total_s)}): no answer would ever be slow"
        section.findings.problem(section.at("slow"), f"{format_duration(slow_s)} {text}")
    return slow_s


def _warn_about_overlap(section: Section, interval_s: float, total_s: float) -> None:
    written = [key for key in ("interval", "timeout") if section.has(key)]
    if written and total_s > interval_s:
        text = (
            f"a probe may take {format_duration(total_s)} (timeout.total), longer than the interval of"
            f" {format_duration(interval_s)}: probes that are due meanwhile are skipped"
        )
        section.findings.warn(section.at(written[0]), text)
