"""What a latency usually is: its median and the value that 95 of 100 stay under, learned from a target's own answers.

Each answer moves both a little (stochastic approximation, Robbins and Monro 1951): a quantile q goes up by `step × q`
when the answer took longer, down by `step × (1 - q)` when not, and rests where a share of q is under it. Steps are
relative, and as large as suits a log-normal latency of the present spread, so that targets of 80 ms and of 8 s are
learned alike. The first answers count for more, later ones for one in 10,000: the memory is about a week at 30 s.

How long an answer took does not matter, only on which side it fell: one of 30 s moves the 95 % value by at most
0.1 %. Answers that come while something is held against the target count for a tenth: what is wrong today must not
be normal tomorrow, but what stays is normal in the end.
"""

import math
from statistics import NormalDist

from probes.hot_dataclass import value

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
