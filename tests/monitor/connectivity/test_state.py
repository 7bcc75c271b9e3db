"""What the neutral endpoints' answers mean."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.connectivity.state import ConnectivityState, EndpointHistory

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
NONE: frozenset[str] = frozenset()
ONE = frozenset({"https://a"})


@pytest.mark.parametrize(
    ("ago", "answers", "sight"),
    [
        (None, ONE, ConnectivityState.ONLINE),
        (None, NONE, ConnectivityState.UNTRUSTED),
        (timedelta(minutes=59), NONE, ConnectivityState.BLIND),
        (timedelta(minutes=61), NONE, ConnectivityState.UNTRUSTED),
        (timedelta(minutes=61), ONE, ConnectivityState.ONLINE),
    ],
    ids=[
        "any answer is online",
        "silence that was never broken says nothing",
        "silence after a recent answer is blind",
        "an answer is trusted for an hour",
        "an answer is enough, however long ago the last",
    ],
)
def test_what_an_asking_means(ago: timedelta | None, answers: frozenset[str], sight: ConnectivityState) -> None:
    """Online, blind, or nothing to go by."""
    known = EndpointHistory() if ago is None else EndpointHistory().after(ONE, now=NOW - ago)

    assert known.state_of(answers, now=NOW) is sight


def test_each_endpoint_is_remembered() -> None:
    """A later asking that one endpoint misses does not forget when it last answered."""
    known = (
        EndpointHistory().after(frozenset({"a", "b"}), now=NOW).after(frozenset({"b"}), now=NOW + timedelta(hours=1))
    )

    assert known.answered_at == {"a": NOW, "b": NOW + timedelta(hours=1)}
