"""What applications report, beside the database: it is judged once, whatever could not be stored meanwhile."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from controller.cycle.detection import StoredDetector
from monitor.config.traffic_settings import TrafficSettings
from monitor.detection.notices import TargetNotice
from monitor.health import Health, Transition
from monitor.history.histogram import Histogram
from monitor.storage.database import DatabaseError, open_writer
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import Store
from monitor.traffic.request_counts import RequestCounts
from probes.outcome import Outcome
from tests.support.builders import T0, observation, settings

A = "openai/a"
_GOOD, _BAD = {Outcome.OK: 5}, {Outcome.SERVER_ERROR: 3, Outcome.OK: 2}


class Locked(Store):
    """A store that cannot write states for a while."""

    locked = False

    def save_states(
        self,
        states: Sequence[SavedTargetState],
        transitions: Sequence[Transition],
        pools: Mapping[str, str] = MappingProxyType({}),
        *,
        at: datetime | None = None,
        notices: Sequence[TargetNotice] = (),
    ) -> None:
        if self.locked:
            raise DatabaseError("locked by someone else")
        super().save_states(states, transitions, pools, at=at, notices=notices)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[tuple[StoredDetector, Locked]]:
    """A target that is up, and two hosts that have reported for ten minutes."""
    wanted = replace(settings(tmp_path, A, "anthropic/c"), traffic=TrafficSettings())
    engine = open_writer(wanted.database)
    store = Locked(engine)
    detection = StoredDetector(wanted, store)
    detection.resume(T0)
    detection.take_in([observation(".", name=A)], T0, ())
    for second in range(10):
        step(detection, second, _GOOD)
    for second in range(10, 600, 10):
        step(detection, second, {Outcome.OK: 100}, span_s=10.0)
    yield detection, store
    engine.dispose()


def step(detection: StoredDetector, second: float, outcomes: Mapping[Outcome, int], span_s: float = 1.0) -> None:
    """Both hosts report, and a cycle judges it."""
    at = T0 + timedelta(seconds=second)
    times = Histogram.of([0.8] * outcomes.get(Outcome.OK, 0))
    counts = [
        RequestCounts(target=A, host=host, ended_at=at, span_s=span_s, outcomes=outcomes, duration=times)
        for host in ("one", "two")
    ]
    detection.take_reports = lambda: counts
    try:
        detection.take_in((), at, ())
    finally:
        detection.take_reports = tuple


def health_of(detection: StoredDetector) -> Health:
    """Of the target."""
    return detection.detector.state_of(A).health


@pytest.mark.parametrize("locked_at", [(), (601,), (602, 605), (608, 609, 610)])
def test_reports_that_could_not_be_stored_are_judged_later(
    story: tuple[StoredDetector, Locked], locked_at: Sequence[int]
) -> None:
    """None is lost, and none counts twice."""
    detection, store = story
    for second in range(600, 612):
        store.locked = second in locked_at
        if store.locked:
            with pytest.raises(DatabaseError):
                step(detection, second, _BAD)
        else:
            step(detection, second, _BAD)
    assert health_of(detection) is Health.DOWN
    assert "of 2 hosts failed in" in detection.detector.health[A].reason


def test_how_long_answers_take_is_learned_in_quiet_times_alone(story: tuple[StoredDetector, Locked]) -> None:
    """A slow answer of a target that fails is not what an application should wait for."""
    detection, _ = story
    before = detection.answer_times[A].duration.total
    assert before > 1000
    for second in range(600, 605):
        step(detection, second, _BAD)
    assert detection.answer_times[A].duration.total == before
