"""What systemd is told, over a real socket."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.service.supervisor import Supervisor

CONFIGURATION = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
providers:
  openai: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: key-of-nobody, models: {{m: {{}}}}}}
routes: {{chat: {{candidates: [openai/m]}}}}
connectivity: {{endpoints: []}}
"""


@pytest.mark.slow
def test_a_service_says_ready_alive_and_stopping(tmp_path: Path) -> None:
    """Ready once the routing file is there, alive at half the watchdog's time, stopping at the signal."""
    config = tmp_path / "hotspare.yaml"
    config.write_text(CONFIGURATION.format(folder=tmp_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)]
        service = subprocess.Popen(command, env={**os.environ, **told}, stderr=subprocess.DEVNULL)
        try:
            assert systemd.recv(1000) == b"READY=1"
            assert (tmp_path / "routing.json").exists()
            assert [systemd.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            service.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 60
            while systemd.recv(1000) != b"STOPPING=1":
                assert time.monotonic() < deadline
            assert service.wait(60) == 0
        finally:
            service.kill()
            service.wait()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"NOTIFY_SOCKET": "/no/such/socket"},
        {"NOTIFY_SOCKET": "/" + "x" * 300, "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "@nobody-listens", "WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "x\0y", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_supervisor_nothing_happens(environ: dict[str, str]) -> None:
    """Nor with one that is gone, whose address is none, or who watches another process."""
    supervisor = Supervisor(environ)
    supervisor.tell("READY=1")
    assert supervisor.every_s is None


async def test_a_service_that_is_stuck_gives_no_sign_of_life(tmp_path: Path) -> None:
    """It says why instead."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        supervisor = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"})
        watching = supervisor.watch(lambda: "no control cycle has succeeded")
        watching.send(None)
        assert systemd.recv(1000) == b"STATUS=no control cycle has succeeded"
        watching.close()
