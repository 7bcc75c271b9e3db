"""One node over real sockets: what it gives, and every way in which it can fail to."""

import gzip
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
import trustme
from hotspare_client.follow.node import AddressError, Answer, Node, NodeError, TokenError

from tests.support.raw_server import talking, whole
from tests.support.routing_node import RoutingNode, reply, serving_table

LARGE = 17 * 1024 * 1024


@pytest.fixture
def node() -> Iterator[RoutingNode]:
    """A node that serves the golden table."""
    with serving_table() as node:
        yield node


@pytest.fixture
def opened() -> Iterator[Callable[..., Node]]:
    """Makes nodes whose connections are closed in the end."""
    with ExitStack() as stack:
        yield lambda url, **more: stack.enter_context(closing(Node(url, **more)))


def ask(url: str) -> Answer:
    """Of a node that is asked for the first time."""
    with closing(Node(url)) as asked:
        return asked.ask("", 0.0, lambda: None)


def failure(url: str) -> str:
    """Why there is no table."""
    with pytest.raises(NodeError) as raised:
        ask(url)
    return str(raised.value)


def test_it_gives_its_table_and_then_says_whether_it_is_the_same(
    node: RoutingNode, opened: Callable[..., Node]
) -> None:
    """Over one connection; with a tag there is a wait, which the heartbeat of the answer shows."""
    asked = opened(f"{node.url}/", token=lambda: "hsk_reader")
    first = asked.ask("", 5.0, lambda: None)
    assert json.loads(first.content or b"") == node.table
    node.beat()
    second = asked.ask(first.tag, 0.3, lambda: None)
    assert second == Answer(None, first.tag, node.table["written_at"])
    assert node.waits == [0.0, 0.3]
    assert "Authorization: Bearer hsk_reader\r\n" in node.heads[0]
    ask(node.url)
    assert "Authorization" not in node.heads[-1]


def test_a_change_ends_the_wait(node: RoutingNode, opened: Callable[..., Node]) -> None:
    """The new table comes as soon as there is one; meanwhile the follower can do what is due."""
    asked = opened(node.url)
    tag = asked.ask("", 0.0, lambda: None).tag
    ticks, node.longest_wait_s = [], 20.0

    def tick() -> None:
        ticks.append(1)
        node.table["generation"] = 43

    content = asked.ask(tag, 20.0, tick).content
    assert json.loads(content or b"")["generation"] == 43
    assert ticks


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (reply(b"<html>", kind="text/html"), "it answers text/html, not application/json: is a portal"),
        (reply(b"{}", "content-encoding: br"), "it does not speak HTTP as it should: ValueError: its encoding is 'br'"),
        (reply(b"{}", "content-encoding: gzip"), "it does not speak HTTP as it should: ValueError: it is no gzip"),
        (
            reply(gzip.compress(b"{}" * 9999)[:-9], "content-encoding: gzip"),
            "it does not speak HTTP as it should: ValueError: it is gzip without an end",
        ),
        (reply(gzip.compress(b" " * LARGE), "content-encoding: gzip"), "it sent more than any node would"),
        (whole(b" " * LARGE), "it sent more than any node would"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200, "it does not speak HTTP as it should: HTTPException: got more"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "it sent more than any node would"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000_000, "it sent more than any node would"),
        (b"SSH-2.0-OpenSSH_9.7\r\n", "it does not speak HTTP as it should: BadStatusLine"),
        (reply(b"{}")[:-1], "it does not speak HTTP as it should: IncompleteRead"),
        (b"", "it cannot be asked: Remote end closed connection without response"),
        (
            reply(b"", "location: https://evil.example/\x1b[2J", status="302 Found"),
            "it answers 302 and points to https://evil.example/ [2J: redirections are not followed",
        ),
        (
            reply(b'{"error": "no such token\\n"}', status="401 Unauthorized"),
            "it answers 401 (no such token ): is the token",
        ),
        (reply(b"[" * 99_999, status="503 Service Unavailable"), "it answers 503 (Service Unavailable)"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "it answers 304 (Not Modified)"),
    ],
)
def test_what_is_no_table_is_refused(said: bytes, why: str) -> None:
    """Within bounds, with the reason, as one line."""
    with talking(said) as url:
        assert failure(url).startswith(why)


@pytest.mark.slow
def test_whoever_drips_or_hangs_is_given_up(node: RoutingNode) -> None:
    """An answer has a deadline in all, however often a byte of it comes."""

    def drip(_: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nx: "
        while True:
            time.sleep(0.05)
            yield b"y"

    node.answer = drip
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for url in (node.url, f"http://127.0.0.1:{silent.getsockname()[1]}"):
            with pytest.raises(NodeError, match="it did not answer in time"):
                Node(url, answer_s=0.5).ask("", 0.0, lambda: None)


@pytest.mark.slow
def test_a_poll_that_a_proxy_cuts_is_asked_again_at_once(node: RoutingNode, opened: Callable[..., Node]) -> None:
    """Without waiting, so that the heartbeat is confirmed; the next ones wait for a shorter time."""

    def cut(head: str) -> bytes:
        if "wait" not in head:
            return node.serve(head)
        time.sleep(1.1)
        return reply(b"<html>", status="504 Gateway Timeout", kind="text/html")

    node.answer = cut
    asked = opened(node.url)
    tag = asked.ask("", 0.0, lambda: None).tag
    assert asked.ask(tag, 20.0, lambda: None).content is None
    node.answer = lambda head: node.serve(head) if "wait" not in head else b""
    assert asked.ask(tag, 20.0, lambda: None).content is None
    assert node.waits == [0.0, 20.0, 0.0, pytest.approx(1.1, abs=0.6), 0.0]


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(node: RoutingNode, opened: Callable[..., Node]) -> None:
    """A proxy closes idle ones as it likes; a node that is gone is one all the same."""
    node.answer = lambda head: reply(b"{}", "connection: close") if len(node.heads) == 1 else node.serve(head)
    asked = opened(node.url)
    asked.ask("", 0.0, lambda: None)
    assert asked.ask("", 0.0, lambda: None).tag == node.tag()
    node.answer = lambda head: b"" if len(node.heads) == 3 else node.serve(head)
    assert asked.ask("", 0.0, lambda: None).tag == node.tag()
    node.answer = lambda _: b""
    with pytest.raises(NodeError, match="it cannot be asked"):
        asked.ask("", 0.0, lambda: None)


def test_what_cannot_be_connected_to_is_told() -> None:
    """A port that nobody listens at, a name that there is none of, a token that cannot be read."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert failure(f"http://127.0.0.1:{port}") == "it cannot be asked: Connection refused"
    assert failure("http://none.invalid").startswith("it cannot be asked: ")

    def no_token() -> str:
        raise TokenError("the token file is empty")

    with pytest.raises(NodeError, match="the token file is empty"):
        Node("http://none.invalid", token=no_token).ask("", 0.0, lambda: None)


@pytest.mark.slow
def test_certificates(opened: Callable[..., Node]) -> None:
    """Only of whom one trusts, and of that host."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serving_table(tls=server) as node:
        port = node.url.rpartition(":")[2]
        answer = opened(f"https://localhost:{port}", tls=trusting).ask("", 0.0, lambda: None)
        assert answer.tag == node.tag()
        assert failure(f"https://localhost:{port}").startswith("its certificate is not trusted: ")
        with pytest.raises(NodeError, match="IP address mismatch"):
            Node(f"https://127.0.0.1:{port}", tls=trusting).ask("", 0.0, lambda: None)
        assert failure(f"http://localhost:{port}")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:8500",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://host:0",
        "http://[::1",
        "http://a b",
        "http://host/\r\nx: y",
        "http://user:secret@host",
        "http://host?token=x",
        "http://host#x",
        "http://hÖst",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """Before anything is asked; a secret in it is not repeated."""
    with pytest.raises(AddressError) as raised:
        Node(address)
    assert "secret" not in str(raised.value)


@pytest.mark.slow
def test_addresses() -> None:
    """A path before the API's is that of a proxy."""
    assert Node("https://[::1]/hotspare/").address == "https://[::1]/hotspare"
    with serving_table() as node:
        ask(f"{node.url}/hotspare")
        assert node.heads[0].startswith("GET /hotspare/v1/routing HTTP/1.1\r\n")
