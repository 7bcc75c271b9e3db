"""A scenario's YAML file, and the configuration that it names, to a `Scenario`: all mistakes at once.

`docs/simulation.md` and `hotspare simulate --schema` are made from the keys here and in
`controller.simulation.scenario`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final

from controller.simulation.scenario import (
    AFTERMATH_S,
    OUTCOME,
    BlipStream,
    Flap,
    Limit,
    Outage,
    QuietBehaviour,
    Scenario,
    chance,
)
from monitor.config.document import Node, Sequence
from monitor.config.loader import load, read_sections
from monitor.config.problems import ConfigError, Problems
from monitor.config.reading import ReadContext, Text
from monitor.config.section import Key, Section, reference_to
from monitor.config.settings import Settings
from monitor.config.traffic_settings import TrafficSettings
from monitor.config.values import Value, duration, flag, measure, must, number, text, whole_number
from monitor.formatting import format_duration
from probes.outcome import Blame, Outcome

EXAMPLE = "scenario.example.yaml"
_FREQUENCY: Final = "a rate such as 10/s, 90/m or 5/h"
_TARGETS: Final = "a target or a pattern such as openai/*, or a list of them"
_PER_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _parse_frequency(text: str) -> float:
    """Events a second from `10/s`."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smh])", text)
    if match is None:
        raise ValueError(f"is not {_FREQUENCY}")
    return float(match[1]) / _PER_S[match[2]]


def _read_targets(node: Node, context: ReadContext) -> tuple[Text, ...]:
    if not isinstance(node, Sequence):
        return (context.text(node, _TARGETS),)
    if not node.items:
        raise context.reject(node, _TARGETS)
    return context.texts(node, "a target or a pattern")


def _list_of(kind: type[Section], what: str) -> Value:
    """A list of sections."""

    def read(node: Node, context: ReadContext) -> tuple[Node, ...]:
        if not isinstance(node, Sequence):
            raise context.reject(node, f"a list of {what}")
        return node.items

    schema = {"type": "array", "items": reference_to(kind)}
    return Value(expected=f"a list of {what}", read=read, schema=schema)


_TEXT_OR_LIST: Final = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_TARGET_NAMES: Final = Value(expected=_TARGETS, read=_read_targets, schema=_TEXT_OR_LIST)
_RATE: Final = measure(_FREQUENCY, _parse_frequency, schema={"type": "string", "pattern": r"/[smh]$|\$\{"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageSection(Section):
    """Some targets failing for some time."""

    at_s: Annotated[float | None, duration(zero=True), Key(required=True)] = None
    """The onset, from the start of the scenario."""
    for_s: Annotated[float | None, duration(), Key(required=True)] = None
    """How long it lasts; it must end before the scenario does."""
    targets: Annotated[tuple[Text, ...], _TARGET_NAMES, Key(required=True)] = ()
    """A target or a pattern such as `openai/*` (with regions, `*@eu`), or a list of them."""
    failure_rate: Annotated[
        float, chance(), Key(default_text="required, unless there is a `latency_factor` or a `limit_left`")
    ] = 0.0
    """The share of requests that fail."""
    outcome: Annotated[
        Outcome | None, OUTCOME, Key(default_text="`server_error`; `unreachable` with `own_network`")
    ] = None
    """How they fail: any [outcome](outcomes.md) but `ok`."""
    own_network: Annotated[bool, flag()] = False
    """Our own network fails: the neutral endpoints are as unlikely to answer as the targets. Goes with
    `unreachable` and `timeout`."""
    ramp_s: Annotated[float, duration()] = 0.0
    """How long the failure rate takes from zero to its height, in sixty steps (a latency factor from 1 to its)."""
    flap: Flap | None = None
    latency_factor: Annotated[float, number(must(lambda factor: factor >= 1, "{:g} is not 1 or more"), minimum=1)] = 1.0
    """How many times as long as usual the answers take."""
    retry_after_s: Annotated[float | None, duration()] = None
    """What a `rate_limited` answer asks for."""
    limit_left: Annotated[float, chance(zero=True), Key(default_text="no such headers")] = 1.0
    """The share of a limit that is left, by the headers of good answers; replenished in a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSection(Section):
    """So many probes that an account takes."""

    targets: Annotated[tuple[Text, ...], _TARGET_NAMES, Key(required=True)] = ()
    """Those that share one, as in an outage."""
    rate: Annotated[float | None, _RATE, Key(required=True)] = None
    """The most within a minute, such as `20/m`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSection(Section):
    """The application's requests."""

    rate: Annotated[float, _RATE, Key(default_text="none")] = 0.0
    """How many for each route, such as `10/s`."""
    hosts: Annotated[float, whole_number(1, 100)] = 1
    """The hosts that they come from, in equal parts."""
    reported: Annotated[bool, flag()] = False
    """Whether the applications [report](judging.md#what-applications-report) them. Those that fail do so at once, or
    at their deadline."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """What is reported must be there."""
        if self.reported and not self.rate:
            context.report(node.at("reported"), "there is nothing to report; expected a rate such as 10/s beside it")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioDocument(Section):
    """A made-up world for `hotspare simulate`, with the configuration that is to live in it."""

    config: Annotated[str | None, text("the path of a configuration, relative to this file"), Key(required=True)] = None
    """The configuration under test, relative to the scenario. No key need be set; its database is not touched, and
    may be `"sqlite:///:memory:"`."""
    duration_s: Annotated[float | None, duration(), Key(required=True)] = None
    """How long each seed lasts."""
    background: QuietBehaviour = field(default_factory=QuietBehaviour)
    blips: BlipStream | None = None
    outages: Annotated[tuple[OutageSection, ...], _list_of(OutageSection, "outages"), Key(default_text="none")] = ()
    """What happens. A target can have one outage at a time."""
    limits: Annotated[tuple[LimitSection, ...], _list_of(LimitSection, "limits"), Key(default_text="none")] = ()
    """What accounts take of our probes: more are `rate_limited`, and counted."""
    traffic: TrafficSection = TrafficSection()


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
    if scenario.traffic_reported:
        settings = replace(settings, traffic=settings.traffic or TrafficSettings())
    return replace(scenario, settings=settings, warnings=(*settings.warnings, *problems.warnings))


def _configuration(
    path: Path, named: str | None, environ: Mapping[str, str]
) -> tuple[Settings | None, tuple[str, ...]]:
    """The settings that the scenario names, or what is wrong with them."""
    if named is None:
        return None, ()
    try:
        return load(path.parent / named, environ, keys=False, stores=False), ()
    except ConfigError as error:
        return None, error.problems


def _scenario(path: Path, root: ScenarioDocument, settings: Settings | None, context: ReadContext) -> Scenario:
    """What could be read; where there are no settings, targets are not checked."""
    latency = root.background.latency
    # A median above the usual 99th percentile raises that.
    latency = replace(latency, p99_s=max(latency.median_s, latency.p99_s))
    return Scenario(
        path=path,
        settings=settings or Settings(path=path, targets=(), routes=()),
        duration_s=root.duration_s or 0.0,
        background=replace(root.background, latency=latency),
        blips=root.blips or (BlipStream() if context.root.has("blips") else None),
        outages=tuple(_outages(root, settings, context)),
        limits=tuple(_limits(root, settings, context)),
        requests_per_s=root.traffic.rate,
        traffic_hosts=int(root.traffic.hosts),
        traffic_reported=root.traffic.reported,
    )


def _limits(root: ScenarioDocument, settings: Settings | None, context: ReadContext) -> Iterator[Limit]:
    for section in root.limits:
        targets = _named(section.targets, settings, context)
        if section.rate is not None:
            yield Limit(targets=targets, per_minute=60 * section.rate)


def _outages(root: ScenarioDocument, settings: Settings | None, context: ReadContext) -> Iterator[Outage]:
    earlier: list[tuple[Node, Outage]] = []
    outages = context.root.child("outages")
    for section, node in zip(root.outages, outages.items if isinstance(outages, Sequence) else (), strict=False):
        outage = _outage(section, settings, node, context)
        if outage is None:
            continue
        _report_times(outage, root.duration_s or 0.0, node, context)
        _report_overlap(outage, node, earlier, context)
        earlier.append((node, outage))
        yield outage


def _outage(section: OutageSection, settings: Settings | None, node: Node, context: ReadContext) -> Outage | None:
    """One outage; None where its time is not known."""
    own_network = section.own_network
    default = Outcome.UNREACHABLE if own_network else Outcome.SERVER_ERROR
    outcome = section.outcome or default
    if own_network and outcome.blame is not Blame.UNDECIDED:
        text = f"own_network does not go with {outcome}; expected {Outcome.UNREACHABLE} or {Outcome.TIMEOUT}"
        context.report(node.at("outcome"), text)
    if not (node.has("latency_factor") or node.has("limit_left")):
        context.require(node, "failure_rate", "a failure rate such as 0.5 or 50%")
    if node.has("flap") and section.flap is None and node.child("flap").is_empty():
        context.report(node.at("flap"), "is empty; expected a mapping such as {up: 2m, down: 1m}")
    targets = _named(section.targets, settings, context)
    if section.at_s is None or section.for_s is None:
        return None
    return Outage(
        at_s=section.at_s,
        for_s=section.for_s,
        written=", ".join(text.written for text in section.targets),
        targets=targets,
        failure_rate=section.failure_rate,
        outcome=outcome,
        own_network=own_network,
        ramp_s=section.ramp_s,
        flap=section.flap,
        latency_factor=section.latency_factor,
        retry_after_s=section.retry_after_s,
        limit_left=section.limit_left,
    )


def _report_times(outage: Outage, duration_s: float, node: Node, context: ReadContext) -> None:
    end = format_duration(outage.until_s)
    if duration_s and outage.until_s > duration_s:
        text = f"ends at {end}, after the end of the scenario ({format_duration(duration_s)})"
        context.report(node.at("for"), text)
    elif duration_s and outage.until_s + AFTERMATH_S > duration_s:
        left = format_duration(duration_s - outage.until_s)
        text = f"ends {left} before the scenario does: flips are counted until {format_duration(AFTERMATH_S)} after it"
        context.problems.warn(node.at("for"), text)
    if outage.ramp_s > outage.for_s:
        text = f"{format_duration(outage.ramp_s)} is longer than the outage ({format_duration(outage.for_s)})"
        context.report(node.at("ramp"), text)


def _report_overlap(outage: Outage, node: Node, earlier: list[tuple[Node, Outage]], context: ReadContext) -> None:
    for other_node, other in earlier:
        common = sorted(outage.targets & other.targets)
        if common and outage.at_s < other.until_s and other.at_s < outage.until_s:
            span = f"{format_duration(other.at_s)} to {format_duration(other.until_s)}"
            name = context.problems.path(other_node.place)
            text = f"overlaps {name} ({span}) at {common[0]}; a target can have one outage at a time"
            context.report(node.at("at"), text)


def _named(patterns: Iterable[Text], settings: Settings | None, context: ReadContext) -> frozenset[str]:
    return frozenset[str]().union(*(_matching(pattern, settings, context) for pattern in patterns))


def _matching(text: Text, settings: Settings | None, context: ReadContext) -> set[str]:
    """The ids of the targets that are meant."""
    if settings is None:
        return set()
    ids = [target.id for target in settings.targets]
    matching = {t.id for t in settings.targets if text in {t.id, t.plain_name} or fnmatchcase(t.id, text)}
    if not matching:
        near = context.problems.did_you_mean(text, ids) or f"; the configuration has {', '.join(ids[:5])}"
        context.refuse(text, f"is no target and matches none{near}")
    return matching
