"""One target in virtual time: when its regular probes are due, and what a probe observes."""

from datetime import datetime, timedelta
from math import exp, log
from random import Random

from controller.simulation.scenario import LatencyDistribution
from controller.simulation.world import Timeline
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check, Target

#: The first token of a stream comes after this share of its whole time.
FIRST_TOKEN_SHARE = 0.5

_STATUS = {
    Outcome.SERVER_ERROR: 500,
    Outcome.OVERLOADED: 503,
    Outcome.RATE_LIMITED: 429,
    Outcome.QUOTA: 429,
    Outcome.AUTH: 401,
    Outcome.MODEL_GONE: 404,
    Outcome.BAD_REQUEST: 400,
    Outcome.TIMEOUT: None,
    Outcome.UNREACHABLE: None,
}
_DETAIL = "as the scenario has it"


class SimulatedTarget:
    """A target, its timeline and its random numbers. Times in seconds from the start of the scenario (`epoch`).

    Each target has random numbers of its own, drawn once per probe: what happens to it does not depend on how often
    other targets are probed.
    """

    __slots__ = (
        "_checks", "_cost_usd", "_due_count", "_epoch", "_failure_rate", "_gauss", "_latency", "_limit_s", "_mu",
        "_phase_s", "_random", "_segment", "_segment_end_s", "_sigma", "_target", "_timeline", "_unpaid", "id",
        "in_flight", "interval_s", "observed_at_s", "probes",
    )  # fmt: skip

    def __init__(
        self,
        target: Target,
        timeline: Timeline,
        latency: LatencyDistribution,
        *,
        phase_s: float,
        cost_usd: float | None,
        seed: int,
        epoch: datetime,
    ) -> None:
        dice = Random(f"{seed} probes {target.id}")  # noqa: S311 - a simulation
        self.id = target.id
        self.interval_s = target.interval_s
        self.probes = 0
        """How many probes were made."""
        self.in_flight = False
        self.observed_at_s = 0.0
        """When the last observation came in."""
        self._phase_s = phase_s
        self._due_count = 0
        self._unpaid = 0
        self._checks = target.checks
        self._target = target
        self._cost_usd = cost_usd
        self._epoch = epoch
        self._timeline = timeline
        self._latency = latency
        self._sigma = latency.sigma
        self._limit_s = min(target.slow_s, target.timeouts.total_s)
        self._random, self._gauss = dice.random, dice.gauss
        self._segment_end_s = 0.0

    @property
    def usd(self) -> float:
        """What the probes cost, as far as the price is known."""
        return (self.probes - self._unpaid) * (self._cost_usd or 0.0)

    def take_due_s(self) -> float:
        """Return when the next regular probe is due; the following call returns the one after it."""
        at_s = self._phase_s + self._due_count * self.interval_s
        self._due_count += 1
        return at_s

    def probe(self, at_s: float) -> Observation:
        """Return what a probe observes that starts at `at_s`, which must not be before that of the call before."""
        if at_s >= self._segment_end_s:
            self._enter_segment(at_s)
        checks = self._checks
        check = checks[self.probes % len(checks)]
        self.probes += 1
        draw = self._random()
        latency_s = exp(self._gauss(self._mu, self._sigma))
        if draw < self._failure_rate or latency_s > self._limit_s or check == Check.STREAM:
            return self._detailed(at_s, check, draw, latency_s)
        return Observation(
            target=self.id,
            check=check,
            started_at=self._epoch + timedelta(0, at_s),
            outcome=Outcome.OK,
            duration_s=latency_s,
            http_status=200,
            cost_usd=self._cost_usd,
        )

    def _enter_segment(self, at_s: float) -> None:
        self._segment, self._segment_end_s = self._timeline.at(at_s)
        self._failure_rate = self._segment.failure_rate
        self._mu = self._latency.mu + log(self._segment.latency_factor)

    def _detailed(self, at_s: float, check: str, draw: float, latency_s: float) -> Observation:
        """A probe that fails, is slow, or is a stream, of which more is known."""
        outcome = next((outcome for chance, outcome in self._segment.outcomes if draw < chance), Outcome.OK)
        outcome, duration_s = self._end(outcome, check, latency_s)
        answered = outcome in {Outcome.OK, Outcome.SLOW}
        paid = answered or outcome is Outcome.BAD_ANSWER
        self._unpaid += not paid
        return Observation(
            target=self.id,
            check=check,
            started_at=self._epoch + timedelta(0, at_s),
            outcome=outcome,
            duration_s=duration_s,
            detail="" if outcome is Outcome.OK else _DETAIL,
            first_token_s=duration_s * FIRST_TOKEN_SHARE if answered and check == Check.STREAM else None,
            http_status=_STATUS.get(outcome, 200),
            retry_after_s=self._segment.retry_after_s if outcome is Outcome.RATE_LIMITED else None,
            cost_usd=self._cost_usd if paid else None,
        )

    def _end(self, outcome: Outcome, check: str, latency_s: float) -> tuple[Outcome, float]:
        """How the probe ends and after how many seconds: the target's deadlines cut short what takes longer."""
        timeouts = self._target.timeouts
        if outcome is Outcome.UNREACHABLE:
            return outcome, timeouts.connect_s
        no_token = outcome is Outcome.TIMEOUT or latency_s * FIRST_TOKEN_SHARE > timeouts.first_token_s
        deadline_s = timeouts.first_token_s if check == Check.STREAM and no_token else timeouts.total_s
        if outcome is Outcome.SLOW:
            return outcome, min(self._target.slow_s + latency_s, timeouts.total_s)
        if outcome is Outcome.TIMEOUT or latency_s > deadline_s:
            return Outcome.TIMEOUT, deadline_s
        if outcome is Outcome.OK and latency_s > self._target.slow_s:
            return Outcome.SLOW, latency_s
        return outcome, latency_s
