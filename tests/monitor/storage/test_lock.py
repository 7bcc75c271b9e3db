"""One holder at a time, by whatever name; the dead hold nothing."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.storage.lock import HeldError, InstanceLock, LockError, instance_lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file to be locked, in a folder that does not exist yet."""
    return tmp_path / "var" / "hotspare.db"


def card(path: Path) -> Path:
    """Where it is written who holds the lock."""
    return path.with_name(f"{path.name}.lock")


@contextmanager
def locked(path: Path) -> Iterator[InstanceLock]:
    """The lock of a file, held."""
    with instance_lock(path, card=card(path)) as lock:
        yield lock


def _child(code: str, path: Path) -> subprocess.Popen[str]:
    """A process that runs this with `lock` at hand, and then prints a line and waits for its standard input to end."""
    setup = "import subprocess, sys; from pathlib import Path; from monitor.storage.lock import InstanceLock\n"
    program = f"{setup}path = Path(sys.argv[1]); lock = InstanceLock(path, card=Path(sys.argv[1] + '.lock'))\n{code}\n"
    command = [sys.executable, "-c", f"{program}print('ready', flush=True); sys.stdin.read()", str(path)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def _is_refused(path: Path) -> str:
    with pytest.raises(HeldError, match="another hotspare") as caught, locked(path):
        pass
    return str(caught.value)


def test_the_second_is_told_who_was_first(path: Path) -> None:
    """The message names process, host, time and file; the card holds the same as JSON."""
    with locked(path):
        holder = json.loads(card(path).read_text())
        message = _is_refused(path)
    assert holder["pid"] == os.getpid()
    assert datetime.now(UTC) - datetime.fromisoformat(holder["started_at"]) < timedelta(hours=1)
    who = f"another hotspare (pid {os.getpid()} on {holder['host']}, since {holder['started_at']})"
    assert message == f"{who} holds {path}: stop it first"


def test_what_it_makes_is_for_its_owner_alone(path: Path) -> None:
    """It will hold what providers wrote; one that is there keeps its mode."""
    with locked(path):
        assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with locked(path):
        assert path.stat().st_mode & 0o777 == 0o640


def test_a_released_lock_is_free(path: Path) -> None:
    """After the block, anyone can take it, and an attempt that failed leaves it to its holder."""
    with locked(path):
        pass
    with locked(path):
        for _ in range(2):
            _is_refused(path)
    with locked(path):
        pass


def test_another_process_holds_it_until_it_is_killed(path: Path) -> None:
    """The kernel frees the lock of a killed process; the card it leaves behind is no obstacle."""
    child = _child("lock.acquire()", path)
    assert f"another hotspare (pid {child.pid} on " in _is_refused(path)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert json.loads(card(path).read_text())["pid"] == child.pid
    with locked(path):
        assert json.loads(card(path).read_text())["pid"] == os.getpid()


def test_a_program_started_by_the_holder_does_not_hold_it(path: Path) -> None:
    """A subprocess that outlives the holder leaves the lock free."""
    code = "lock.acquire(); subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], close_fds=False)"
    child = _child(code, path)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with locked(path):
        pass
    child.communicate()


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 1024, '{"pid": 3}', "\0\ufffd" * 4000, None])
def test_a_holder_that_does_not_introduce_itself_is_still_a_holder(path: Path, content: str | None) -> None:
    """Whatever stands on the card, the lock counts, also without any: `rm *.lock` lets nobody in."""
    with locked(path):
        card(path).unlink()
        if content is not None:
            card(path).write_text(content)
        assert re.fullmatch(f"another hotspare holds {re.escape(str(path))}: stop it first", _is_refused(path))


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_two_names_of_one_file_are_one_lock(path: Path, link: str) -> None:
    """A link does not let a second one in."""
    path.parent.mkdir()
    path.touch()
    other = path.with_name("link.db")
    other.symlink_to(path) if link == "symbolic" else other.hardlink_to(path)
    with locked(path):
        _is_refused(other)


def test_a_folder_can_be_locked(tmp_path: Path) -> None:
    """It is made where there is none, and who holds it is known."""
    folder = tmp_path / "var"
    with instance_lock(folder, card=folder / "card", folder=True) as lock:
        with pytest.raises(HeldError, match=f"pid {os.getpid()} on "):
            InstanceLock(folder, card=folder / "card", folder=True).acquire()
        folder.rename(tmp_path / "moved")
        assert not lock.is_current()
        folder.symlink_to(tmp_path / "moved")
        assert lock.is_current(), "it is the same folder by another name"


def test_a_new_thing_under_the_old_name_is_not_locked(path: Path) -> None:
    """The holder can see that the path leads elsewhere, and take the new thing."""
    lock = InstanceLock(path, card=card(path))
    assert not lock.is_current()
    lock.acquire()
    path.rename(path.with_name("old.db"))
    assert not lock.is_current()
    path.touch()
    assert not lock.is_current()
    lock.release()
    lock.acquire()
    assert lock.is_current()
    lock.release()


def test_a_card_that_cannot_be_written_is_no_obstacle(path: Path) -> None:
    """The lock does not depend on it."""
    card(path).mkdir(parents=True)
    with locked(path):
        _is_refused(path)


@pytest.mark.parametrize("obstacle", ["var", "var/hotspare.db"])
def test_what_cannot_be_locked_is_named(path: Path, obstacle: str) -> None:
    """A file where the folder should be, or a folder where the file should be: the message says what is wrong."""
    blocked = path.parent.parent / obstacle
    if obstacle == "var":
        blocked.write_text("")
    else:
        blocked.mkdir(parents=True)
    with pytest.raises(LockError, match=rf"^{path} cannot be opened: .*; may this user write there\?$"), locked(path):
        pass
