"""What is stored at once, what waits, and that a start after a kill goes on as if there had been none."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controller.cycle.cycle import Cycle
from controller.cycle.deferred_states import LONGEST_WAIT
from controller.journal import Journal
from controller.routing.routing_file import RoutingFile
from monitor.config.settings import Settings
from monitor.storage.database import open_writer
from monitor.storage.held_file import HeldFile
from monitor.storage.store import Store
from probes.observation import Observation
from tests.support.builders import T0, in_regions, observation, settings

A, B, C = "openai/a", "openai/b", "anthropic/c"
EVERY_S = 30


def later(seconds: float) -> datetime:
    """So long after the beginning."""
    return T0 + timedelta(seconds=seconds)


class Service:
    """Cycles on one database, until it is killed and started again."""

    def __init__(self, wanted: Settings, held: HeldFile | None = None) -> None:
        self.engine = open_writer(wanted.database)
        self.store = Store(self.engine)
        self._wanted, self._held = wanted, held
        self.start(0)

    def start(self, at_s: float) -> None:
        """Again, without a word of the former process."""
        file = RoutingFile(self._wanted.routing_file)
        self.cycle = Cycle(self._wanted, self.store, Journal(self.engine), file, self._held)
        self.cycle.start(later(at_s))

    def run(self, at_s: float, *seen: Observation) -> None:
        """One cycle."""
        self.cycle.run(seen, later(at_s))

    def written_at(self, target: str) -> datetime:
        """When the stored state of a target was stored whole."""
        return self.store.states()[target].at

    def known_until(self, target: str) -> datetime | None:
        """The last good answer of a target that its stored progress knows."""
        progress = self.store.states()[target].progress
        return progress.last_seen_at if progress else None


@pytest.fixture(params=[False, True], ids=["stored at once", "held"])
def service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    """Two targets of one provider, one of another."""
    one = Service(settings(tmp_path, A, B, C), HeldFile(tmp_path / "held") if request.param else None)
    yield one
    one.engine.dispose()


def answers(at_s: float, *names: str) -> list[Observation]:
    """Good ones."""
    return [observation(".", at_s=at_s, name=name) for name in names]


def test_good_answers_alone_store_what_they_change_every_minute(service: Service) -> None:
    """The time of the last good answer is known all the same."""
    rounds = int(LONGEST_WAIT.total_seconds() / EVERY_S)
    for number in range(12):
        at_s = EVERY_S * number
        service.run(at_s + 1, *answers(at_s, A, B, C))
        assert max(map(service.written_at, (A, B, C))) < later(EVERY_S * rounds)
        if number > rounds:
            newest, oldest = later(at_s + 1), later(at_s - EVERY_S * rounds)
            known = [service.known_until(name) for name in (A, B, C)]
            assert all(at and oldest <= at <= newest for at in known), (number, known)
        ok_at = service.store.states()[A].health.last_ok_at
        assert ok_at is not None
        assert ok_at >= later(at_s - EVERY_S)


def test_a_state_is_stored_whole_once_after_a_start(service: Service) -> None:
    """What a start changes in a state, as by the routing file, is seen by no comparison of answers."""
    for number in range(5):
        service.run(EVERY_S * number + 1, *answers(EVERY_S * number, A, B, C))
    service.start(140)
    for number in range(5, 9):
        service.run(EVERY_S * number + 1, *answers(EVERY_S * number, A, B, C))
    assert min(map(service.written_at, (A, B, C))) >= later(140)


def test_one_that_stops_keeps_the_progress(service: Service) -> None:
    """All of it, so that the next start has nothing to read again."""
    for number in range(6):
        service.run(EVERY_S * number + 1, *answers(EVERY_S * number, A, B, C))
    service.cycle.detection.save_all(later(152))
    newest = observation(".", at_s=150, name=A).finished_at
    assert {service.known_until(name) for name in (A, B, C)} == {newest}
    assert service.written_at(A) < later(EVERY_S)


def test_what_is_unusual_is_stored_at_once_with_all_of_its_provider(service: Service) -> None:
    """Answers of before the failure would count as evidence for the provider, were they read again."""
    for number in range(5):
        service.run(EVERY_S * number + 1, *answers(EVERY_S * number, A, B, C))
    service.run(200, observation("x", at_s=199, name=A))
    assert (service.known_until(A), service.known_until(B)) == (None, None), "it is part of the whole state"
    assert (service.written_at(A), service.written_at(B)) == (later(200), later(200))
    assert service.written_at(C) < later(100)


def test_evidence_of_one_region_stores_the_states_of_its_provider(tmp_path: Path) -> None:
    """There is evidence against the provider as each region sees it, and as several do."""
    one = Service(in_regions(settings(tmp_path, A, B), ["eu", "us"]))
    failing, beside, elsewhere = f"{A}@eu", f"{B}@eu", f"{B}@us"
    for number in range(5):
        one.run(EVERY_S * number + 1, *answers(EVERY_S * number, failing, beside, elsewhere, f"{A}@us"))
    one.run(200, observation("x", at_s=199, name=failing))
    assert {one.written_at(name) for name in (beside, elsewhere)} == {later(200)}
    one.run(204, *answers(203, beside))
    assert one.written_at(beside) == later(204), "it took from the evidence"
    before = one.cycle.detection.detector.snapshot()
    one.start(204)
    after = one.cycle.detection.detector.snapshot()
    assert (after.targets, after.providers) == (before.targets, before.providers)
    one.engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_kill_changes_nothing(service: Service, seed: int) -> None:
    """Killed after any cycle, the next process knows of every target and provider what the last one knew."""
    dice, at_s = random.Random(seed), 0.0
    for number in range(60):
        at_s = EVERY_S * number
        bad = dice.random() < 0.15
        seen = [
            replace(observation(dice.choice("xts") if bad and dice.random() < 0.5 else ".", name=name), started_at=at)
            for name in (A, B, C)
            for at in [later(at_s + dice.randrange(5))]
            if dice.random() < 0.97
        ]
        service.run(at_s + 20, *sorted(seen, key=lambda each: each.finished_at))
        if dice.random() < 0.3:
            before = service.cycle.detection.detector.snapshot()
            service.start(at_s + 20)
            after = service.cycle.detection.detector.snapshot()
            assert (after.targets, after.providers) == (before.targets, before.providers)
