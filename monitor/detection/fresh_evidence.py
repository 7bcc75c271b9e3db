"""The test on fresh evidence: what fails still when the longest blip must be over is no blip (pure).

It stands beside the CUSUM, which must wait for `min_outage`, and has probes of its own, asked at once:

1. A failed probe begins it: three more. When all of them are answered, it is over.
2. As soon as one of them fails, it waits until the longest blip must be over (`controller.blips`). Where probes are
   so many that this happens too often by chance, it first asks three more, up to four times, and one must fail each
   time.
3. Then it asks eight afresh, and eight more until they speak as clearly against an outage as eight good answers do, up
   to 64. The verdict comes when their log-likelihood ratio, as of the CUSUM but from zero, must reach the threshold
   however those end that are still under way.

Of several targets of a provider, the three go to the others, and each of (at most eight) is asked afresh equally often.
What counts is what is left without the worst third of them. Twice as many as that third must fail, and not by chance:
what is left without all of these but one must still speak for an outage. But all that fails speaks for going on.

A probe that hangs, longer than but one in 10,000 of its target's answers, begins the rounds at once: so long is no
blip. Where a failure must be confirmed more than once, so must it. The probes asked afresh are given up after that
time, and have then failed.

False verdicts a day are at most (C·a + B + H)·(b + r·E[L]):

- C·a: failures by chance, p0 · probes a day, a tenth more or what bursts come to, times the chance that each three
  probes that confirm one have a failure among them, a = (1 - (1-p0)^3)^confirmations.
- B: blips that fail a probe of the schedule, r · E[L] / interval, and those that come upon the three, which is as good
  as failing them, C·r·E[L]. Each is taken for an outage once at the most, so that B is at most r.
- H: answers that take so long, where a failure is confirmed once; else they are among C.
- b: the chance that fresh probes at p0 reach the threshold, exactly, by carrying the binomial distributions of failures
  from round to round, of those that count and of the others. Without the worst third there are at most as many failures
  as of any fixed two thirds.
- r·E[L]: the chance that another blip is on by then.

The threshold is the smallest at which that is within the promise (Wald, "Sequential Tests of Statistical Hypotheses",
1945, with truncation; his bounds are for single steps, too rough for rounds of eight).
"""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from functools import lru_cache

from monitor.config.controller_settings import Blips, ControllerSettings
from monitor.detection.evidence import Evidence, extended_trail, step_down, step_up
from monitor.detection.latency import HANGING_SHARE
from monitor.health import WeighedProbe
from probes.observation import Observation, hot_dataclass, replaced
from probes.outcome import Effect

DAY_S = 86400.0
#: Probes asked at once to see whether a failure was a single one.
CONFIRMING_PROBES = 3
#: So often at the most.
MOST_CONFIRMATIONS = 5
#: Probes of one round at the least, and rounds at the most.
_ROUND = 8
_ROUNDS = 8
#: The most targets of a provider that are asked in a round.
MOST_TARGETS = 8
_WORST = 1 / 3
#: Sums of the same steps differ by less.
_TINY = 1e-9
#: Courses less likely than this are not carried on: they count as verdicts.
_UNLIKELY = 1e-13
#: Beyond the longest blip: probes do not start on the millisecond.
_MARGIN_S = 0.3
#: Between the starts of probes that are asked at once.
_APART_S = 0.05
#: Probes of bursts, as a share of those of the schedule, at the least.
_BURST_SHARE = 0.1
#: No probe hangs that has been under way for less.
SHORTEST_HANG_S = 10.0
#: A test whose probes were not made, for want of money or for a rest, is forgotten so long after their deadline.
_PATIENCE_S = 5.0


@hot_dataclass
class FreshModel:
    """What the rate of false verdicts depends on. Failure rates per probe: p0 the background, p1 to detect."""

    p0: float
    p1: float
    interval_s: float
    """Between two probes of the schedule, of all targets together."""
    blips: Blips
    targets: int = 1
    """How many are asked afresh."""
    confirmations: int = 1
    """How often in a row three more probes must have a failure among them."""

    @property
    def left_out(self) -> int:
        """How many targets are the worst third, whose probes do not count."""
        return round(self.targets * _WORST) if self.targets > 1 else 0

    @property
    def repeats(self) -> int:
        """How often each target is asked in a round."""
        return math.ceil(_ROUND / self.targets)

    @property
    def asked(self) -> int:
        """How many probes a round has."""
        return self.targets * self.repeats

    @property
    def counted(self) -> int:
        """How many probes of a round count."""
        return (self.targets - self.left_out) * self.repeats

    def speaks_against(self, failures: int, rounds: int) -> bool:
        """Whether so many failures of all probes asked speak as clearly against an outage as a good round does."""
        return self.evidence(failures, rounds * self.asked) <= self.evidence(0, self.asked) + _TINY

    def evidence(self, failures: int, probes: int) -> float:
        """The log-likelihood ratio of p1 against p0."""
        return failures * step_up(self.p0, self.p1) - (probes - failures) * step_down(self.p0, self.p1)


@lru_cache(maxsize=1024)
def threshold(model: FreshModel, *, per_day: float) -> float:
    """The smallest evidence at which false verdicts come at most `per_day` times a day; infinite where none does."""
    if false_verdicts_per_day(model, math.inf) > per_day:
        return math.inf
    return _smallest_height(model, lambda height: false_verdicts_per_day(model, height) <= per_day)


def within_promise(model: FreshModel, *, per_day: float) -> tuple[FreshModel, float]:
    """The model, with as many confirmations as its promise takes, and its threshold.

    The threshold is infinite where no evidence keeps the promise.
    """
    for confirmations in range(1, MOST_CONFIRMATIONS + 1):
        careful = replaced(model, confirmations=confirmations)
        needed = threshold(careful, per_day=per_day)
        if needed < math.inf:
            return careful, needed
    return model, math.inf


@lru_cache(maxsize=1024)
def threshold_of_chance(model: FreshModel, chance: float) -> float:
    """The smallest evidence that fresh probes at the background reach at most with this chance."""
    return _smallest_height(model, lambda height: verdict_chance(model, height, model.p0) <= chance)


def _smallest_height(model: FreshModel, suffices: Callable[[float], bool]) -> float:
    """The smallest evidence of some probes that suffices, which rests on two failures at least; infinite for none."""
    heights = sorted(
        model.evidence(failures, rounds * model.counted)
        for rounds in range(1, _ROUNDS + 1)
        for failures in range(2, rounds * model.counted + 1)
    )
    single = model.evidence(1, model.counted)  # a verdict never rests on a single failure
    possible = [height for height in heights if height > max(0.0, single) + _TINY]
    place = bisect_left(possible, True, key=suffices)
    return possible[place] if place < len(possible) else math.inf


def false_verdicts_per_day(model: FreshModel, height: float) -> float:
    """An upper bound of how often a day chance and blips alone bring the fresh evidence to this height."""
    blips = model.blips
    mean_s = (blips.shortest_s + blips.longest_s) / 2
    blip_is_on = blips.per_day / DAY_S * mean_s
    by_chance = model.p0 * DAY_S / model.interval_s * (1 + _burst_share(model))
    hanging = HANGING_SHARE * DAY_S / model.interval_s
    if model.confirmations > 1:
        by_chance, hanging = by_chance + hanging, 0.0
    confirmed = (1 - (1 - model.p0) ** CONFIRMING_PROBES) ** model.confirmations
    by_blip = min(blips.per_day, blips.per_day * mean_s / model.interval_s + by_chance * blip_is_on)
    by_rounds = verdict_chance(model, height, model.p0) if height < math.inf else 0.0
    return (by_chance * confirmed + by_blip + hanging) * (by_rounds + blip_is_on)


def _burst_share(model: FreshModel) -> float:
    """How many probes of bursts follow from each of the schedule by chance, at the most.

    A failure begins as many as take its evidence away, and each of these may fail in turn.
    """
    followed = model.p0 * math.ceil(step_up(model.p0, model.p1) / step_down(model.p0, model.p1))
    return max(_BURST_SHARE, followed / (1 - followed)) if followed < 1 else math.inf


def verdict_chance(model: FreshModel, height: float, rate: float) -> float:
    """The chance that fresh probes that fail at this rate reach this height."""
    single = _round_chances(model, rate)
    alive: Mapping[tuple[int, int], float] = {(0, 0): 1.0}
    reached = _ROUNDS * (1 - sum(single.values()))
    for rounds in range(1, _ROUNDS + 1):
        most = rounds * model.counted
        needed = next((n for n in range(most + 1) if _reaches(model.evidence(n, most), height)), most + 1)
        too_few = next(n for n in range(rounds * model.asked + 1) if not model.speaks_against(n, rounds))
        moved: dict[tuple[int, int], float] = defaultdict(float)
        for (counted, others), chance in alive.items():
            for (more, beside), share in single.items():
                if counted + more >= needed:
                    reached += chance * share
                elif counted + more + others + beside >= too_few:
                    moved[counted + more, others + beside] += chance * share
        reached += sum(chance for chance in moved.values() if chance < _UNLIKELY)
        alive = {failures: chance for failures, chance in moved.items() if chance >= _UNLIKELY}
    return reached


def _round_chances(model: FreshModel, rate: float) -> dict[tuple[int, int], float]:
    """The chance of each likely number of failures in one round: among the probes that count, and among the others."""
    counted, others = (_binomial(probes, rate) for probes in (model.counted, model.asked - model.counted))
    chances = {(more, beside): a * b for more, a in enumerate(counted) for beside, b in enumerate(others)}
    return {failures: chance for failures, chance in chances.items() if chance >= _UNLIKELY}


def _binomial(probes: int, rate: float) -> list[float]:
    """The chance of each number of failures."""
    return [math.comb(probes, n) * rate**n * (1 - rate) ** (probes - n) for n in range(probes + 1)]


def _reaches(value: float, height: float) -> bool:
    """Whether the evidence is at this height, which is a sum of the same steps."""
    return value >= height - _TINY


def wait_s(blips: Blips, min_outage_s: float) -> float:
    """Seconds after which the longest blip must be over; `min_outage`, where somebody asked for more than its default.

    So an outage shorter than a `min_outage` that was lengthened moves nothing by this test either.
    """
    return guard_s(blips, min_outage_s, margin_s=_MARGIN_S)


def guard_s(blips: Blips, min_outage_s: float, *, margin_s: float = 0.0) -> float:
    """The same without a margin, or with another one."""
    blip_s = blips.longest_s + margin_s
    return blip_s if min_outage_s <= ControllerSettings().min_outage_s else max(blip_s, min_outage_s)


@hot_dataclass
class FreshTest:
    """One such test under way."""

    model: FreshModel
    needed: float
    """The evidence that makes a verdict."""
    pause_s: float
    """From the probes that confirm the failure, until the longest blip must be over."""
    targets: tuple[str, ...]
    """Those that are asked afresh."""
    failed_at: datetime
    """When the failure came in that began it."""
    asked_at: datetime
    """When the present probes are asked."""
    awaited: int
    """How many of them have not ended yet."""
    rounds: int = 0
    """Rounds asked since the longest blip must be over; 0: the failure is being confirmed."""
    confirmed: int = 0
    """How often the failure was confirmed."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failures of these rounds by target."""
    trail: tuple[WeighedProbe, ...] = ()
    """The probes of these rounds."""
    last: str = ""
    """The provider's message with the last failure."""

    @property
    def evidence(self) -> Evidence:
        """The evidence without the worst third of the targets, if all probes under way were answered."""
        return Evidence(
            value=self._evidence_without(self.model.left_out),
            failures=sum(self.failures.values()),
            probes=len(self.trail),
            since=self.failed_at,
            outcomes=Counter(weighed.outcome for weighed in self.trail if weighed.outcome.effect is Effect.DOWN),
            last=self.last,
            trail=self.trail,
        )

    @property
    def is_conclusive(self) -> bool:
        """Whether its evidence makes a verdict, however the probes end that are under way."""
        return self._is_certain and self._evidence_without(2 * self.model.left_out - 1) > 0

    def _evidence_without(self, worst: int) -> float:
        """The evidence without so many of the targets that failed most, if all probes under way were answered."""
        left_out = max(0, worst)
        failures = sum(sorted(self.failures.values(), reverse=True)[left_out:])
        return self.model.evidence(failures, self.rounds * (self.model.targets - left_out) * self.model.repeats)

    @property
    def is_partial(self) -> bool:
        """Whether it ends with some targets that fail again and again, but not with a verdict on the provider."""
        over = not self.awaited and not self.is_conclusive and (self._is_certain or self.is_exhausted)
        return over and len(self.targets) > 1 and bool(self.persistent)

    @property
    def is_exhausted(self) -> bool:
        """Whether its rounds speak against an outage, or there were enough of them."""
        return self.rounds == _ROUNDS or self.model.speaks_against(sum(self.failures.values()), self.rounds)

    @property
    def persistent(self) -> tuple[str, ...]:
        """The targets that have failed at least twice in these rounds."""
        return tuple(target for target, count in self.failures.items() if count > 1)

    @property
    def _is_certain(self) -> bool:
        return self.rounds > 0 and _reaches(self.evidence.value, self.needed)

    @property
    def failing(self) -> tuple[str, ...]:
        """The targets that have failed in these rounds."""
        return tuple(target for target, count in self.failures.items() if count)


@hot_dataclass
class AskedProbe:
    """A probe that the test wants."""

    target: str
    at: datetime


#: What is left of a test: none when it is over; and the probes that it wants next.
Step = tuple[FreshTest | None, list[AskedProbe]]


def begin(
    failed: Observation,
    targets: Sequence[str],
    model: FreshModel,
    *,
    needed: float,
    pause_s: float,
    confirmed: bool = False,
) -> Step:
    """The test that this failure begins, of `model.targets` of the targets that may be asked; it confirms the failure.

    Of other targets than the failed one, where there are any. What is `confirmed` only waits; a probe that hangs needs
    neither where one confirmation suffices, as the longest blip must be over already. None where no evidence could make
    a verdict.
    """
    if needed == math.inf:
        return None, []
    test = FreshTest(
        model=model,
        needed=needed,
        pause_s=pause_s,
        targets=tuple(targets[: model.targets]),
        failed_at=failed.finished_at,
        asked_at=failed.finished_at,
        awaited=0,
    )
    if confirmed or (failed.under_way and model.confirmations == 1):
        return _ask_round(test, test.asked_at + timedelta(seconds=0.0 if failed.under_way else pause_s))
    return _confirm(test, failed, targets, failed.finished_at)


def go_on(test: FreshTest, target: str, model: FreshModel, *, needed: float, at: datetime) -> Step:
    """The test of one target that goes on at this instant from one of its provider which has waited already."""
    if needed == math.inf:
        return None, []
    alone = FreshTest(
        model=model,
        needed=needed,
        pause_s=test.pause_s,
        targets=(target,),
        failed_at=test.failed_at,
        asked_at=at,
        awaited=0,
    )
    return _ask_round(alone, at)


def add_probe(test: FreshTest, observation: Observation) -> Step:
    """The test after one of its probes has ended; what is neither a failure nor an answer ends it."""
    effect, late_s = observation.outcome.effect, (observation.started_at - test.asked_at).total_seconds()
    if late_s < -_APART_S / 2:
        return test, []  # one of those that confirmed the failure, and it came too late
    if late_s > _PATIENCE_S or effect not in {Effect.DOWN, Effect.UP, Effect.DEGRADED}:  # the clock may have been set
        return None, []
    failed, test = effect is Effect.DOWN, replaced(test, awaited=test.awaited - 1)
    if test.rounds:
        return _weigh(test, observation, failed=failed)
    if not failed:
        return (test, []) if test.awaited else (None, [])
    test = replaced(test, confirmed=test.confirmed + 1)
    if test.confirmed < test.model.confirmations:
        return _confirm(test, observation, test.targets, observation.finished_at + timedelta(seconds=_APART_S))
    return _ask_round(test, max(test.asked_at + timedelta(seconds=test.pause_s), observation.finished_at))


def _confirm(test: FreshTest, failed: Observation, targets: Sequence[str], at: datetime) -> Step:
    others = [target for target in targets if target != failed.target] or list(targets)
    confirming = [others[place % len(others)] for place in range(CONFIRMING_PROBES)]
    return replaced(test, asked_at=at, awaited=len(confirming)), _asked(confirming, at)


def _ask_round(test: FreshTest, at: datetime) -> Step:
    targets = test.targets * test.model.repeats
    return replaced(test, asked_at=at, awaited=len(targets), rounds=test.rounds + 1), _asked(targets, at)


def _asked(targets: Sequence[str], at: datetime) -> list[AskedProbe]:
    """Not quite at once: two observations of a target in the same millisecond are one to the database."""
    return [
        AskedProbe(target=target, at=at + timedelta(seconds=place * _APART_S)) for place, target in enumerate(targets)
    ]


def _weigh(test: FreshTest, observation: Observation, *, failed: bool) -> Step:
    target, outcome = observation.target, observation.outcome
    failures = {**test.failures, target: test.failures.get(target, 0) + failed}
    value = test.model.evidence(sum(failures.values()), len(test.trail) + 1)
    weighed = WeighedProbe(at=observation.finished_at, target=target, outcome=outcome, evidence=value)
    last = observation.detail if failed else test.last
    test = replaced(test, failures=failures, trail=extended_trail(test.trail, weighed), last=last)
    if test.awaited or test.is_conclusive or test.is_partial:
        return test, []
    if test.is_exhausted:
        return None, []
    return _ask_round(test, observation.finished_at)


def is_over(test: FreshTest, at: datetime, longest_probe_s: float) -> bool:
    """Whether its probes were not made, or the clock was set back."""
    waited_s = (at - test.asked_at).total_seconds()
    return waited_s > longest_probe_s + _PATIENCE_S or at < test.failed_at
