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

How high the threshold is, and how often a failure must be confirmed, is told by `monitor.detection.fresh_model`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from monitor.config.controller_settings import Blips, ControllerSettings
from monitor.detection.evidence import Evidence, extended_trail
from monitor.detection.fresh_model import CONFIRMING_PROBES, MOST_ROUNDS, FreshModel, reaches
from monitor.health import WeighedProbe
from probes.observation import Observation, hot_dataclass, replaced
from probes.outcome import Effect

#: Beyond the longest blip: probes do not start on the millisecond.
_MARGIN_S = 0.3
#: Between the starts of probes that are asked at once.
_APART_S = 0.05
#: No probe hangs that has been under way for less.
SHORTEST_HANG_S = 10.0
#: A test whose probes were not made, for want of money or for a rest, is forgotten so long after their deadline.
_PATIENCE_S = 5.0


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
        return self.rounds == MOST_ROUNDS or self.model.speaks_against(sum(self.failures.values()), self.rounds)

    @property
    def persistent(self) -> tuple[str, ...]:
        """The targets that have failed at least twice in these rounds."""
        return tuple(target for target, count in self.failures.items() if count > 1)

    @property
    def _is_certain(self) -> bool:
        return self.rounds > 0 and reaches(self.evidence.value, self.needed)

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
