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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from datetime import datetime
from statistics import NormalDist
from typing import Annotated

from pydantic import Field

from monitor.detection.evidence import extended_trail, step_down, step_up
from monitor.formatting import format_elapsed
from monitor.health import WeighedProbe
from probes.observation import Observation, hot_dataclass
from probes.outcome import Outcome

#: The share of answers that stay under `high_s`.
HIGH = 0.95
#: Below so many answers nothing is late: their 95 % value may be that of 90 or of 98.
ENOUGH = 100
#: An answer is never late by less than this over the median, however regular the target is.
NOTICEABLE_S = 1.0

_MEMORY = 10_000
_HEAD_START = 2
#: From here on every answer without evidence counts for one in `_MEMORY`.
_FULL = _HEAD_START * (_MEMORY - 1)
#: What an answer counts for that came in while there was evidence against the target.
_EVIDENCE_SHARE = 0.1
#: Standard deviation of the logarithm, so that the high value stays able to move.
_LEAST_SPREAD = 0.05
_LARGEST_STEP = 0.1
#: The high value against the usual one, as long as only one answer is known.
_FIRST_GUESS = 2.0

# The best step is one over the density at the quantile; these are for a normal of spread 1.
_Z = NormalDist().inv_cdf(HIGH)
_FULL_STEP = 1 / _MEMORY
#: One in so many answers takes longer than `LatencyBaseline.longest_s`.
HANGING_SHARE = 1e-4
_USUAL_STEP = 0.5 / NormalDist().pdf(0)
_HIGH_STEP_UP = HIGH / NormalDist().pdf(_Z)
_HIGH_STEP_DOWN = (1 - HIGH) / NormalDist().pdf(_Z)

#: p0: the share of late answers that the worst hour of an ordinary day may have.
NORMAL_SHARE = 0.15
#: p1: the share to detect.
LATE_SHARE = 0.60
#: p1 of the test for recovery: nine answers in time prove it.
STILL_LATE_SHARE = 0.40
#: One answer in twenty is late at any time; from this share of the threshold on, the evidence is suspicious.
_SUSPICIOUS_SHARE = 0.3

_STEP_UP = step_up(NORMAL_SHARE, LATE_SHARE)
_STEP_DOWN = step_down(NORMAL_SHARE, LATE_SHARE)
_HEADWAY = 1.7
_DAY_S = 86400.0
_TO_FIRST_PIECE = ", first token"


@hot_dataclass
class LatencyBaseline:
    """The usual values of one latency, in seconds. The alias is the name under which databases hold the field."""

    usual_s: float = 0.0
    """The median; 0 before the first answer. 95 of 100 answers take less than `high_s`."""
    high_s: float = 0.0
    answers: Annotated[int, Field(alias="seen")] = 0
    """Answers learned from while there was no evidence; not counted beyond a full memory."""

    @property
    def mark_s(self) -> float:
        """An answer that takes longer is late: past the 95 % value, and by a second. Infinite until that is known."""
        if self.answers < ENOUGH:
            return math.inf
        return max(self.high_s, self.usual_s + NOTICEABLE_S)

    @property
    def longest_s(self) -> float:
        """What but one in 10,000 answers takes less than. Infinite until it is known."""
        return self.quantile_s(1 - HANGING_SHARE)

    def quantile_s(self, share: float) -> float:
        """What this share of the answers (more than half) stays under, by a log-normal law. Infinite until known."""
        if self.answers < ENOUGH:
            return math.inf
        return self.usual_s * math.exp(math.log(self.high_s / self.usual_s) * NormalDist().inv_cdf(share) / _Z)

    def learn(self, took_s: float, *, no_evidence: bool) -> "LatencyBaseline":
        """The baseline after one more answer; `no_evidence` against the target. A time of zero changes nothing."""
        course = [(self.usual_s, self.high_s, self.answers, 0.0)]
        extend_course(course, (took_s,), math.inf, no_evidence=no_evidence)
        usual_s, high_s, answers, _ = course[-1]
        return LatencyBaseline(usual_s=usual_s, high_s=high_s, answers=answers)


#: For one check, without streams: `usual_s`, `high_s` and `answers` of its baseline, the height of the evidence.
LatencyPoint = tuple[float, float, int, float]


@hot_dataclass
class LateAnswers:
    """Late answers by one measure."""

    count: int
    least_s: float


@hot_dataclass
class LatencyExcursion:
    """The answers since the evidence of lateness was last zero."""

    value: float = 0.0
    late: dict[str, LateAnswers] = field(default_factory=dict)
    """By the measure that made them late, total time before time to first token."""
    answers: int = 0
    since: datetime | None = None
    """When the first late answer came in."""
    trail: tuple[WeighedProbe, ...] = ()
    """Each answer of the excursion, the last 60 of them."""

    def add_late(
        self, measure: str, took_s: float, at: datetime, target: str, outcome: Outcome = Outcome.OK
    ) -> "LatencyExcursion":
        """The excursion after one more late answer."""
        value = self.value + _STEP_UP
        weighed = WeighedProbe(at=at, target=target, outcome=outcome, evidence=value, late=outcome is Outcome.OK)
        known = self.late.get(measure, LateAnswers(count=0, least_s=took_s))
        late = LateAnswers(count=known.count + 1, least_s=min(known.least_s, took_s))
        return LatencyExcursion(
            value=value,
            late={**self.late, measure: late},
            answers=self.answers + 1,
            since=self.since or at,
            trail=extended_trail(self.trail, weighed),
        )

    def add_in_time(self, at: datetime, target: str) -> "LatencyExcursion":
        """The excursion after one more answer that was in time."""
        value = self.value - _STEP_DOWN
        if value <= 0:
            return _NONE
        trail = extended_trail(self.trail, WeighedProbe(at=at, target=target, outcome=Outcome.OK, evidence=value))
        return LatencyExcursion(value=value, late=self.late, answers=self.answers + 1, since=self.since, trail=trail)

    def add_clean_answers(
        self, target: str, check: str, course: Sequence[LatencyPoint], answer: Callable[[int], tuple[float, datetime]]
    ) -> "LatencyExcursion":
        """The excursion after `ok` answers; arguments as for `LatencyEvidence.add_clean_answers`."""
        end = len(course) - 1
        begin = next((place for place in range(end, 0, -1) if not course[place][3]), 0)
        lateness = _NONE if begin else self
        for place in range(begin, end):
            took_s, at = answer(place)
            late = course[place + 1][3] > course[place][3]
            lateness = lateness.add_late(check, took_s, at, target) if late else lateness.add_in_time(at, target)
        return lateness

    def span_s(self, at: datetime) -> float:
        """Seconds from the first late answer to `at`."""
        return max(0.0, (at - self.since).total_seconds()) if self.since else 0.0


_NONE = LatencyExcursion()


def extend_course(  # noqa: PLR0912 - the hottest lines of a simulation
    course: list[LatencyPoint], times_s: Iterable[float], threshold: float, *, no_evidence: bool = True
) -> None:
    """Append to a course where each of these `ok` answers leads from its last point, while it is unsuspicious.

    `no_evidence`: there is none against the target but that of lateness.
    """
    usual_s, high_s, answers, evidence = course[-1]
    highest, append, log = _SUSPICIOUS_SHARE * threshold, course.append, math.log
    for took_s in times_s:
        teaches = no_evidence and not evidence
        if took_s > high_s and answers >= ENOUGH and took_s > usual_s + NOTICEABLE_S:
            evidence += _STEP_UP
        elif evidence:
            evidence = max(0.0, evidence - _STEP_DOWN)
        if evidence >= highest:
            return
        if took_s > 0 and usual_s:
            spread = log(high_s / usual_s) / _Z
            if spread < _LEAST_SPREAD:  # noqa: PLR1730
                spread = _LEAST_SPREAD
            step = spread / _MEMORY if answers >= _FULL else spread * _HEAD_START / (answers + _HEAD_START)
            if step > _LARGEST_STEP:  # noqa: PLR1730
                step = _LARGEST_STEP
            if not teaches:
                step *= _EVIDENCE_SHARE
            elif answers < _FULL:
                answers += 1
            if took_s > usual_s:
                usual_s *= 1 + step * _USUAL_STEP
            else:
                usual_s /= 1 + step * _USUAL_STEP
            if took_s > high_s:
                high_s *= 1 + step * _HIGH_STEP_UP
            else:
                high_s /= 1 + step * _HIGH_STEP_DOWN
            if usual_s > high_s:  # noqa: PLR1730
                high_s = usual_s
        elif took_s > 0:
            usual_s, high_s, answers = took_s, took_s * _FIRST_GUESS, 1 if teaches else 0
        append((usual_s, high_s, answers, evidence))


def unsuspicious_answers(point: LatencyPoint, times_s: Sequence[float], threshold: float) -> int:
    """How many of these `ok` answers, without other evidence, come before one that is suspiciously late.

    None of them need be learned from where more would be late than are, and still none suspiciously.
    """
    _, _, answers, evidence = point
    if answers >= ENOUGH:
        mark_s, before, highest = _lowest_mark_s(point, len(times_s)), -1, 0.0
        for place in [place for place, took_s in enumerate(times_s) if took_s > mark_s]:
            evidence = max(0.0, evidence - (place - before - 1) * _STEP_DOWN) + _STEP_UP
            before, highest = place, max(highest, evidence)
        if highest < _SUSPICIOUS_SHARE * threshold:
            return len(times_s)
    course = [point]
    extend_course(course, times_s, threshold)
    return len(course) - 1


def _lowest_mark_s(point: LatencyPoint, answers: int) -> float:
    """What `LatencyBaseline.mark_s` is not below during so many answers: each lowers it by one step at the most.

    A step is a share of the spread, which itself grows by no more than a step of both values at each answer.
    """
    usual_s, high_s, known, _ = point
    shares = answers * (_FULL_STEP if known >= _FULL else _HEAD_START / (known + _HEAD_START))
    spread = max(_LEAST_SPREAD, math.log(high_s / usual_s) / _Z) * math.exp(shares * (_HIGH_STEP_UP + _USUAL_STEP) / _Z)
    return max(high_s, usual_s + NOTICEABLE_S) * math.exp(-shares * spread * _USUAL_STEP)


@hot_dataclass
class LatencyEvidence:
    """The usual latencies of one target, and the evidence that it has become slower."""

    usual: dict[str, LatencyBaseline] = field(default_factory=dict)
    """By measure: `chat`, `stream`, `stream, first token`."""
    lateness: LatencyExcursion = _NONE

    def late_measure(self, observation: Observation) -> str | None:
        """The measure that makes this observation late; None when it is in time, or no correct answer.

        The lag of our own event loop is subtracted where it would make the difference.
        """
        if observation.outcome is Outcome.SLOW:
            return observation.check
        if observation.outcome is not Outcome.OK:
            return None
        total = self.usual.get(observation.check, _UNKNOWN)
        if observation.duration_s > total.mark_s and observation.duration_s - observation.loop_lag_s > total.mark_s:
            return observation.check
        if observation.first_token_s is not None:
            token = self.usual.get(observation.check + _TO_FIRST_PIECE, _UNKNOWN)
            if observation.first_token_s - observation.loop_lag_s > token.mark_s:
                return observation.check + _TO_FIRST_PIECE
        return None

    def add_observation(self, observation: Observation, *, no_evidence: bool) -> "LatencyEvidence":
        """The evidence after one more observation; only correct answers (`ok`, `slow`) change anything.

        `no_evidence`: there is none against the target, except perhaps this one; such answers teach what is usual.
        """
        lateness, key = self.lateness, observation.check
        if not lateness.answers and observation.first_token_s is None and observation.outcome is Outcome.OK:
            total = self.usual.get(key, _UNKNOWN)
            if observation.duration_s <= total.mark_s:  # nearly every answer
                learned = total.learn(observation.duration_s, no_evidence=no_evidence)
                return LatencyEvidence(usual={**self.usual, key: learned})
        if observation.outcome is not Outcome.OK and observation.outcome is not Outcome.SLOW:
            return self
        no_evidence = no_evidence and not lateness.answers
        measure = self.late_measure(observation)
        if measure:
            took_s = observation.duration_s if measure == observation.check else observation.first_token_s or 0.0
            ended = observation.finished_at
            lateness = lateness.add_late(measure, took_s, ended, observation.target, observation.outcome)
        elif lateness.answers:
            lateness = lateness.add_in_time(observation.finished_at, observation.target)
        usual = {
            **self.usual,
            key: self.usual.get(key, _UNKNOWN).learn(observation.duration_s, no_evidence=no_evidence),
        }
        if observation.first_token_s is not None:
            key = observation.check + _TO_FIRST_PIECE
            usual[key] = self.usual.get(key, _UNKNOWN).learn(observation.first_token_s, no_evidence=no_evidence)
        return LatencyEvidence(usual=usual, lateness=lateness)

    def point(self, check: str) -> LatencyPoint:
        """Where answers to this check have brought it."""
        known = self.usual.get(check, _UNKNOWN)
        return known.usual_s, known.high_s, known.answers, self.lateness.value

    def add_clean_answers(
        self, target: str, check: str, course: Sequence[LatencyPoint], answer: Callable[[int], tuple[float, datetime]]
    ) -> "LatencyEvidence":
        """The evidence after `ok` answers on this `course`; `answer`: how long one took, by its place, and its end.

        The same as adding them one by one; no stream, and no lag of our own.
        """
        lateness = self.lateness.add_clean_answers(target, check, course, answer)
        return self.at_point(check, course[-1], lateness)

    def at_point(self, check: str, point: LatencyPoint, lateness: LatencyExcursion) -> "LatencyEvidence":
        """The evidence where answers to this check have brought it to this point."""
        usual_s, high_s, answers, _ = point
        learned = LatencyBaseline(usual_s=usual_s, high_s=high_s, answers=answers)
        return LatencyEvidence(usual={**self.usual, check: learned}, lateness=lateness)

    def is_suspicious(self, threshold: float) -> bool:
        """Whether there is more evidence than ordinary days bring, so that the target is `suspect`."""
        return self.lateness.value >= _SUSPICIOUS_SHARE * threshold

    def slowest_check_s(self, share: float) -> float | None:
        """What this share of the answers stays under, of the check where that is longest; None until it is known."""
        return self._slowest_s(share, first_token=False)

    def slowest_first_token_s(self, share: float) -> float | None:
        """The same of the time to first token; None where no check is a stream, too."""
        return self._slowest_s(share, first_token=True)

    def _slowest_s(self, share: float, *, first_token: bool) -> float | None:
        known = (base for measure, base in self.usual.items() if measure.endswith(_TO_FIRST_PIECE) == first_token)
        return max((base.quantile_s(share) for base in known if base.answers >= ENOUGH), default=None)

    def clear(self) -> "LatencyEvidence":
        """The same without evidence; the baselines stay."""
        return LatencyEvidence(usual=self.usual)

    def description(self, at: datetime) -> str:
        """`7 of 9 answers in 4 min took 3.1 s or more (usually 0.9 s, 95 of 100 under 2.6 s)`; empty without any."""
        now = self.lateness
        if not now.late:
            return ""
        measure, worst = max(now.late.items(), key=lambda item: item[1].count)
        late = sum(answers.count for answers in now.late.values())
        text = f"{late} of {now.answers} answers in {format_elapsed(now.span_s(at))}"
        if now.answers == 1:
            text = "the last answer"
        elif late > worst.count:
            text += f" were late, {worst.count}"
        text += f" took {format_elapsed(worst.least_s)} or more"
        if measure.endswith(_TO_FIRST_PIECE):
            text += " to the first token"
        return text + _usual_values(self.usual.get(measure, _UNKNOWN))


_UNKNOWN = LatencyBaseline()
NO_LATENCY = LatencyEvidence()


def threshold(interval_s: float, *, per_day: float) -> float:
    """The evidence that makes a verdict, for at most `per_day` false ones a day in hours of `NORMAL_SHARE`."""
    return max(_STEP_UP, math.log(_DAY_S / interval_s / per_day) - _HEADWAY)


def _usual_values(baseline: LatencyBaseline) -> str:
    if baseline.answers < ENOUGH:
        return ""
    return f" (usually {_seconds(baseline.usual_s)}, 95 of 100 under {_seconds(baseline.high_s)})"


def _seconds(took_s: float) -> str:
    """As `format_elapsed`, but never `0 s`."""
    return format_elapsed(took_s) if took_s >= 0.1 else f"{took_s:.2g} s"
