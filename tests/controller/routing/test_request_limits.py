"""How long an application may wait: never less than 10 s, and three times as long as the slowest probes."""

import pytest

from controller.routing.request_limits import request_limits
from monitor.detection.latency import NO_LATENCY, LatencyBaseline, LatencyEvidence

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
