"""The running statistic behind every verdict: a Bernoulli CUSUM, and a sequential test for recovery.

Detection (Page, "Continuous inspection schemes", Biometrika 1954): after each probe
`S = max(0, S + log(p1/p0))` on failure, `S = max(0, S + log((1-p1)/(1-p0)))` on success. Among all rules with the
same rate of false alarms it has the smallest worst-case delay (Lorden 1971; exactly: Moustakides 1986).

Recovery (Wald 1945) runs the same likelihood ratio backwards: `R = max(0, R - …)` on failure, `R + …` on success; at
`RECOVERED` the odds that the failure rate is back at p0 rather than at p1 have grown twentyfold.
"""

import math
from dataclasses import dataclass, field, replace
from datetime import datetime

from probes.outcome import Outcome

#: The recovery test's height: log(20), a chance of one in twenty to call p1 recovered.
RECOVERED = math.log(20)

_PRIOR_FAILURES = 5.0
_PRIOR_PROBES = 1000.0
_LOWEST = 0.002
#: The largest background failure rate that a target is believed to have.
LARGEST_BACKGROUND = 0.05
_MEMORY_PROBES = 20_000.0
#: Learned rates are rounded to this grid (ratio of neighbours), so that the threshold is computed for few of them.
_GRID = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A target's own failure rate in quiet times, learned from its history.

    The mean of a Beta(5, 995) prior with what was seen, clamped to 0.2–5 %. The memory fades: about the last 20,000
    quiet probes (a week at 30 s) count.
    """

    failures: float = 0.0
    probes: float = 0.0

    def seen(self, *, failed: bool) -> "Background":
        """With one more quiet probe."""
        fade = min(1.0, _MEMORY_PROBES / (self.probes + 1))
        return Background(failures=(self.failures + failed) * fade, probes=(self.probes + 1) * fade)

    @property
    def rate(self) -> float:
        """The background failure rate p0, a share."""
        mean = (_PRIOR_FAILURES + self.failures) / (_PRIOR_PROBES + self.probes)
        steps = round(math.log(mean / _LOWEST, _GRID))
        return min(LARGEST_BACKGROUND, max(_LOWEST, _LOWEST * _GRID**steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The CUSUM of one target, with the counts that let it explain itself.

    The counts are of the present excursion: from the first failure after the statistic was last zero.
    """

    value: float = 0.0
    failures: int = 0
    probes: int = 0
    since: datetime | None = None
    """When the first failed probe of the excursion came in."""
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    """Of the failures."""
    background: Background = Background()

    def failed(self, outcome: Outcome, at: datetime, *, p1: float) -> "Evidence":
        """With one more failed probe."""
        p0 = self.background.rate
        quiet = self.value == 0
        return Evidence(
            value=self.value + math.log(p1 / p0),
            failures=self.failures + 1,
            probes=self.probes + 1,
            since=self.since or at,
            outcomes={**self.outcomes, outcome: self.outcomes.get(outcome, 0) + 1},
            # Only the failure that begins an excursion teaches the background: an outage must not become normal.
            background=self.background.seen(failed=True) if quiet else self.background,
        )

    def passed(self, *, p1: float) -> "Evidence":
        """With one more good probe."""
        p0 = self.background.rate
        if self.value == 0:
            return replace(self, background=self.background.seen(failed=False))
        value = self.value - math.log((1 - p0) / (1 - p1))
        if value <= 0:
            return self.cleared()
        return replace(self, value=value, probes=self.probes + 1)

    def cleared(self) -> "Evidence":
        """At zero, keeping what was learned."""
        return Evidence(background=self.background)

    def span_s(self, at: datetime) -> float:
        """Seconds from the first failed probe of the excursion to `at`."""
        return max(0.0, (at - self.since).total_seconds()) if self.since else 0.0

    def undecided(self) -> int:
        """How many of the failures may be our own network's."""
        return sum(n for outcome, n in self.outcomes.items() if outcome.blame == "undecided")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The test that a failing target must pass to count as recovered."""

    value: float = 0.0
    clean: int = 0
    """Good probes since the last failed one."""
    since: datetime | None = None
    """When the first of them came in."""

    def failed(self, *, p0: float, p1: float) -> "Recovery":
        """With one more failed probe."""
        return Recovery(value=max(0.0, self.value - math.log(p1 / p0)))

    def passed(self, at: datetime, *, p0: float, p1: float) -> "Recovery":
        """With one more good probe."""
        return Recovery(value=self.value + math.log((1 - p0) / (1 - p1)), clean=self.clean + 1, since=self.since or at)

    @property
    def proven(self) -> bool:
        """Whether the evidence says that the target is back."""
        return self.value >= RECOVERED
