"""The JavaScript client: its own tests in both Nodes, its types, and the same findings as the Python client's."""

import contextlib
import copy
import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hotspare_client.failure import read_failure
from hotspare_client.pieces import read_piece
from hotspare_client.table import TableError, parse

from docs.tools import client_words
from monitor.clock import utc_now
from monitor.config.traffic_settings import TrafficSettings
from monitor.traffic.intake import THIS_MACHINE, Intake
from monitor.traffic.receiver import TrafficReceiver
from probes.outcome import Outcome
from tests.client.test_failure import ERRORS, as_exception
from tests.client.test_stream_watch import CUT_ALL_THE_SAME, STREAMS, name_of, pieces_of, read_whole
from tests.probes.test_outcome import Recorded
from tests.support.paths import ROOT
from tests.support.routes import FIRST, SECOND, write_route
from tests.support.shared_cases import GOLDEN

CLIENT = ROOT / "client-js"
MODULES = CLIENT / "node_modules"
#: The Vercel AI SDK and the SDK of OpenAI need Node 22.
NEED_22 = {"ai.test", "readme.test", "sdks.test"}
OWN_TESTS = [
    (version, path)
    for version in (18, 22)
    for path in sorted((CLIENT / "tests").glob("*.test.js"))
    if version >= 22 or path.stem not in NEED_22
]
#: Put in the place of a value of the routing file.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2.5, -0.5, 10**20, "", "x", "openai/gpt-6-luna", "é\u2028\ud83d\ude00"),
    *("2026-11-21T18:00:00Z", "2026-11-31T18:00:00Z", [], ["x"], [[]], {}, {"x": 1}, {"openai/gpt-6-luna": 3}),
)

#: Keys that make a piece of a stream what it is.
PIECE_KEYS = (
    *("type", "error", "object", "choices", "candidates", "promptFeedback", "usage", "usageMetadata", "finish_reason"),
    *("delta", "index", "x_groq", "messageStop", "metadata", "contentBlockDelta", "throttlingException", "response"),
)


def run(*command: object, given: str = "", **env: str) -> str:
    """What a command of the JavaScript client prints; its output is the reason where it fails."""
    if not (MODULES / ".ready").exists():
        pytest.skip("no Node in client-js/node_modules: run `make node`")
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=CLIENT,
        input=given,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    return ended.stdout


def node(version: int) -> Path:
    """The Node of that version."""
    return MODULES / f"node-{version}" / "bin" / "node"


@pytest.mark.slow
@pytest.mark.parametrize(("version", "path"), OWN_TESTS, ids=lambda value: getattr(value, "stem", str(value)))
def test_its_own_tests_pass(version: int, path: Path) -> None:
    """The shared cases among them."""
    printed = run(node(version), "--test", path)
    assert "# fail 0" in printed or "ℹ fail 0" in printed


@pytest.mark.slow
def test_its_types_hold() -> None:
    """In the code and in an application that uses them."""
    run(MODULES / ".bin" / "tsc", "-p", ".")


def test_the_words_of_errors_are_those_of_python() -> None:
    """`make reference` writes them."""
    assert client_words.FILE.read_text() == client_words.javascript()


@pytest.mark.slow
def test_recorded_errors_are_read_alike() -> None:
    """Whatever a provider says, both clients find the same outcome and the same wait."""
    errors = [as_exception(each) for each in ERRORS]
    given = [{"status": each.status_code, "body": each.body, "headers": each.response.headers} for each in errors]
    for error, found in zip(errors, compared(errors=given)["failures"], strict=True):
        read = read_failure(error)
        expected = (read.outcome, read.status, read.too_long, read.begun, read.retry_after_s)
        assert tuple(found[name] for name in ("outcome", "status", "tooLong", "begun", "retryAfterS")) == expected, (
            error
        )


@pytest.mark.slow
def test_changed_files_are_read_alike() -> None:
    """With any value at any place, and keys gone, both clients take a file or refuse it for the same reason."""
    draw = random.Random(17)
    golden = json.loads(GOLDEN.read_text())
    files = [change(draw, golden, ("preset", "context", "signing", "move", "report_to")) for _ in range(1500)]
    problems = [problem_of(file) for file in files]
    assert 100 < problems.count(None) < 1200
    for file, expected, found in zip(files, problems, compared(files=files)["problems"], strict=True):
        assert (found is None) == (expected is None), file
        if expected and "found" in expected and "format" not in expected:
            assert plain(found) == plain(expected), file


@pytest.mark.slow
def test_recorded_streams_are_read_alike() -> None:
    """In every dialect: as an SDK gives them, and of all but Bedrock's frames as `fetch` does."""
    texts = [each for each in STREAMS if not each.binary]
    found = compared(
        streams=[before_garbage(each) for each in STREAMS],
        bodies=[each.body.decode("utf-8", "replace") for each in texts],
    )
    for each, stream in zip(STREAMS, found["streams"], strict=True):
        assert stream == ending_of(iter(before_garbage(each))), name_of(each)
    for each, stream in zip(texts, found["bodies"], strict=True):
        # `[DONE]` alone is an end for who reads the wire.
        is_done = name_of(each) in CUT_ALL_THE_SAME
        assert isinstance(stream, int) if is_done else stream == ending_of(pieces_of(each)), name_of(each)


@pytest.mark.slow
def test_changed_pieces_are_read_alike() -> None:
    """With any value at any place, and keys gone."""
    draw = random.Random(17)
    recorded = [piece for each in STREAMS for piece in before_garbage(each) if isinstance(piece, dict)]
    pieces = [json.loads(change(draw, draw.choice(recorded), PIECE_KEYS)) for _ in range(5000)]
    for piece, found in zip(pieces, compared(pieces=pieces)["pieces"], strict=True):
        expected = read_piece(piece)
        for name in ("parts", "ended"):
            found[name] = frozenset(found[name])
        assert found == {**expected._asdict(), "error": expected.error is not None}, piece


@pytest.mark.slow
def test_an_application_reports_to_the_service(tmp_path: Path) -> None:
    """Signed, by the address of the routing file: its attempts by themselves, and what it says of its own."""
    ports = [free_port(kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_STREAM)]
    listen = f"udp://127.0.0.1:{ports[0]}"
    receiver = TrafficReceiver(
        TrafficSettings(listen=listen), Intake({FIRST: FIRST, SECOND: SECOND}, key=b"a key"), utc_now
    )
    path = tmp_path / "routing.json"
    targets = {
        name: {"base_url": f"http://127.0.0.1:{port}"} for name, port in zip((FIRST, SECOND), ports[1:], strict=True)
    }
    write_route(path, targets=targets)
    path.write_text(json.dumps({**json.loads(path.read_text()), "report_to": listen}))
    receiver.start()
    try:
        time.sleep(0.3)
        run(node(22), "tests/application.js", path, ports[2], HOTSPARE_TRAFFIC_KEY="a key")
        deadline, counts = time.monotonic() + 10, receiver.take()
        while not counts and time.monotonic() < deadline:
            time.sleep(0.05)
            counts = receiver.take()
    finally:
        receiver.stop()
    assert {(each.target, each.host, each.route, each.tag): dict(each.outcomes) for each in counts} == {
        (FIRST, THIS_MACHINE, "chat", ""): {Outcome.UNREACHABLE: 2},
        (SECOND, THIS_MACHINE, "chat", ""): {Outcome.OK: 3},
        (SECOND, THIS_MACHINE, "", "search"): {Outcome.OK: 1},
    }
    assert sum(each.input_tokens + each.output_tokens for each in counts) == 1110
    assert receiver.take_news() == []


def free_port(kind: socket.SocketKind) -> int:
    """One that nobody uses."""
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def problem_of(file: str) -> str | None:
    """Why Python refuses a file; None where it does not."""
    try:
        parse(file.encode())
    except TableError as error:
        return str(error)
    return None


def plain(problem: str) -> str:
    """Without the value that was found, which each language writes in its own way."""
    return problem.rpartition("found ")[0]


def compared(**given: object) -> Any:
    """What `tests/compare.js` makes of it."""
    return json.loads(run(node(22), "tests/compare.js", given=json.dumps(given)))


def before_garbage(recorded: Recorded) -> list[Any]:
    """The pieces of a stream up to one that is not JSON."""
    pieces: list[Any] = []
    with contextlib.suppress(ValueError):
        pieces.extend(pieces_of(recorded))
    return pieces


def ending_of(pieces: Iterator[Any]) -> int | str:
    """How many pieces a stream gives, or the outcome with which it fails."""
    try:
        return len(read_whole(pieces))
    except Exception as error:  # noqa: BLE001 - whatever it is
        return read_failure(error, in_stream=True).outcome


def change(draw: random.Random, document: dict[str, Any], more: Sequence[str]) -> str:
    """The document with one to three of its values changed or gone, or with more of them."""
    changed = copy.deepcopy(document)
    for _ in range(draw.randint(1, 3)):
        below: Any = changed
        while True:
            key = draw.choice([*below, *more]) if isinstance(below, dict) else draw.randrange(len(below))
            inner = below.get(key) if isinstance(below, dict) else below[key]
            if isinstance(inner, dict | list) and inner and draw.random() < 0.9:
                below = inner
                continue
            if isinstance(below, dict) and draw.random() < 0.1:
                below.pop(key, None)
            else:
                below[key] = copy.deepcopy(draw.choice(VALUES))
            break
    return json.dumps(changed)
