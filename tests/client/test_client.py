"""The client: always an answer, always the last good table, never an exception, whatever happens to the file."""

import ast
import asyncio
import copy
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hotspare_client
import jsonschema
import pytest
from hotspare_client import Limits, MissingKeyError, Routing, Status, Target
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.routing.routing_file import RoutingFile
from tests.support.paths import DATA, ROOT

GOLDEN = DATA / "golden" / "routing.json"
SCHEMA = json.loads((ROOT / "controller" / "routing" / "routing.schema.json").read_text())
SOURCES = ROOT / "client" / "src" / "hotspare_client"

LUNA = "openai/gpt-6-luna"
HAIKU = "anthropic/claude-haiku-5-5"
WRITTEN_AT = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)

Table = dict[str, Any]


class Clock:
    """A clock that moves when told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


def golden(**changes: Any) -> Table:
    """The golden table, with some of its top keys changed."""
    return {**json.loads(GOLDEN.read_text()), **changes}


def pointing_at(target: str, **changes: Any) -> Table:
    """The golden table with its route at `target`."""
    table = golden(**changes)
    table["routes"]["chat"].update(target=target, weights={target: 100})
    return table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the routing file is, once somebody has written it."""
    return tmp_path / "routing.json"


@pytest.fixture
def monotonic() -> Clock:
    """A monotonic clock that has been running for a while."""
    return Clock(1000.0)


@pytest.fixture
def wall() -> Clock:
    """A wall clock, ten seconds after the golden file was written."""
    return Clock(WRITTEN_AT.timestamp() + 10)


@pytest.fixture
def routing(path: Path, wall: Clock, monotonic: Clock) -> Routing:
    """A reader of the golden file that looks at the file on every read."""
    publish(path, golden())
    return Routing(path, check_every_s=0, wall=wall, monotonic=monotonic)


def publish(path: Path, table: Table) -> None:
    """Publish as the service does."""
    RoutingFile(path).publish(table)


def alive(routing: Routing) -> bool:
    """Whether the writer lives, as far as the reader knows."""
    return routing.status.writer_alive


def age_s(routing: Routing) -> float:
    """The age of the table in use, in seconds."""
    found = routing.status.age_s
    assert found is not None
    return found


def chosen(routing: Routing, route: str = "chat") -> str | None:
    """The id of the target that `route` gives."""
    target = routing.route(route)
    return target.id if target else None


# A good file


def test_route_gives_everything_an_application_needs(routing: Routing) -> None:
    """A target says whom to ask, where, in which dialect, with which key, and why."""
    assert routing.route("chat") == Target(
        id=HAIKU,
        provider="anthropic",
        model="claude-haiku-5-5",
        dialect="anthropic",
        base_url="https://api.anthropic.com",
        api_key_env="ANTHROPIC_API_KEY",
        health="up",
        route="chat",
        reason=golden()["routes"]["chat"]["reason"],
        since=datetime(2026, 11, 21, 17, 58, 41, 120_000, tzinfo=UTC),
        weight=1.0,
        move="failover",
        drained=False,
        limits=Limits(first_token_s=15.0, stall_s=15.0, p95_s=2.6),
        context=None,
    )


def test_candidates_are_all_targets_in_order_of_preference(routing: Routing, path: Path) -> None:
    """With health, drains and shares; a target that only the weights name is one, too."""
    first, second = routing.candidates("chat")
    assert (first.id, first.health, first.weight, first.limits) == (LUNA, "down", 0.0, Limits())
    assert second == routing.route("chat")
    assert routing.candidates("none") == ()
    table = split({LUNA: 10, HAIKU: 30})
    table["routes"]["chat"]["candidates"] = [HAIKU]
    table["targets"][LUNA].update(drained=True, context=128_000)
    publish(path, table)
    assert [(each.id, each.weight, each.drained, each.context) for each in routing.candidates("chat")] == [
        (HAIKU, 0.75, False, None),
        (LUNA, 0.25, True, 128_000),
    ]


def test_a_key_is_read_from_its_variable(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anew each time; a variable that is not set or empty is said by its name, with the target."""
    target = routing.route("chat")
    assert target
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-1\n")
    assert target.api_key() == "sk-1"
    for missing in ("", "  "):
        monkeypatch.setenv("ANTHROPIC_API_KEY", missing)
        with pytest.raises(MissingKeyError, match=f"^ANTHROPIC_API_KEY is not set: it holds the key of {HAIKU}$"):
            target.api_key()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(MissingKeyError):
        target.api_key()


@pytest.mark.parametrize("name", ["\x00", "A=B", "\ud800"])
def test_a_variable_that_no_system_has_is_not_set(routing: Routing, name: str) -> None:
    """The error is the same."""
    target = routing.route("chat")
    assert target
    with pytest.raises(MissingKeyError):
        replace(target, api_key_env=name).api_key()


def test_status_of_a_good_file(routing: Routing) -> None:
    """The status says what is known, how old it is and that the writer lives."""
    assert routing.status == Status(
        generation=42, written_at=WRITTEN_AT, age_s=10.0, writer_alive=True, problem=None, routes=("chat",), epoch=0
    )


def test_unknown_route_is_none(routing: Routing) -> None:
    """A route that the file does not have is unknown, not an error."""
    assert routing.route("embedding") is None


def test_values_are_frozen(routing: Routing) -> None:
    """What is handed out is shared by all threads, so nobody can change it."""
    target = routing.route("chat")
    assert target
    with pytest.raises(FrozenInstanceError):
        target.model = "other"  # type: ignore[misc]  # what must be refused


def test_path_may_be_a_text_and_relative(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is the one it was at the start, wherever the application goes afterwards."""
    publish(path, golden())
    monkeypatch.chdir(tmp_path)
    routing = Routing("routing.json", check_every_s=0)
    monkeypatch.chdir("/")
    publish(path, pointing_at(LUNA))
    assert chosen(routing) == LUNA


def test_new_file_is_seen(routing: Routing, path: Path) -> None:
    """A new table is used on the first read after it was published."""
    publish(path, pointing_at(LUNA, generation=43))
    assert chosen(routing) == LUNA
    assert routing.status.generation == 43


def test_lower_epoch_is_accepted(routing: Routing, path: Path) -> None:
    """A file without an epoch counts as 0, and is used after one that has one."""
    publish(path, {**pointing_at(LUNA, generation=43), "epoch": 3})
    assert (chosen(routing), routing.status.epoch) == (LUNA, 3)
    publish(path, golden())
    assert (chosen(routing), routing.status.epoch) == (HAIKU, 0)


def test_lower_generation_is_accepted(routing: Routing, path: Path) -> None:
    """A new database begins to count anew, and its decisions count as much."""
    publish(path, pointing_at(LUNA, generation=1))
    assert chosen(routing) == LUNA
    assert routing.status.generation == 1


def test_no_key_variable(routing: Routing, path: Path) -> None:
    """A target whose key stands in Hotspare's configuration has no variable to name."""
    table = pointing_at(LUNA)
    table["targets"][LUNA]["api_key_env"] = None
    publish(path, table)
    target = routing.route("chat")
    assert target
    assert target.api_key_env is None
    assert target.api_key() is None


# When the file is looked at


def test_file_is_looked_at_no_more_often_than_asked(path: Path, monotonic: Clock) -> None:
    """Between two looks a read costs no system call, and the second look comes on time."""
    publish(path, golden())
    routing = Routing(path, check_every_s=0.25, monotonic=monotonic)
    publish(path, pointing_at(LUNA))
    monotonic.now += 0.24
    assert chosen(routing) == HAIKU
    monotonic.now += 0.01
    assert chosen(routing) == LUNA


@pytest.mark.parametrize("check_every_s", [-1.0, float("nan"), 0.0])
def test_odd_intervals_mean_always(path: Path, check_every_s: float) -> None:
    """An interval that makes no sense must not mean that a change is never seen."""
    routing = Routing(path, check_every_s=check_every_s)
    publish(path, golden())
    assert chosen(routing) == HAIKU


def test_change_that_a_stat_cannot_see_is_seen(routing: Routing, path: Path, monotonic: Clock) -> None:
    """Two files of one clock tick, one size and one recycled inode differ only in their bytes; they are told apart."""
    before = path.stat()
    path.write_text(path.read_text().replace('"generation": 42', '"generation": 43'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_ino) == (before.st_size, before.st_ino)
    monotonic.now += 1.9
    assert routing.status.generation == 43


def test_settled_file_is_not_read_again(routing: Routing, path: Path, monotonic: Clock) -> None:
    """Once no clock is coarse enough to hide a change, a stat is all that a look costs."""
    before = path.stat()
    monotonic.now += 2.1
    path.write_text(path.read_text().replace('"generation": 42', '"generation": 43'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert routing.status.generation == 42


# A bad file: the cases are in test_shared_files.py


def test_unreadable_path_is_no_error() -> None:
    """Even a path that no system accepts gives a reader that knows nothing."""
    routing = Routing("/tmp/\x00", check_every_s=0)  # noqa: S108 - never opened
    assert routing.route("chat") is None
    assert routing.status.problem == "/tmp/\x00 cannot be read: ValueError"  # noqa: S108 - likewise


def test_same_file_again_after_it_was_away(routing: Routing, path: Path) -> None:
    """A file that was moved away and back is good again, though nothing about it has changed."""
    path.rename(path.with_name("away"))
    assert routing.status.problem == f"{path} is missing"
    path.with_name("away").rename(path)
    assert routing.status.problem is None


def _places(value: object, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if place:
        yield place
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _places(below, (*place, key))


PLACES = list(_places(golden()))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.slow
@settings(deadline=None)
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_what_the_schema_refuses_the_client_refuses(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str, ...], value: object
) -> None:
    """With any value at any place, the client never raises, and never uses a table that breaks the contract."""
    table = copy.deepcopy(golden())
    below = table
    for key in place[:-1]:
        below = below[key]
    below[place[-1]] = value
    path = tmp_path_factory.getbasetemp() / "any-value.json"
    path.write_text(json.dumps(table))
    status = Routing(path).status
    if status.problem is None:
        strict = copy.deepcopy(table)
        _forgive(strict)
        jsonschema.Draft202012Validator(SCHEMA).validate(strict)


def _forgive(table: Table) -> None:
    """Put right what the schema minds and a reader need not: empty texts and candidates, repeated candidates."""
    for target in table["targets"].values():
        target.update({key: value or "x" for key, value in target.items() if isinstance(value, str)})
    for route in table["routes"].values():
        route["candidates"] = list(dict.fromkeys(route["candidates"])) or [LUNA]
        route["move"] = route["move"] or "x"


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_survived(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """No bytes make a read raise, or pass for a table."""
    path = tmp_path_factory.getbasetemp() / "any-bytes.json"
    path.write_bytes(content)
    routing = Routing(path)
    assert routing.route("chat") is None
    assert routing.status.problem


@pytest.mark.slow
def test_every_beginning_of_a_file_is_survived(routing: Routing, path: Path, monotonic: Clock) -> None:
    """Wherever a foreign copy of the file is cut off, it is not taken for a table."""
    content = GOLDEN.read_bytes().rstrip()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        assert routing.status.problem, f"cut off after {end} bytes"
    assert chosen(routing) == HAIKU


# Weights


def split(weights: dict[str, float]) -> Table:
    """The golden table with its route split."""
    table = golden()
    table["routes"]["chat"]["weights"] = weights
    return table


def test_real_draws_come_near_the_weights(path: Path) -> None:
    """With the draw that applications get, a tenth of the requests goes to a target of a tenth."""
    publish(path, split({LUNA: 10, HAIKU: 90}))
    routing = Routing(path)
    counts = Counter(chosen(routing) for _ in range(10_000))
    assert set(counts) == {LUNA, HAIKU}
    # 700 to 1,300 is ten standard deviations each way.
    assert 700 < counts[LUNA] < 1300


def test_route_with_one_target_draws_nothing(routing: Routing, path: Path) -> None:
    """A route that is not split always gives the same target, and is one of the status's routes like the split ones."""
    table = split({LUNA: 1, HAIKU: 1})
    table["routes"]["answer"] = golden()["routes"]["chat"]
    publish(path, table)
    assert {chosen(routing, "answer") for _ in range(50)} == {HAIKU}
    assert routing.status.routes == ("answer", "chat")


# Is the writer alive?


def test_writer_stopped(routing: Routing, monotonic: Clock) -> None:
    """A writer that has not written within the time it promised is said to have stopped; routes stay."""
    monotonic.now += 80
    assert alive(routing)
    monotonic.now += 0.1
    assert age_s(routing) == pytest.approx(90.1)
    assert not alive(routing)
    assert chosen(routing) == HAIKU


def test_heartbeat_keeps_the_writer_alive(routing: Routing, path: Path, wall: Clock, monotonic: Clock) -> None:
    """A file that changed in nothing but its heartbeat makes the table young again."""
    wall.now += 100
    monotonic.now += 100
    assert not alive(routing)
    wall.now += 5
    monotonic.now += 5
    publish(path, golden(written_at="2026-11-21T18:01:53.000Z"))
    assert age_s(routing) == pytest.approx(2)
    assert alive(routing)


def test_writer_that_had_stopped_before_the_start(path: Path, wall: Clock) -> None:
    """A file that was old when the application started does not look alive."""
    publish(path, golden())
    wall.now += 3600
    assert not Routing(path, wall=wall).status.writer_alive


@pytest.mark.parametrize(
    ("jump_s", "expected"),
    [
        pytest.param(-86400.0, 0.0, id="back a day"),
        pytest.param(86400.0, 5.0, id="ahead a day: at most the time since the last look"),
    ],
)
def test_wall_clock_that_jumps_changes_nothing(
    routing: Routing, path: Path, wall: Clock, monotonic: Clock, jump_s: float, expected: float
) -> None:
    """Neither the age of a table that is known, nor that of the next heartbeat, follows a jump of the wall clock."""
    wall.now += jump_s
    monotonic.now += 20
    assert age_s(routing) == 30
    monotonic.now += 5
    publish(path, golden(written_at="2026-11-21T18:00:30.000Z"))
    assert age_s(routing) == expected


def test_restored_backup_is_as_old_as_it_says(routing: Routing, path: Path, wall: Clock) -> None:
    """A heartbeat that goes backwards is no sign of life."""
    publish(path, golden(written_at="2026-11-21T12:00:00.000Z"))
    assert age_s(routing) == pytest.approx(6 * 3600 + 10)
    assert not alive(routing)


def test_heartbeat_from_the_future_ages_from_now(path: Path, wall: Clock, monotonic: Clock) -> None:
    """When the writer's clock is ahead of ours, the table is new when first read, and still grows old."""
    publish(path, golden(written_at="2026-11-22T18:00:00.000Z"))
    routing = Routing(path, check_every_s=0, wall=wall, monotonic=monotonic)
    assert age_s(routing) == 0
    monotonic.now += 91
    assert not alive(routing)


# Threads, tasks, processes


def flip(path: Path, times: int) -> None:
    """Publish `times` tables, each single or split, each with its generation in reason and model."""
    file = RoutingFile(path)
    for generation in range(1, times + 1):
        table = split({LUNA: 1, HAIKU: 1}) if generation % 2 else golden()
        table["generation"] = generation
        table["routes"]["chat"]["reason"] = str(generation)
        for target in table["targets"].values():
            target["model"] = str(generation)
        file.publish(table)


@contextmanager
def many_switches() -> Iterator[None]:
    """With threads that take turns a hundred times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 100)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def read_generation(routing: Routing) -> int:
    """The generation of the table that a target came from, checked to be one table."""
    target = routing.route("chat")
    assert target
    assert target.model == target.reason
    return int(target.reason)


def read_until(routing: Routing, last: int) -> list[int]:
    """The generations seen, up to `last`."""
    seen = [0]
    while seen[-1] != last:
        seen.append(read_generation(routing))
    return seen


@pytest.mark.slow
def test_threads_see_whole_tables_in_order(path: Path) -> None:
    """Threads that share a reader never see half a table, none at all, or an older one after a newer one."""
    flip(path, 1)
    routing = Routing(path, check_every_s=0)
    with many_switches(), ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read_until, routing, 50) for _ in range(4)]
        flip(path, 50)
        for reader in readers:
            seen = reader.result(timeout=30)
            assert seen == sorted(seen)


async def test_tasks_share_a_reader(path: Path) -> None:
    """In asyncio a read is a plain call: no await, no lock that a task could hold."""
    flip(path, 1)
    routing = Routing(path, check_every_s=0)

    async def read() -> list[int]:
        seen = [0]
        while seen[-1] != 20:
            seen.append(read_generation(routing))
            await asyncio.sleep(0)
        return seen

    readers = [asyncio.create_task(read()) for _ in range(10)]
    await asyncio.to_thread(flip, path, 20)
    for seen in await asyncio.gather(*readers):
        assert seen == sorted(seen)


def test_reader_in_a_forked_child_goes_on(routing: Routing, path: Path) -> None:
    """A server that forks while another of its threads looks at the file has working readers in its children."""
    publish(path, pointing_at(LUNA))
    with routing._lock:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if chosen(routing) == LUNA else 1
            finally:
                # Not even pytest may run on in the child.
                os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_nobody_waits_for_another_thread_s_look(routing: Routing, path: Path) -> None:
    """While one thread looks at the file, the others get the table that is known."""
    publish(path, pointing_at(LUNA))
    with routing._lock:
        other = threading.Thread(target=lambda: seen.append(chosen(routing)))
        seen: list[str | None] = []
        other.start()
        other.join(timeout=30)
        assert seen == [HAIKU]
    assert chosen(routing) == LUNA


# What it is made of


def test_works_without_site_packages(path: Path) -> None:
    """The client needs the standard library and nothing else, and nothing of the environment."""
    publish(path, golden())
    program = (
        f"import sys; sys.path.insert(0, {str(SOURCES.parent)!r}); from hotspare_client import Routing; "
        f"print(Routing({str(path)!r}).route('chat').model)"
    )
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("claude-haiku-5-5\n", "")


@pytest.mark.parametrize("source", sorted(SOURCES.glob("*.py")), ids=lambda source: source.name)
def test_source_is_python_3_10(source: Path) -> None:
    """Applications on the oldest supported Python can import it: its syntax, and annotations that are not evaluated."""
    tree = ast.parse(source.read_text(), feature_version=(3, 10))
    names = [
        node.names[0].name for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    assert names == ["annotations"] or source.name == "__init__.py"


@pytest.mark.parametrize("name", ["policy", "failure", "error_words", "pieces", "stream_watch", "memory", "table"])
def test_what_decides_is_pure(name: str) -> None:
    """No clock, no file, no thread: time and data come as arguments."""
    tree = ast.parse((SOURCES / f"{name}.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported & {"os", "time", "random", "socket", "threading", "asyncio", "queue", "pathlib", "logging"} == set()


def test_exports_are_documented() -> None:
    """The public names are sorted, and each is named in the client's README or its document."""
    names = hotspare_client.__all__
    documents = [ROOT / "client" / "README.md", ROOT / "docs" / "client.md"]
    text = "".join(path.read_text() for path in documents if path.exists())
    assert names == sorted(names)
    assert [name for name in names if f"`{name}" not in text] == []


def test_age_is_real(path: Path) -> None:
    """With the real clocks, a file written a minute ago is a minute old."""
    written_at = datetime.now(UTC) - timedelta(minutes=1)
    publish(path, golden(written_at=written_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")))
    assert 60 <= age_s(Routing(path)) < 120
