"""Whether a target answers later than it used to: evidence of its own, against its own baselines.

1. Every correct answer has a total time, that of a stream a time to first token as well. Each is held against the
   baseline of its own check; past the mark of either, or past the target's `slow` limit, the answer is *late*.
2. The mark being what 95 of 100 answers stay under, about 5 % are late; in the slowest hours of an ordinary day up to
   `NORMAL_SHARE`, which is nobody's failure. The evidence is a Bernoulli CUSUM (Page 1954) of `NORMAL_SHARE` against
   `LATE_SHARE`. Both are known beforehand: the background needs no learning of its own.
3. The verdict comes at ln(n) - 1.7, n being the answers in which chance may once carry the evidence so high: 10.8 for
   once in 90 days at 30 s. The 1.7 belongs to the two shares; `monitor.detection.threshold`, without blips, comes to
   the same within 0.1 for intervals of 5 s to 5 min.

The shares were chosen by simulation. For answers of median 0.9 s and p99 4 s every 30 s, `make bench ARGS=latency`
prints: no verdict in quiet quarters of a year, also when noon is twice as slow as midnight; 4.5 a quarter when slow
half hours come on top of that. Ten times as slow is noticed after 127 s on average, five times after 168 s, 2 s more
after 221 s, three times after 10 min. Twice as slow mostly is not: many an ordinary afternoon is.
"""

import math
from dataclasses import field
from datetime import datetime

from monitor import formatting as words
from monitor.detection.baseline import LatencyBaseline
from monitor.detection.evidence import step_down, step_up
from probes.hot_dataclass import value
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check

#: p0: the share of late answers that the worst hour of an ordinary day may have.
NORMAL_SHARE = 0.15
#: p1: the share to detect.
LATE_SHARE = 0.60
#: p1 of the test for recovery: nine answers in time prove it.
STILL_LATE_SHARE = 0.40
#: One answer in twenty is late at any time; from this share of the verdict's evidence on there is more to it.
_SUSPICIOUS_SHARE = 0.3

_STEP_UP = step_up(NORMAL_SHARE, LATE_SHARE)
_STEP_DOWN = step_down(NORMAL_SHARE, LATE_SHARE)
_HEADWAY = 1.7
_DAY_S = 86400.0
_TOTAL = {check: check.value for check in Check}
_FIRST_TOKEN = {check: f"{check.value}, first token" for check in Check}


@value
class LateAnswers:
    """Late answers by one measure."""

    count: int
    least_s: float
    """All of them took this long or longer."""


@value
class LatencyExcursion:
    """The present excursion: what came in since the evidence was last zero."""

    value: float = 0.0
    late: dict[str, LateAnswers] = field(default_factory=dict)
    """By the measure that made them late, total time before time to first token."""
    answers: int = 0
    since: datetime | None = None
    """When the first late answer came in."""

    def later(self, measure: str, took_s: float, at: datetime) -> "LatencyExcursion":
        """With one more late answer."""
        known = self.late.get(measure, LateAnswers(count=0, least_s=took_s))
        late = LateAnswers(count=known.count + 1, least_s=min(known.least_s, took_s))
        return LatencyExcursion(
            value=self.value + _STEP_UP,
            late={**self.late, measure: late},
            answers=self.answers + 1,
            since=self.since or at,
        )

    def in_time(self) -> "LatencyExcursion":
        """With one more answer that was in time."""
        value = self.value - _STEP_DOWN
        if value <= 0:
            return _NONE
        return LatencyExcursion(value=value, late=self.late, answers=self.answers + 1, since=self.since)

    def span_s(self, at: datetime) -> float:
        """Seconds from the first late answer to `at`."""
        return max(0.0, (at - self.since).total_seconds()) if self.since else 0.0


_NONE = LatencyExcursion()


@value
class LatencyEvidence:
    """How quickly one target usually answers, and the evidence that it no longer does."""

    usual: dict[str, LatencyBaseline] = field(default_factory=dict)
    """By measure: `chat`, `stream`, `stream, first token`."""
    lateness: LatencyExcursion = _NONE

    def late_by(self, seen: Observation) -> str | None:
        """The measure that makes this observation late; None when it is in time, or no correct answer.

        What our own event loop may have added is taken off, where it would make the difference.
        """
        if seen.outcome is Outcome.SLOW:
            return _TOTAL[seen.check]
        if seen.outcome is not Outcome.OK:
            return None
        total = self.usual.get(_TOTAL[seen.check], _UNKNOWN)
        if seen.duration_s > total.mark_s and seen.duration_s - seen.loop_lag_s > total.mark_s:
            return _TOTAL[seen.check]
        if seen.first_token_s is not None:
            token = self.usual.get(_FIRST_TOKEN[seen.check], _UNKNOWN)
            if seen.first_token_s - seen.loop_lag_s > token.mark_s:
                return _FIRST_TOKEN[seen.check]
        return None

    def heard(self, seen: Observation, *, quiet: bool) -> "LatencyEvidence":
        """With one more observation; only correct answers (`ok`, `slow`) change anything.

        `quiet` when nothing but, at most, this evidence is held against the target: such answers teach what is usual.
        """
        lateness, key = self.lateness, _TOTAL[seen.check]
        if not lateness.answers and seen.first_token_s is None and seen.outcome is Outcome.OK:
            total = self.usual.get(key, _UNKNOWN)
            if seen.duration_s <= total.mark_s:  # nearly all there is
                learned = total.learned(seen.duration_s, quiet=quiet)
                return LatencyEvidence(usual={**self.usual, key: learned})
        if seen.outcome is not Outcome.OK and seen.outcome is not Outcome.SLOW:
            return self
        quiet = quiet and not lateness.answers
        measure = self.late_by(seen)
        if measure:
            took_s = seen.duration_s if measure is _TOTAL[seen.check] else seen.first_token_s or 0.0
            lateness = lateness.later(measure, took_s, seen.finished_at)
        elif lateness.answers:
            lateness = lateness.in_time()
        usual = {**self.usual, key: self.usual.get(key, _UNKNOWN).learned(seen.duration_s, quiet=quiet)}
        if seen.first_token_s is not None:
            key = _FIRST_TOKEN[seen.check]
            usual[key] = self.usual.get(key, _UNKNOWN).learned(seen.first_token_s, quiet=quiet)
        return LatencyEvidence(usual=usual, lateness=lateness)

    def suspicious(self, needed: float) -> bool:
        """Whether there is more evidence than ordinary days bring; `needed` is the threshold.

        Only then a quick probe is worth its price, and the target `suspect`.
        """
        return self.lateness.value >= _SUSPICIOUS_SHARE * needed

    def cleared(self) -> "LatencyEvidence":
        """Without evidence, keeping what was learned."""
        return LatencyEvidence(usual=self.usual)

    def counted(self, at: datetime) -> str:
        """The evidence in words; empty when there is none.

        `7 of 9 answers in 4 min took 3.1 s or more (usually 0.9 s, 95 of 100 under 2.6 s)`.
        """
        now = self.lateness
        if not now.late:
            return ""
        measure, worst = max(now.late.items(), key=lambda item: item[1].count)
        late = sum(one.count for one in now.late.values())
        said = f"{late} of {now.answers} answers in {words.span(now.span_s(at))}"
        if now.answers == 1:
            said = "the last answer"
        elif late > worst.count:
            said += f" were late, {worst.count}"
        said += f" took {words.span(worst.least_s)} or more"
        if measure in _FIRST_TOKEN.values():
            said += " to the first token"
        return said + _usually(self.usual.get(measure, _UNKNOWN))


_UNKNOWN = LatencyBaseline()
NO_LATENCY = LatencyEvidence()


def threshold(interval_s: float, *, per_day: float) -> float:
    """The evidence that makes a verdict, for false ones at most so often a day in hours of `NORMAL_SHARE`."""
    return max(_STEP_UP, math.log(_DAY_S / interval_s / per_day) - _HEADWAY)


def _usually(baseline: LatencyBaseline) -> str:
    if not baseline.known:
        return ""
    return f" (usually {_seconds(baseline.usual_s)}, 95 of 100 under {_seconds(baseline.high_s)})"


def _seconds(took_s: float) -> str:
    """As `words.span`, but never `0 s`."""
    return words.span(took_s) if took_s >= 0.1 else f"{took_s:.2g} s"
