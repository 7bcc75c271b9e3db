"""The file of unjournalled decisions: torn, foreign, huge or from the future, it costs no decision that is ours."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.routing import unjournalled
from controller.routing.ballast import SIZE, Ballast
from controller.routing.decision import Decision, MoveKind
from controller.routing.unjournalled_file import UnjournalledFile
from monitor.config.settings import Settings
from tests.support.builders import T0, settings

A, C = "openai/a", "anthropic/c"
OURS, OTHERS = 7, 8


def decision(generation: int, target: str = C, *, at_s: float = 0, **changed: object) -> Decision:
    """A move of the route."""
    values = {
        "before": A,
        "move": MoveKind.FAILOVER,
        "reason": "☂ is down",
        "weights": ((A, 10.0), (C, 90.0)),
    } | changed
    at = T0 + timedelta(seconds=at_s)
    return Decision(route="chat", target=target, at=at, generation=generation, **values)  # type: ignore[arg-type]


@pytest.fixture
def wanted(tmp_path: Path) -> Settings:
    """One route with both targets."""
    return settings(tmp_path, A, C)


@pytest.fixture
def file(wanted: Settings) -> UnjournalledFile:
    """The file beside the routing file."""
    return UnjournalledFile(wanted.routing_file)


def path_of(wanted: Settings) -> Path:
    """Where it is."""
    return wanted.routing_file.with_name("routing.json.unjournalled")


def test_what_was_appended_is_read_back(wanted: Settings, file: UnjournalledFile) -> None:
    """In order, every field; and nothing once it was taken over."""
    assert file.read(wanted, lineage=OURS, now=T0).decisions == ()
    file.append([decision(3), decision(3, A)], OURS)
    file.append([decision(4)], OURS)
    assert file.read(wanted, lineage=OURS, now=T0).decisions == (decision(3), decision(3, A), decision(4))
    file.clear()
    file.clear()
    assert not file.is_left
    assert file.read(wanted, lineage=OURS, now=T0).decisions == ()


def test_what_cannot_be_removed_is_left(wanted: Settings, file: UnjournalledFile) -> None:
    """Until it can be, or until something is appended that the database has not got."""
    path_of(wanted).mkdir()
    file.clear()
    left = [file.is_left]
    path_of(wanted).rmdir()
    file.clear()
    left.append(file.is_left)
    path_of(wanted).mkdir()
    file.clear()
    left.append(file.is_left)
    path_of(wanted).rmdir()
    file.append([decision(3)], OURS)
    left.append(file.is_left)
    assert left == [True, False, True, False]


@given(cut=st.integers(0, 400), junk=st.binary(max_size=40))
def test_a_torn_or_damaged_line_costs_no_other(cut: int, junk: bytes) -> None:
    """Whatever a power cut left of the last line, those before it and those after it are read."""
    wanted = settings(Path(), A, C)
    first, torn, last = (unjournalled.encode(decision(n), OURS) for n in (1, 2, 3))
    content = first + torn[: min(cut, len(torn) - 2)] + junk.replace(b"\n", b"") + b"\n" + last
    read = unjournalled.decode(content, lineage=OURS, settings=wanted, now=T0)
    assert read.decisions == (decision(1), decision(3))


def test_lines_of_another_database_are_left_out(wanted: Settings) -> None:
    """And those of routes and targets that the configuration has not; a database without a number takes all."""
    lines = [(decision(1), OTHERS), (decision(2, "openai/gone"), OURS), (decision(3), OURS), (decision(4), 0)]
    content = b"".join(unjournalled.encode(*line) for line in lines)
    read = unjournalled.decode(content, lineage=OURS, settings=wanted, now=T0)
    assert ([each.generation for each in read.decisions], read.foreign) == ([3, 4], 2)
    read = unjournalled.decode(content, lineage=0, settings=wanted, now=T0)
    assert [each.generation for each in read.decisions] == [1, 3, 4]


def test_no_decision_is_of_the_future(wanted: Settings) -> None:
    """A clock that was set back must not make the next move wait for it."""
    content = unjournalled.encode(decision(1, at_s=86_400), OURS)
    assert unjournalled.decode(content, lineage=OURS, settings=wanted, now=T0).decisions == (decision(1),)


def kept_aside(wanted: Settings) -> Sequence[Path]:
    """What was set aside."""
    return list(wanted.routing_file.parent.glob("*.aside-*"))


@pytest.mark.parametrize("what", ["a gigabyte", "another database's", "a folder", "a pipe"])
def test_a_file_that_is_not_ours_is_set_aside(wanted: Settings, file: UnjournalledFile, what: str) -> None:
    """It is neither read as ours nor deleted, and nobody waits for it; the next decision finds a place."""
    path = path_of(wanted)
    if what == "a gigabyte":
        path.touch()
        os.truncate(path, 1_000_000_000)
    elif what == "another database's":
        file.append([decision(3)], OTHERS)
    elif what == "a folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert file.read(wanted, lineage=OURS, now=T0).decisions == ()
    assert len(kept_aside(wanted)) == 1
    file.append([decision(4)], OURS)
    assert file.read(wanted, lineage=OURS, now=T0).decisions == (decision(4),)


def test_it_stays_small(wanted: Settings, file: UnjournalledFile) -> None:
    """Of a route that moves for a month without a database the last decision remains."""
    for generation in range(1, 500):
        file.append([decision(generation, reason="x" * 1900)], OURS)
    assert path_of(wanted).stat().st_size < 2 * 256 * 1024
    assert file.read(wanted, lineage=OURS, now=T0).decisions[-1].generation == 499


def test_ballast_takes_up_room_and_is_given_up_in_slices(wanted: Settings) -> None:
    """Each full disk gets a slice; what was deleted or given up is laid again."""
    ballast, path = Ballast(wanted.routing_file), wanted.routing_file.with_name(".routing.json.ballast")
    assert not ballast.release(1), "there is none"
    ballast.lay()
    assert path.stat().st_size == SIZE
    assert path.stat().st_blocks * 512 >= SIZE
    slices = 0
    while ballast.release(10_000):
        slices += 1
    assert (slices, path.exists()) == (8, False)
    ballast.lay()
    assert path.stat().st_size == SIZE
    path.unlink()
    path.mkdir()
    ballast.lay()
    assert not ballast.release(1) or path.is_dir()
