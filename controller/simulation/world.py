"""The made-up providers: what each target does at each moment of one seed, decided before anybody asks.

A target's time is cut into pieces in which its behaviour is constant. They depend on the scenario and the seed alone,
never on what is probed, so that two configurations meet exactly the same world.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from controller.simulation.scenario import BlipScope, BlipStream, Outage, QuietBehaviour, Scenario
from probes.outcome import Effect, Outcome
from probes.target import Target

#: A slow ramp-up is climbed in so many steps.
_RAMP_STEPS = 60
_DAY_S = 86400.0
#: An application's request fails where a probe would end in these ways, be it our own key that is to blame.
_FELT = frozenset({Effect.DOWN, Effect.THROTTLED, Effect.MISCONFIGURED})

Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageEffect:
    """What an outage does to a target during one piece of time."""

    failure_rate: float
    outcome: Outcome
    latency_factor: float
    retry_after_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """How a target behaves while nothing changes."""

    failing: float
    """The chance that a probe does not get its answer."""
    ways: tuple[tuple[float, Outcome], ...]
    """How it then ends: cumulative chances in rising order, the last one being `failing`."""
    latency_factor: float = 1.0
    retry_after_s: float | None = None
    felt: float = 0.0
    """The chance that an application's request fails."""
    slow: float = 0.0
    """The chance that it is answered, but past the target's slow limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A target's pieces, from the start of the scenario to its end."""

    ends_s: tuple[float, ...]
    """Where each piece ends, rising."""
    pieces: tuple[Segment, ...]
    _felt_s: tuple[float, ...]
    _slow_s: tuple[float, ...]

    def felt_s(self, from_s: float, until_s: float) -> float:
        """The integral of the chance that a request fails: times a rate, so many requests failed."""
        return self._integral(self._felt_s, until_s, "felt") - self._integral(self._felt_s, from_s, "felt")

    def slow_s(self, from_s: float, until_s: float) -> float:
        """The same for requests that were answered late."""
        return self._integral(self._slow_s, until_s, "slow") - self._integral(self._slow_s, from_s, "slow")

    def at(self, at_s: float) -> tuple[Segment, float]:
        """The piece at this time, before the scenario's end, and where it ends."""
        number = bisect_right(self.ends_s, at_s)
        return self.pieces[number], self.ends_s[number]

    def _integral(self, sums: tuple[float, ...], at_s: float, what: str) -> float:
        """From the start; `sums` holds it at the beginning of each piece."""
        number = min(bisect_right(self.ends_s, at_s), len(self.pieces) - 1)
        begun_s = self.ends_s[number - 1] if number else 0.0
        return sums[number] + (at_s - begun_s) * float(getattr(self.pieces[number], what))


def build_timelines(scenario: Scenario, seed: int) -> dict[str, Timeline]:
    """Every target's timeline, by target id. Same scenario, same seed, same world."""
    blips: dict[str, tuple[Span, ...]] = {}
    known: dict[tuple[object, ...], Timeline] = {}
    timelines = {}
    for target in scenario.settings.targets:
        hit = tuple(outage for outage in scenario.outages if target.id in outage.targets)
        whose = _whose(scenario.blips, target)
        if whose not in blips:
            blips[whose] = tuple(_blips(scenario.blips, scenario.duration_s, Random(f"{seed} blips {whose}")))  # noqa: S311 - a simulation
        key = (whose, target.slow_s, target.timeouts, hit)
        if key not in known:
            known[key] = _timeline(scenario, target, blips[whose], hit)
        timelines[target.id] = known[key]
    return timelines


def own_network_failures(scenario: Scenario) -> list[tuple[Span, float]]:
    """When our own network fails, and with what chance each neutral endpoint then does not answer; in order."""
    outages = sorted((one for one in scenario.outages if one.own_network), key=lambda one: one.at_s)
    return [(span, trouble.failure_rate) for outage in outages for span, trouble in _troubles(outage)]


def _whose(blips: BlipStream | None, target: Target) -> str:
    """The name of the stream of blips that hits this target."""
    if blips is None or blips.scope is BlipScope.WORLD:
        return "world"
    return target.provider.name if blips.scope is BlipScope.PROVIDER else target.id


def _blips(blips: BlipStream | None, duration_s: float, dice: Random) -> Iterator[Span]:
    """Their spans, in order; those that overlap are one."""
    if blips is None or blips.per_day == 0:
        return
    at_s, open_s, until_s = 0.0, 0.0, 0.0
    while at_s < duration_s:
        at_s += dice.expovariate(blips.per_day / _DAY_S)
        end_s = at_s + dice.uniform(blips.shortest_s, blips.longest_s)
        if at_s > until_s:
            if until_s:
                yield open_s, min(until_s, duration_s)
            open_s = at_s
        until_s = max(until_s, end_s)
    if open_s < duration_s:
        yield open_s, min(until_s, duration_s)


def _timeline(scenario: Scenario, target: Target, blips: Sequence[Span], outages: Sequence[Outage]) -> Timeline:
    """The sweep over everything that begins and ends."""
    troubles = [trouble for outage in sorted(outages, key=lambda one: one.at_s) for trouble in _troubles(outage)]
    edges = {0.0, scenario.duration_s}
    edges.update(edge for span in blips for edge in span)
    edges.update(edge for span, _ in troubles for edge in span)
    cache: dict[tuple[OutageEffect | None, bool], Segment] = {}
    pieces, ends, felt, slow = [], [], [0.0], [0.0]
    blip = trouble = 0
    for begin_s, end_s in pairwise(sorted(edge for edge in edges if edge <= scenario.duration_s)):
        while blip < len(blips) and blips[blip][1] <= begin_s:
            blip += 1
        while trouble < len(troubles) and troubles[trouble][0][1] <= begin_s:
            trouble += 1
        in_blip = blip < len(blips) and blips[blip][0] <= begin_s
        in_trouble = trouble < len(troubles) and troubles[trouble][0][0] <= begin_s
        key = (troubles[trouble][1] if in_trouble else None, in_blip)
        if key not in cache:
            cache[key] = _piece(scenario.background, target, key[0], scenario.blips if in_blip else None)
        pieces.append(cache[key])
        ends.append(end_s)
        felt.append(felt[-1] + (end_s - begin_s) * cache[key].felt)
        slow.append(slow[-1] + (end_s - begin_s) * cache[key].slow)
    return Timeline(ends_s=tuple(ends), pieces=tuple(pieces), _felt_s=tuple(felt), _slow_s=tuple(slow))


def _troubles(outage: Outage) -> Iterator[tuple[Span, OutageEffect]]:
    """An outage's pieces: the steps of its ramp, without the times when it is fine."""
    steps = _RAMP_STEPS if outage.ramp_s else 0
    width_s = outage.ramp_s / steps if steps else 0.0
    climbing = [(outage.at_s + step * width_s, (step + 0.5) / steps) for step in range(steps)]
    begins = [*climbing, (outage.at_s + outage.ramp_s, 1.0)]
    ends = [*(begin_s for begin_s, _ in begins[1:]), outage.until_s]
    for (begin_s, height), end_s in zip(begins, ends, strict=True):
        trouble = OutageEffect(
            failure_rate=outage.failure_rate * height,
            outcome=outage.outcome,
            latency_factor=outage.latency_factor**height,
            retry_after_s=outage.retry_after_s,
        )
        for from_s, until_s in _failing(outage):
            if max(begin_s, from_s) < min(end_s, until_s):
                yield (max(begin_s, from_s), min(end_s, until_s)), trouble


def _failing(outage: Outage) -> Iterator[Span]:
    """When it fails: all the time, or the `down` parts of its flapping."""
    if outage.flap is None:
        yield outage.at_s, outage.until_s
        return
    begin_s = outage.at_s
    while begin_s < outage.until_s:
        yield begin_s, min(begin_s + outage.flap.down_s, outage.until_s)
        begin_s += outage.flap.down_s + outage.flap.up_s


def _piece(
    background: QuietBehaviour, target: Target, trouble: OutageEffect | None, blips: BlipStream | None
) -> Segment:
    """Three independent reasons to fail, the outage's first; the rest is answered, late or in time."""
    ways: list[tuple[float, Outcome]] = []
    failing = felt = slow = 0.0
    reasons = [(background.failure_rate, Outcome.SERVER_ERROR)]
    if blips:
        reasons.insert(0, (blips.failure_rate, blips.outcome))
    if trouble:
        reasons.insert(0, (trouble.failure_rate, trouble.outcome))
    for rate, outcome in reasons:
        share = (1 - failing) * rate
        failing += share
        felt += share * (outcome.effect in _FELT or outcome is Outcome.BAD_ANSWER)
        slow += share * (outcome is Outcome.SLOW)
        ways.append((failing, outcome))
    factor = trouble.latency_factor if trouble else 1.0
    never = background.latency.longer_than(target.timeouts.total_s, factor=factor)
    late = background.latency.longer_than(target.slow_s, factor=factor)
    return Segment(
        failing=failing,
        ways=tuple(ways),
        latency_factor=factor,
        retry_after_s=trouble.retry_after_s if trouble else None,
        felt=felt + (1 - failing) * never,
        slow=slow + (1 - failing) * (late - never),
    )
