"""What the applications of a scenario report: counts of each host and second, as the service would receive them.

While the evidence against a target is no more than chance brings about, only the seconds in which a request fails are
looked at: the times between failures are exponential, and the answers between them are taken in at once. While there is
none, so are those seconds whose failures its answers outweigh.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from controller.routing.decision import Decision
from controller.simulation.scenario import Scenario
from controller.simulation.world import Segment, Timeline
from monitor.detection.traffic_hosts import BATCH_S
from monitor.traffic.request_counts import RequestCounts
from probes.outcome import Effect, Outcome
from probes.target import Target

#: Above this mean a Poisson number is drawn as a normal one.
_LARGE_MEAN = 50.0
#: So many seconds with failures are foreseen at the most.
_MOST_PASSED = 100


@dataclass(frozen=True, slots=True)
class FailureTimeline:
    """Which share of a target's requests is seen to fail, piece by piece: those that time out are seen late."""

    ends_s: Sequence[float]
    rates: Sequence[float]
    outcomes: Sequence[Outcome]
    """How most of them fail."""

    def at(self, at_s: float) -> tuple[float, Outcome, float]:
        """The share at this time, how most fail, and until when that is so."""
        place = min(bisect_right(self.ends_s, at_s), len(self.ends_s) - 1)
        return self.rates[place], self.outcomes[place], self.ends_s[place]

    def failed_s(self, from_s: float, until_s: float) -> float:
        """The integral of the share."""
        total, at_s = 0.0, from_s
        while at_s < until_s:
            rate, _, end_s = self.at(at_s)
            next_s = min(until_s, end_s) if end_s > at_s else until_s
            total, at_s = total + rate * (next_s - at_s), next_s
        return total


def failure_timeline(target: Target, timeline: Timeline) -> FailureTimeline:
    """What the requests to a target come to, of those outcomes that are evidence against it."""
    late_s = {Outcome.TIMEOUT: target.timeouts.total_s, Outcome.UNREACHABLE: target.timeouts.connect_s}
    delays_s = {0.0} | {late_s[o] for segment in set(timeline.segments) for _, o in segment.outcomes if o in late_s}
    edges = sorted({end_s + delay_s for end_s in (0.0, *timeline.ends_s) for delay_s in delays_s} - {0.0})
    rates, outcomes = [], []
    for begin_s in (0.0, *edges[:-1]):
        shares: dict[Outcome, float] = {}
        for delay_s in delays_s:
            if begin_s >= delay_s and begin_s - delay_s < timeline.ends_s[-1]:
                segment, _ = timeline.at(begin_s - delay_s)
                seen = {o: share for o, share in _shares(segment).items() if late_s.get(o, 0.0) == delay_s}
                shares = {**shares, **seen}
        rates.append(sum(shares.values()))
        outcomes.append(max(shares, key=shares.__getitem__, default=Outcome.SERVER_ERROR))
    return FailureTimeline(edges, rates, outcomes)


def _shares(segment: Segment) -> dict[Outcome, float]:
    shares, before = dict[Outcome, float](), 0.0
    for chance, outcome in segment.outcomes:
        if outcome.effect is Effect.DOWN:
            shares[outcome] = shares.get(outcome, 0.0) + chance - before
        before = chance
    return shares


class HostStream:
    """The requests of one host to one target by one route. Times in seconds from the start of the scenario."""

    def __init__(self, host: str, target: str, failures: FailureTimeline, per_s: float, dice: Random) -> None:
        self.host, self.target = host, target
        self._failures, self._per_s, self._dice = failures, per_s, dice
        self._counted_s = 0.0
        """Until when its requests are counted."""
        self._failed = self._answered = 0
        """Those of the second that is counted next."""
        self._passed: list[tuple[float, int]] = []
        """The seconds before it that are passed over although so many of their requests fail, by their end."""
        self.serial = 0
        """Of its next event."""

    def start(self, at_s: float) -> None:
        """Begin to send requests."""
        self._counted_s = at_s + self._dice.random() * BATCH_S - BATCH_S

    def skip(self, is_outweighed: Callable[[int, int], bool]) -> float:
        """Go to the end of the next second in which a request fails, or in which the share of failures changes.

        Seconds of which `is_outweighed` says so, by their failures and answers, are passed over.
        """
        begin_s, self._passed = self._counted_s, []
        while True:
            end_s = self._foresee(begin_s)
            if not self._failed or len(self._passed) == _MOST_PASSED or not is_outweighed(self._failed, self._answered):
                return end_s
            self._passed.append((end_s, self._failed))
            begin_s = end_s

    def _foresee(self, begin_s: float) -> float:
        rate, _, until_s = self._failures.at(begin_s)
        mean = rate * self._per_s
        first_s = begin_s + self._dice.expovariate(mean) if mean > 0 else math.inf
        certain, from_s = (1, first_s) if first_s < until_s else (0, until_s)
        seconds = max(1, math.ceil((min(first_s, until_s) - begin_s) / BATCH_S))
        end_s = begin_s + seconds * BATCH_S
        self._failed = certain + self._poisson(self._failures.failed_s(from_s, end_s) * self._per_s)
        self._answered = self._answers(end_s)
        return end_s

    def step(self) -> float:
        """Go to the end of the next second."""
        end_s, self._passed = self._counted_s + BATCH_S, []
        self._failed = self._poisson(self._failures.failed_s(self._counted_s, end_s) * self._per_s)
        self._answered = self._answers(end_s)
        return end_s

    def _answers(self, end_s: float) -> int:
        return self._poisson((BATCH_S - self._failures.failed_s(end_s - BATCH_S, end_s)) * self._per_s)

    def resume_s(self, now_s: float) -> float:
        """The end of the second that lasts at this time, where the seconds were skipped until now."""
        return self._counted_s + max(1, math.ceil((now_s - self._counted_s) / BATCH_S)) * BATCH_S

    def pass_over(self, end_s: float, epoch: datetime) -> list[RequestCounts]:
        """What came until the second begins that ends then: answers, and the failures that are passed over."""
        seconds = end_s - BATCH_S - self._counted_s
        self._counted_s += max(0.0, seconds)
        if seconds < BATCH_S / 2:
            return []
        rate, _, _ = self._failures.at(self._counted_s - BATCH_S / 2)
        failed = sum(count for passed_s, count in self._passed if passed_s < self._counted_s + BATCH_S / 2)
        return [self._counts(self._counted_s, seconds, failed, round(seconds * self._per_s * (1 - rate)), epoch)]

    def take(self, end_s: float, epoch: datetime) -> RequestCounts:
        """The counts of the second that ends then."""
        self._counted_s, self._passed = end_s, []
        return self._counts(end_s, BATCH_S, self._failed, self._answered, epoch)

    def _counts(self, end_s: float, span_s: float, failed: int, answered: int, epoch: datetime) -> RequestCounts:
        _, outcome, _ = self._failures.at(max(0.0, end_s - BATCH_S / 2))
        outcomes = {outcome: failed, Outcome.OK: answered} if failed else {Outcome.OK: answered}
        at = epoch + timedelta(seconds=end_s)
        return RequestCounts(target=self.target, host=self.host, ended_at=at, span_s=span_s, outcomes=outcomes)

    def _poisson(self, mean: float) -> int:
        if mean <= 0:
            return 0
        if mean > _LARGE_MEAN:
            return max(0, round(self._dice.gauss(mean, math.sqrt(mean))))
        number, product, limit = 0, self._dice.random(), math.exp(-mean)
        while product > limit:
            number, product = number + 1, product * self._dice.random()
        return number


class SimulatedTraffic:
    """The streams of all routes; each goes where its route goes."""

    def __init__(self, scenario: Scenario, timelines: Mapping[str, Timeline], seed: int) -> None:
        self._scenario = scenario
        shared: dict[int, FailureTimeline] = {}
        self._failures: dict[str, FailureTimeline] = {}
        for target in scenario.settings.targets:
            timeline = timelines[target.id]
            if id(timeline) not in shared:
                shared[id(timeline)] = failure_timeline(target, timeline)
            self._failures[target.id] = shared[id(timeline)]
        self._dice = {
            (route.name, place): Random(f"{seed} traffic {route.name} {place}")  # noqa: S311 - a simulation
            for route in scenario.settings.routes
            for place in range(scenario.traffic_hosts)
        }
        self._by_route: dict[str, list[HostStream]] = {}

    def redirect(self, decision: Decision, now_s: float) -> list[HostStream]:
        """Send the requests of a route where it goes now; the streams that begin with that."""
        streams = []
        per_s = self._scenario.requests_per_s / self._scenario.traffic_hosts
        for target, percent in decision.weights or ((decision.target, 100.0),):
            for place in range(self._scenario.traffic_hosts if percent else 0):
                dice = self._dice[decision.route, place]
                stream = HostStream(f"host{place}", target, self._failures[target], per_s * percent / 100, dice)
                stream.start(now_s)
                streams.append(stream)
        self._by_route[decision.route] = streams
        return streams

    def streams_to(self, target: str) -> list[HostStream]:
        """Those that send requests to this target."""
        return [stream for streams in self._by_route.values() for stream in streams if stream.target == target]

    def is_current(self, stream: HostStream) -> bool:
        """Whether its route still sends requests there."""
        return any(stream is each for streams in self._by_route.values() for each in streams)
