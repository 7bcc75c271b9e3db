"""A scenario's YAML file, and the configuration that it names, to a `Scenario`: all mistakes at once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from controller.simulation.scenario import (
    AFTERMATH_S,
    BlipScope,
    BlipStream,
    Flap,
    LatencyDistribution,
    Outage,
    QuietBehaviour,
    Scenario,
)
from monitor.config.config_values import Reader, Text, is_nothing
from monitor.config.document import Mapping as YamlMapping
from monitor.config.document import Sequence, UnreadableFileError, parse, read_text
from monitor.config.loader import ConfigError, load
from monitor.config.problems import Problems
from monitor.config.schema import Section, open_section
from monitor.config.units import parse_number, parse_share
from monitor.formatting import format_duration
from monitor.settings import Settings
from probes.outcome import Blame, Outcome

EXAMPLE = "scenario.example.yaml"
#: Every key that a scenario may hold, section by section.
KEYS: dict[str, tuple[str, ...]] = {
    "": ("config", "duration", "background", "blips", "outages", "traffic"),
    "background": ("failure_rate", "latency"),
    "background.latency": ("median", "p99"),
    "blips": ("per_day", "length", "failure_rate", "outcome", "scope"),
    "outages": (
        "at",
        "for",
        "targets",
        "failure_rate",
        "outcome",
        "own_network",
        "ramp",
        "flap",
        "latency_factor",
        "retry_after",
    ),
    "outages.flap": ("up", "down"),
    "traffic": ("rate",),
}
_CHANCE = "a failure rate such as 0.5 or 50%"
_FREQUENCY = "a rate such as 10/s, 90/m or 5/h"
_TARGETS = "a target or a pattern such as openai/*, or a list of them"
_EXPECTED = {"at": "a time such as 1h", "for": "a duration such as 10m", "targets": _TARGETS}
_PER = {"s": 1.0, "m": 60.0, "h": 3600.0}
_OUTCOMES = tuple(str(outcome) for outcome in Outcome if outcome is not Outcome.OK)


def read(path: Path, environ: Mapping[str, str]) -> Scenario:
    """The scenario in this file; raises ConfigError with all mistakes of it and of its configuration at once.

    It carries `warnings` about both. No key need be in the environment.
    """
    findings = Problems(file=str(path))
    root = _root(path, Reader(environ=environ, findings=findings, known=KEYS))
    if root is None:
        raise ConfigError(findings.problems)
    settings, wrong = _configuration(path, root, environ)
    scenario = _scenario(path, root, settings)
    if findings.problems or wrong or settings is None:
        raise ConfigError((*findings.problems, *wrong))
    return replace(scenario, settings=settings, warnings=(*settings.warnings, *findings.warnings))


def _root(path: Path, reader: Reader) -> Section | None:
    """The whole file as a section; None when it cannot be read as one, which has been reported."""
    findings = reader.findings
    try:
        document = parse(read_text(path, example=EXAMPLE))
    except UnreadableFileError as error:
        findings.problem(None, str(error))
        return None
    for flaw in document.flaws:
        findings.problem(flaw.place, flaw.text)
    root = document.root
    if isinstance(root, YamlMapping):
        return open_section(reader, root, root.place, "")
    if not document.flaws:
        found = "is empty" if root is None or is_nothing(root) else "is not a mapping (key: value)"
        findings.problem(None, f"{found}; copy {EXAMPLE} to it and edit it")
    return None


def _configuration(path: Path, root: Section, environ: Mapping[str, str]) -> tuple[Settings | None, tuple[str, ...]]:
    """The settings that the scenario names, or what is wrong with them."""
    named = root.required("config", "the path of a configuration, relative to this file")
    if named is None:
        return None, ()
    try:
        return load(path.parent / named.value, environ, keys=False, stores=False), ()
    except ConfigError as error:
        return None, error.problems


def _scenario(path: Path, root: Section, settings: Settings | None) -> Scenario:
    """What could be read; where there are no settings, nothing is said about targets."""
    if not root.has("duration"):
        root.missing("duration", "a duration such as 6h")
    duration_s = root.duration("duration", 0.0)
    rate = root.section("traffic").parsed("rate", _FREQUENCY, _parse_frequency)
    return Scenario(
        path=path,
        settings=settings or Settings(path=path, targets=(), routes=()),
        duration_s=duration_s,
        background=_background(root.section("background")),
        blips=_blips(root.section("blips")) if root.has("blips") else None,
        outages=tuple(_outages(root, settings, duration_s)),
        requests_per_s=rate or 0.0,
    )


def _background(section: Section) -> QuietBehaviour:
    default = QuietBehaviour()
    latency = section.section("latency")
    median_s = latency.duration("median", default.latency.median_s)
    p99_s = latency.duration("p99", max(median_s, default.latency.p99_s))
    if p99_s < median_s:
        shown = f"{format_duration(p99_s)} is shorter than the median of {format_duration(median_s)}"
        section.findings.problem(latency.at("p99"), shown)
        p99_s = median_s
    rate = _chance(section, "failure_rate", default.failure_rate, zero=True)
    return QuietBehaviour(failure_rate=rate, latency=LatencyDistribution(median_s=median_s, p99_s=p99_s))


def _blips(section: Section) -> BlipStream:
    default = BlipStream()
    per_day = section.number("per_day")
    if per_day is not None and per_day < 0:
        section.findings.problem(section.at("per_day"), f"{per_day:g} is not zero or more")
    shortest_s, longest_s = section.durations("length", (default.shortest_s, default.longest_s))
    return BlipStream(
        per_day=default.per_day if per_day is None or per_day < 0 else per_day,
        shortest_s=shortest_s,
        longest_s=longest_s,
        failure_rate=_chance(section, "failure_rate", default.failure_rate),
        outcome=Outcome(_one_of(section, "outcome", _OUTCOMES, "a way to fail") or default.outcome),
        scope=BlipScope(_one_of(section, "scope", tuple(map(str, BlipScope)), "a scope of blips") or default.scope),
    )


def _outages(root: Section, settings: Settings | None, duration_s: float) -> Iterator[Outage]:
    node = root.entries.get("outages")
    if node is None:
        return
    if not isinstance(node, Sequence):
        root.reader.wrong(node, "a list of outages")
        return
    before: list[tuple[int, Outage]] = []
    for number, item in enumerate(node.items):
        section = open_section(root.reader, item, item.place, "outages")
        outage = _outage(section, settings, duration_s)
        if outage:
            _report_overlap(section, outage, before)
            before.append((number, outage))
            yield outage


def _outage(section: Section, settings: Settings | None, duration_s: float) -> Outage | None:
    """One outage; None where its time or its targets are not known."""
    missing = [key for key in _EXPECTED if not section.has(key)]
    for key in missing:
        section.missing(key, _EXPECTED[key])
    at_s, for_s = section.duration("at", -1.0, zero=True), section.duration("for", -1.0)
    written, targets = _targets(section, settings)
    own_network = section.flag("own_network", False)
    default = Outcome.UNREACHABLE if own_network else Outcome.SERVER_ERROR
    outcome = Outcome(_one_of(section, "outcome", _OUTCOMES, "a way to fail") or default)
    if own_network and outcome.blame is not Blame.UNDECIDED:
        text = f"own_network does not go with {outcome}; expected {Outcome.UNREACHABLE} or {Outcome.TIMEOUT}"
        section.findings.problem(section.at("outcome"), text)
    factor = _factor(section)
    if not section.has("failure_rate") and not section.has("latency_factor"):
        section.missing("failure_rate", _CHANCE)
    outage = Outage(
        at_s=at_s,
        for_s=for_s,
        written=written,
        targets=targets,
        failure_rate=_chance(section, "failure_rate", 0.0),
        outcome=outcome,
        own_network=own_network,
        ramp_s=section.duration("ramp", 0.0),
        flap=_flap(section.section("flap")) if section.has("flap") else None,
        latency_factor=factor,
        retry_after_s=section.duration("retry_after", 0.0) or None,
    )
    if missing or at_s < 0 or for_s < 0:
        return None
    _report_times(section, outage, duration_s)
    return outage


def _report_times(section: Section, outage: Outage, duration_s: float) -> None:
    end = format_duration(outage.until_s)
    if duration_s and outage.until_s > duration_s:
        whole = format_duration(duration_s)
        section.findings.problem(section.at("for"), f"ends at {end}, after the end of the scenario ({whole})")
    elif duration_s and outage.until_s + AFTERMATH_S > duration_s:
        left = format_duration(duration_s - outage.until_s)
        text = f"ends {left} before the scenario does: flips are counted until {format_duration(AFTERMATH_S)} after it"
        section.findings.warn(section.at("for"), text)
    if outage.ramp_s > outage.for_s:
        shown = f"{format_duration(outage.ramp_s)} is longer than the outage ({format_duration(outage.for_s)})"
        section.findings.problem(section.at("ramp"), shown)


def _report_overlap(section: Section, outage: Outage, before: list[tuple[int, Outage]]) -> None:
    for number, other in before:
        common = sorted(outage.targets & other.targets)
        if common and outage.at_s < other.until_s and other.at_s < outage.until_s:
            span = f"{format_duration(other.at_s)} to {format_duration(other.until_s)}"
            text = f"overlaps outages[{number}] ({span}) at {common[0]}; a target can have one outage at a time"
            section.findings.problem(section.at("at"), text)


def _targets(section: Section, settings: Settings | None) -> tuple[str, frozenset[str]]:
    """As written, and the ids that are meant."""
    node = section.entries.get("targets")
    if node is None:
        return "", frozenset()
    if isinstance(node, Sequence):
        texts = section.words("targets", _TARGETS, "a target or a pattern") or ()
        if not node.items:
            section.reader.wrong(node, _TARGETS)
    else:
        text = section.reader.text(node, _TARGETS)
        texts = (text,) if text else ()
    meant: set[str] = set()
    for text in texts:
        meant |= _meant(section, text, settings)
    return ", ".join(text.written for text in texts), frozenset(meant)


def _meant(section: Section, text: Text, settings: Settings | None) -> set[str]:
    if settings is None:
        return set()
    ids = [target.id for target in settings.targets]
    found = {target for target in ids if target == text.value or fnmatchcase(target, text.value)}
    if not found:
        near = section.findings.did_you_mean(text.value, ids) or f"; the configuration has {', '.join(ids[:5])}"
        section.refuse(text, f"is no target and matches none{near}")
    return found


def _flap(section: Section) -> Flap | None:
    for key in ("up", "down"):
        if not section.has(key):
            section.missing(key, "a duration such as 2m")
    up_s, down_s = section.duration("up", -1.0), section.duration("down", -1.0)
    return Flap(up_s=up_s, down_s=down_s) if min(up_s, down_s) > 0 else None


def _factor(section: Section) -> float:
    factor = section.number("latency_factor")
    if factor is not None and factor < 1:
        section.findings.problem(section.at("latency_factor"), f"{factor:g} is not 1 or more")
    return max(1.0, factor or 1.0)


def _chance(section: Section, key: str, fallback: float, *, zero: bool = False) -> float:
    chance = section.parsed(key, _CHANCE, _parse_chance)
    if chance is None:
        return fallback
    if not 0 <= chance <= 1 or (chance == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        section.findings.problem(section.at(key), f"{chance:g} is not {least} and at most 1")
        return fallback
    return chance


def _one_of(section: Section, key: str, known: tuple[str, ...], what: str) -> str | None:
    text = section.text(key, f"{what} such as {known[0]}")
    if text and text.value not in known:
        hint = section.findings.did_you_mean(text.value, known) or f"; known: {', '.join(known)}"
        section.refuse(text, f"is not {what}{hint}")
        return None
    return text.value if text else None


def _parse_chance(text: str) -> float:
    try:
        return parse_share(text) if text.endswith("%") else parse_number(text)
    except ValueError:
        raise ValueError(f"is not {_CHANCE}") from None


def _parse_frequency(text: str) -> float:
    """Events a second from `10/s`."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smh])", text)
    if match is None:
        raise ValueError(f"is not {_FREQUENCY}")
    return float(match[1]) / _PER[match[2]]
