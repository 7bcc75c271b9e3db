"""What follows a failure at a provider while its probes are answered: a simulation goes quickly through it (pure)."""

from collections.abc import Callable

from monitor.detection import pacing, provider_bursts, provider_pool
from monitor.detection.answered_runs import AnsweredRun
from monitor.detection.evidence import Evidence, step_down
from monitor.detection.fresh_tests import FreshTests
from monitor.detection.pacing import BurstProbe
from monitor.detection.parameters import BURST_CLEAN_PROBES, LONGEST_BURST, ProviderParameters
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE, ProviderEvidence
from monitor.detection.state_machine import TimedAnswer
from probes.observation import Observation, replaced
from probes.outcome import Outcome


class AnsweredBurst:
    """What follows a failure at a provider while all probes are answered in time, so that no verdict comes.

    The evidence is that of `Detector.observe`; the trail of the provider's is mostly only made in the end.
    """

    def __init__(
        self,
        name: str,
        pool: ProviderEvidence | None,
        provider: ProviderParameters | None,
        runs: dict[str, AnsweredRun],
        fresh: FreshTests,
    ) -> None:
        self.runs = runs
        """The answers of each of its targets, by id."""
        self._name, self._begins, self._provider, self._fresh = name, pool, provider, fresh
        self._answers: list[tuple[str, TimedAnswer]] = []
        self._several: ProviderEvidence | None = None
        """The evidence without its trail, where several targets have failed: it is followed without each of them."""
        self._value, self._probes, self._streak, self._step = 0.0, 0, 0, 0.0
        """The evidence against the provider, its probes and the good ones at the end; what a good one takes from it."""
        self.has_evidence = False
        """Whether there is any evidence against the whole provider."""
        if pool and provider and pool.evidence.value:
            self._step = step_down(pool.p0, provider.p1)
            self._follow(pool.evidence)
            self._several = pool if min(pool.without.values()) else None
        self._last_seen_at = {target: run.last_seen_at for target, run in runs.items()}

    def _follow(self, evidence: Evidence) -> None:
        self._value, self._probes, self._streak = evidence.value, evidence.probes, evidence.clean_streak
        self.has_evidence = evidence.value > 0

    def add_answer(self, target: str, answer: TimedAnswer) -> bool:
        """Take in one more `ok` answer of the schedule or of a burst; False where it is more than evidence."""
        if not self.runs[target].add(answer):
            return False
        at = self._last_seen_at[target] = answer[2]
        if self.has_evidence and self._begins and self._provider:
            self._answers.append((target, answer))
            if provider_pool.counts(self._begins, target, at, self._provider):
                self._weigh(target, answer, self._provider)
        return True

    def _weigh(self, target: str, answer: TimedAnswer, provider: ProviderParameters) -> None:
        if self._several:
            self._several = provider_pool.add_success(self._several, self._observation(target, answer), provider)
            self._follow(self._several.evidence)
        else:
            self._value = max(0.0, self._value - self._step)
            self._probes, self._streak, self.has_evidence = self._probes + 1, self._streak + 1, self._value > 0

    def _observation(self, target: str, answer: TimedAnswer) -> Observation:
        (started_at, took_s, _), check = answer, self.runs[target].parameters.checks[0]
        return Observation(target=target, check=check, started_at=started_at, outcome=Outcome.OK, duration_s=took_s)

    def is_confirming(self, target: str) -> bool:
        """Whether a good answer of this target to a probe that is asked afresh at most confirms that one failed."""
        return target in self.runs and self._fresh.at_most_confirms(self._fresh.test_of(target, self._name))

    def add_afresh(self, answer: Observation) -> None:
        """Take in a good answer to a probe that `is_confirming`."""
        self.runs[answer.target].add_afresh(answer)
        self._fresh.add_probe(self._fresh.test_of(answer.target, self._name), answer)

    @property
    def ends_next(self) -> bool:
        """Whether there may be no further probe of the provider's burst after one more answer."""
        over = self._streak >= BURST_CLEAN_PROBES or self._probes >= LONGEST_BURST
        return over or self._value <= self._step

    @property
    def next_s(self) -> float | None:
        """Seconds from the answer until the next probe of the provider's burst; None where there is none."""
        if not self._provider:
            return None
        return pacing.after_probes_s(self._value, self._probes, self._streak, self._provider)

    def next_of_target_s(self, target: str) -> float | None:
        """The same of the burst of the target that was just asked."""
        return self.runs[target].next_s(self._several or self._begins)

    def next_targets(self) -> tuple[str, ...]:
        """The targets that the next probe of the provider's burst chooses from, where there is to be one."""
        if not (self._begins and self._provider):
            raise ValueError("a provider with one target has no burst")
        pool = self._several or replaced(self._begins, evidence=replaced(self._begins.evidence, probes=self._probes))
        evidence = {target: self.runs[target].evidence.value for target in self._provider.members}
        return provider_bursts.next_targets(pool, self._provider, self._last_seen_at, evidence)

    def next_probe(self) -> BurstProbe:
        """That probe."""
        return BurstProbe(slot=self._name, targets=self.next_targets(), delay_s=self.next_s or 0.0)

    @property
    def pool(self) -> ProviderEvidence | None:
        """The evidence against the provider after these answers; None where it has one target."""
        if self._several or not (self._answers and self._provider and self._begins):
            return self._several or self._begins
        pool = self._begins
        for target, answer in self._answers if self.has_evidence else ():
            pool = provider_pool.add_success(pool, self._observation(target, answer), self._provider)
        return pool if self.has_evidence else NO_PROVIDER_EVIDENCE


def answered_burst(
    name: str,
    pool: ProviderEvidence | None,
    provider: ProviderParameters | None,
    find_runs: Callable[[], dict[str, AnsweredRun] | None],
    fresh: FreshTests,
) -> AnsweredBurst | None:
    """What follows a failure at this provider, where answers of the targets of these runs change nothing but evidence.

    The runs are only looked for where that may be so.
    """
    if pool and 0 < pool.threshold <= pool.evidence.value:
        return None
    if provider and min(parameters.interval_s for parameters in provider.members.values()) < provider.failed_s:
        return None
    runs = find_runs()
    if not runs or (provider and pool and pool.evidence.value and len(runs) < len(provider.members)):
        return None
    return AnsweredBurst(name, pool, provider, runs, fresh) if all(run.undisturbed for run in runs.values()) else None
