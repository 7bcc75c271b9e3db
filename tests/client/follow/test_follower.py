"""A follower of real nodes: what its file says, and what it tells, whatever happens to nodes, file and clocks."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing
from hotspare_client.follow.follower import Follower
from hotspare_client.follow.local_file import FileHeldError, LocalFile
from hotspare_client.follow.node import Node

from tests.support.routing_node import RoutingNode, a_table, instant, reply, serving_table


@dataclass
class Host:
    """A host with its file, and clocks that move when a test says so."""

    path: Path
    stack: ExitStack
    told: list[tuple[str, str]] = field(default_factory=list)
    notified: list[str] = field(default_factory=list)
    now_s: float = 1000.0
    ahead_s: float = 0.0
    """How much its clock is ahead of the nodes'."""

    def follower(self, *nodes: RoutingNode | str, reset: bool = False, region: str = "") -> Follower:
        """A new one, after the one before has ended."""
        self.stack.close()
        file = self.stack.enter_context(closing(LocalFile(self.path)))
        urls = [node if isinstance(node, str) else node.url for node in nodes]
        return Follower(
            [self.stack.enter_context(closing(Node(url, answer_s=20, region=region))) for url in urls],
            file,
            tell=lambda _, event, text, **__: self.told.append((event, text)),
            reset=reset,
            region=region,
            notify=self.notified.append,
            draw=lambda: 1.0,
            wall=lambda: time.time() + self.ahead_s + self.now_s - 1000.0,
            monotonic=lambda: self.now_s,
        )

    def later(self, seconds: float) -> datetime:
        """Let time pass; the new time of the nodes."""
        self.now_s += seconds
        return datetime.now(UTC) + timedelta(seconds=self.now_s - 1000.0)

    def table(self) -> dict[str, Any]:
        """What the file says."""
        found: dict[str, Any] = json.loads(self.path.read_bytes())
        return found

    def events(self) -> list[str]:
        """What was told since the last time."""
        events = [event for event, _ in self.told]
        self.told.clear()
        return events


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Without a file."""
    with ExitStack() as stack:
        yield Host(tmp_path / "var" / "routing.json", stack)


@pytest.fixture
def node() -> Iterator[RoutingNode]:
    """A node with the golden table, of generation 42."""
    with serving_table() as node:
        yield node


@pytest.fixture
def other() -> Iterator[RoutingNode]:
    """Another one."""
    with serving_table() as node:
        yield node


def test_the_file_follows_a_node(host: Host, node: RoutingNode) -> None:
    """Every byte of it; a change of health under the same generation, and a heartbeat alone as well."""
    follower = host.follower(node)
    assert follower.step() > 0
    assert host.path.read_bytes() == json.dumps(node.table).encode()
    assert host.events() == ["table_changed"]
    assert host.notified[-1] == "READY=1"
    node.table["generation"] = 43
    node.table["unknown key"] = {"a": [1]}
    assert follower.step() < 0.4, "the next change may follow soon"
    node.table["targets"]["openai/gpt-6-luna"]["health"] = "up"
    follower.step()
    assert (host.table(), host.events()) == (node.table, ["table_changed", "table_updated"])
    before = host.path.read_bytes()
    node.table["valid_for_s"] = 0.4
    follower.step()
    node.beat(host.later(0.1))
    assert follower.step() > 0
    assert (host.table(), node.waits[-1]) == (node.table, 0.1)
    assert host.path.read_bytes() != before


def test_a_lower_table_is_refused(host: Host, node: RoutingNode, other: RoutingNode) -> None:
    """Of a node that is behind, in this run and the next; another node is asked, and a higher epoch taken."""
    node.table |= {"epoch": 3, "generation": 2}
    follower = host.follower(node, other)
    follower.step()
    other.table |= {"epoch": 2, "generation": 99}
    node.answer = lambda _: b""
    follower.step()
    follower.step()
    assert (host.table()["epoch"], host.events()[1:]) == (3, ["node_failed", "node_failed"])
    assert not host.follower(other).once()
    assert host.table()["epoch"] == 3
    other.table |= {"epoch": 4, "generation": 1}
    assert host.follower(other).once()
    assert host.table()["epoch"] == 4


def test_a_region_takes_its_own_tables_alone(host: Host, node: RoutingNode, other: RoutingNode) -> None:
    """What a node says that knows no regions, or a proxy that drops the query, is refused."""
    node.table["region"] = "us"
    follower = host.follower(node, other, region="eu")
    assert not follower.once()
    assert [text.partition(": ")[2] for _, text in host.told] == [
        "its table is of the region 'us'; --region asks for eu",
        "its table is of no region; --region asks for eu",
    ]
    assert not host.path.exists()
    other.table["region"] = "eu"
    assert follower.once()
    assert host.table() == other.table
    assert "GET /v1/routing?region=eu " in other.heads[-1]


def test_reset_takes_one_lower_table(host: Host, node: RoutingNode) -> None:
    """The first; from then on the order counts again."""
    assert host.follower(node).once()
    node.table["generation"] = 7
    assert not host.follower(node).once()
    follower = host.follower(node, reset=True)
    assert follower.once()
    node.table["generation"] = 6
    assert not follower.once()
    assert host.table()["generation"] == 7


@pytest.mark.parametrize(
    "said",
    [
        reply(b"<html>", kind="text/html"),
        reply(b'{"format": "hotspare.routing/2"}'),
        reply(json.dumps(a_table(generation=43)).encode()[:-9]),
        reply(json.dumps(a_table(generation=43, routes={"chat": {}})).encode()),
        reply(json.dumps(a_table(generation=43)).encode(), status="500 Oops"),
        reply(b"[" * 100_000),
        b"",
    ],
)
def test_garbage_leaves_the_last_good_table(host: Host, node: RoutingNode, other: RoutingNode, said: bytes) -> None:
    """And the next node is asked; the reader of the host sees nothing of it."""
    follower = host.follower(node, other)
    follower.step()
    other.table |= {"generation": 44}
    before = host.path.read_bytes()
    node.answer = lambda _: said
    pause_s = follower.step()
    assert (host.path.read_bytes(), host.events()) == (before, ["table_changed", "node_failed"])
    assert 0 < pause_s <= 0.2
    follower.step()
    assert host.table()["generation"] == 44
    assert host.events() == ["table_changed", "node_used"]
    assert Routing(host.path).status.writer_alive


def test_cut_off_it_says_stale_and_freshens_nothing(host: Host, node: RoutingNode) -> None:
    """Also where a cache goes on answering with what it has; when a heartbeat comes again, it is current again."""
    follower = host.follower(node)
    follower.step()
    before = host.path.read_bytes()
    for answer in (lambda _: b"", node.serve):
        node.answer = answer
        host.later(80)
        follower.tick()
        follower.step()
    assert (host.path.read_bytes(), host.events()) == (before, ["table_changed", "node_failed", "stale", "node_failed"])
    assert not Routing(host.path, wall=lambda: time.time() + 160).status.writer_alive
    node.beat(host.later(10))
    follower.step()
    assert (host.table()["written_at"], host.events()) == (node.table["written_at"], ["current"])
    assert [words for words in host.notified if words.startswith("STATUS")] == ["STATUS=stale", "STATUS=current"]


def test_an_old_copy_of_a_higher_table_is_taken_without_its_heartbeat(host: Host, node: RoutingNode) -> None:
    """Its routes are better than those of the file; but nobody says that they are of now."""
    follower = host.follower(node)
    follower.step()
    before = host.table()["written_at"]
    node.table |= {"generation": 43}
    node.beat(host.later(3600) - timedelta(seconds=600))
    follower.step()
    assert (host.table()["generation"], host.table()["written_at"]) == (43, before)
    assert host.events() == ["table_changed", "stale", "table_changed", "node_failed"]


def test_an_older_copy_of_the_same_table_is_refused(host: Host, node: RoutingNode) -> None:
    """What is known of health must not go back."""
    follower = host.follower(node)
    follower.step()
    node.table["targets"]["openai/gpt-6-luna"]["health"] = "up"
    node.beat(datetime.now(UTC) - timedelta(seconds=20))
    follower.step()
    assert host.table()["targets"]["openai/gpt-6-luna"]["health"] == "down"
    assert host.events() == ["table_changed", "node_failed"]


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
def test_clocks_that_differ(host: Host, node: RoutingNode, ahead_s: float) -> None:
    """A host that is ahead takes nothing for current until it sees a heartbeat move; then all is as elsewhere."""
    host.ahead_s = ahead_s
    follower = host.follower(node)
    follower.step()
    assert host.table()["generation"] == 42
    for _ in range(5):
        node.beat(host.later(30))
        follower.step()
    host.told.clear()
    node.beat(host.later(30))
    node.table["targets"]["openai/gpt-6-luna"]["health"] = "up"
    follower.step()
    assert (host.table(), host.events()) == (node.table, ["table_updated"])
    host.later(120)
    follower.tick()
    assert host.events() == ["stale"]


def test_the_clock_of_the_writer_is_set_back(host: Host, node: RoutingNode) -> None:
    """Its heartbeat is before that of the file; within the time of one that is believed."""
    follower = host.follower(node)
    follower.step()
    for _ in range(8):
        node.beat(host.later(20) - timedelta(seconds=3600))
        follower.step()
    assert host.table() == node.table
    assert host.events()[-1] == "current"


def test_without_a_tag_or_a_heartbeat_in_the_answer(host: Host, node: RoutingNode) -> None:
    """A proxy may take both away: then it is asked each second, or is of no use."""
    node.answer = lambda _: reply(json.dumps(node.table).encode())
    follower = host.follower(node)
    assert follower.step() < 0.4
    assert follower.step() > 0.9
    node.answer = lambda head: b"HTTP/1.1 304 Not Modified\r\n\r\n" if "wait" in head else node.serve(head)
    follower.step()
    follower.step()
    assert host.told[-1][1].endswith("its table is not used: written_at: expected an instant in UTC, found ")


def test_what_others_do_to_the_file_is_undone(host: Host, node: RoutingNode) -> None:
    """Within a second, also while a node is waited for; a file that cannot be written is told once."""
    follower = host.follower(node)
    follower.step()
    content = host.path.read_bytes()
    host.path.write_text("{}")
    host.later(1)
    follower.tick()
    assert (host.path.read_bytes(), host.events()) == (content, ["table_changed", "file_restored"])
    host.path.unlink()
    (host.path / "x").mkdir(parents=True)
    node.table["generation"] = 43
    for _ in range(3):
        host.later(1)
        assert follower.step() > 0
    assert host.events() == ["file_not_written"]
    (host.path / "x").rmdir()
    host.path.rmdir()
    follower.step()
    assert host.table()["generation"] == 43


def test_what_is_no_table_at_the_start_is_replaced(host: Host, node: RoutingNode) -> None:
    """Whatever its generation says; and a folder has one follower."""
    host.path.parent.mkdir()
    host.path.write_text('{"format": "hotspare.routing/1", "generation": 99}')
    assert host.follower(node).once()
    assert (host.table(), host.events()) == (node.table, ["file_not_used", "table_changed"])
    with pytest.raises(FileHeldError):
        Follower([], LocalFile(host.path), tell=lambda *_, **__: None)


def test_a_file_that_is_current_is_not_told_as_changed(host: Host, node: RoutingNode) -> None:
    """A follower begins where the one before it ended."""
    assert host.follower(node).once()
    assert host.follower(node).once()
    assert host.events() == ["table_changed"]
    assert instant(datetime.fromisoformat(host.table()["written_at"])) == node.table["written_at"]
