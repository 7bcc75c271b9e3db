"""Good answers wait for others in memory and in a file; a kill loses none, and nothing is stored twice."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from controller.cycle.held_observations import HeldObservations
from monitor.storage.held_file import HeldFile, held_row, longest_hold
from probes.observation import Observation
from tests.controller.cycle.test_deferred_states import A, B, C, Service, answers, later
from tests.support.builders import observation, settings


def stored(one: Service) -> dict[str, int]:
    """How many observations of each target the database has."""
    return {name: len(one.store.observations(name, after=later(-1))) for name in (A, B, C)}


@pytest.fixture
def held(tmp_path: Path) -> HeldFile:
    """An empty one."""
    return HeldFile(tmp_path / "held")


@pytest.fixture
def service(tmp_path: Path, held: HeldFile) -> Service:
    """Three targets that have answered once."""
    one = Service(settings(tmp_path, A, B, C), held)
    one.run(1, *answers(0, A, B, C))
    return one


def test_good_answers_wait_a_second_where_targets_are_few(service: Service, held: HeldFile) -> None:
    """The file holds what waits, and no more once that is stored."""
    service.run(31, *answers(30, A))
    service.run(31.5, *answers(31, C))
    assert (stored(service), len(held.read())) == ({A: 1, B: 1, C: 1}, 2)
    service.run(32)
    service.run(32.5)
    assert (stored(service), held.read()) == ({A: 2, B: 1, C: 2}, [])
    service.engine.dispose()


def test_what_is_not_good_is_stored_at_once_with_what_waits_of_its_provider(service: Service) -> None:
    """The first failure of an incident is the one after the last good answer."""
    service.run(31, *answers(30, A, B, C))
    service.run(31.5, observation("x", at_s=31, name=A))
    assert stored(service) == {A: 3, B: 2, C: 1}
    service.run(31.8, *answers(31.6, B))
    assert stored(service)[B] == 3, "there is evidence against its provider"
    service.engine.dispose()


def test_a_kill_loses_nothing(service: Service, held: HeldFile) -> None:
    """The next process stores what the file holds, what is stored already a single time."""
    service.run(31, *answers(30, A, B, C))
    service.run(31.5, observation("x", at_s=31, name=A))
    before = service.cycle.detection.detector.snapshot()
    service.start(31.5)
    assert stored(service) == {A: 3, B: 2, C: 2}
    assert service.cycle.detection.detector.snapshot().targets == before.targets
    service.run(33)
    assert held.read() == []
    service.engine.dispose()


def test_all_is_stored_in_the_end(service: Service) -> None:
    """Nothing waits for the next start."""
    service.run(31, *answers(30, A, B, C))
    service.cycle.detection.save_all(later(32))
    assert stored(service) == {A: 2, B: 2, C: 2}
    assert service.known_until(A) == observation(".", at_s=30, name=A).finished_at
    service.engine.dispose()


def test_where_the_file_cannot_be_written_nothing_waits(tmp_path: Path) -> None:
    """As on a full disk."""
    one = Service(settings(tmp_path, A, B, C), HeldFile(tmp_path / "no folder" / "held"))
    one.run(1, *answers(0, A, B, C))
    one.run(31, *answers(30, A))
    assert stored(one)[A] == 2
    one.engine.dispose()


def test_many_are_stored_in_steps_in_the_order_of_the_database(held: HeldFile) -> None:
    """A step costs the same however many wait; the file has them all until the last is stored."""
    waiting, now = HeldObservations(held), later(60)
    many = [observation(".", at_s=n % 2, name=f"p{n % 600:03}/m") for n in range(1_200)]
    assert waiting.add(many, later(0))
    steps: list[list[Observation]] = []
    while step := waiting.take_due(now, timedelta(seconds=60)):
        steps.append(step)
        assert len(held.read()) == 1_200
    assert [len(step) for step in steps] == [500, 500, 200]
    targets = [each.target for step in steps for each in step]
    assert held.read() == []
    assert sorted(targets, reverse=True) == [each.target for step in steps[::-1] for each in step]


@pytest.mark.parametrize(("targets", "seconds"), [(1, 1), (100, 6), (500, 30), (10_000, 60)])
def test_the_more_targets_the_longer_they_wait(targets: int, seconds: float) -> None:
    """At a thousand and more a minute."""
    assert longest_hold(targets) == timedelta(seconds=seconds)


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_a_torn_block_is_left_out(held: HeldFile, tmp_path: Path, cut: int) -> None:
    """Those before it are read; a file of something else holds nothing."""
    path, good = tmp_path / "held", answers(0, A, B)
    held.append([held_row(each) for each in good])
    whole = path.stat().st_size
    held.append([held_row(each) for each in answers(30, C)])
    path.write_bytes(path.read_bytes()[: whole + cut])
    assert held.read() == good
    path.write_bytes(b"something else entirely")
    assert held.read() == []
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_fifo_in_its_place_holds_nothing(held: HeldFile, tmp_path: Path) -> None:
    """A start would wait for its other side for ever."""
    os.mkfifo(tmp_path / "held")
    assert held.read() == []
    assert not held.append([held_row(each) for each in answers(0, A)])


def test_what_waits_in_many_blocks_is_read_whole(held: HeldFile) -> None:
    """All are written anew in blocks, each of which names its columns."""
    good = answers(0, *(f"{A}{number}" for number in range(1_200)))
    held.append([held_row(each) for each in answers(0, B)])
    held.replace([held_row(each) for each in good])
    assert held.read() == good
    held.append([])
    assert held.read() == good
