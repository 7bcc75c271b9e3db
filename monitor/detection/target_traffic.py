"""What the requests of applications to one target are evidence of (pure)."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from monitor.detection.evidence import step_down, step_up
from monitor.detection.parameters import TargetParameters
from monitor.detection.traffic_hosts import BATCH_S, ReportingHost
from monitor.detection.traffic_model import EVIDENCE_RATE, VERDICT_RATE, TrafficBounds, TrafficModel, bounds, on_grid
from monitor.detection.traffic_stream import NO_STREAM, TrafficStream
from monitor.traffic.request_counts import RequestCounts
from probes.outcome import Blame, Effect, Outcome

#: This share of the fresh evidence that is needed must be left without any one host.
_SHARE_WITHOUT_HOST = 1 / 2
#: A host is wrong when the probes are so certain that it is: a thousand to one.
_DENIED = math.log(1000)
#: The most hosts that are remembered of a target.
_MOST_HOSTS = 1024
#: The parameters are looked up anew so often.
_RATE_KEPT = timedelta(seconds=10)
_ERRORS = frozenset({Outcome.SERVER_ERROR, Outcome.OVERLOADED, Outcome.BROKEN_STREAM})


class TrafficFinding(Enum):
    """What follows from the counts that came in."""

    NOTHING = auto()
    TRIGGER = auto()
    """A request failed where there are few: ask whether the target fails."""
    SUSPECTED = auto()
    """It fails too often to be chance: ask afresh when the longest blip must be over."""
    UNCONFIRMED = auto()
    """It fails for longer than a blip, by the word of one host alone: ask afresh now."""
    DENIED = auto()
    """That is so, and neither other hosts nor probes see it: the host is not believed any more."""
    DOWN = auto()


@dataclass(slots=True)
class Excursion:
    """What was counted since the evidence was last zero."""

    failed: Counter[Outcome]
    answered: int = 0
    probes_failed: int = 0
    probes_answered: int = 0
    fresh: dict[str, float] = field(default_factory=dict)
    """The fresh evidence of each host that has failed or answered."""
    failing: set[str] = field(default_factory=set)
    """The hosts that have seen failures."""
    suspected: bool = False
    conclusive: bool = False
    """Whether the requests alone spoke for a verdict at any time."""


EvidenceSoFar = tuple[TrafficStream, Excursion]
"""The evidence, and what was counted for it."""


class TargetTraffic:
    """The evidence of all hosts against one target. Not thread-safe."""

    def __init__(self, parameters: TargetParameters, usual: float) -> None:
        self.parameters = parameters
        self.usual = usual
        """The usual share of failures, as the probes have found it."""
        self.hosts: dict[str, ReportingHost] = {}
        self.stream: TrafficStream = NO_STREAM
        self.excursion = Excursion(Counter())
        self.bounds: TrafficBounds
        self.model: TrafficModel
        self.requests_per_s = 0.0
        self.denied = ""
        """The host that was last not believed any more."""
        self._looked_up_at: datetime | None = None

    @property
    def quiet(self) -> bool:
        """Whether there is no evidence."""
        return not self.stream.value

    @property
    def uncorroborated(self) -> bool:
        """Whether the evidence, if any, is no more than chance brings about: answers only end it."""
        return self.stream.corroborated_at is None

    def is_outweighed(self, host: str, failed: int, answered: int) -> bool:
        """Whether counts of this host leave no evidence where there is none."""
        known = self.hosts.get(host)
        if known is None or self.requests_per_s < EVIDENCE_RATE:
            return False
        return failed * known.up <= answered * known.down

    def clear(self) -> None:
        """Forget the evidence; what is usual stays."""
        self.stream, self.excursion = NO_STREAM, Excursion(Counter())

    def evidence(self) -> EvidenceSoFar:
        """The evidence; later counts do not change the value."""
        counted = self.excursion
        failed, fresh, failing = counted.failed.copy(), dict(counted.fresh), set(counted.failing)
        return self.stream, replace(counted, failed=failed, fresh=fresh, failing=failing)

    def resume(self, evidence: EvidenceSoFar) -> None:
        """Go on from this evidence."""
        self.stream, self.excursion = evidence

    def add(self, counts: RequestCounts, guard_s: float) -> TrafficFinding:
        """Weigh these counts; evidence counts as fresh `guard_s` after it was corroborated."""
        failures = counts.failed
        failed, answered = sum(failures.values()), counts.answered
        host = self._host(counts)
        host.note(counts, failed, answered)
        if not failed and not self.stream.value:
            host.learn(0, answered)
            return TrafficFinding.NOTHING
        at = counts.ended_at
        self._look_up(at)
        if self.stream.since and at < self.stream.since - timedelta(seconds=1):  # the clock was set back
            self.clear()
        if host.is_distrusted(at):
            return TrafficFinding.NOTHING
        before = self.stream
        step = failed * host.up - answered * host.down
        if not before.value:  # failures that answers do not outweigh may be an outage: one of them is learned
            host.learn(failed if step <= 0 else min(failed, 1), answered)
        if self.requests_per_s < EVIDENCE_RATE:
            return TrafficFinding.TRIGGER if failed else TrafficFinding.NOTHING
        self.stream = before.add(counts, step, failed, bounds=self.bounds, guard_s=guard_s)
        if not self.stream.value:
            if before.value and not failed:  # what came after the evidence was gone
                host.learn(0, max(0, answered - math.ceil(before.value / host.down)))
            return self._end(at)
        counted = self.excursion
        counted.failed.update(failures)
        counted.answered += answered
        if failed:
            counted.failing.add(counts.host)
        if self.stream.fresh != before.fresh:
            counted.fresh[counts.host] = counted.fresh.get(counts.host, 0.0) + step
        return self.judge(at)

    def _end(self, at: datetime) -> TrafficFinding:
        """The evidence is over; a host whose word would have sufficed, and was not confirmed, was wrong."""
        finding = TrafficFinding.NOTHING
        if self.excursion.conclusive:
            self._deny(at)
            finding = TrafficFinding.DENIED
        self.clear()
        return finding

    def add_probe(self, *, started_at: datetime, outcome: Outcome, guard_s: float) -> None:
        """Note how a probe ended that was asked afresh, where it began after the guard."""
        if self.stream.is_guarded(started_at, guard_s):
            return
        if outcome.effect is Effect.DOWN:
            self.excursion.probes_failed += self._is_in_kind(outcome)
        elif outcome.effect in {Effect.UP, Effect.DEGRADED}:
            self.excursion.probes_answered += 1

    def judge(self, at: datetime) -> TrafficFinding:
        """What follows from the evidence now."""
        if self.stream.corroborated_at is None:
            return TrafficFinding.NOTHING
        counted, parameters = self.excursion, self.parameters
        if self.requests_per_s < VERDICT_RATE or not self.stream.is_conclusive(self.bounds):
            new, counted.suspected = not counted.suspected, True
            return TrafficFinding.SUSPECTED if new else TrafficFinding.NOTHING
        p0, p1 = self.usual, parameters.p1
        probes = counted.probes_failed * step_up(p0, p1) - counted.probes_answered * step_down(p0, p1)
        if (counted.probes_failed and probes > 0) or self._has_two_hosts:
            return TrafficFinding.DOWN
        counted.conclusive = True
        if probes > -_DENIED:
            return TrafficFinding.UNCONFIRMED
        self._deny(at)
        self.clear()
        return TrafficFinding.DENIED

    def _deny(self, at: datetime) -> None:
        self.denied = max(self.excursion.fresh, key=self.excursion.fresh.__getitem__)
        self.hosts[self.denied].distrust(at)

    @property
    def _has_two_hosts(self) -> bool:
        """Whether enough is left without any one host, and it can hardly be the hosts' own network."""
        counted = self.excursion
        undecided = sum(count for outcome, count in counted.failed.items() if outcome.blame is Blame.UNDECIDED)
        if 2 * undecided >= counted.failed.total():
            return False
        left = self.stream.fresh - max(counted.fresh.values())
        return left >= _SHARE_WITHOUT_HOST * self.bounds.fresh

    def _is_in_kind(self, outcome: Outcome) -> bool:
        """Whether a probe failed as a good part of the requests did: with an error, or without any answer."""
        failed = self.excursion.failed
        same = sum(count for other, count in failed.items() if (other in _ERRORS) == (outcome in _ERRORS))
        return 4 * same >= failed.total()

    def _host(self, counts: RequestCounts) -> ReportingHost:
        host = self.hosts.get(counts.host)
        if host is None:
            if len(self.hosts) >= _MOST_HOSTS:
                del self.hosts[min(self.hosts, key=lambda name: self.hosts[name].seen_at)]
            host = ReportingHost(usual=self.usual, p1=self.parameters.p1, seen_at=counts.began_at)
            self.hosts[counts.host] = host
        return host

    def _look_up(self, at: datetime) -> None:
        """The parameters for the present rate; while there is evidence they stay as they are."""
        known = self._looked_up_at
        if known and (self.stream.value or timedelta() <= at - known < _RATE_KEPT):
            return
        rates = [(host.rate_at(at), host) for host in self.hosts.values() if not host.is_distrusted(at)]
        self.requests_per_s = sum(rate for rate, _ in rates)
        self._looked_up_at = at
        p0 = max((host.p0 for _, host in rates), default=self.usual)
        self.model = TrafficModel(
            p0=p0,
            p1=self.parameters.p1,
            requests_per_s=on_grid(self.requests_per_s),
            batches_per_s=on_grid(sum(min(1 / BATCH_S, rate) for rate, _ in rates)),
            blips=self.parameters.blips,
            false_per_day=self.parameters.traffic_false_per_day,
        )
        self.bounds = bounds(self.model)
