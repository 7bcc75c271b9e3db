"""The outage drill as people run it: the command, its processes, its output and its exit status."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_COMMAND = [sys.executable, "-m", "controller.cli.main", "demo"]
_WITHOUT_LLMOCK = """
import sys
sys.modules["llmock"] = None
from controller.demo import main
sys.exit(main.main(once=True, as_json=True, port=None))
"""


def _demo(*options: str) -> list[str]:
    """The command, with its page on a port of its own: other demos may run at the same time."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return [*_COMMAND, "--port", str(free.getsockname()[1]), *options]


def _start(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """The command, with all temporary files in the folder."""
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def _left_behind(folder: Path) -> list[str]:
    """Files in the folder, and processes that were started with something of it."""
    return [*(str(path) for path in folder.rglob("*")), *_processes(folder).values()]


def _processes(folder: Path) -> dict[int, str]:
    """The command lines that name the folder, by process id."""
    commands = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            commands[int(process.name)] = command
    return {pid: command for pid, command in commands.items() if str(folder) in command}


def _wait_until_it_runs(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    while not re.search("the page: http://127.0.0.1:[0-9]+$", line := demo.stdout.readline()):
        assert line, demo.communicate()


@pytest.mark.timeout(220)
def test_the_drill_passes_and_prints_its_summary_alone(tmp_path: Path) -> None:
    """The route leaves the failing provider within 20 probe intervals, comes back, and Slack was told all of it."""
    demo = _start(_demo("--once", "--json"), tmp_path)
    output, narration = demo.communicate(timeout=180)
    assert demo.returncode == 0, narration
    summary = json.loads(output)
    share = summary["failed_share"]
    assert summary["time_to_flip_s"] <= 20 * summary["probe_interval_s"]
    assert summary["time_to_return_s"] > 0
    assert summary["slack_delivered"] >= 2
    assert summary["slack_undelivered"] == 0
    assert share["quiet"] == share["after"] == 0.0
    assert share["outage"] < share["outage_without_failover"]
    assert 0.3 < share["outage_without_failover"] < 0.7
    assert "openai begins to answer 50% of all requests with HTTP 500" in narration
    assert "\x1b" not in narration
    assert _left_behind(tmp_path) == []


@pytest.mark.timeout(220)
def test_a_scene_in_which_everything_fails_passes_too(tmp_path: Path) -> None:
    """The page says that nobody is served, then who came back; the scene ends by itself."""
    demo = _start(_demo("--once", "--json", "--scene", "all-down"), tmp_path)
    output, narration = demo.communicate(timeout=200)
    assert demo.returncode == 0, narration
    assert json.loads(output)["scene"] == "all-down"
    told = [line for line in narration.splitlines() if re.search(r"s  (outage|page|route) ", line)]
    assert any("all providers begin to answer" in line for line in told)
    assert any(" page " in line and "Act now" in line for line in told)
    assert any(re.search("route .*anthropic/claude-haiku-5-5", line) for line in told)
    assert _left_behind(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and `kill` end the service, the page and the servers, and the temporary folder is gone."""
    demo = _start(_demo(), tmp_path)
    _wait_until_it_runs(demo)
    demo.send_signal(number)
    _, errors = demo.communicate(timeout=30)
    assert (demo.returncode, errors) == (130, "")
    assert _left_behind(tmp_path) == []


def test_a_killed_demo_leaves_no_process_behind(tmp_path: Path) -> None:
    """After SIGKILL the guard ends the service and the page."""
    demo = _start(_demo(), tmp_path)
    _wait_until_it_runs(demo)
    assert len(_processes(tmp_path)) == 2, "the service and the page"
    demo.kill()
    demo.communicate(timeout=30)
    for _ in range(200):
        if not _processes(tmp_path):
            return
        time.sleep(0.1)
    pytest.fail(f"still there: {_processes(tmp_path)}")


def test_a_service_that_dies_ends_the_demo(tmp_path: Path) -> None:
    """The demo names what has died, exits with 1 and leaves nothing behind."""
    demo = _start(_demo("--once"), tmp_path)
    _wait_until_it_runs(demo)
    (service,) = (pid for pid, command in _processes(tmp_path).items() if " run " in command)
    os.kill(service, signal.SIGKILL)
    _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 1
    assert errors.startswith("hotspare run ended with exit status -9; its last words:\n")
    assert _left_behind(tmp_path) == []


def test_without_the_simulated_providers_the_demo_says_what_to_install(tmp_path: Path) -> None:
    """The simulated providers are an optional extra; one sentence, exit status 2, nothing on standard output."""
    demo = _start([sys.executable, "-c", _WITHOUT_LLMOCK], tmp_path)
    assert demo.communicate(timeout=30) == ("", "the demo needs llmock: pip install '.[demo]' ./client\n")
    assert demo.returncode == 2
    assert _left_behind(tmp_path) == []


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    """Nothing is started when the page could not be served where it was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = _start([*_COMMAND, "--port", str(port)], tmp_path)
        output, errors = demo.communicate(timeout=30)
    assert (demo.returncode, output) == (2, "")
    assert errors == f"--port {port}: something else listens there already; choose another\n"
