"""What is kept of a run, and what has changed since."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.compare.comparison import CandidateFigures, Share, Trial, figures
from controller.compare.history import PastRun, changes, from_json, past_run, to_json
from controller.compare.judges import Judgement, Verdict

T0 = datetime(2026, 11, 29, 9, 30, tzinfo=UTC)


def candidate(target: str, verdicts: str) -> CandidateFigures:
    """One that was right (`r`), wrong (`w`) or silent (`-`) in questions of one round."""
    kinds = {"r": Verdict.RIGHT, "w": Verdict.WRONG, "-": Verdict.UNANSWERED}
    trials = [Trial(question=str(n), judgement=Judgement(verdict=kinds[each])) for n, each in enumerate(verdicts)]
    return figures(target, trials, frozenset())


def past(days: int, **verdicts: str) -> PastRun:
    """A run so many days ago."""
    return past_run([candidate(f"p/{name}", each) for name, each in verdicts.items()], T0 - timedelta(days=days))


def test_a_run_is_kept_as_it_was() -> None:
    """Through JSON, with the verdict of each question."""
    run = past(0, good="rrw-")
    assert from_json(to_json(run)) == run
    assert run.candidates["p/good"].verdicts == {"0": "r", "1": "r", "2": "w", "3": "-"}
    assert run.candidates["p/good"].right == Share(2, 3)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"at": 7, "candidates": {"p/m": {}}}', "[" * 100_000])
def test_what_another_version_has_kept_is_no_run(text: str) -> None:
    """And no error."""
    assert from_json(text) is None


def test_each_candidate_is_compared_with_its_own_last_answers() -> None:
    """A run in which it was silent, or was not there, tells nothing."""
    runs = [past(1, good="------------"), past(2, good="r" * 12, gone="r"), past(3, good="w" * 12)]
    found = changes([candidate("p/good", "w" * 12), candidate("p/new", "r" * 12)], runs)
    assert found.keys() == {"p/good"}
    since = found["p/good"]
    assert (since.at, since.change.was, since.change.now) == (T0 - timedelta(days=2), Share(12, 12), Share(0, 12))
    assert since.is_worse


def test_to_become_better_is_a_change_and_not_worse() -> None:
    """The other way round."""
    since = changes([candidate("p/good", "r" * 12)], [past(1, good="w" * 12)])["p/good"]
    assert (since.change.is_real, since.is_worse) == (True, False)


def test_without_earlier_runs_nothing_has_changed() -> None:
    """Nor of candidates that were not in them."""
    assert changes([candidate("p/good", "r")], []) == {}
    assert changes([candidate("p/good", "r")], [past(1, other="r")]) == {}
