"""One holder at a time; the dead hold nothing."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.storage.lock import LockError, instance_lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file to be locked, in a folder that does not exist yet."""
    return tmp_path / "var" / "hotspare.db"


def _child(code: str, path: Path) -> subprocess.Popen[str]:
    """A process that runs this with `lock` at hand, and then prints a line and waits for its standard input to end."""
    setup = "import subprocess, sys; from pathlib import Path; from monitor.storage.lock import instance_lock\n"
    program = f"{setup}lock = instance_lock(Path(sys.argv[1]))\n{code}\nprint('ready', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(path)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def _end(child: subprocess.Popen[str]) -> None:
    child.communicate()


def test_the_second_is_told_who_was_first(path: Path) -> None:
    """The message names process, host, time and file; the file holds the same as JSON."""
    with instance_lock(path) as lock_file:
        holder = json.loads(lock_file.read_text())
        with pytest.raises(LockError, match="another hotspare") as caught, instance_lock(path):
            pass
    assert holder["pid"] == os.getpid()
    assert datetime.now(UTC) - datetime.fromisoformat(holder["started_at"]) < timedelta(hours=1)
    assert str(caught.value) == (
        f"another hotspare (pid {os.getpid()} on {holder['host']}, since {holder['started_at']})"
        f" holds {path}.lock: stop it first"
    )


def test_a_released_lock_is_free(path: Path) -> None:
    """After the block, anyone can take it, and an attempt that failed leaves it to its holder."""
    with instance_lock(path):
        pass
    with instance_lock(path):
        for _ in range(2):
            with pytest.raises(LockError, match="another hotspare"), instance_lock(path):
                pass
    with instance_lock(path):
        pass


def test_another_process_holds_it_until_it_is_killed(path: Path) -> None:
    """The kernel frees the lock of a killed process; the file it leaves behind is no obstacle."""
    child = _child("lock.__enter__()", path)
    with pytest.raises(LockError, match=rf"another hotspare \(pid {child.pid} on "), instance_lock(path):
        pass
    child.send_signal(signal.SIGKILL)
    _end(child)
    assert json.loads(Path(f"{path}.lock").read_text())["pid"] == child.pid
    with instance_lock(path) as lock_file:
        assert json.loads(lock_file.read_text())["pid"] == os.getpid()


def test_a_program_started_by_the_holder_does_not_hold_it(path: Path) -> None:
    """A subprocess that outlives the holder leaves the lock free."""
    child = _child(
        "lock.__enter__(); subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], close_fds=False)",
        path,
    )
    child.send_signal(signal.SIGKILL)
    child.wait()
    with instance_lock(path):
        pass
    _end(child)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 3}', "\0\ufffd" * 4000])
def test_a_holder_that_does_not_introduce_itself_is_still_a_holder(path: Path, content: str) -> None:
    """Whatever stands in the file, the lock counts; the message leaves out what is not known."""
    with instance_lock(path) as lock_file:
        lock_file.write_text(content)
        expected = f"^another hotspare holds {re.escape(str(lock_file))}: stop it first$"
        with pytest.raises(LockError, match=expected), instance_lock(path):
            pass


def test_two_names_of_one_file_are_one_lock(path: Path) -> None:
    """A symbolic link does not let a second one in."""
    path.parent.mkdir()
    path.touch()
    link = path.with_name("link.db")
    link.symlink_to(path)
    with instance_lock(path), pytest.raises(LockError, match="another hotspare"), instance_lock(link):
        pass


@pytest.mark.parametrize("obstacle", ["var", "var/hotspare.db.lock"])
def test_a_lock_file_that_cannot_be_made_is_named(path: Path, obstacle: str) -> None:
    """A file where the folder should be, or a folder where the file should be: the message says what is wrong."""
    blocked = path.parent.parent / obstacle
    if obstacle == "var":
        blocked.write_text("")
    else:
        blocked.mkdir(parents=True)
    with (
        pytest.raises(LockError, match=rf"^{path}\.lock cannot be opened: .*; may this user write there\?$"),
        instance_lock(path),
    ):
        pass
