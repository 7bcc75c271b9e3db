"""Server-sent events."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.streaming.sse import ServerSentEvent, SseParser


def events(*chunks: bytes) -> tuple[list[ServerSentEvent], str]:
    """Every event of a stream that arrives in these chunks, and what stood beside them."""
    parser = SseParser()
    found = [event for chunk in chunks for event in parser.feed(chunk)]
    return [*found, *parser.close()], parser.stray


@pytest.mark.parametrize(
    ("stream", "expected", "stray"),
    [
        (b"data: a\n\ndata: b\n\n", [ServerSentEvent(data="a"), ServerSentEvent(data="b")], ""),
        (b"data:a\r\n\r\ndata:  b\r\r", [ServerSentEvent(data="a"), ServerSentEvent(data=" b")], ""),
        (b"event: x\ndata: a\ndata: b\n\n", [ServerSentEvent(name="x", data="a\nb")], ""),
        (b": comment\nid: 1\nretry: 5\n\n", [], ""),
        (b"event: x\n\ndata: a\n\n", [ServerSentEvent(data="a")], ""),
        (b"\xef\xbb\xbfdata: a\n\n", [ServerSentEvent(data="a")], ""),
        (b"data: a", [ServerSentEvent(data="a")], ""),
        ("data: ü\n\n".encode(), [ServerSentEvent(data="ü")], ""),
        (b'{\n "error": {}\n}', [], '{\n "error": {}\n}'),
        (b"", [], ""),
    ],
    ids=[
        "two events",
        "other line ends",
        "a name and two lines",
        "nothing but comments",
        "a name without data",
        "a byte order mark",
        "no last blank line",
        "beyond ASCII",
        "bare JSON",
        "nothing",
    ],
)
def test_a_stream_is_read(stream: bytes, expected: list[ServerSentEvent], stray: str) -> None:
    """Whole or byte by byte, the events are the same."""
    assert events(stream) == (expected, stray)
    assert events(*(stream[i : i + 1] for i in range(len(stream)))) == (expected, stray)


@settings(deadline=None)
@given(stream=st.text("dat: e\r\n{").map(str.encode), cuts=st.lists(st.integers(0, 60)))
def test_cuts_change_nothing(stream: bytes, cuts: list[int]) -> None:
    """However a stream is cut into chunks, its events and what stands beside them are the same."""
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[a:b] for a, b in pairwise(places)]

    assert events(*chunks) == events(stream)
