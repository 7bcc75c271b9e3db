"""One target in virtual time: when its regular probes are due, and what a probe observes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil, exp, inf
from random import Random
from statistics import NormalDist

from controller.simulation.limiter import Limiter
from controller.simulation.scenario import LatencyDistribution, Scenario
from controller.simulation.world import Timeline
from monitor.detection.fresh_evidence import SHORTEST_HANG_S
from monitor.detection.pacing import phases
from monitor.detection.state_machine import TimedAnswer
from probes.observation import Observation, replaced
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
#: Random numbers are drawn so many at a time: the first time, and at the most.
_FIRST_DRAW, _LARGEST_DRAW = 64, 4096
_FROM_NORMAL = NormalDist().inv_cdf


class SimulatedTarget:
    """A target, its timeline and its random numbers. Times in seconds from the start of the scenario (`epoch`).

    Each target has random numbers of its own, drawn once per probe: what happens to it does not depend on how often
    other targets are probed, but for a limit that they share.
    """

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
        place: int = 0,
        limiters: Sequence[Limiter] = (),
    ) -> None:
        dice = Random(f"{seed} probes {target.id}")  # noqa: S311 - a simulation
        self.id = target.id
        self.provider = target.provider.name
        self.place = place
        """Among all targets."""
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
        self._clean = Observation(
            target=target.id,
            check="",
            started_at=epoch,
            outcome=Outcome.OK,
            duration_s=0.0,
            http_status=200,
            cost_usd=cost_usd,
        )
        self._timeline = timeline
        self._limiters = limiters
        self._latency = latency
        self._limit_s = min(target.slow_s, target.timeouts.total_s)
        self._shortest_s = min(self._limit_s, SHORTEST_HANG_S)
        """What takes longer is slow, fails or may hang."""
        self._says_little = False
        """Whether good answers are all to one check, which is no stream, and say only how long they took."""
        self._random = dice.random
        self._draws: list[float] = []
        """What decides whether each of the next probes fails, and how long it takes in quiet times."""
        self._latencies_s: list[float] = []
        self._place = 0
        """Of the next probe in these lists."""
        self._unclean = -1
        """Of the next one that is not clean in the present segment, or their end; before `_place`: not known."""
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

    def change_interval(self, interval_s: float, due_s: float) -> None:
        """Make regular probes at this interval from now on, the next one at `due_s`."""
        self.interval_s, self._phase_s, self._due_count, self._unclean = interval_s, due_s, 1, -1

    def probe(self, at_s: float, within_s: Callable[[], float] | None = None) -> Observation:
        """Return what a probe observes that starts at `at_s`, which must not be before that of the call before.

        It gives up after `within_s()`, which is at least `SHORTEST_HANG_S`.
        """
        self._prepare(at_s)
        check = self.check
        draw, latency_s = self._draws[self._place], self._latencies_s[self._place] * self._segment.latency_factor
        self.probes += 1
        self._place += 1
        limit_s = self._shortest_s if within_s else self._limit_s
        refused = sum(limiter.refuses(at_s) for limiter in self._limiters)
        if refused or draw < self._segment.failure_rate or latency_s > limit_s or self._says_more(check):
            chances = ((1.0, Outcome.RATE_LIMITED),) if refused else self._segment.outcomes
            outcome = next((outcome for chance, outcome in chances if draw < chance), Outcome.OK)
            return self._detailed(at_s, check, outcome, latency_s, within_s() if within_s else inf)
        return replaced(self._clean, check=check, started_at=self._epoch + timedelta(0, at_s), duration_s=latency_s)

    def take_if_clean(self, at_s: float) -> TimedAnswer | None:
        """Make the same probe if it is `ok` and does not hang, of the only check, which is no stream; else None."""
        self._prepare(at_s)
        place, segment = self._place, self._segment
        took_s = self._latencies_s[place] * segment.latency_factor
        if self._draws[place] < segment.failure_rate or took_s > self._shortest_s or not self._says_little:
            return None
        self.probes += 1
        self._place = place + 1
        started_at = self._epoch + timedelta(0, at_s)
        return started_at, took_s, started_at + timedelta(0, took_s)

    def answered(self, answer: TimedAnswer, *, afresh: bool = False) -> Observation:
        """What a probe of `take_if_clean` observes."""
        started_at, took_s, _ = answer
        check = self._checks[0]
        return replaced(self._clean, check=check, started_at=started_at, duration_s=took_s, afresh=afresh)

    def _prepare(self, at_s: float) -> None:
        if at_s >= self._segment_end_s:
            self._segment, self._segment_end_s = self._timeline.at(at_s)
            self._says_little = len(self._checks) == 1 and not self._says_more(self._checks[0])
            self._unclean = -1
        if self._place == len(self._draws):
            self._draw()

    def _says_more(self, check: str) -> bool:
        """Whether more is known of a good answer in the present segment than how long it took."""
        return check == Check.STREAM or self._segment.near_limit is not None

    @property
    def check(self) -> str:
        """What the next probe asks."""
        return self._checks[self.probes % len(self._checks)]

    @property
    def due_s(self) -> float:
        """When the regular probe is due that `take_due_s` returned last."""
        return self.due_after_s(0)

    def due_after_s(self, probes: int) -> float:
        """When the regular probe is due that comes so many after this one."""
        return self._phase_s + (self._due_count - 1 + probes) * self.interval_s

    def started_at(self, probes: int) -> datetime:
        """The same as an instant."""
        return self._epoch + timedelta(0, self.due_after_s(probes))

    def clean_until_s(self) -> float:
        """When a regular probe may be due that does not end with `ok` before the next one.

        From `due_s` on; all are unclean where checks take turns, of streams, other speeds and limits.
        """
        due_s = self.due_s
        if due_s >= self._segment_end_s or not self._says_little or self._segment.latency_factor != 1:
            return due_s
        if self._unclean < self._place:
            rate, limit_s = self._segment.failure_rate, min(self._shortest_s, self.interval_s)
            draws, latencies_s, end = self._draws, self._latencies_s, len(self._draws)
            places = range(self._place, end)
            self._unclean = next((at for at in places if draws[at] < rate or latencies_s[at] > limit_s), end)
        return min(self._segment_end_s, self.due_after_s(self._unclean - self._place))

    def clean_before(self, until_s: float) -> int:
        """How many regular probes start and end before, from `due_s` on; not later than `clean_until_s`."""
        before, place, interval_s = self._due_count - 1, self._place, self.interval_s
        count = min(ceil((until_s - self._phase_s) / interval_s) - before, len(self._draws) - place)
        if count <= 0:
            return 0
        latencies_s = self._latencies_s
        while count and self._phase_s + (before + count - 1) * interval_s + latencies_s[place + count - 1] >= until_s:
            count -= 1
        return count

    def clean_times_s(self, count: int) -> list[float]:
        """How long each of the next regular probes takes; `clean_before` says how many there are."""
        return self._latencies_s[self._place : self._place + count]

    def clean_observation(self, place: int) -> Observation:
        """What the regular probe observes that comes so many after the next; one of those of `clean_before`."""
        took_s = self._latencies_s[self._place + place]
        return replaced(self._clean, check=self.check, started_at=self.started_at(place), duration_s=took_s)

    def clean_times(self, place: int) -> tuple[datetime, datetime]:
        """When it starts and ends."""
        started_at = self.started_at(place)
        return started_at, started_at + timedelta(0, self._latencies_s[self._place + place])

    def clean_timing(self, place: int) -> tuple[float, datetime]:
        """How long it takes, and when it ends."""
        _, ended_at = self.clean_times(place)
        return self._latencies_s[self._place + place], ended_at

    def take_clean(self, count: int) -> None:
        """So many probes of `clean_before` were made."""
        self.observed_at_s = self.due_after_s(count - 1) + self._latencies_s[self._place + count - 1]
        self.probes += count
        self._place += count
        self._due_count += count

    def _draw(self) -> None:
        count = min(_LARGEST_DRAW, 2 * len(self._draws) or _FIRST_DRAW)
        random, mu, sigma = self._random, self._latency.mu, self._latency.sigma
        self._draws = [random() for _ in range(count)]
        self._latencies_s = [exp(mu + sigma * _FROM_NORMAL(random() or 0.5)) for _ in range(count)]
        self._place, self._unclean = 0, -1

    def _detailed(self, at_s: float, check: str, outcome: Outcome, latency_s: float, within_s: float) -> Observation:
        """A probe that fails, is slow, or is a stream, of which more is known."""
        outcome, duration_s = self._end(outcome, check, latency_s)
        if duration_s > within_s:
            outcome, duration_s = Outcome.TIMEOUT, within_s
        answered = outcome in {Outcome.OK, Outcome.SLOW}
        paid = answered or outcome is Outcome.BAD_ANSWER
        self._unpaid += not paid
        near = self._segment.near_limit if answered else None
        return replaced(
            self._clean,
            check=check,
            started_at=self._epoch + timedelta(0, at_s),
            outcome=outcome,
            duration_s=duration_s,
            detail="" if outcome is Outcome.OK else _DETAIL,
            first_token_s=duration_s * FIRST_TOKEN_SHARE if answered and check == Check.STREAM else None,
            http_status=_STATUS.get(outcome, 200),
            retry_after_s=self._segment.retry_after_s if outcome is Outcome.RATE_LIMITED else None,
            limit_left=near.left if near else None,
            limit_resets_s=near.resets_s if near else None,
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


def simulated_targets(
    scenario: Scenario, timelines: Mapping[str, Timeline], seed: int, epoch: datetime
) -> dict[str, SimulatedTarget]:
    """Those of a scenario in one seed, by id."""
    due_s = phases(scenario.settings.targets)
    limited_by = [(limit.targets, Limiter(limit.per_minute)) for limit in scenario.limits]
    return {
        target.id: SimulatedTarget(
            target,
            timelines[target.id],
            scenario.background.latency,
            phase_s=due_s[target.id],
            cost_usd=scenario.probe_usd.get(target.id),
            seed=seed,
            epoch=epoch,
            place=place,
            limiters=[limiter for shared, limiter in limited_by if target.id in shared],
        )
        for place, target in enumerate(scenario.settings.targets)
    }


def by_provider(targets: Sequence[SimulatedTarget]) -> dict[str, dict[SimulatedTarget, None]]:
    """These targets by the name of their provider, as sets that keep the order: of equals the first is asked first."""
    names = dict.fromkeys(target.provider for target in targets)
    return {name: dict.fromkeys(target for target in targets if target.provider == name) for name in names}
