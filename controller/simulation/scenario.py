"""A scenario: the configuration under test, and what happens to the providers meanwhile.

Most of its values are keys of the scenario's file; `controller.simulation.scenario_file` has the others.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Final

from monitor.config.controller_settings import BLIP_LENGTH, BLIPS_PER_DAY
from monitor.config.document import Node
from monitor.config.reading import ReadContext
from monitor.config.section import Section
from monitor.config.settings import Settings
from monitor.config.units import parse_number, parse_share
from monitor.config.values import Value, choice, duration, measure, must
from monitor.formatting import format_duration
from probes.outcome import Outcome

#: Flips are counted until so many seconds after an outage.
AFTERMATH_S = 1800.0

_CHANCE: Final = "a failure rate such as 0.5 or 50%"
_Z99: Final = NormalDist().inv_cdf(0.99)


def chance(*, zero: bool = False) -> Value:
    """A probability from `0.5` or `50%`."""
    least = "0 or more" if zero else "more than 0"
    check = must(lambda chance: 0 <= chance <= 1 and (chance or zero), f"{{:g}} is not {least} and at most 1")
    schema = {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": r"%$|\$\{"}]}
    return measure(_CHANCE, _parse_chance, check, schema=schema)


def _parse_chance(text: str) -> float:
    try:
        return parse_share(text) if text.endswith("%") else parse_number(text)
    except ValueError:
        raise ValueError(f"is not {_CHANCE}") from None


OUTCOME: Final = choice([str(outcome) for outcome in Outcome if outcome is not Outcome.OK], "a way to fail")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyDistribution(Section):
    """How long a good answer takes: lognormal."""

    median_s: Annotated[float, duration()] = 0.9
    """Half of all answers take less."""
    p99_s: Annotated[float, duration()] = 4.0
    """99 of 100 answers take less."""

    @property
    def mu(self) -> float:
        """The mean of its logarithm."""
        return math.log(self.median_s)

    @property
    def sigma(self) -> float:
        """The standard deviation of its logarithm."""
        return math.log(self.p99_s / self.median_s) / _Z99

    def longer_than(self, seconds: float, *, factor: float = 1.0) -> float:
        """Return the probability that an answer takes longer than this, with all times multiplied by `factor`."""
        distance = math.log(seconds / factor) - self.mu
        if self.sigma == 0:
            return float(distance < 0)
        return math.erfc(distance / self.sigma / math.sqrt(2)) / 2

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """The 99th percentile is not below the median."""
        if node.has("p99") and self.p99_s < self.median_s:
            text = f"{format_duration(self.p99_s)} is shorter than the median of {format_duration(self.median_s)}"
            context.report(node.at("p99"), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietBehaviour(Section):
    """What every target does while nothing is wrong with it."""

    failure_rate: Annotated[float, chance(zero=True)] = 0.005
    """The share of probes that get a server error, independent from probe to probe."""
    latency: LatencyDistribution = LatencyDistribution()


class BlipScope(StrEnum):
    """What one blip hits."""

    PROVIDER = "provider"
    TARGET = "target"
    WORLD = "world"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlipStream(Section):
    """Short disturbances: Poisson in time, of uniformly distributed length; those that overlap are one."""

    per_day: Annotated[float, BLIPS_PER_DAY] = 5.0
    """How many begin in a day."""
    length: Annotated[tuple[float, float], BLIP_LENGTH] = (3.0, 8.0)
    """The shortest and the longest."""
    failure_rate: Annotated[float, chance()] = 0.9
    """The share of requests that fail meanwhile."""
    outcome: Annotated[Outcome, OUTCOME] = Outcome.SERVER_ERROR
    """How they fail: any [outcome](outcomes.md) but `ok`."""
    scope: Annotated[BlipScope, choice(map(str, BlipScope), "a scope of blips")] = BlipScope.PROVIDER
    """Whether `per_day` is for each `provider`, each `target`, or the `world`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flap(Section):
    """An outage that comes and goes: down first, then up, and again until its end."""

    up_s: Annotated[float, duration()]
    """How long the targets answer."""
    down_s: Annotated[float, duration()]
    """How long they fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Some targets failing for some time."""

    at_s: float
    """The onset, from the start of the scenario."""
    for_s: float
    written: str
    """The targets as the scenario file names them, patterns included."""
    targets: frozenset[str]
    """Their ids."""
    failure_rate: float
    outcome: Outcome = Outcome.SERVER_ERROR
    own_network: bool = False
    """Our own network fails: the neutral endpoints do not answer either."""
    ramp_s: float = 0.0
    """How long the failure rate takes to rise from 0 to its full height."""
    flap: Flap | None = None
    latency_factor: float = 1.0
    """Answers take so many times as long as usual."""
    retry_after_s: float | None = None
    """The Retry-After of a rate-limited answer."""
    limit_left: float = 1.0
    """The share of a limit that is left, as the headers of every answer state it."""

    @property
    def until_s(self) -> float:
        """The end, from the start of the scenario."""
        return self.at_s + self.for_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What an account takes of the probes of these targets together, those that it refuses included."""

    targets: frozenset[str]
    """Their ids."""
    per_minute: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A made-up world and the configuration under test. Durations in seconds, times from the start."""

    path: Path
    settings: Settings
    duration_s: float
    background: QuietBehaviour = QuietBehaviour()
    blips: BlipStream | None = None
    outages: tuple[Outage, ...] = ()
    """In the order of the file; no two of them hit one target at one time."""
    limits: tuple[Limit, ...] = ()
    requests_per_s: float = 0.0
    """Requests per second that applications send, for each route."""
    traffic_hosts: int = 1
    """The hosts that they come from, in equal parts."""
    traffic_reported: bool = False
    """Whether applications report them to the service."""
    probe_usd: Mapping[str, float | None] = field(default_factory=dict)
    """Price of a successful probe, by target id; None or missing where it is not known."""
    warnings: tuple[str, ...] = ()
    """What was accepted but is worth knowing; each a full sentence with file and line."""
