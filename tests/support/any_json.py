"""Anything that a provider might write, built from a dialect's own words: what its readers must survive."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from hypothesis import strategies as st

from probes.dialects.base import Dialect
from probes.exchange import Exchange
from probes.json_values import MalformedError, parse
from probes.request_reply import EMPTY_REPLY, Reply
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Provider, Secret, Target

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


def new_exchange(dialect: str, check: Check, status: int, content_type: str) -> Exchange:
    """A response in this dialect whose headers have arrived."""
    provider = Provider(name="p", dialect=dialect, base_url="http://x", api_key=Secret(""))
    now = datetime.now(UTC)
    exchange = Exchange(target=Target(provider=provider, model="m"), check=check, started_at=now, monotonic=monotonic)
    exchange.receive_headers(status, {"content-type": content_type})
    return exchange


def read_bytes(dialect: Dialect, data: bytes) -> None:
    """The same for bytes, as a whole body and as a stream in two pieces."""
    with contextlib.suppress(MalformedError):
        read_all(dialect, parse(data))
    exchange = new_exchange(dialect.name, Check.STREAM, 200, "")
    exchange.receive(data[:7])
    exchange.receive(data[7:])
    exchange.receive_end()
