"""The running statistic behind every verdict: a Bernoulli CUSUM, and a sequential test for recovery.

Detection (Page, "Continuous inspection schemes", Biometrika 1954): after each probe
`S = max(0, S + log(p1/p0))` on failure, `S = max(0, S + log((1-p1)/(1-p0)))` on success. Among all rules with the
same rate of false alarms it has the smallest worst-case delay (Lorden 1971; exactly: Moustakides 1986).

Recovery (Wald 1945) runs the same likelihood ratio backwards: `R = max(0, R - …)` on failure, `R + …` on success; at
`RECOVERED` the odds that the failure rate is back at p0 rather than at p1 have grown twentyfold.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from typing import Annotated

from pydantic import Field

from monitor.detection.background import BackgroundRate
from monitor.health import WeighedProbe
from probes.observation import Observation, hot_dataclass, replaced
from probes.outcome import Blame, Effect, Outcome

#: The recovery test's height: log(20), a chance of one in twenty to call p1 recovered.
RECOVERED = math.log(20)

_LONGEST_TRAIL = 60
_LONGEST_DETAIL = 160
#: Good answers in a row after which a blip is over: in one of 90 % they come once in 10,000.
_ENDS_A_BLIP = 4


def step_up(p0: float, p1: float) -> float:
    """The evidence of one failure for a failure rate of p1 against p0: log(p1/p0), positive where p1 is higher."""
    return math.log(p1 / p0)


def step_down(p0: float, p1: float) -> float:
    """The evidence of one success for p0 against p1: log((1-p0)/(1-p1)), positive where p1 is higher."""
    return math.log((1 - p0) / (1 - p1))


def extended_trail(trail: tuple[WeighedProbe, ...], weighed: WeighedProbe) -> tuple[WeighedProbe, ...]:
    """The trail with one more probe, without the oldest where it would be longer than 60."""
    return (*trail[1 - _LONGEST_TRAIL :], weighed)


@hot_dataclass
class Evidence:
    """A CUSUM, with the counts that reasons state.

    The counts and the trail are of the present excursion: from the first failure after the statistic was last zero. The
    alias is the name under which databases hold the field.
    """

    value: float = 0.0
    failures: int = 0
    probes: int = 0
    clean_streak: Annotated[int, Field(alias="calm")] = 0
    """Good probes since the last failed one."""
    since: datetime | None = None
    """When the first failed probe of the excursion came in."""
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    checks: tuple[str, ...] = ()
    last: str = ""
    """The provider's message with the last failure."""
    trail: tuple[WeighedProbe, ...] = ()
    """Each probe of the excursion, the last 60 of them."""

    def add_failure(self, observation: Observation, *, p0: float, p1: float, blip_s: float = 0.0) -> "Evidence":
        """The evidence after one more failed probe; what fails within `blip_s` is worth one failure.

        That counts from the first failure since four good answers in a row: those end what was before.
        """
        value, since, at = self.value + step_up(p0, p1), self.since, observation.finished_at
        began_at = self._failing_since if blip_s and self.clean_streak < _ENDS_A_BLIP else None
        if began_at and (at - began_at).total_seconds() < blip_s:
            value = max(self.value, step_up(p0, p1))
        return Evidence(
            value=value,
            failures=self.failures + 1,
            probes=self.probes + 1,
            since=since or at,
            outcomes={**self.outcomes, observation.outcome: self.outcomes.get(observation.outcome, 0) + 1},
            checks=self.checks if observation.check in self.checks else (*self.checks, observation.check),
            last=observation.detail[:_LONGEST_DETAIL],
            trail=self._trail(observation, value),
        )

    def add_success(self, observation: Observation, *, p0: float, p1: float) -> "Evidence":
        """The evidence after one more good probe."""
        value = self.value - step_down(p0, p1)
        if value <= 0:
            return NO_EVIDENCE
        trail = self._trail(observation, value)
        return replaced(self, value=value, probes=self.probes + 1, clean_streak=self.clean_streak + 1, trail=trail)

    def add_successes(self, target: str, ended_at: Sequence[datetime], *, p0: float, p1: float) -> "Evidence":
        """The evidence after `ok` answers of this target that ended then, of which some is left."""
        step, value, trail = step_down(p0, p1), self.value, list(self.trail)
        for at in ended_at:
            value -= step
            trail.append(WeighedProbe(at=at, target=target, outcome=Outcome.OK, evidence=value))
        probes, streak = self.probes + len(ended_at), self.clean_streak + len(ended_at)
        return replaced(self, value=value, probes=probes, clean_streak=streak, trail=tuple(trail[-_LONGEST_TRAIL:]))

    def without(self, target: str, value: float) -> "Evidence":
        """The evidence without the probes of one target, `value` being what is left; the counts are of the trail."""
        trail = tuple(weighed for weighed in self.trail if weighed.target != target)
        failures = [weighed for weighed in trail if weighed.outcome.effect is Effect.DOWN]
        return Evidence(
            value=value,
            failures=len(failures),
            probes=len(trail),
            clean_streak=self.clean_streak,
            since=failures[0].at if failures else self.since,
            outcomes=Counter(weighed.outcome for weighed in failures),
            last=self.last,
            trail=trail,
        )

    @property
    def _failing_since(self) -> datetime | None:
        """When the first probe failed since the last four good answers in a row, as far as the trail goes back."""
        began_at, streak = self.since if len(self.trail) < _LONGEST_TRAIL else None, 0
        for weighed in self.trail:
            failed = weighed.outcome.effect is Effect.DOWN
            if failed and (streak >= _ENDS_A_BLIP or began_at is None):
                began_at = weighed.at
            streak = 0 if failed else streak + 1
        return began_at

    def _trail(self, observation: Observation, value: float) -> tuple[WeighedProbe, ...]:
        weighed = WeighedProbe(
            at=observation.finished_at, target=observation.target, outcome=observation.outcome, evidence=value
        )
        return extended_trail(self.trail, weighed)

    def span_s(self, at: datetime) -> float:
        """Seconds from the first failed probe of the excursion to `at`."""
        return max(0.0, (at - self.since).total_seconds()) if self.since else 0.0

    @property
    def by_provider(self) -> bool:
        """Whether more than half of the failures are the provider's for certain, and not perhaps our own network's."""
        undecided = sum(n for outcome, n in self.outcomes.items() if outcome.blame is Blame.UNDECIDED)
        return undecided * 2 < self.failures


NO_EVIDENCE = Evidence()


@hot_dataclass
class EvidenceTrack:
    """One kind of failure of one target: the evidence of it, and this target's background rate of it."""

    evidence: Evidence = NO_EVIDENCE
    background: BackgroundRate = BackgroundRate()

    @property
    def value(self) -> float:
        """The height of the evidence."""
        return self.evidence.value

    def add_failure(self, observation: Observation, *, p1: float, blip_s: float = 0.0) -> "EvidenceTrack":
        """The track after one more failed probe; those within `blip_s` of the first are worth one.

        Only the failure that begins an excursion teaches the background: an outage must not become normal.
        """
        background = self.background
        if not self.evidence.value:
            background = background.add_probe(observation.finished_at, failed=True)
        evidence = self.evidence.add_failure(observation, p0=self.background.rate, p1=p1, blip_s=blip_s)
        return EvidenceTrack(evidence=evidence, background=background)

    def add_success(self, observation: Observation, *, p1: float) -> "EvidenceTrack":
        """The track after one more good probe."""
        if self.evidence.value > 0:
            return EvidenceTrack(
                evidence=self.evidence.add_success(observation, p0=self.background.rate, p1=p1),
                background=self.background,
            )
        return EvidenceTrack(background=self.background.add_probe(observation.finished_at, failed=False))

    def add_successes(self, target: str, ended_at: Sequence[datetime], *, p1: float) -> "EvidenceTrack":
        """The track after `ok` answers of this target that ended then, which leave some of the evidence."""
        evidence = self.evidence.add_successes(target, ended_at, p0=self.background.rate, p1=p1)
        return EvidenceTrack(evidence=evidence, background=self.background)

    def add_good(self, ended_at: Sequence[datetime]) -> "EvidenceTrack":
        """The track after good probes that ended then, while there was no evidence."""
        background = self.background
        if not background.hours:  # it does not matter when they came
            return EvidenceTrack(background=background.add_clean_probes(len(ended_at), ended_at[-1], 0.0))
        for at in ended_at:
            background = background.add_probe(at, failed=False)
        return EvidenceTrack(background=background)

    def add_clean_probes(self, probes: int, until: datetime, interval_s: float) -> "EvidenceTrack":
        """The track after so many more good probes, one an interval, that came in while there was no evidence."""
        background = self.background.add_clean_probes(probes, until, interval_s)
        return EvidenceTrack(evidence=self.evidence, background=background)

    def clear(self) -> "EvidenceTrack":
        """The track without evidence; the background stays."""
        return EvidenceTrack(background=self.background)


EMPTY_TRACK = EvidenceTrack()


@hot_dataclass
class Recovery:
    """The sequential test that a failing target must pass to count as recovered."""

    value: float = 0.0
    clean: int = 0
    since: datetime | None = None

    def add_failure(self, *, p0: float, p1: float) -> "Recovery":
        """The test after one more failed probe."""
        return Recovery(value=max(0.0, self.value - step_up(p0, p1)))

    def add_success(self, at: datetime, *, p0: float, p1: float) -> "Recovery":
        """The test after one more good probe."""
        return Recovery(value=self.value + step_down(p0, p1), clean=self.clean + 1, since=self.since or at)

    @property
    def proven(self) -> bool:
        """Whether the test is passed."""
        return self.value >= RECOVERED
