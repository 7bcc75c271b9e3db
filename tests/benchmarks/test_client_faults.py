"""The table of faults and its judge, which is the same for every product."""

from dataclasses import replace

import pytest

from benchmarks.client_faults.faults import ANSWER, FAULTS, POLICY
from benchmarks.client_faults.job import Answer
from benchmarks.client_faults.judge import HEALTHY, Outcome, find_wrong

BY_NAME = {fault.name: fault for fault in FAULTS}
WHOLE = Answer(text=ANSWER, model=HEALTHY, usage=True, seconds=1.0)
REFUSED = Answer(error=f"BadRequestError: {POLICY}", seconds=0.1)


def seen(*answers: Answer, failing: tuple[float, ...] = (0.0,), healthy: int = 1) -> Outcome:
    """What came of it; the times are those of the requests to the failing provider."""
    return Outcome(answers=answers, failing_at_s=failing, healthy_at_s=[0.1] * healthy)


def test_the_table() -> None:
    """Sixteen faults with names of their own, and an answer of sixty words."""
    assert (len(BY_NAME), len(ANSWER.split())) == (16, 60)


@pytest.mark.parametrize(
    ("name", "outcome", "wrong"),
    [
        pytest.param("503 for ever", seen(WHOLE), [], id="answered by the standby"),
        pytest.param("503 for ever", seen(), ["it hangs"], id="nothing came"),
        pytest.param(
            "503 for ever",
            seen(replace(WHOLE, text=" ".join(ANSWER.split()[:40]))),
            ["a wrong answer passed off as whole (40 words)"],
            id="truncated",
        ),
        pytest.param("503 for ever", seen(Answer(error="X: y")), ["failed (X)"], id="an error"),
        pytest.param(
            "503 for ever", seen(WHOLE, failing=(0, 1, 2, 2.5, 2.9)), ["more than 4 requests in 3 s"], id="hammered"
        ),
        pytest.param("503 for ever", seen(replace(WHOLE, seconds=50)), ["took 50 s"], id="late"),
        pytest.param(
            "503 for ever: who answered?",
            seen(replace(WHOLE, model="model-a", usage=False)),
            ["said to be answered by model-a", "without usage"],
            id="somebody else's answer",
        ),
        pytest.param("429 once, Retry-After: 2", seen(WHOLE, failing=(0, 2.1), healthy=0), [], id="waited for"),
        pytest.param(
            "429 once, Retry-After: 2", seen(WHOLE, failing=(0, 0.5)), ["asked again after 0.5 s"], id="not waited for"
        ),
        pytest.param(
            "accepts, never answers",
            seen(WHOLE, failing=(0, 5)),
            ["the failing provider got 2 requests"],
            id="silent, asked twice",
        ),
        pytest.param("400, content policy", seen(REFUSED, healthy=0), [], id="refused with its reason"),
        pytest.param(
            "400, content policy",
            seen(WHOLE),
            ["the refused request was answered", "the healthy provider got 1 requests"],
            id="a refusal routed around",
        ),
        pytest.param(
            "400, content policy",
            seen(Answer(error="Error: failed"), healthy=0),
            ["the provider's reason is lost"],
            id="a reason lost",
        ),
        pytest.param(
            "down for a minute, then well",
            seen(*[WHOLE] * 20, failing=(0, 8, 72), healthy=17),
            [],
            id="back on the first",
        ),
        pytest.param(
            "down for a minute, then well", seen(*[WHOLE] * 20, healthy=20), ["not back in time"], id="never back"
        ),
    ],
)
def test_right_and_wrong(name: str, outcome: Outcome, wrong: list[str]) -> None:
    """What is wrong is said, and nothing else."""
    assert find_wrong(BY_NAME[name], outcome) == wrong
