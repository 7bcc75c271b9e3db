"""Right or wrong: what a caller and two providers saw, against what must hold; the same for everybody (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.client_faults.faults import ANSWER, Fault
from benchmarks.client_faults.job import Answer

FAILING, HEALTHY = "model-a", "model-b"
"""What the two providers call their models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one product made of one fault. Times are seconds since the first request was due."""

    answers: Sequence[Answer]
    """Empty where the runner had to be ended."""
    failing_at_s: Sequence[float]
    """When the failing provider was asked, without probes."""
    healthy_at_s: Sequence[float]

    @property
    def gaps_s(self) -> list[float]:
        """Between the requests to the failing provider."""
        return [after - before for before, after in pairwise(self.failing_at_s)]

    @property
    def longest_s(self) -> float:
        """Of any request."""
        return max((answer.seconds for answer in self.answers), default=0.0)


def find_wrong(fault: Fault, outcome: Outcome) -> list[str]:
    """What does not hold, a clause each; none where all is right."""
    must, wrong = fault.must, list[str]()
    if len(outcome.answers) < fault.requests:
        return ["it hangs"]
    wrong += dict.fromkeys(clause for answer in outcome.answers for clause in _wrong_with(answer, fault))
    for name, at_s, (least, most) in (
        ("failing", outcome.failing_at_s, must.failing),
        ("healthy", outcome.healthy_at_s, must.healthy),
    ):
        if not least <= len(at_s) <= most:
            wrong.append(f"the {name} provider got {len(at_s)} requests")
    if must.first_gap_s and outcome.gaps_s and outcome.gaps_s[0] < must.first_gap_s:
        wrong.append(f"asked again after {outcome.gaps_s[0]:.1f} s")
    if any(
        sum(at <= other < at + 3 for other in outcome.failing_at_s) > must.within_3_s for at in outcome.failing_at_s
    ):
        wrong.append(f"more than {must.within_3_s} requests in 3 s")
    if outcome.longest_s > must.longest_s:
        wrong.append(f"took {outcome.longest_s:.0f} s")
    if must.back_within_s is not None and fault.well_after_s is not None:
        back_s = min((at for at in outcome.failing_at_s if at >= fault.well_after_s), default=None)
        if back_s is None or back_s > fault.well_after_s + must.back_within_s:
            wrong.append("not back in time")
    return wrong


def _wrong_with(answer: Answer, fault: Fault) -> list[str]:
    must, whole = fault.must, answer.text.split() == ANSWER.split()
    if must.refused_with is not None:
        if answer.error is None:
            return ["the refused request was answered"]
        return [] if must.refused_with in answer.error else ["the provider's reason is lost"]
    if answer.error is not None:
        return [f"failed ({answer.error.partition(':')[0]})"]
    if not whole:
        return [f"a wrong answer passed off as whole ({len(answer.text.split())} words)"]
    wrong = []
    if must.model and {"failing": FAILING, "healthy": HEALTHY}[must.model] not in (answer.model or ""):
        wrong.append(f"said to be answered by {answer.model}")
    if must.usage and not answer.usage:
        wrong.append("without usage")
    return wrong
