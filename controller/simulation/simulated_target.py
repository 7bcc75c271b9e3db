"""One target in virtual time: when it is due, and what a probe of it sees."""

from datetime import datetime, timedelta
from math import exp, log
from random import Random

from controller.simulation.scenario import LatencyDistribution
from controller.simulation.world import Timeline
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check, Target

#: Of the time that a stream takes in all, until its first piece of text.
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
    """A target, its timeline and its dice. Times in seconds from the start of the scenario, which is at `epoch`.

    The dice are thrown for each probe that is made, by this target alone: what happens to one target does not depend
    on how often the others were asked.
    """

    __slots__ = (
        "_checks", "_cost_usd", "_epoch", "_failing", "_gauss", "_latency", "_limit_s", "_mu", "_piece", "_random",
        "_sigma", "_target", "_timeline", "_unpaid", "_until_s", "asked", "due", "id", "interval_s", "phase_s",
        "seen_at_s", "under_way",
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
        self.phase_s = phase_s
        self.due = 0
        """How many regular probes have been due."""
        self.asked = 0
        """How many probes were made."""
        self._unpaid = 0
        self.under_way = False
        self.seen_at_s = 0.0
        """When the last observation came in."""
        self._checks = target.checks
        self._target = target
        self._cost_usd = cost_usd
        self._epoch = epoch
        self._timeline = timeline
        self._latency = latency
        self._sigma = latency.sigma
        self._limit_s = min(target.slow_s, target.timeouts.total_s)
        self._random, self._gauss = dice.random, dice.gauss
        self._until_s = 0.0

    @property
    def usd(self) -> float:
        """What the probes cost, as far as the price is known."""
        return (self.asked - self._unpaid) * (self._cost_usd or 0.0)

    def next_due_s(self) -> float:
        """When the next regular probe is due; it is then the one after that which is next."""
        at_s = self.phase_s + self.due * self.interval_s
        self.due += 1
        return at_s

    def probe(self, at_s: float) -> Observation:
        """What a probe sees that starts now. Times of asking must not fall."""
        if at_s >= self._until_s:
            self._go_on(at_s)
        checks = self._checks
        check = checks[self.asked % len(checks)]
        self.asked += 1
        draw = self._random()
        latency_s = exp(self._gauss(self._mu, self._sigma))
        if draw < self._failing or latency_s > self._limit_s or check is Check.STREAM:
            return self._unusual(at_s, check, draw, latency_s)
        return Observation(
            target=self.id,
            check=check,
            started_at=self._epoch + timedelta(0, at_s),
            outcome=Outcome.OK,
            duration_s=latency_s,
            http_status=200,
            cost_usd=self._cost_usd,
        )

    def _go_on(self, at_s: float) -> None:
        """To the piece of the timeline that this time is in."""
        self._piece, self._until_s = self._timeline.at(at_s)
        self._failing = self._piece.failing
        self._mu = self._latency.mu + log(self._piece.latency_factor)

    def _unusual(self, at_s: float, check: Check, draw: float, latency_s: float) -> Observation:
        """A probe that fails, is slow, or is a stream, of which more is known."""
        outcome = next((way for height, way in self._piece.ways if draw < height), Outcome.OK)
        outcome, duration_s = self._ending(outcome, check, latency_s)
        good = outcome in {Outcome.OK, Outcome.SLOW}
        paid = good or outcome is Outcome.BAD_ANSWER
        self._unpaid += not paid
        return Observation(
            target=self.id,
            check=check,
            started_at=self._epoch + timedelta(0, at_s),
            outcome=outcome,
            duration_s=duration_s,
            detail="" if outcome is Outcome.OK else _DETAIL,
            first_token_s=duration_s * FIRST_TOKEN_SHARE if good and check is Check.STREAM else None,
            http_status=_STATUS.get(outcome, 200),
            retry_after_s=self._piece.retry_after_s if outcome is Outcome.RATE_LIMITED else None,
            cost_usd=self._cost_usd if paid else None,
        )

    def _ending(self, outcome: Outcome, check: Check, latency_s: float) -> tuple[Outcome, float]:
        """How the probe ends and after how long: the deadlines of the target cut short what takes longer."""
        timeouts = self._target.timeouts
        if outcome is Outcome.UNREACHABLE:
            return outcome, timeouts.connect_s
        silent = outcome is Outcome.TIMEOUT or latency_s * FIRST_TOKEN_SHARE > timeouts.first_token_s
        deadline_s = timeouts.first_token_s if check is Check.STREAM and silent else timeouts.total_s
        if outcome is Outcome.SLOW:
            return outcome, min(self._target.slow_s + latency_s, timeouts.total_s)
        if outcome is Outcome.TIMEOUT or latency_s > deadline_s:
            return Outcome.TIMEOUT, deadline_s
        if outcome is Outcome.OK and latency_s > self._target.slow_s:
            return Outcome.SLOW, latency_s
        return outcome, latency_s
