"""The arithmetic of comparing: shares, agreement, change."""

import math
import random
from datetime import UTC, datetime

import pytest

from controller.compare.comparison import (
    FALSE_ALARMS,
    Change,
    Share,
    Trial,
    agreement,
    change,
    figures,
    letters,
    mcnemar,
)
from controller.compare.judges import Judgement, Verdict
from probes.observation import Observation
from probes.outcome import Outcome

T0 = datetime(2026, 11, 29, tzinfo=UTC)


def trial(
    name: str, verdict: Verdict, *, gist: str = "", fits: bool | None = None, s: float = 1.0, usd: float | None = 0.01
) -> Trial:
    """A question asked once."""
    seen = Observation(
        target="p/m",
        check="chat",
        started_at=T0,
        outcome=Outcome.OK,
        duration_s=s,
        input_tokens=100,
        output_tokens=10,
        cost_usd=usd,
    )
    judgement = Judgement(verdict=verdict, gist=gist, fits_schema=fits)
    return Trial(question=name, judgement=judgement, observation=seen)


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    # Brown, Cai and DasGupta 2001 give the formula; the figures are those of statsmodels' `proportion_confint`.
    [(0, 12, 0.0, 0.242494), (11, 12, 0.646120, 0.985142), (12, 12, 0.757506, 1.0), (50, 100, 0.403832, 0.596168)],
)
def test_the_interval_is_wilsons(count: int, of: int, low: float, high: float) -> None:
    """Also for none and for all."""
    assert Share(count, of).interval == pytest.approx((low, high), abs=1e-5)


def test_nothing_has_no_share() -> None:
    """Nor an interval."""
    assert (Share(0, 0).value, Share(0, 0).interval) == (None, None)


def test_the_figures_of_a_candidate() -> None:
    """What is unsupported or unanswered counts nowhere but in its own number."""
    trials = [
        trial("a", Verdict.RIGHT, fits=True, s=1.0),
        trial("b", Verdict.WRONG, fits=False, s=2.0),
        trial("c", Verdict.RIGHT, s=4.0),
        trial("d", Verdict.OPEN, s=3.0),
        trial("e", Verdict.UNANSWERED, s=30.0, usd=None),
        Trial(question="f", judgement=Judgement(verdict=Verdict.UNSUPPORTED)),
    ]
    found = figures("p/m", trials, frozenset({"c", "f"}))
    assert (found.right, found.fits_schema, found.right_with_tools) == (Share(2, 3), Share(1, 2), Share(1, 1))
    assert (found.input_tokens, found.output_tokens, found.median_s, found.p95_s) == (100, 10, 2.5, 4.0)
    assert found.cost_usd == pytest.approx(0.04)
    assert found.usd_per_answer == pytest.approx(0.01)
    assert figures("p/m", [*trials, trial("g", Verdict.RIGHT, usd=None)], frozenset()).cost_usd is None
    nothing = figures("p/m", [trials[-1]], frozenset())
    assert (nothing.right.value, nothing.median_s, nothing.cost_usd, nothing.input_tokens) == (None,) * 4


def test_agreement_counts_where_both_answered() -> None:
    """By the gist."""
    ours = [trial("a", Verdict.RIGHT, gist="x"), trial("b", Verdict.WRONG, gist="y"), trial("c", Verdict.UNANSWERED)]
    theirs = [trial("a", Verdict.RIGHT, gist="x"), trial("b", Verdict.WRONG, gist="z"), trial("c", Verdict.RIGHT)]
    found = agreement(ours, theirs, pairs=1)
    assert (found.same, found.right) == (Share(1, 2), Change(was=Share(1, 2), now=Share(1, 2), p=1.0, is_real=False))
    assert agreement(ours[2:], theirs[2:], pairs=1).right is None


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    # Twice the tail of a binomial at one half, as `scipy.stats.binomtest` gives it.
    [(0, 0, 1.0), (1, 1, 1.0), (5, 0, 0.0625), (10, 2, 0.03857421875), (2, 10, 0.03857421875), (2000, 0, 2.0**-1999)],
)
def test_mcnemars_exact_test(lost: int, won: int, p: float) -> None:
    """Two-sided, never above one."""
    assert math.isclose(mcnemar(lost, won), p, rel_tol=1e-12, abs_tol=0.0)


def test_a_change_is_judged_over_all_candidates_together() -> None:
    """Rounds are paired, what was not answered in both runs counts nowhere."""
    before, now = {"a": "rrrr", "b": "rrrr", "gone": "r"}, {"a": "wwww", "b": "ww-r", "new": "w"}
    found = change(before, now, candidates=1)
    assert found == Change(was=Share(7, 7), now=Share(1, 7), p=mcnemar(6, 0), is_real=False)
    worse = change({"a": "r" * 9}, {"a": "w" * 9}, candidates=2)
    assert worse
    assert worse.is_real
    assert not getattr(change({"a": "r" * 9}, {"a": "w" * 9}, candidates=3), "is_real")  # noqa: B009
    assert change({"a": "r"}, {"b": "r"}, candidates=1) is None
    assert change({"a": "-"}, {"a": "r"}, candidates=1) is None


def test_letters_are_those_of_each_question_by_round() -> None:
    """Right, wrong, neither."""
    trials = [trial("a", Verdict.RIGHT), trial("b", Verdict.WRONG), trial("a", Verdict.OPEN), trial("b", Verdict.RIGHT)]
    assert letters(trials) == {"a": "r-", "b": "wr"}


def test_an_unchanged_candidate_is_seldom_called_changed() -> None:
    """Whatever its questions: at most the stated share of pairs of runs, with its sampling error, repeats included."""
    random_ = random.Random(18)
    hard = {str(n): random_.betavariate(0.7, 0.4) for n in range(12)}

    def run() -> dict[str, str]:
        return {name: "".join("r" if random_.random() < p else "w" for _ in range(5)) for name, p in hard.items()}

    changes = [change(run(), run(), candidates=1) for _ in range(2_000)]
    alarms = sum(found is not None and found.is_real for found in changes)
    assert alarms <= 2_000 * FALSE_ALARMS + 3 * math.sqrt(2_000 * FALSE_ALARMS)
