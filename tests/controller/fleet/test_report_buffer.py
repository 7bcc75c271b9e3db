"""Reports wait on disk in order, within bounds, over restarts, whatever happens to the files."""

import os
from pathlib import Path

import pytest

from controller.fleet.report_buffer import ReportBuffer


@pytest.fixture
def routing_file(tmp_path: Path) -> Path:
    """Beside which the reports wait."""
    return tmp_path / "var" / "routing.json"


def all_of(buffer: ReportBuffer) -> list[str]:
    """Everything that waits, taken out."""
    taken: list[str] = []
    while reports := buffer.oldest():
        taken += reports
        buffer.forget()
    return taken


def test_reports_wait_in_order(routing_file: Path) -> None:
    """Also those that come while others are read."""
    buffer = ReportBuffer(routing_file)
    assert buffer.oldest() == []
    buffer.append("one")
    assert buffer.oldest() == ["one"]
    buffer.append("two")
    buffer.forget()
    assert not buffer.is_empty
    assert all_of(buffer) == ["two"]
    assert list(routing_file.parent.iterdir()) == []


def test_what_was_not_forgotten_is_read_again(routing_file: Path) -> None:
    """By the next process: it cannot know what the database took."""
    buffer = ReportBuffer(routing_file)
    for name in ("one", "two"):
        buffer.append(name)
    assert buffer.oldest() == buffer.oldest() == ["one", "two"]
    assert all_of(ReportBuffer(routing_file)) == ["one", "two"]


def test_a_long_wait_is_read_in_parts(routing_file: Path) -> None:
    """A process that was away for an hour must not hold all of it in memory."""
    buffer, reports = ReportBuffer(routing_file), [f"{number:07}" * 1000 for number in range(400)]
    for report in reports:
        buffer.append(report)
    assert 1 < len(buffer.oldest()) < 400
    assert all_of(buffer) == reports


def test_the_oldest_gives_way(routing_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The files never take more than they may, and that something is lost is said."""
    buffer = ReportBuffer(routing_file, most_bytes=1000)
    for number in range(100):
        buffer.append(f"{number:03}" + "x" * 87)
        assert sum(path.stat().st_size for path in routing_file.parent.iterdir()) <= 1000
    left = [int(report[:3]) for report in all_of(buffer)]
    assert left == list(range(100 - len(left), 100))
    assert len(left) >= 4
    assert "reports_dropped" in caplog.text


def test_it_gives_way_while_it_is_read(routing_file: Path) -> None:
    """What was read counts for the file that it was read from, and for no other."""
    buffer = ReportBuffer(routing_file, most_bytes=400)
    for report in ("a" * 80, "b" * 80, "c" * 80):
        buffer.append(report)
    assert buffer.oldest() == ["a" * 80, "b" * 80]
    for report in ("d" * 80, "e" * 80):
        buffer.append(report)
    buffer.forget()
    assert all_of(buffer) == [letter * 80 for letter in "cde"]


def test_damage_costs_only_what_is_damaged(routing_file: Path) -> None:
    """A torn end, as a power cut leaves it, and bytes that changed."""
    buffer = ReportBuffer(routing_file)
    for name in ("one", "two", "three"):
        buffer.append(name)
    path = routing_file.with_name("routing.json.unreported")
    path.write_bytes(path.read_bytes().replace(b"two", b"\xfftw") + b"0000 torn")
    buffer.append("four")
    path.write_bytes(path.read_bytes() + b"torn")
    assert all_of(buffer) == ["one", "three", "four"]
    assert all_of(buffer) == []
    assert buffer.is_empty


def test_what_is_no_file_of_ours_holds_nothing_up(routing_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A FIFO, and a link that leads elsewhere."""
    path = routing_file.with_name("routing.json.unreported")
    path.parent.mkdir()
    os.mkfifo(path)
    buffer = ReportBuffer(routing_file)
    buffer.append("one")
    assert buffer.oldest() == []
    assert caplog.text.count("report_not_kept") == 1
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert buffer.oldest() == []
    path.unlink()
    buffer.append("two")
    assert all_of(buffer) == ["two"]


def test_one_endless_line_is_given_up(routing_file: Path) -> None:
    """No line of ours is as long."""
    path = routing_file.with_name("routing.json.unreported")
    path.parent.mkdir()
    path.write_bytes(b"x" * (6 * 1024 * 1024))
    buffer = ReportBuffer(routing_file)
    assert all_of(buffer) == []
    assert buffer.is_empty
