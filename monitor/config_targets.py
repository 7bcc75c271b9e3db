"""The configuration of providers, their models, and how each is probed: everything that makes a `Target`."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from monitor.config_sections import Section
from monitor.config_values import Text
from monitor.units import format_duration
from monitor.yamlfile import Kind, Scalar
from probes.dialects.registry import DIALECTS
from probes.target import Check, Provider, Secret, Target, Timeouts

#: Two probes a second for one target; the demonstration needs as many, real life never does.
SHORTEST_INTERVAL_S = 0.5

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


def warn_about_literal(section: Section, text: Text, what: str, variable: str) -> None:
    """Say that a secret stands in the file itself."""
    if not text.expanded:
        section.findings.warn(
            text.place, f"the {what} stands in the file; keep it in a variable and write ${{{variable}}}"
        )


def _models(name: Scalar, section: Section, base: Target) -> Iterator[Target]:
    check_name(section, name, "a provider")
    provider = _provider(name.text, section)
    for model, probing in section.named("models", "model"):
        _check_model(probing, model)
        yield replace(_probing(probing, base), provider=provider, model=model.text)


def _check_model(section: Section, name: Scalar) -> None:
    if _is_text(section, name) and not (_MODEL.fullmatch(name.text) and name.text.isprintable()):
        expected = "a name without spaces and braces (variables are expanded in values only)"
        section.findings.problem(name.place, f"cannot name a model; expected {expected}")


def _is_text(section: Section, name: Scalar) -> bool:
    if name.kind is not Kind.TEXT:
        section.findings.problem(name.place, f"YAML takes this name for {name.kind}; put it in quotes")
    return name.kind is Kind.TEXT


def _provider(name: str, section: Section) -> Provider:
    dialect = _dialect(section)
    base_url = section.url("base_url")
    if base_url:
        _warn_about_version(section, base_url, dialect)
    variable = re.sub("[^A-Z0-9]", "_", name.upper()) + "_API_KEY"
    key = section.secret("api_key", f"a variable such as ${{{variable}}}")
    if key:
        warn_about_literal(section, key, "key", variable)
    default = DIALECTS[dialect].base_url if dialect else ""
    return Provider(
        name=name,
        dialect=dialect,
        base_url=base_url.value.rstrip("/") if base_url else default,
        api_key=Secret(key.value if key else ""),
        api_key_env=key.variable if key else None,
    )


def _dialect(section: Section) -> str:
    expected = f"one of {', '.join(DIALECTS)}"
    dialect = section.required("dialect", expected)
    if dialect is None:
        return ""
    if dialect.value not in DIALECTS:
        hint = section.findings.did_you_mean(dialect.value, DIALECTS) or f"; expected {expected}"
        section.refuse(dialect, f"is not a dialect of this version{hint}")
        return ""
    return dialect.value


def _warn_about_version(section: Section, base_url: Text, dialect: str) -> None:
    path = urlsplit(base_url.value).path.rstrip("/")
    if dialect == "openai-chat" and not path:
        section.findings.warn(base_url.place, "has no path; servers of this dialect usually want one that ends in /v1")
    if dialect in {"anthropic", "gemini"} and re.search(r"/v1(beta)?$", path):
        section.findings.warn(base_url.place, "ends in a version, which this dialect adds itself; leave it out")


def _probing(section: Section, base: Target) -> Target:
    """How to probe, as far as this section says so, on top of what it inherits."""
    interval_s = section.duration("interval", base.interval_s, SHORTEST_INTERVAL_S)
    timeouts = _timeouts(section.section("timeout"), base.timeouts)
    _warn_about_overlap(section, interval_s, timeouts.total_s)
    checks = section.choices("checks", tuple(str(check) for check in Check), "a check of this version")
    return replace(
        base,
        interval_s=interval_s,
        timeouts=timeouts,
        slow_s=_slow(section, base.slow_s, timeouts.total_s),
        checks=tuple(Check(check) for check in checks) if checks else base.checks,
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
