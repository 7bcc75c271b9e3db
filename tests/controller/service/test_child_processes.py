"""Processes beside this one: none of them outlives it, and one that ends too early is noticed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.service.child_processes import ChildEndedError, Processes

_WITH_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
_HOLDER = """
import os, sys, time
from pathlib import Path
from controller.service.child_processes import Processes
with Processes(Path(sys.argv[1])) as processes:
    processes.start("parent", [sys.executable, "-c", sys.argv[2]], environment=os.environ)
    time.sleep(60)
"""


def _wait_for(log: Path) -> int:
    """The process id that the parent has printed for its child."""
    for _ in range(1000):
        if log.exists() and (text := log.read_text()).endswith("\n"):
            return int(text)
        time.sleep(0.01)
    pytest.fail("the process did not start")


def _is_gone(pid: int) -> bool:
    """Whether the process ends within a few seconds; one that waits for its parent to take note has ended."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc")


@pytest.fixture
def orphans() -> Iterator[list[int]]:
    """Process ids that must not survive the test, whatever it finds."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.mark.slow
def test_what_a_process_has_started_ends_with_it(tmp_path: Path, orphans: list[int]) -> None:
    """Leaving the context ends the process and its child."""
    with Processes(tmp_path) as processes:
        processes.start("parent", [sys.executable, "-c", _WITH_A_CHILD], environment=os.environ)
        child = _wait_for(tmp_path / "parent.log")
        orphans.append(child)
        processes.check()
    assert _is_gone(child)


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path, orphans: list[int]) -> None:
    """SIGKILL leaves no time to tidy up; the guard does it."""
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path), _WITH_A_CHILD])
    child = _wait_for(tmp_path / "parent.log")
    orphans.append(child)
    holder.kill()
    holder.wait()
    assert _is_gone(child)


def test_a_process_that_ends_on_its_own_is_named_with_its_last_words(tmp_path: Path) -> None:
    """The message has the name, the exit status and the end of what was printed."""
    command = [sys.executable, "-c", "print('no config'); raise SystemExit(2)"]
    with Processes(tmp_path) as processes:
        processes.start("hotspare run", command, environment=os.environ)
        with pytest.raises(ChildEndedError) as caught:
            _check_for_long(processes)
    assert str(caught.value) == "hotspare run ended with exit status 2; its last words:\n  no config"


def _check_for_long(processes: Processes) -> None:
    for _ in range(1000):
        processes.check()
        time.sleep(0.01)
