"""How quickly a target usually answers, and the evidence that it has become slower.

The baseline of each measure: its median and the value that 95 of 100 answers stay under, learned from the target's own
answers. Each answer moves both a little (stochastic approximation, Robbins and Monro 1951): a quantile q goes up by
`step × q` when the answer took longer, down by `step × (1 - q)` when not, and rests where a share of q is under it.
Steps are relative, and as large as suits a log-normal latency of the present spread, so that targets of 80 ms and of
8 s are learned alike. The first answers count for more, later ones for one in 10,000: the memory is about a week at
30 s. Only the side on which an answer falls matters, not how long it took: one of 30 s moves the 95 % value by at most
0.1 %. Answers that come while there is evidence against the target count for a tenth: a slow hour must not become
normal at once, but a lasting change becomes normal in the end.

The evidence of lateness:

1. Every correct answer has a total time, and a stream has a time to first token as well. Each is compared with the
   baseline of its own check. Past the mark of either, or past the target's `slow` limit, the answer is *late*.
2. The mark is what 95 of 100 answers stay under, so about 5 % are late; in the slowest hours of an ordinary day up to
   `NORMAL_SHARE` are, which is no failure. The evidence is a Bernoulli CUSUM (Page 1954) of `NORMAL_SHARE` against
   `LATE_SHARE`. Both are fixed: the background needs no learning of its own.
3. The threshold of a verdict is ln(n) - 1.7, n being the number of answers in which chance may carry the evidence that
   high once: 10.8 for once in 90 days at 30 s. The 1.7 belongs to the two shares; `monitor.detection.threshold`,
   without blips, gives the same within 0.1 for intervals of 5 s to 5 min.

The shares were chosen by simulation. For answers of median 0.9 s and p99 4 s every 30 s, `make bench ARGS=latency`
prints: no verdict in quiet quarters of a year, also when noon is twice as slow as midnight; 4.5 verdicts a quarter when
slow half hours come on top of that. Ten times as slow is noticed after 127 s on average, five times after 168 s, 2 s
more after 221 s, three times after 10 min. Twice as slow is mostly not noticed: many ordinary afternoons are.
"""

import math
from dataclasses import field
from datetime import datetime
from statistics import NormalDist

from monitor.detection.evidence import step_down, step_up
from monitor.formatting import span
from probes.hot_dataclass import value
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check

#: The share of answers that stay under `high_s`.
HIGH = 0.95
#: Below this many answers nothing is said: their 95 % value may be that of 90 or of 98.
ENOUGH = 100
#: Nobody minds an answer that comes less than this later than usual, however regular the target is.
NOTICEABLE_S = 1.0

_MEMORY = 10_000
_HEAD_START = 2
#: From here on every quiet answer counts for one in `_MEMORY`.
_FULL = _HEAD_START * (_MEMORY - 1)
_UNQUIET_SHARE = 0.1
#: Standard deviation of the logarithm, so that the high value stays able to move.
_LEAST_SPREAD = 0.05
_LARGEST_STEP = 0.1
#: The high value against the usual one, as long as only one answer is known.
_FIRST_GUESS = 2.0

# The best step is one over the density at the quantile; these are for a normal of spread 1.
_Z = NormalDist().inv_cdf(HIGH)
_USUAL_STEP = 0.5 / NormalDist().pdf(0)
_HIGH_STEP_UP = HIGH / NormalDist().pdf(_Z)
_HIGH_STEP_DOWN = (1 - HIGH) / NormalDist().pdf(_Z)

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
class LatencyBaseline:
    """The usual course of one latency, in seconds."""

    usual_s: float = 0.0
    """The median; 0 before the first answer."""
    high_s: float = 0.0
    """95 of 100 answers take less."""
    seen: int = 0
    """Answers learned from in quiet times; not counted past the number at which the memory is full."""

    @property
    def known(self) -> bool:
        """Whether enough has been seen to say what is unusual."""
        return self.seen >= ENOUGH

    @property
    def mark_s(self) -> float:
        """An answer that takes longer is late: past the 95 % value, and noticeably. Infinite until that is known."""
        if self.seen < ENOUGH:
            return math.inf
        return max(self.high_s, self.usual_s + NOTICEABLE_S)

    def learned(self, took_s: float, *, quiet: bool) -> "LatencyBaseline":
        """With one more answer; `quiet` when nothing is held against the target. A time of zero teaches nothing."""
        if took_s <= 0:
            return self
        usual_s, high_s, seen = self.usual_s, self.high_s, self.seen
        if not usual_s:
            return LatencyBaseline(usual_s=took_s, high_s=took_s * _FIRST_GUESS, seen=1 if quiet else 0)
        weight = 1 / _MEMORY if seen >= _FULL else _HEAD_START / (seen + _HEAD_START)
        step = min(_LARGEST_STEP, weight * max(_LEAST_SPREAD, math.log(high_s / usual_s) / _Z))
        if not quiet:
            step *= _UNQUIET_SHARE
        elif seen < _FULL:
            seen += 1
        if took_s > usual_s:
            usual_s *= 1 + step * _USUAL_STEP
        else:
            usual_s /= 1 + step * _USUAL_STEP
        if took_s > high_s:
            high_s *= 1 + step * _HIGH_STEP_UP
        else:
            high_s /= 1 + step * _HIGH_STEP_DOWN
        return LatencyBaseline(usual_s=usual_s, high_s=max(usual_s, high_s), seen=seen)


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
        said = f"{late} of {now.answers} answers in {span(now.span_s(at))}"
        if now.answers == 1:
            said = "the last answer"
        elif late > worst.count:
            said += f" were late, {worst.count}"
        said += f" took {span(worst.least_s)} or more"
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
    """As `span`, but never `0 s`."""
    return span(took_s) if took_s >= 0.1 else f"{took_s:.2g} s"
