"""Verdicts in the reader's words: one plain clause, without the statistics, from reasons old and new."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.detection import reasons
from monitor.detection.evidence import Evidence
from monitor.detection.verdict_text import plain_reason, statistics_of
from probes.outcome import Outcome

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WEIGHT = "evidence 12.3, verdict at 9.8 (usual 0.5 %, looked for 30 %)"
COUNTS = "a/m is down: 9 of 14 probes failed in 41 s"


@pytest.mark.parametrize(
    ("reason", "plain"),
    [
        (
            f"{COUNTS} (server_error); {WEIGHT}; last: HTTP 500: Internal (server) error",
            "a/m is down: fails 64 % of its requests (9 of 14 probes in 41 s; HTTP 500: Internal (server) error)",
        ),
        (f"{COUNTS} (server_error)", "a/m is down: fails 64 % of its requests (9 of 14 probes in 41 s; server_error)"),
        (
            f"{COUNTS} (7 slow, 2 timeout); {WEIGHT}; last: no",
            "a/m is down: fails 64 % of its requests (9 of 14 probes in 41 s; 7 slow, 2 timeout; last: no)",
        ),
        (
            f"all of a, as 5 of 9 probes failed in 5 s (server_error) on 2 of its 2 targets; {WEIGHT}; last: HTTP 500",
            "a fails half of its requests (5 of 9 probes on 2 of 2 targets in 5 s; HTTP 500)",
        ),
        (
            f"4 of 4 probes failed in 9 s (server_error) from 3 of its 3 regions; {WEIGHT}; last: HTTP 500",
            "fails all of its requests (4 of 4 probes from 3 of 3 regions in 9 s; HTTP 500)",
        ),
        (
            "all of a, as 4 of 4 probes asked afresh failed on 2 of its 3 targets, 3 s after the first failure (x)",
            "a fails all of its requests (4 of 4 probes on 2 of 3 targets in 3 s; x)",
        ),
        (
            f"the last probe failed (connection); {WEIGHT}; last: refused",
            "the last probe failed (refused)",
        ),
        (
            f"5 of 9 probes hit the rate limit in 41 s (rate_limited); {WEIGHT}",
            "refuses half of our requests as too many (5 of 9 probes in 41 s; rate_limited)",
        ),
        (
            f"Route chat moved to b/n: {COUNTS} (timeout); evidence 9.9, verdict at 9.8; last: no answer",
            "Route chat moved to b/n: a/m is down: fails 64 % of its requests (9 of 14 probes in 41 s; no answer)",
        ),
        ("back after 29 clean probes in 12 min", "back after 29 clean probes in 12 min"),
        ("ana pinned chat: evidence of nothing", "ana pinned chat: evidence of nothing"),
    ],
)
def test_the_clause_without_the_statistics(reason: str, plain: str) -> None:
    """The share that fails, the counts, the provider's words; what is no verdict stays as it is."""
    assert plain_reason(reason) == plain
    assert plain_reason(plain) == plain
    assert statistics_of(plain) == ""


def test_what_detection_writes_now_can_be_split() -> None:
    """The reasons are stored as sentences: the splitting must know how they are made."""
    counts = reasons.failure_counts(3, 5, 41.0, {Outcome.TIMEOUT: 3})
    weight = reasons.evidence_and_threshold(12.34, 9.8, p0=0.005, p1=0.3)
    assert plain_reason(f"{counts}; {weight}") == "fails half of its requests (3 of 5 probes in 41 s; timeout)"
    assert (
        statistics_of(f"{counts}; {weight}") == weight == "evidence 12.3, verdict at 9.8 (usual 0.5 %, looked for 30 %)"
    )
    fresh = Evidence(value=12.0, failures=3, probes=3, since=NOW, outcomes={Outcome.TIMEOUT: 3}, last="no answer")
    afresh = reasons.failed_afresh(fresh, 9.0, NOW + timedelta(seconds=9), p0=0.01, p1=0.3)
    assert plain_reason(afresh) == "fails all of its requests (3 of 3 probes in 9 s; no answer)"
