"""Compares what candidates answered: figures for each, agreement between two, change since another run (pure).

Sources: the interval of a share is Wilson's score interval; a change is judged by McNemar's exact test.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controller.compare.judges import ANSWERED_VERDICTS, Judgement, Verdict
from probes.observation import Observation

_Z_95: Final = 1.959964
#: The chance that an unchanged run is called changed, over all candidates together.
FALSE_ALARMS: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One question asked once of one candidate."""

    question: str
    """Its name."""
    judgement: Judgement
    observation: Observation | None = None
    """None where it was not asked."""
    shown: str = ""
    """The answer, fit to be shown."""
    flaw: str = ""
    """That of the judgement, fit to be shown."""
    model: str | None = None
    """What the model calls itself, fit to be shown."""

    @property
    def verdict(self) -> Verdict:
        """What came of it."""
        return self.judgement.verdict

    @property
    def answered(self) -> bool:
        """Whether there is an answer."""
        return self.verdict in ANSWERED_VERDICTS


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """As a fraction; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the true share lies with a confidence of 95 % (Wilson); None of nothing.

        Answers to one question are alike, so that the interval of repeated questions is rather too wide than too
        narrow for these questions, and says nothing about others.
        """
        if not self.of:
            return None
        n, p, z2 = self.of, self.count / self.of, _Z_95**2
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)


def share_of(trials: Iterable[Trial], holds: Callable[[Trial], bool]) -> Share:
    """How many of the trials."""
    found = [holds(trial) for trial in trials]
    return Share(sum(found), len(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFigures:
    """How one candidate did."""

    target: str
    trials: tuple[Trial, ...]
    """In the order of the set, round by round."""
    right: Share
    """Of the answers to questions that expect one."""
    fits_schema: Share
    right_with_tools: Share
    """Of the answers to questions that offer tools."""
    input_tokens: float | None
    """The mean of the answers, as are those out; None where the provider does not say."""
    output_tokens: float | None
    cost_usd: float | None
    """Of all that was asked; None where the price of a part is unknown."""
    median_s: float | None
    """Of the time until an answer was complete."""
    p95_s: float | None
    model: str | None
    """What it calls itself in its last answer."""

    @property
    def answered(self) -> int:
        """How many trials have an answer."""
        return sum(trial.answered for trial in self.trials)

    @property
    def usd_per_answer(self) -> float | None:
        """The mean; None where a part is unknown, or there is none."""
        return None if self.cost_usd is None or not self.answered else self.cost_usd / self.answered

    def count(self, verdict: Verdict) -> int:
        """How many trials came to this."""
        return sum(trial.verdict is verdict for trial in self.trials)

    def first(self, verdict: Verdict) -> Trial | None:
        """The first trial that came to this."""
        return next((trial for trial in self.trials if trial.verdict is verdict), None)


def figures(target: str, trials: Sequence[Trial], tooled: frozenset[str]) -> CandidateFigures:
    """The figures of one candidate; `tooled` are the names of the questions that offer tools."""
    judged = [trial for trial in trials if trial.verdict in {Verdict.RIGHT, Verdict.WRONG}]
    with_schema = [trial for trial in trials if trial.answered and trial.judgement.fits_schema is not None]
    asked = [trial.observation for trial in trials if trial.observation]
    answers = [trial.observation for trial in trials if trial.observation and trial.answered]
    times = sorted(observation.duration_s for observation in answers)
    return CandidateFigures(
        target=target,
        trials=tuple(trials),
        right=share_of(judged, _is_right),
        fits_schema=share_of(with_schema, lambda trial: trial.judgement.fits_schema is True),
        right_with_tools=share_of((trial for trial in judged if trial.question in tooled), _is_right),
        input_tokens=_mean(observation.input_tokens for observation in answers),
        output_tokens=_mean(observation.output_tokens for observation in answers),
        cost_usd=_sum_usd(asked, answers),
        median_s=statistics.median(times) if times else None,
        p95_s=times[math.ceil(0.95 * len(times)) - 1] if times else None,
        model=next((trial.model for trial in reversed(trials) if trial.model), None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What has changed with one candidate since another run of the same questions."""

    was: Share
    """What was right then, of the answers that both runs have."""
    now: Share
    p: float
    """The chance of a difference as large or larger if nothing has changed."""
    is_real: bool
    """Whether that is too small to be chance."""


def change(before: Mapping[str, str], now: Mapping[str, str], *, candidates: int) -> Change | None:
    """The change of one of so many candidates; None where the runs have no answers in common.

    Both are verdicts by question, a letter for each time it was asked, as `letters` gives them. Rounds are paired: an
    unchanged candidate is as likely to be right in the one only as in the other only, whatever the question.
    """
    pairs = [
        pair
        for name in before.keys() & now.keys()
        for pair in zip(before[name], now[name], strict=False)
        if set(pair) <= {_RIGHT, _WRONG}
    ]
    if not pairs:
        return None
    lost, won = pairs.count((_RIGHT, _WRONG)), pairs.count((_WRONG, _RIGHT))
    kept, p = pairs.count((_RIGHT, _RIGHT)), mcnemar(lost, won)
    was, is_now = Share(kept + lost, len(pairs)), Share(kept + won, len(pairs))
    return Change(was=was, now=is_now, p=p, is_real=p <= FALSE_ALARMS / candidates)


def mcnemar(lost: int, won: int) -> float:
    """The two-sided exact p-value of McNemar's test for so many pairs that differ either way."""
    n = lost + won
    tail = sum(math.comb(n, k) for k in range(min(lost, won) + 1))
    return min(1.0, 2 * tail / (1 << n))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far two candidates agree."""

    same: Share
    """How often they said the same, where both answered; both right is the same."""
    right: Change | None
    """How often each was right where both were judged, as a change from the one to the other; None where none was.

    Its `p` is for the case that every question is as hard for the one as for the other.
    """


def agreement(ours: Sequence[Trial], theirs: Sequence[Trial], *, pairs: int) -> Agreement:
    """The agreement of one of so many pairs of candidates."""
    both = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.answered and b.answered]
    same = sum(a.judgement.gist == b.judgement.gist for a, b in both)
    right = change(letters(ours), letters(theirs), candidates=pairs)
    return Agreement(same=Share(same, len(both)), right=right)


_RIGHT, _WRONG = "r", "w"
_LETTERS: Final = {Verdict.RIGHT: _RIGHT, Verdict.WRONG: _WRONG}


def letters(trials: Iterable[Trial]) -> dict[str, str]:
    """The verdicts by question, a letter for each round: `r` right, `w` wrong, `-` neither."""
    found: dict[str, str] = {}
    for trial in trials:
        found[trial.question] = found.get(trial.question, "") + _LETTERS.get(trial.verdict, "-")
    return found


def _is_right(trial: Trial) -> bool:
    return trial.verdict is Verdict.RIGHT


def _mean(counts: Iterable[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return statistics.fmean(known) if known else None


def _sum_usd(asked: Sequence[Observation], answers: Sequence[Observation]) -> float | None:
    """Of the known costs; an answer without one makes the sum unknown, a failure without one counts as free."""
    if not asked or any(observation.cost_usd is None for observation in answers):
        return None
    return math.fsum(observation.cost_usd or 0.0 for observation in asked)
