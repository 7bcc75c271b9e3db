"""The client's reports: fire and forget, by a thread of its own, over forks, and never in the application's way."""

import json
import multiprocessing
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing
from hotspare_client.reporter import Reporter

from tests.support.routes import FIRST, SECOND, write_route
from tests.support.shared_cases import GOLDEN, change_golden


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Somebody who listens."""
    path = str(tmp_path / "traffic.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(10)
        yield f"unix:{path}", listener


def test_what_ends_is_sent_within_a_second(listening: tuple[str, socket.socket]) -> None:
    """By the thread, without a call."""
    address, listener = listening
    reporter = Reporter(address, host="web-1")
    reporter.report("openai/gpt-6-luna", "ok", 0.8, tag="search")
    data = listener.recv(2000)
    assert b'"host":"web-1"' in data
    assert b'["openai/gpt-6-luna","","search",{"ok":1},' in data


def test_nobody_who_listens_is_no_matter(tmp_path: Path) -> None:
    """Nor an address that makes no sense."""
    for address in (f"unix:{tmp_path}/none.sock", "udp://127.0.0.1:9", "udp://nowhere", "tcp://x:1", "unix:", ""):
        reporter = Reporter(address)
        reporter.report("a/b", "ok", 1.0)
        reporter.flush()
        assert reporter.is_on is address.startswith(("unix:/", "udp://127"))


def test_a_child_reports_as_itself(listening: tuple[str, socket.socket]) -> None:
    """What the parent had not sent yet is sent by the parent alone."""
    address, listener = listening
    reporter = Reporter(address)
    reporter.report("a/b", "ok", 1.0)
    reporter.flush()
    parent = listener.recv(2000)
    child = multiprocessing.get_context("fork").Process(target=_report_and_go, args=(reporter,))
    child.start()
    child.join(10)
    assert listener.recv(2000) != parent
    assert child.exitcode == 0


def _report_and_go(reporter: Reporter) -> None:
    reporter.report("a/b", "server_error", 1.0)
    reporter.flush()
    os._exit(0)


def test_the_address_of_the_variable_is_used(
    listening: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its key."""
    address, listener = listening
    monkeypatch.setenv("HOTSPARE_TRAFFIC", address)
    monkeypatch.setenv("HOTSPARE_TRAFFIC_KEY", "a key")
    reporter = Reporter()
    reporter.use("unix:/elsewhere")
    reporter.report("a/b", "ok", 1.0)
    reporter.flush()
    head = listener.recv(2000).partition(b"\n")[0]
    assert len(head) == len(b"hotspare.traffic/1 ") + 32


def test_the_address_of_the_file_is_followed(tmp_path: Path) -> None:
    """Unless the application has said where, or that nowhere."""
    path = tmp_path / "routing.json"
    following, silent = (Routing(path, check_every_s=0, report_to=address) for address in (None, ""))
    for changes, is_on in (([(["report_to"], "udp://127.0.0.1:9")], True), ([], False)):
        path.write_text(change_golden(changes))
        assert following.status.problem is silent.status.problem is None
        assert (following.reporter.is_on, silent.reporter.is_on) == (is_on, False)
    assert "report_to" not in GOLDEN.read_text()


def test_attempts_report_their_tag_and_tokens(listening: tuple[str, socket.socket], tmp_path: Path) -> None:
    """The tokens of the answer, where the block has said them."""
    address, listener = listening
    write_route(tmp_path / "routing.json")
    routing = Routing(tmp_path / "routing.json", report_to=address)
    for attempt in routing.attempts("chat", tag="search"):
        with attempt:
            if attempt.number == 1:
                raise TimeoutError
            attempt.input_tokens, attempt.output_tokens = 900, 210
    routing.reporter.flush()
    rows = json.loads(listener.recv(2000).partition(b"\n")[2])["rows"]
    named = [[target, route, tag, outcomes, *tokens] for target, route, tag, outcomes, _, _, *tokens in rows]
    assert named == [
        [FIRST, "chat", "search", {"timeout": 1}, 0, 0],
        [SECOND, "chat", "search", {"ok": 1}, 900, 210],
    ]


def test_wrong_types_cost_no_other_report(listening: tuple[str, socket.socket], tmp_path: Path) -> None:
    """Nothing is raised, and what is good is sent."""
    address, listener = listening
    routing = Routing(tmp_path / "none.json", report_to=address)
    values: tuple[Any, ...] = (None, 7, float("nan"), b"x", object(), [], {}, "x" * 10_000_000)
    for value in values:
        routing.report(value, "ok", 1.0)
        routing.report("a/b", value, 1.0)
        routing.report("a/b", "ok", value, first_token_s=value, input_tokens=value, output_tokens=value)
        routing.report("a/b", "ok", 1.0, route=value, tag=value)
    routing.reporter.flush()
    assert b'"a/b"' in listener.recv(2000)


@pytest.mark.slow
def test_a_full_socket_does_not_block(listening: tuple[str, socket.socket]) -> None:
    """Nobody reads: reports are lost, and the caller goes on."""
    address, _ = listening
    reporter = Reporter(address)
    for number in range(2_000):
        reporter.report(f"a/{number}", "ok", 1.0)
        reporter.flush()
