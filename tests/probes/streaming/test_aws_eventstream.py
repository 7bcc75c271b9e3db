"""The binary event stream of AWS, against botocore's own reader."""

import struct
from itertools import pairwise
from tracemalloc import get_traced_memory, start, stop
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.json_values import MalformedError
from probes.streaming.aws_eventstream import END, AwsEventStreamParser
from probes.streaming.sse import ServerSentEvent
from probes.transport.decoding import CAP
from tests.support.frames import event, frame, framed, frames, string_header

STREAM = event("messageStart", {"role": "assistant"}) + event("contentBlockDelta", {"delta": {"text": "ü"}})
EVENTS = [
    ServerSentEvent(name="messageStart", data='{"role":"assistant"}'),
    ServerSentEvent(name="contentBlockDelta", data='{"delta":{"text":"ü"}}'),
    ServerSentEvent(name=END),
]


def read(*chunks: bytes) -> tuple[list[ServerSentEvent], str | None]:
    """Every event of a stream that arrives in these chunks, and what was wrong with it."""
    parser = AwsEventStreamParser()
    found: list[ServerSentEvent] = []
    try:
        for chunk in chunks:
            found.extend(parser.feed(chunk))
        found.extend(parser.close())
    except MalformedError as error:
        return found, str(error)
    return found, None


def by_botocore(stream: bytes) -> list[tuple[str, bytes]]:
    """Type and payload of the frames before the first corrupt one."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    found = []
    try:
        for message in buffer:
            headers = message.headers
            kind = headers.get(":exception-type")
            found.append((f"exception:{kind}" if kind else headers.get(":event-type", ""), message.payload))
    except ParserError:
        pass
    return found


def test_events_come_in_order_and_the_end_is_told() -> None:
    """Each frame is one event, and the end of the bytes is the last one."""
    assert read(STREAM) == (EVENTS, None)


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, len(STREAM))))
def test_cuts_change_nothing(cuts: list[int]) -> None:
    """However a stream is cut into chunks, its events are the same; also byte by byte."""
    places = sorted({0, len(STREAM), *cuts})

    assert read(*(STREAM[a:b] for a, b in pairwise(places))) == (EVENTS, None)
    assert read(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == (EVENTS, None)


def test_exceptions_and_errors_bear_their_kind() -> None:
    """An exception's payload is its body; an error has none, so its message becomes one."""
    headers = {":message-type": "error", ":error-code": "internal", ":error-message": 'a "b"'}
    stream = frames('{"exception": "throttlingException", "payload": {"message": "m"}}') + frame(headers, b"")

    assert read(stream)[0][:-1] == [
        ServerSentEvent(name="exception:throttlingException", data='{"message":"m"}'),
        ServerSentEvent(name="exception:internal", data='{"message": "a \\"b\\""}'),
    ]


#: One header of each type that is no string, as botocore's reader knows them.
OTHER_HEADERS = {
    "true": b"\x00",
    "false": b"\x01",
    "byte": b"\x02\x7f",
    "short": b"\x03\x00\x01",
    "integer": b"\x04\x00\x00\x00\x01",
    "long": b"\x05" + bytes(8),
    "bytes": b"\x06\x00\x03abc",
    "timestamp": b"\x08" + bytes(8),
    "uuid": b"\x09" + bytes(16),
}


@pytest.mark.parametrize("kind", OTHER_HEADERS)
def test_headers_of_other_types_are_read_over(kind: str) -> None:
    """What stands after them is found where botocore finds it."""
    other = struct.pack(">B", len(kind)) + kind.encode() + OTHER_HEADERS[kind]
    stream = framed(other + string_header(":event-type", "x"), b"{}")

    assert by_botocore(stream) == [("x", b"{}")]
    assert read(stream) == ([ServerSentEvent(name="x", data="{}"), ServerSentEvent(name=END)], None)


def prelude(length: int, headers: int) -> bytes:
    """The first twelve bytes of a frame, with a right checksum."""
    lengths = struct.pack(">II", length, headers)
    return lengths + struct.pack(">I", crc32(lengths))


CORRUPT = {
    "a wrong last checksum": frames('{"event": "x", "spoil": "checksum"}'),
    "a wrong first checksum": frames('{"event": "x", "spoil": "lengths"}'),
    "a length below the least": prelude(15, 0) + bytes(4),
    "headers longer than the frame": prelude(20, 5) + bytes(8),
    "a length beyond the cap": prelude(CAP + 1, 0),
    "four gibibytes": prelude(0xFFFFFFFF, 0),
    "a header cut in its name": framed(b"\x05ab", b""),
    "a header without a type": framed(b"\x02ab", b""),
    "a header of no known type": framed(b"\x01a\x0a", b""),
    "a header cut in its length": framed(b"\x01a\x07\x00", b""),
    "a header cut in its value": framed(b"\x01a\x07\x00\x05ab", b""),
    "a header cut in its number": framed(b"\x01a\x05\x00", b""),
    "a frame cut short": STREAM[:-1],
    "a frame's beginning alone": STREAM[:3],
    "server-sent events": b'data: {"a": 1}\n\n',
}


@pytest.mark.parametrize("case", CORRUPT)
def test_a_corrupt_frame_is_malformed(case: str) -> None:
    """Each is refused in a few words, after what came before it was given."""
    found, wrong = read(CORRUPT[case])
    assert wrong
    assert all(event in EVENTS for event in found)

    found, _ = read(event("ok"), CORRUPT[case])
    assert found[0] == ServerSentEvent(name="ok", data="{}")


def test_four_gibibytes_are_not_waited_for() -> None:
    """An impossible length is refused as soon as it is read, not when its bytes have come."""
    parser = AwsEventStreamParser()
    with pytest.raises(MalformedError):
        list(parser.feed(prelude(CAP + 1, 0)))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_bytes_are_events_or_malformed(data: st.DataObject) -> None:
    """Whatever the bytes, nothing but MalformedError is raised, and botocore gives the same events."""
    bits = data.draw(st.lists(st.integers(0, len(STREAM) * 8 - 1), max_size=3))
    flipped = bytearray(STREAM)
    for bit in bits:
        flipped[bit // 8] ^= 1 << bit % 8
    stream = data.draw(st.sampled_from([bytes(flipped), b""])) + data.draw(st.binary(max_size=60))

    found, _ = read(stream)

    ours = [(event.name, event.data) for event in found if event.name != END]
    theirs = [(name, payload.decode("utf-8", "replace")) for name, payload in by_botocore(stream)]
    assert ours == theirs


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(headers=st.binary(max_size=60), payload=st.binary(max_size=20))
def test_any_headers_are_read_or_malformed(headers: bytes, payload: bytes) -> None:
    """Headers with right checksums around nonsense end the stream or are read over; nothing else is raised."""
    found, wrong = read(framed(headers, payload))

    assert (wrong is None) == (len(found) == 2)


def test_memory_is_bounded() -> None:
    """A mebibyte of frames in small pieces never holds more than a few of them."""
    chunk = event("contentBlockDelta", {"delta": {"text": "x" * 400}})
    parser = AwsEventStreamParser()
    start()
    try:
        for _ in range(2000):
            for at in range(0, len(chunk), 100):
                assert len(list(parser.feed(chunk[at : at + 100]))) <= 1
        peak = get_traced_memory()[1]
    finally:
        stop()

    assert peak < 100_000
