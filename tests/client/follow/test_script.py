"""`hotspare-follow` as a process: what it writes, says and returns, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hotspare_client import Routing
from hotspare_client.follow import script

from tests.support.routing_node import RoutingNode, serving_table

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "hotspare_client.follow.script"]


@pytest.fixture
def node() -> Iterator[RoutingNode]:
    """A node with the golden table."""
    with serving_table() as node:
        yield node


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file goes."""
    return tmp_path / "var" / "routing.json"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the script does, until it ends."""
    variables = {**os.environ, **environment}
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, env=variables, timeout=60
    )


@contextmanager
def following(*arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that follows."""
    variables = {**os.environ, **environment}
    with subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, env=variables) as process:
        try:
            yield process
        finally:
            process.kill()


def until_there(path: Path, content: bytes) -> None:
    """Wait until the file says so."""
    ends_at = time.monotonic() + 30
    while not path.exists() or path.read_bytes() != content:
        assert time.monotonic() < ends_at, "the file does not come"
        time.sleep(0.01)


def test_once(node: RoutingNode, path: Path) -> None:
    """Fetch, write, end; the next node where the first has nothing; with a token that no argument holds."""
    node.answer = lambda head: node.serve(head) if "Bearer hsk_one\r\n" in head else b""
    token = path.parent.with_name("token")
    token.write_text("hsk_one\n")
    done = run("http://127.0.0.1:1", node.url, "--once", "--file", str(path), "--token-file", str(token))
    assert (done.returncode, json.loads(path.read_bytes())) == (0, node.table)
    assert "warning node_failed: http://127.0.0.1:1: it cannot be asked: Connection refused\n" in done.stderr
    path.unlink()
    done = run(node.url, "--once", HOTSPARE_ROUTING_FILE=str(path), HOTSPARE_TOKEN="hsk_one")
    assert (done.returncode, json.loads(path.read_bytes())) == (0, node.table)
    assert run(node.url, "--once", "--file", str(path)).returncode == 1


def test_sigterm_ends_it_at_once(node: RoutingNode, path: Path) -> None:
    """In the middle of a long poll; meanwhile the folder is its own, and systemd knows that it is ready."""
    node.longest_wait_s = 20.0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path.parent.with_name("notify")))
        systemd.settimeout(30)
        with following(
            node.url, "--file", str(path), "--json", NOTIFY_SOCKET=str(path.parent.with_name("notify"))
        ) as process:
            until_there(path, json.dumps(node.table).encode())
            assert "READY=1" in [systemd.recv(100).decode() for _ in range(2)]
            assert run(node.url, "--once", "--file", str(path)).returncode == 3
            node.table["generation"] = 43
            assert process.stderr
            lines = [json.loads(process.stderr.readline()) for _ in range(3)]
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    assert [line["event"] for line in lines] == ["follow_started", "table_changed", "table_changed"]
    assert lines[-1]["fields"] == {"node": node.url, "epoch": 0, "generation": 43}


def test_kills_leave_a_whole_file(node: RoutingNode, path: Path) -> None:
    """Whenever it is killed while tables come, and the next one goes on from what it left."""
    node.longest_wait_s = 20.0
    generation = 42
    for number in range(10):
        with following(node.url, "--file", str(path)):
            until_there(path, json.dumps(node.table).encode())
            ends_at = time.monotonic() + 0.03 * number
            while time.monotonic() < ends_at:
                generation += 1
                node.table = {**node.table, "generation": generation}
                time.sleep(0.001)
        assert 42 <= json.loads(path.read_bytes())["generation"] <= generation
        assert Routing(path).status.problem is None
    assert run(node.url, "--once", "--file", str(path)).returncode == 0
    assert json.loads(path.read_bytes()) == node.table
    assert [entry.name for entry in path.parent.iterdir()] == ["routing.json"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "the following arguments are required: NODE"),
        (["host"], "'host' is no address of a node: expected one such as https://"),
        (["http://host", "--token-file", "/nowhere"], "the token file /nowhere cannot be read: No such file"),
        (["http://host", "--token-file", "/dev/null"], "the token file /dev/null is empty"),
        (["https://host", "--ca-file", "/nowhere"], "--ca-file /nowhere cannot be used: No such file"),
        (["https://host", "--ca-file", "/dev/null"], "--ca-file /dev/null cannot be used: "),
        (["http://host", "--file", "/proc/none/routing.json"], "/proc/none/routing.json cannot be written"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With 2; a folder that cannot be made is no wrong argument, but 1."""
    try:
        code: object = script.main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    assert why in capsys.readouterr().err
    assert code == (1 if "--file" in arguments else 2)


def test_a_region_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anybody is asked."""
    with pytest.raises(SystemExit):
        script.main(["http://host", "--region", "e u"])
    assert "argument --region: 'e u' is no region: expected a word such as eu" in capsys.readouterr().err


def test_a_token_that_is_none_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What would not fit into a header; and it is not repeated."""
    monkeypatch.setenv("HOTSPARE_TOKEN", "hsk_one\r\nx: y")
    with pytest.raises(SystemExit):
        script.main(["http://host"])
    said = capsys.readouterr().err
    assert "HOTSPARE_TOKEN holds no token: expected one word" in said
    assert "hsk_one" not in said


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """And where the token comes from."""
    with pytest.raises(SystemExit) as ended:
        script.main(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(f"\n  {code}  " in said for code in range(4))
    assert "HOTSPARE_TOKEN" in said
