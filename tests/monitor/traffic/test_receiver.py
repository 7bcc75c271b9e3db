"""The socket: what a client sends arrives, and whatever happens to the socket's path, it listens again."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hotspare_client.reporter import Reporter

from monitor.clock import utc_now
from monitor.config.traffic_settings import TrafficSettings
from monitor.traffic.intake import THIS_MACHINE, Intake
from monitor.traffic.receiver import TrafficReceiver
from monitor.traffic.request_counts import RequestCounts

A = "openai/gpt-6-luna"
pytestmark = pytest.mark.slow


@pytest.fixture
def receivers() -> Iterator[Callable[[str], TrafficReceiver]]:
    """Starts receivers, and stops them all."""
    started = []

    def start(listen: str) -> TrafficReceiver:
        receiver = TrafficReceiver(TrafficSettings(listen=listen), Intake({A: A}, key=None), utc_now)
        receiver.start()
        started.append(receiver)
        return receiver

    yield start
    for receiver in started:
        receiver.stop()


def arriving(receiver: TrafficReceiver, reporter: Reporter) -> list[RequestCounts]:
    """What arrives within ten seconds of reports again and again."""
    for _ in range(200):
        reporter.report(A, "ok", 0.5)
        reporter.flush()
        time.sleep(0.05)
        if counts := receiver.take():
            return counts
    pytest.fail("nothing arrives")


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, for ten seconds."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it never holds")


def test_what_a_client_reports_arrives(tmp_path: Path, receivers: Callable[[str], TrafficReceiver]) -> None:
    """By a socket's path, and everybody on this machine is one host."""
    receiver = receivers(f"unix:{tmp_path}/traffic.sock")
    reporter = Reporter(f"unix:{tmp_path}/traffic.sock", host="a name")
    assert arriving(receiver, reporter)[0].host == THIS_MACHINE
    receiver.stop()
    assert not (tmp_path / "traffic.sock").exists()


def test_it_arrives_by_udp(receivers: Callable[[str], TrafficReceiver]) -> None:
    """On the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    receiver = receivers(f"udp://127.0.0.1:{port}")
    assert arriving(receiver, Reporter(f"udp://127.0.0.1:{port}"))[0].target == A


def test_a_socket_that_is_deleted_or_replaced_is_made_anew(
    tmp_path: Path, receivers: Callable[[str], TrafficReceiver]
) -> None:
    """Within a second or so; the client notices nothing."""
    path = tmp_path / "traffic.sock"
    receiver, reporter = receivers(f"unix:{path}"), Reporter(f"unix:{path}")
    arriving(receiver, reporter)
    path.unlink()
    until(path.is_socket)
    arriving(receiver, reporter)
    path.unlink()
    path.write_text("a file of somebody")
    until(lambda: "something that is no socket is there" in " ".join(receiver.take_news()))
    assert path.read_text() == "a file of somebody"
    path.unlink()
    arriving(receiver, reporter)


def test_a_socket_of_a_process_that_is_gone_is_taken_over(
    tmp_path: Path, receivers: Callable[[str], TrafficReceiver]
) -> None:
    """Not one at which somebody listens."""
    path = tmp_path / "traffic.sock"
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(str(path))
    second = receivers(f"unix:{path}")
    until(lambda: "another process listens there" in " ".join(second.take_news()))
    left.close()
    arriving(second, Reporter(f"unix:{path}"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_permission_it_is_told_once(tmp_path: Path, receivers: Callable[[str], TrafficReceiver]) -> None:
    """The service goes on without."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    receiver = receivers(f"unix:{folder}/traffic.sock")
    time.sleep(2.5)
    assert len(receiver.take_news()) == 1


def test_a_flood_is_cut_off_and_told_once(tmp_path: Path, receivers: Callable[[str], TrafficReceiver]) -> None:
    """A thousand datagrams a second are read at most; good ones come through afterwards."""
    path = tmp_path / "traffic.sock"
    receiver, reporter = receivers(f"unix:{path}"), Reporter(f"unix:{path}")
    arriving(receiver, reporter)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood:
        flood.setblocking(False)
        until, came = time.monotonic() + 2.0, 0
        while time.monotonic() < until:
            try:
                flood.sendto(b"x" * 1400, str(path))
                came += 1
            except BlockingIOError:
                time.sleep(0.001)
    news = " ".join(receiver.take_news())
    assert "beyond a thousand a second" in news
    assert receiver._intake.refused["of another format"] <= 3_500
    arriving(receiver, reporter)
