"""Whether too large a share of a target's answers is bad: a sequential test on shares (pure).

The hypothesis is that at most a tolerated share of the answers is bad. Against it stand several larger shares, each
with a weight; the evidence is the weighted mean of their likelihood ratios since the first bad answer, which only
begins the test (Wald, *Sequential Analysis*, 1947, weight functions; Robbins, "Statistical methods related to the law
of the iterated logarithm", Annals of Mathematical Statistics 41, 1970). While the hypothesis is true, the mean is a
nonnegative martingale that begins at 1, so the chance that it ever reaches 35 is at most one in 35 (Ville 1939),
however long one looks. The ratios have a floor, so that hours of a tolerable share do not hide that it grows; and
after 30 good answers in a row the test is over, since at 15 % bad that is one chance in 130.
"""

import math
from dataclasses import dataclass

from probes.observation import hot_dataclass

_PROVEN = 35.0
_FLOOR, _CEILING = -5.0, 20.0
_GOOD_AGAIN = 30
#: Refusals in a row, from the first on, that are enough where each comes with a wait, which is kept.
_REFUSED_AFTER_WAIT = 3


@dataclass(frozen=True, slots=True)
class ShareModel:
    """The shares of bad answers that a test is about."""

    tolerated: float
    alternatives: tuple[tuple[float, float], ...]
    """Each with its weight: `(weight, share)`; the weights add up to 1."""


#: Wrong or throttled answers: 15 % are the worst hour of an ordinary day.
USELESS = ShareModel(0.15, ((0.8, 0.30), (0.1, 0.60), (0.1, 0.95)))
#: Slow answers, or bad in any other way: most of them may be, as they are answers still.
POOR = ShareModel(0.50, ((0.5, 0.75), (0.5, 0.95)))


@hot_dataclass
class ShareTest:
    """The test since the first bad answer; empty before it."""

    ratios: tuple[float, ...] = ()
    """The logarithm of the likelihood ratio of each alternative."""
    bad: int = 0
    answers: int = 0
    good_streak: int = 0
    """Good answers since the last bad one."""
    proven: bool = False
    """Whether more than the tolerated share is bad."""

    def add_answer(self, model: ShareModel, *, bad: bool, waited: bool = False) -> "ShareTest":
        """The test after one more answer. `waited`: the provider states how long to wait, and we do."""
        if not self.answers:
            return ShareTest(ratios=(0.0,) * len(model.alternatives), bad=1, answers=1) if bad else self
        if not bad and self.good_streak + 1 >= _GOOD_AGAIN:
            return NO_TEST
        steps = [_step(share, model.tolerated, bad=bad) for _, share in model.alternatives]
        ratios = tuple(min(_CEILING, max(_FLOOR, ratio + step)) for ratio, step in zip(self.ratios, steps, strict=True))
        mean = sum(weight * math.exp(ratio) for (weight, _), ratio in zip(model.alternatives, ratios, strict=True))
        refused = waited and bad and self.bad == self.answers >= _REFUSED_AFTER_WAIT - 1
        return ShareTest(
            ratios=ratios,
            bad=self.bad + bad,
            answers=self.answers + 1,
            good_streak=0 if bad else self.good_streak + 1,
            proven=self.proven or mean >= _PROVEN or refused,
        )


NO_TEST = ShareTest()


def _step(share: float, tolerated: float, *, bad: bool) -> float:
    return math.log(share / tolerated) if bad else math.log((1 - share) / (1 - tolerated))
