"""`hotspare up` as people run it: service and page together; one signal ends both, and each failure has its status."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.slow

CONFIGURATION = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
providers:
  openai: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: key-of-nobody, models: {{m: {{}}}}}}
routes: {{chat: {{candidates: [openai/m]}}}}
connectivity: {{endpoints: []}}
"""
PATIENCE_S = 60


def start(folder: Path, port: int) -> subprocess.Popen[str]:
    """The command, with its output in a file: children that were left behind would hold a pipe open."""
    config = folder / "hotspare.yaml"
    config.write_text(CONFIGURATION.format(folder=folder), encoding="utf-8")
    with (folder / "log").open("w") as log:
        words = [sys.executable, "-m", "controller.cli.main", "up", "-c", str(config), "--port", str(port)]
        return subprocess.Popen(words, stdout=log, stderr=log, text=True)


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; fails after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Whether the page answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
            return int(reply.status) == 200
    except OSError:
        return False


def pages(config: Path) -> list[int]:
    """The processes that serve a page of this configuration."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "ui.server" in words and str(config) in words:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_both(number: signal.Signals, tmp_path: Path) -> None:
    """The page is served beside the service, and again when it was killed; after the signal nothing is left."""
    port = free_port()
    process, config = start(tmp_path, port), tmp_path / "hotspare.yaml"
    try:
        wait_until(lambda: answers(port) and (tmp_path / "routing.json").exists())
        [page] = pages(config)
        if number is signal.SIGTERM:
            os.kill(page, signal.SIGKILL)
            wait_until(lambda: page not in pages(config) and answers(port))
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
        assert pages(config) == []
    finally:
        process.kill()
        process.wait()
    assert '"event": "service_stopped", "text": "in good order"' in (tmp_path / "log").read_text()


def test_a_port_that_is_taken_ends_both_with_2(tmp_path: Path) -> None:
    """The page says what to do, and no service runs on unseen."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = start(tmp_path, other.getsockname()[1])
        try:
            assert process.wait(PATIENCE_S) == 2
        finally:
            process.kill()
            process.wait()
    log = (tmp_path / "log").read_text()
    assert "choose another with --port" in log
    assert '"event": "service_stopped", "text": "in good order"' in log


def test_a_second_one_is_refused_and_leaves_no_page(tmp_path: Path) -> None:
    """The lock is the service's; its message names who holds it."""
    port = free_port()
    first = start(tmp_path, port)
    second = None
    try:
        wait_until(lambda: (tmp_path / "routing.json").exists() and answers(port))
        [page] = pages(tmp_path / "hotspare.yaml")
        second = start(tmp_path, free_port())
        assert second.wait(PATIENCE_S) == 2
        assert f"another hotspare (pid {first.pid}" in (tmp_path / "log").read_text()
        assert pages(tmp_path / "hotspare.yaml") == [page]
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait()
