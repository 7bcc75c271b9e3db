"""What is removed, and when; a clock that was set."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf
from pathlib import Path

import pytest

from controller.history.store import RouteHistory
from controller.service.background import BackgroundRecorder, WorkerThread
from controller.service.housekeeping import Housekeeping, oldest_sums, pruning_begins
from controller.service.reloading import ConfigurationInForce
from monitor.config.retention import RetentionSettings
from monitor.history.rollup import DAY, HOUR, MINUTE
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support.builders import T0, observation, settings

A_YEAR = timedelta(days=365)
NAME = "openai/gpt-6-luna"


def test_sums_of_minutes_are_kept_for_two_weeks() -> None:
    """Hours and days as long as `retention` says."""
    kept = RetentionSettings(hour_s=30 * DAY.total_seconds(), day_s=inf)
    assert oldest_sums(kept, T0) == {MINUTE: T0 - 14 * DAY, HOUR: T0 - 30 * DAY}


@pytest.mark.parametrize(
    ("last_sign", "paused_at", "waits"),
    [
        pytest.param(None, None, timedelta(), id="a new database"),
        pytest.param(T0 - HOUR, None, timedelta(), id="a restart"),
        pytest.param(T0 + A_YEAR, None, timedelta(), id="set back since"),
        pytest.param(T0 - 2 * DAY, None, DAY, id="days after the former service, or so it seems"),
        pytest.param(T0 - HOUR, T0 - 2 * HOUR, 22 * HOUR, id="paused by the former service"),
        pytest.param(T0 - HOUR, T0 - 2 * DAY, -DAY, id="paused two days ago"),
        pytest.param(T0 - HOUR, T0 + A_YEAR, timedelta(), id="paused by a clock that was set back since"),
    ],
)
def test_a_clock_that_may_be_wrong_removes_nothing_for_a_day(
    last_sign: datetime | None, paused_at: datetime | None, waits: timedelta
) -> None:
    """Whoever notices has a day to set it right; the history is gone for good."""
    assert pruning_begins(T0, last_sign, paused_at) == T0 + waits


@dataclass
class Machine:
    """The housekeeping of services on one database, by a clock that can be set."""

    folder: Path
    now: datetime = T0
    replanned: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def service(self) -> Iterator[Housekeeping]:
        """One service, which says that it has started."""
        made = settings(self.folder, NAME)
        engine, thread = open_writer(made.database), WorkerThread("database")
        recorder = BackgroundRecorder(store=Store(engine), database=thread, clock=lambda: self.now)
        service = Housekeeping(
            retention=made.retention,
            routes=RouteHistory(engine, made),
            configuration=ConfigurationInForce(made, T0),
            recorder=recorder,
            replan=lambda _: self.replanned.set(),
            started_at=self.now,
            wall=lambda: self.now,
        )
        service.started("nothing")
        try:
            yield service
        finally:
            thread.shutdown()
            engine.dispose()

    def probes(self, service: Housekeeping) -> int:
        """How many observations there are."""
        return len(service.recorder.store.observations(NAME, after=T0 - A_YEAR))


async def prune_for_a_moment(service: Housekeeping) -> None:
    """Long enough for a first step."""
    pruning = asyncio.create_task(service.prune())
    await asyncio.sleep(0)
    await service.recorder.database.run(lambda: None)  # the step is before it in the queue
    pruning.cancel()
    with suppress(asyncio.CancelledError):
        await pruning


async def test_history_outlives_a_restart_under_a_clock_that_is_a_year_ahead(tmp_path: Path) -> None:
    """It is removed once a service has seen that clock for a day, or goes on where the last one stopped."""
    machine = Machine(tmp_path)
    with machine.service() as service:
        service.recorder.store.record([observation(at_s=-3600), replace(observation(), started_at=T0 - A_YEAR / 2)])
        assert machine.probes(service) == 2
        machine.now += A_YEAR
    for _ in range(2):
        with machine.service() as service:
            await prune_for_a_moment(service)
            assert machine.probes(service) == 2
            assert service.recorder.store.last_event_at("pruning_paused") == T0 + A_YEAR
            machine.now += HOUR
            service.beat()
    machine.now = T0 + HOUR  # it was set right
    with machine.service() as service:
        await prune_for_a_moment(service)
        assert machine.probes(service) == 1, "what is half a year old"


async def test_a_clock_that_is_set_moves_the_schedule_and_removes_nothing(tmp_path: Path) -> None:
    """A year forward is told, too, and that nothing is removed."""
    machine = Machine(tmp_path)
    with machine.service() as service:
        service.recorder.store.record([observation(at_s=-3600)])
        watching = asyncio.create_task(service.watch_clock())
        await asyncio.sleep(0)
        machine.now += A_YEAR
        await machine.replanned.wait()
        watching.cancel()
        await prune_for_a_moment(service)
        assert machine.probes(service) == 1
        kinds = [event.kind for event in service.recorder.store.events_after(0)[1]]
        assert kinds == ["service_started", "clock_stepped", "pruning_paused"]
