"""A scenario: the configuration under test, and what happens to the providers meanwhile (pure values)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import NormalDist

from monitor.settings import Settings
from probes.outcome import Outcome

#: Flips are counted until so many seconds after an outage.
AFTERMATH_S = 1800.0

_Z99 = NormalDist().inv_cdf(0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyDistribution:
    """How long a successful answer takes: lognormal, in seconds."""

    median_s: float = 0.9
    p99_s: float = 4.0

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


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietBehaviour:
    """How every target behaves while nothing is wrong with it."""

    failure_rate: float = 0.005
    """Of `server_error`, independent from probe to probe."""
    latency: LatencyDistribution = LatencyDistribution()


class BlipScope(StrEnum):
    """What one blip hits."""

    PROVIDER = "provider"
    TARGET = "target"
    WORLD = "world"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlipStream:
    """Short disturbances: a Poisson process in time, of uniformly distributed length."""

    per_day: float = 5.0
    """For each provider, each target, or the whole world: see `scope`."""
    shortest_s: float = 3.0
    longest_s: float = 8.0
    failure_rate: float = 0.9
    outcome: Outcome = Outcome.SERVER_ERROR
    scope: BlipScope = BlipScope.PROVIDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Flap:
    """An outage that comes and goes: it fails for `down_s`, answers for `up_s`, and so on."""

    up_s: float
    down_s: float


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

    @property
    def until_s(self) -> float:
        """The end, from the start of the scenario."""
        return self.at_s + self.for_s


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
    requests_per_s: float = 0.0
    """Requests per second that applications send, for each route."""
    probe_usd: Mapping[str, float | None] = field(default_factory=dict)
    """Price of a successful probe, by target id; None or missing where it is not known."""
    warnings: tuple[str, ...] = ()
    """What was accepted but is worth knowing; each a full sentence with file and line."""
