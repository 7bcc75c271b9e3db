"""How long an application may wait: at least 10 s, and three times as long as the slowest probes or requests."""

import pytest

from controller.routing.request_limits import request_limits
from monitor.detection.latency import NO_LATENCY, LatencyBaseline, LatencyEvidence
from monitor.history.histogram import Histogram
from monitor.traffic.answer_times import AnswerTimes
from monitor.traffic.request_counts import RequestCounts
from tests.support.builders import T0

QUICK = LatencyBaseline(usual_s=0.3, high_s=0.5, answers=200)
SLOW = LatencyBaseline(usual_s=4.0, high_s=8.0, answers=200)
SKEWED = LatencyBaseline(usual_s=0.5, high_s=20.0, answers=200)
NEW = LatencyBaseline(usual_s=4.0, high_s=8.0, answers=99)


@pytest.mark.parametrize(
    ("usual", "limits"),
    [
        pytest.param({}, {}, id="never probed"),
        pytest.param({"chat": NEW}, {}, id="99 answers"),
        pytest.param({"chat": QUICK}, {"first_token_s": 10, "stall_s": 10, "p95_s": 0.5}, id="quick"),
        pytest.param({"chat": SLOW}, {"first_token_s": 36, "stall_s": 36, "p95_s": 8.0}, id="slow"),
        pytest.param(
            {"chat": QUICK, "stream": SLOW}, {"first_token_s": 36, "stall_s": 36, "p95_s": 8.0}, id="slowest check"
        ),
        pytest.param(
            {"stream": SLOW, "stream, first token": QUICK},
            {"first_token_s": 10, "stall_s": 36, "p95_s": 8.0},
            id="a first token has its own limit",
        ),
        pytest.param(
            {"chat": SKEWED}, {"first_token_s": 90, "stall_s": 90, "p95_s": 20.0}, id="no longer than a probe may take"
        ),
    ],
)
def test_limits(usual: dict[str, LatencyBaseline], limits: dict[str, float]) -> None:
    """What follows from what was learned."""
    assert request_limits(LatencyEvidence(usual=usual), longest_probe_s=30) == limits


def test_an_ordinary_answer_changes_nothing() -> None:
    """What was learned moves a little with every answer; what is published stays."""
    usual = LatencyBaseline(usual_s=4.0, high_s=8.1, answers=20_000)
    published = request_limits(LatencyEvidence(usual={"chat": usual}), longest_probe_s=30)
    for took_s in (3.0, 5.0, 4.2, 9.0, 3.7) * 4:
        usual = usual.learn(took_s, no_evidence=True)
    assert request_limits(LatencyEvidence(usual={"chat": usual}), longest_probe_s=30) == published
    assert request_limits(NO_LATENCY, longest_probe_s=30) == {}


def reported(answers: int, *, total_s: float, first_token_s: float | None) -> AnswerTimes:
    """So many requests that took as long; streams where they have a first token."""
    times = AnswerTimes()
    tokens = Histogram.of([first_token_s] * answers) if first_token_s else Histogram()
    duration = Histogram.of([total_s] * answers)
    times.add(
        RequestCounts(target="a", host="one", ended_at=T0, span_s=1, outcomes={}, duration=duration, first_token=tokens)
    )
    return times


@pytest.mark.parametrize(
    ("times", "limits"),
    [
        pytest.param(
            reported(999, total_s=50, first_token_s=7),
            {"first_token_s": 10, "stall_s": 10, "p95_s": 0.5},
            id="too few requests",
        ),
        pytest.param(
            reported(1000, total_s=50, first_token_s=7),
            {"first_token_s": 21, "stall_s": 10, "p95_s": 50.0},
            id="streams say nothing of their pauses",
        ),
        pytest.param(
            reported(1000, total_s=50, first_token_s=None),
            {"first_token_s": 10, "stall_s": 151, "p95_s": 50.0},
            id="whole answers are waited for",
        ),
    ],
)
def test_requests_of_applications_decide_where_there_are_enough(times: AnswerTimes, limits: dict[str, float]) -> None:
    """What they report is what they wait for: long answers, not a probe's; times are known within 5 %."""
    published = request_limits(LatencyEvidence(usual={"chat": QUICK}), longest_probe_s=30, reported=times)
    assert published == {name: pytest.approx(limit, rel=0.06) for name, limit in limits.items()}
