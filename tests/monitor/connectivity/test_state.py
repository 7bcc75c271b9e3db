"""Which region's own network was down at its last probe."""

from datetime import UTC, datetime

from monitor.connectivity.state import blind_regions
from probes.observation import Observation
from probes.outcome import Outcome

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def seen(target: str, outcome: Outcome) -> Observation:
    """What a probe of it saw."""
    return Observation(target=target, check="chat", started_at=NOW, outcome=outcome, duration_s=1.0)


def test_each_region_is_blind_for_itself() -> None:
    """A probe of another region says nothing of it; one of its own that is no failure of an undecided blame does."""
    eu, us, here = "a/m@eu", "a/m@us", "a/m"
    blind = blind_regions(frozenset(), seen(eu, Outcome.TIMEOUT), blind=True)
    assert blind == {"eu"}
    assert blind_regions(blind, seen(us, Outcome.OK), blind=False) == {"eu"}
    assert blind_regions(blind, seen(here, Outcome.TIMEOUT), blind=True) == {"eu", ""}
    assert blind_regions(blind, seen(eu, Outcome.SERVER_ERROR), blind=True) == frozenset()
    assert blind_regions(blind, seen(eu, Outcome.OK), blind=False) == frozenset()
