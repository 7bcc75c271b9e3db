"""The made-up providers of one seed: how each target behaves at each moment.

A target's time is cut into segments in which its behaviour is constant. They depend on the scenario and the seed
alone, never on what is probed, so that two configurations meet exactly the same world.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from random import Random

from controller.simulation.scenario import BlipScope, BlipStream, Outage, QuietBehaviour, Scenario
from probes.limit_headers import NearLimit, nearly_used_up
from probes.outcome import Effect, Outcome
from probes.target import Target

#: A ramp is approximated by so many steps.
_RAMP_STEPS = 60
_DAY_S = 86400.0
#: A probe outcome of these effects means that an application's request fails as well.
_FAILS_REQUESTS = frozenset({Effect.DOWN, Effect.THROTTLED, Effect.MISCONFIGURED})

Span = tuple[float, float]
"""From and until, in seconds since the start of the scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The constant behaviour of a target during one span. Rates are chances between 0 and 1."""

    failure_rate: float
    """That a probe is not answered."""
    outcomes: tuple[tuple[float, Outcome], ...]
    """How such a probe ends: cumulative chances in rising order, the last one being `failure_rate`."""
    latency_factor: float = 1.0
    retry_after_s: float | None = None
    near_limit: NearLimit | None = None
    """What the headers of good answers state."""
    request_failure_rate: float = 0.0
    """That an application's request fails."""
    request_slow_rate: float = 0.0
    """That it is answered, but later than the target's slow limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The segments of a target, from the start of the scenario to its end."""

    ends_s: tuple[float, ...]
    """Where each segment ends, rising."""
    segments: tuple[Segment, ...]
    _failed_s: tuple[float, ...]
    _slow_s: tuple[float, ...]

    def failed_s(self, from_s: float, until_s: float) -> float:
        """Return the integral of `request_failure_rate`: times requests per second, the number of failed requests."""
        rate = "request_failure_rate"
        return self._integral(self._failed_s, until_s, rate) - self._integral(self._failed_s, from_s, rate)

    def slow_s(self, from_s: float, until_s: float) -> float:
        """Return the integral of `request_slow_rate`: times requests per second, the number of slow requests."""
        rate = "request_slow_rate"
        return self._integral(self._slow_s, until_s, rate) - self._integral(self._slow_s, from_s, rate)

    def at(self, at_s: float) -> tuple[Segment, float]:
        """Return the segment at this time, which is before the scenario's end, and where it ends."""
        number = bisect_right(self.ends_s, at_s)
        return self.segments[number], self.ends_s[number]

    def _integral(self, sums: tuple[float, ...], at_s: float, rate: str) -> float:
        """From the start until `at_s`; `sums` holds it at the beginning of each segment."""
        number = min(bisect_right(self.ends_s, at_s), len(self.segments) - 1)
        begin_s = self.ends_s[number - 1] if number else 0.0
        return sums[number] + (at_s - begin_s) * float(getattr(self.segments[number], rate))


def build_timelines(scenario: Scenario, seed: int) -> dict[str, Timeline]:
    """Return every target's timeline, by target id. The same scenario and seed give the same timelines."""
    blips: dict[str, tuple[Span, ...]] = {}
    shared: dict[tuple[object, ...], Timeline] = {}
    timelines = {}
    for target in scenario.settings.targets:
        outages = tuple(outage for outage in scenario.outages if target.id in outage.targets)
        stream = _blip_stream_name(scenario.blips, target)
        if stream not in blips:
            dice = Random(f"{seed} blips {stream}")  # noqa: S311 - a simulation
            blips[stream] = tuple(_blip_spans(scenario.blips, scenario.duration_s, dice))
        key = (stream, target.slow_s, target.timeouts, outages)
        if key not in shared:
            shared[key] = _timeline(scenario, target, blips[stream], outages)
        timelines[target.id] = shared[key]
    return timelines


def own_network_failures(scenario: Scenario) -> list[tuple[Span, float]]:
    """Return when our own network fails, and the chance that a neutral endpoint then does not answer; in order."""
    outages = sorted((outage for outage in scenario.outages if outage.own_network), key=lambda outage: outage.at_s)
    return [(span, effect.failure_rate) for outage in outages for span, effect in _effects(outage)]


def _blip_stream_name(blips: BlipStream | None, target: Target) -> str:
    """The stream of blips that hits this target: the world's, its provider's, or its own."""
    if blips is None or blips.scope is BlipScope.WORLD:
        return "world"
    return target.provider.name if blips.scope is BlipScope.PROVIDER else target.id


def _blip_spans(blips: BlipStream | None, duration_s: float, dice: Random) -> Iterator[Span]:
    """When blips happen, in order; those that overlap are one."""
    if blips is None or blips.per_day == 0:
        return
    at_s, open_s, until_s = 0.0, 0.0, 0.0
    while at_s < duration_s:
        at_s += dice.expovariate(blips.per_day / _DAY_S)
        end_s = at_s + dice.uniform(*blips.length)
        if at_s > until_s:
            if until_s:
                yield open_s, min(until_s, duration_s)
            open_s = at_s
        until_s = max(until_s, end_s)
    if open_s < duration_s:
        yield open_s, min(until_s, duration_s)


def _timeline(scenario: Scenario, target: Target, blips: Sequence[Span], outages: Sequence[Outage]) -> Timeline:
    """Sweep over every beginning and end of a blip or an outage effect."""
    effects = [pair for outage in sorted(outages, key=lambda outage: outage.at_s) for pair in _effects(outage)]
    edges = {0.0, scenario.duration_s}
    edges.update(edge for span in blips for edge in span)
    edges.update(edge for span, _ in effects for edge in span)
    cache: dict[tuple[Outage | None, bool], Segment] = {}
    segments, ends, failed, slow = [], [], [0.0], [0.0]
    blip = effect = 0
    for begin_s, end_s in pairwise(sorted(edge for edge in edges if edge <= scenario.duration_s)):
        while blip < len(blips) and blips[blip][1] <= begin_s:
            blip += 1
        while effect < len(effects) and effects[effect][0][1] <= begin_s:
            effect += 1
        in_blip = blip < len(blips) and blips[blip][0] <= begin_s
        in_outage = effect < len(effects) and effects[effect][0][0] <= begin_s
        key = (effects[effect][1] if in_outage else None, in_blip)
        if key not in cache:
            cache[key] = _segment(scenario.background, target, key[0], scenario.blips if in_blip else None)
        segments.append(cache[key])
        ends.append(end_s)
        failed.append(failed[-1] + (end_s - begin_s) * cache[key].request_failure_rate)
        slow.append(slow[-1] + (end_s - begin_s) * cache[key].request_slow_rate)
    return Timeline(ends_s=tuple(ends), segments=tuple(segments), _failed_s=tuple(failed), _slow_s=tuple(slow))


def _effects(outage: Outage) -> Iterator[tuple[Span, Outage]]:
    """The outage at each step of its ramp and at its full height, without the spans in which a flapping one is up."""
    steps = _RAMP_STEPS if outage.ramp_s else 0
    width_s = outage.ramp_s / steps if steps else 0.0
    ramp = [(outage.at_s + step * width_s, (step + 0.5) / steps) for step in range(steps)]
    begins = [*ramp, (outage.at_s + outage.ramp_s, 1.0)]
    ends = [*(begin_s for begin_s, _ in begins[1:]), outage.until_s]
    for (begin_s, height), end_s in zip(begins, ends, strict=True):
        effect = replace(
            outage, failure_rate=outage.failure_rate * height, latency_factor=outage.latency_factor**height
        )
        for from_s, until_s in _down_spans(outage):
            if max(begin_s, from_s) < min(end_s, until_s):
                yield (max(begin_s, from_s), min(end_s, until_s)), effect


def _down_spans(outage: Outage) -> Iterator[Span]:
    """The whole outage, or the `down` parts of its flapping."""
    if outage.flap is None:
        yield outage.at_s, outage.until_s
        return
    begin_s = outage.at_s
    while begin_s < outage.until_s:
        yield begin_s, min(begin_s + outage.flap.down_s, outage.until_s)
        begin_s += outage.flap.down_s + outage.flap.up_s


def _segment(background: QuietBehaviour, target: Target, outage: Outage | None, blips: BlipStream | None) -> Segment:
    """Three independent reasons to fail, the outage's first; the rest is answered, late or in time."""
    outcomes: list[tuple[float, Outcome]] = []
    probe_rate = request_rate = slow_rate = 0.0
    reasons = [(background.failure_rate, Outcome.SERVER_ERROR)]
    if blips:
        reasons.insert(0, (blips.failure_rate, blips.outcome))
    if outage:
        reasons.insert(0, (outage.failure_rate, outage.outcome))
    for rate, outcome in reasons:
        share = (1 - probe_rate) * rate
        probe_rate += share
        request_rate += share * (outcome.effect in _FAILS_REQUESTS or outcome is Outcome.BAD_ANSWER)
        slow_rate += share * (outcome is Outcome.SLOW)
        outcomes.append((probe_rate, outcome))
    factor = outage.latency_factor if outage else 1.0
    too_late = background.latency.longer_than(target.timeouts.total_s, factor=factor)
    slow_or_later = background.latency.longer_than(target.slow_s, factor=factor)
    return Segment(
        failure_rate=probe_rate,
        outcomes=tuple(outcomes),
        latency_factor=factor,
        retry_after_s=outage.retry_after_s if outage else None,
        near_limit=_near_limit(outage.limit_left) if outage else None,
        request_failure_rate=request_rate + (1 - probe_rate) * too_late,
        request_slow_rate=slow_rate + (1 - probe_rate) * (slow_or_later - too_late),
    )


def _near_limit(left: float) -> NearLimit | None:
    """What is made of headers that state this share of a hundred requests a minute."""
    stated = {"limit": "100", "remaining": f"{100 * left:.0f}", "reset": "60"}
    headers = {f"x-ratelimit-{what}-requests": value for what, value in stated.items()}
    return nearly_used_up(headers, now=datetime(2026, 1, 1, tzinfo=UTC))
