"""A scenario's YAML file, and the configuration that it names, to a `Scenario`: all mistakes at once."""

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
from controller.simulation.scenario_schema import BackgroundSection, BlipStreamSection, OutageSection, ScenarioDocument
from monitor.config.loader import load, read_sections
from monitor.config.problems import ConfigError, Problems
from monitor.config.reading import ReadContext, Text
from monitor.formatting import format_duration
from monitor.settings import Settings
from probes.outcome import Blame, Outcome

EXAMPLE = "scenario.example.yaml"


def read(path: Path, environ: Mapping[str, str]) -> Scenario:
    """The scenario in this file; raises ConfigError with all mistakes of it and of its configuration at once.

    It carries `warnings` about both. No key need be in the environment.
    """
    problems = Problems(file=str(path))
    context = ReadContext(environ=environ, problems=problems)
    root = read_sections(path, ScenarioDocument, context, example=EXAMPLE)
    if root is None:
        raise ConfigError(problems.problems)
    settings, wrong = _configuration(path, root.config, environ)
    scenario = _scenario(path, root, settings, context)
    if problems.problems or wrong or settings is None:
        raise ConfigError((*problems.problems, *wrong))
    return replace(scenario, settings=settings, warnings=(*settings.warnings, *problems.warnings))


def _configuration(
    path: Path, named: Text | None, environ: Mapping[str, str]
) -> tuple[Settings | None, tuple[str, ...]]:
    """The settings that the scenario names, or what is wrong with them."""
    if named is None:
        return None, ()
    try:
        return load(path.parent / named.value, environ, keys=False, stores=False), ()
    except ConfigError as error:
        return None, error.problems


def _scenario(path: Path, root: ScenarioDocument, settings: Settings | None, context: ReadContext) -> Scenario:
    """What could be read; where there are no settings, targets are not checked."""
    return Scenario(
        path=path,
        settings=settings or Settings(path=path, targets=(), routes=()),
        duration_s=root.duration_s or 0.0,
        background=_background(root.background, context),
        blips=_blips(root.blips) if root.has("blips") else None,
        outages=tuple(_outages(root, settings, context)),
        requests_per_s=root.traffic.rate,
    )


def _background(section: BackgroundSection, context: ReadContext) -> QuietBehaviour:
    latency, usual = section.latency, QuietBehaviour().latency
    p99_s = max(latency.median, usual.p99_s) if latency.p99 is None else latency.p99
    if p99_s < latency.median:
        text = f"{format_duration(p99_s)} is shorter than the median of {format_duration(latency.median)}"
        context.report(latency.at("p99"), text)
    return QuietBehaviour(
        failure_rate=section.failure_rate,
        latency=LatencyDistribution(median_s=latency.median, p99_s=max(latency.median, p99_s)),
    )


def _blips(section: BlipStreamSection | None) -> BlipStream:
    if section is None:
        return BlipStream()
    shortest_s, longest_s = section.length
    return BlipStream(
        per_day=section.per_day,
        shortest_s=shortest_s,
        longest_s=longest_s,
        failure_rate=section.failure_rate,
        outcome=Outcome(section.outcome),
        scope=BlipScope(section.scope),
    )


def _outages(root: ScenarioDocument, settings: Settings | None, context: ReadContext) -> Iterator[Outage]:
    earlier: list[tuple[OutageSection, Outage]] = []
    for section in root.outages:
        outage = _outage(section, settings, context)
        if outage is None:
            continue
        _report_times(section, outage, root.duration_s or 0.0, context)
        _report_overlap(section, outage, earlier, context)
        earlier.append((section, outage))
        yield outage


def _outage(section: OutageSection, settings: Settings | None, context: ReadContext) -> Outage | None:
    """One outage; None where its time is not known."""
    own_network = section.own_network
    default = Outcome.UNREACHABLE if own_network else Outcome.SERVER_ERROR
    outcome = Outcome(section.outcome) if section.outcome else default
    if own_network and outcome.blame is not Blame.UNDECIDED:
        text = f"own_network does not go with {outcome}; expected {Outcome.UNREACHABLE} or {Outcome.TIMEOUT}"
        context.report(section.at("outcome"), text)
    if not section.has("latency_factor"):
        section.require("failure_rate", "a failure rate such as 0.5 or 50%", context)
    if section.has("flap") and section.flap is None and section.is_empty("flap"):
        context.report(section.at("flap"), "is empty; expected a mapping such as {up: 2m, down: 1m}")
    targets: set[str] = set()
    for pattern in section.targets:
        targets |= _matching(pattern, settings, context)
    if section.at_s is None or section.for_s is None:
        return None
    return Outage(
        at_s=section.at_s,
        for_s=section.for_s,
        written=", ".join(text.written for text in section.targets),
        targets=frozenset(targets),
        failure_rate=section.failure_rate,
        outcome=outcome,
        own_network=own_network,
        ramp_s=section.ramp,
        flap=Flap(up_s=section.flap.up, down_s=section.flap.down) if section.flap else None,
        latency_factor=section.latency_factor,
        retry_after_s=section.retry_after,
    )


def _report_times(section: OutageSection, outage: Outage, duration_s: float, context: ReadContext) -> None:
    end = format_duration(outage.until_s)
    if duration_s and outage.until_s > duration_s:
        text = f"ends at {end}, after the end of the scenario ({format_duration(duration_s)})"
        context.report(section.at("for"), text)
    elif duration_s and outage.until_s + AFTERMATH_S > duration_s:
        left = format_duration(duration_s - outage.until_s)
        text = f"ends {left} before the scenario does: flips are counted until {format_duration(AFTERMATH_S)} after it"
        context.problems.warn(section.at("for"), text)
    if outage.ramp_s > outage.for_s:
        text = f"{format_duration(outage.ramp_s)} is longer than the outage ({format_duration(outage.for_s)})"
        context.report(section.at("ramp"), text)


def _report_overlap(
    section: OutageSection, outage: Outage, earlier: list[tuple[OutageSection, Outage]], context: ReadContext
) -> None:
    for other_section, other in earlier:
        common = sorted(outage.targets & other.targets)
        if common and outage.at_s < other.until_s and other.at_s < outage.until_s:
            span = f"{format_duration(other.at_s)} to {format_duration(other.until_s)}"
            name = context.problems.path(other_section.place)
            text = f"overlaps {name} ({span}) at {common[0]}; a target can have one outage at a time"
            context.report(section.at("at"), text)


def _matching(text: Text, settings: Settings | None, context: ReadContext) -> set[str]:
    """The ids of the targets that are meant."""
    if settings is None:
        return set()
    ids = [target.id for target in settings.targets]
    matching = {target for target in ids if target == text.value or fnmatchcase(target, text.value)}
    if not matching:
        near = context.problems.did_you_mean(text.value, ids) or f"; the configuration has {', '.join(ids[:5])}"
        context.refuse(text, f"is no target and matches none{near}")
    return matching
