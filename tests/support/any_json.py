"""Anything that a provider might write, built from a dialect's own words: what its readers must survive."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from probes.dialects.base import Dialect
from probes.json_values import MalformedError, parse
from probes.reply import EMPTY_REPLY, Reply
from probes.stream_reader import StreamReader
from probes.streaming.sse import ServerSentEvent

NUMBERS = st.integers(-5, 600) | st.floats() | st.just(10**400)
DEEP = json.loads("[" * 900 + "]" * 900)


def bodies(words: str) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects whose keys and strings are these words, and whose values have any type anywhere."""
    keys = st.sampled_from(words.split())
    leaves = st.none() | st.booleans() | NUMBERS | keys | st.text(max_size=3) | st.just(DEEP)
    values = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=10
    )
    return st.dictionaries(keys, values, max_size=6)


def read_all(dialect: Dialect, body: dict[str, Any]) -> list[Reply]:
    """What every reader of the dialect makes of it; each gives a reply, or says that there is none."""
    readers: list[Callable[[dict[str, Any]], Reply]] = [
        dialect.read_reply,
        lambda body: dialect.read_event(EMPTY_REPLY, ServerSentEvent(data=json.dumps(body))),
    ]
    readers += [dialect.read_embedding] if dialect.read_embedding else []
    replies = []
    for read in readers:
        try:
            replies.append(read(body))
        except MalformedError:
            continue
    return replies


def read_bytes(dialect: Dialect, data: bytes) -> None:
    """The same for bytes, as a whole body and as a stream in two pieces."""
    with contextlib.suppress(MalformedError):
        read_all(dialect, parse(data))
    reader = StreamReader(dialect)
    reader.feed(data[:7])
    reader.feed(data[7:])
    reader.close()
