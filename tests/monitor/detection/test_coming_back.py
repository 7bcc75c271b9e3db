"""What a target waits for is told with the time at which it may be over."""

from datetime import timedelta

import pytest

from monitor.detection.coming_back import describe_wait
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.state_machine import verdict_due_at
from monitor.detection.target_state import TargetState
from monitor.health import Health, LowLimit
from tests.support.builders import T0, fold, observation, parameters

BY = parameters()


def later(seconds: float) -> object:
    """So long after T0."""
    return T0 + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("changed", "lasting", "text"),
    [
        pytest.param({}, False, "down, next probe by 18:00:30 UTC", id="the next probe of its interval"),
        pytest.param({}, True, "down, probed every 30 s", id="as it holds after the next probe"),
        pytest.param({"last_started_at": later(-60)}, False, "down, next probe due now", id="a probe is under way"),
        pytest.param(
            {"resting_until": later(90)},
            False,
            "down, not probed before 18:01:30 UTC, as it asked for (Retry-After)",
            id="a rest that it asked for",
        ),
        pytest.param(
            {"health": Health.UP, "low_limit": LowLimit(left="2 of 60 requests", until=T0 + timedelta(seconds=50))},
            False,
            "up, close to a limit: 2 of 60 requests left until 18:00:50 UTC",
            id="a limit",
        ),
        pytest.param(
            {"health": Health.RECOVERING, "since": later(-20)},
            True,
            "recovering, up at 18:04:40 UTC if every probe until then is clean",
            id="its hold",
        ),
        pytest.param(
            {"health": Health.RECOVERING, "since": later(-400)},
            False,
            "recovering, next probe by 18:00:10 UTC",
            id="the hold is over, and too few probes have come in",
        ),
        pytest.param(
            {"health": Health.UP, "held_until": later(75)}, False, "up, held until 18:01:15 UTC", id="held back"
        ),
        pytest.param({"health": Health.UNKNOWN, "last_started_at": None}, False, "unknown, next probe due now", id="-"),
    ],
)
def test_what_a_target_waits_for(changed: dict[str, object], lasting: bool, text: str) -> None:
    """The latest of what holds it back, and no time that is over."""
    known = {"target": BY.target, "since": T0, "health": Health.DOWN, "last_started_at": T0, "last_seen_at": T0}
    state = TargetState(**{**known, **changed})  # type: ignore[arg-type] # the keywords are the fields' names
    assert describe_wait(state, BY, T0 + timedelta(seconds=1), lasting=lasting) == text


def test_a_verdict_that_waits_for_min_outage_is_due_at_a_time() -> None:
    """Once there is enough evidence; of a target that is down already none is due."""
    _, state = fold("..", BY)
    track = EvidenceTrack()
    for at_s in (60.0, 61.0, 62.0):
        track = track.add_failure(observation("x", at_s=at_s), p1=0.3)
    failing = state.replace(health=Health.SUSPECT, down=track)
    due = track.evidence.since
    assert due is not None
    assert verdict_due_at(failing, BY, track.value) == due + timedelta(seconds=BY.min_outage_s)
    assert verdict_due_at(failing, BY, track.value + 0.1) is None
    assert verdict_due_at(failing.replace(health=Health.DOWN), BY, track.value) is None
