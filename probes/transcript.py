"""One probe with all that went over the wire and why it ended as it did: fit to be shown, keys masked."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from probes.classifier import Classification, RawResponse
from probes.dialects.base import Framing
from probes.dialects.registry import DIALECTS
from probes.exchange import BodyChunk, Exchange
from probes.json_values import MalformedError
from probes.observation import Observation
from probes.outcome import Blame, Effect, Outcome
from probes.redaction import MASK, clean, clean_block, find_secret
from probes.reply import Request
from probes.streaming.aws_eventstream import AwsEventStreamParser
from probes.target import Provider

_LONGEST_BODY: Final = 64_000
_LONGEST_EVENT: Final = 1_000
_FIRST_EVENTS: Final = 30
_LAST_EVENTS: Final = 10
_MOST_HEADERS: Final = 40
_LONGEST_HEADER: Final = 300
_LONGEST_STEP: Final = 500
_SPELLED_OUT: Final = "(not shown: put together, the events spell a key)"
#: Headers that are secret whatever stands in them.
_SECRET_HEADERS: Final = re.compile(r"(?i)auth|cookie|token|secret|api-?key|signature")
_SECRET_PARAMETERS: Final = re.compile(r"(?i)((?:^|&)[^=&]*(?:key|token|secret|sig|password)[^=&]*=)[^&]*")

_BLANK_LINE: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LONGEST_BLANK_LINE: Final = 4

_BLAMES: Final = {
    Blame.NOBODY: "nobody's fault",
    Blame.PROVIDER: "the provider's fault",
    Blame.UNDECIDED: "nobody can say yet whose fault",
    Blame.US: "our own fault",
    Blame.UNCLEAR: "unclear whose fault",
}
_EFFECTS: Final = {
    Effect.UP: "evidence for up",
    Effect.DOWN: "evidence for down",
    Effect.DEGRADED: "evidence for degraded",
    Effect.THROTTLED: "evidence for degraded, when it lasts",
    Effect.MISCONFIGURED: "evidence for misconfigured, when confirmed",
    Effect.NOTHING: "evidence for nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestShown:
    """The request."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str
    """JSON, indented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventShown:
    """One event of a stream, as it came."""

    number: int
    """From 1, those that are left out counted."""
    at_s: float
    """Seconds since the probe started."""
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseShown:
    """The response, as far as it was read."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str | None
    """Of what is no stream: the beginning and the end."""
    events: tuple[EventShown, ...] = ()
    """Of a stream: the first and the last of them."""
    event_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What `once -v` shows. Every text is bounded and harmless: no key, nothing that drives a terminal."""

    observation: Observation
    request: RequestShown | None
    """None where nothing could be sent."""
    response: ResponseShown | None
    """None where no headers came."""
    reasoning: tuple[str, ...]
    """The steps of the reading, in order; the last one is the outcome, whose fault it is, and what follows."""


def examined(exchange: Exchange, observation: Observation, verdict: Classification) -> Transcript:
    """What is shown of a finished exchange."""
    provider = exchange.target.provider
    because = verdict.because or (verdict.detail,)
    steps = [clean(step, provider.api_key, limit=_LONGEST_STEP) for step in because]
    return Transcript(
        observation=observation,
        request=_sent(exchange.request, provider) if exchange.request else None,
        response=_received(exchange, exchange.answer(None)) if exchange.status is not None else None,
        reasoning=(*steps, f"outcome: {meaning(observation.outcome)}"),
    )


def meaning(outcome: Outcome) -> str:
    """`server_error: the provider's fault; evidence for down`."""
    unless = ", unless we are blind" if outcome.blame is Blame.UNDECIDED else ""
    return f"{outcome}: {_BLAMES[outcome.blame]}; {_EFFECTS[outcome.effect]}{unless}"


def _sent(request: Request, provider: Provider) -> RequestShown:
    body = json.dumps(request.body, indent=2, ensure_ascii=False)
    return RequestShown(
        method=request.method,
        url=clean_block(_without_secrets(request.url), provider.api_key),
        headers=tuple((name, _sent_header(name, value, provider)) for name, value in request.headers.items()),
        body=clean_block(body, provider.api_key, limit=_LONGEST_BODY),
    )


def _without_secrets(url: str) -> str:
    """The address without a password before the host and without parameters that are secrets."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = _SECRET_PARAMETERS.sub(rf"\g<1>{MASK}", parts.query)
    return urlunsplit((parts.scheme, f"{MASK}@{host}" if "@" in parts.netloc else host, parts.path, query, ""))


def _sent_header(name: str, value: str, provider: Provider) -> str:
    """The value; of a secret one only its scheme, and where the secret comes from."""
    key = provider.api_key.reveal()
    if not (key and key in value) and not _SECRET_HEADERS.search(name):
        return clean_block(value, provider.api_key, limit=_LONGEST_HEADER)
    scheme, _, secret = value.partition(" ")
    origin = f" ({provider.api_key_env or 'the key in the configuration'})" if key and key in value else ""
    return (f"{scheme} {MASK}" if secret and (not key or key not in scheme) else MASK) + origin


def _received(exchange: Exchange, answer: RawResponse) -> ResponseShown:
    provider = exchange.target.provider
    headers = _received_headers(answer.headers, provider)
    if not exchange.streaming:
        body = clean_block(answer.body.decode("utf-8", "replace"), provider.api_key, limit=_LONGEST_BODY)
        return ResponseShown(status=answer.status, headers=headers, body=body)
    events, count = _events(exchange.pieces or [], provider)
    if find_secret(provider.api_key.reveal(), answer.reply.text):
        events = tuple(EventShown(number=one.number, at_s=one.at_s, data=_SPELLED_OUT) for one in events)
    return ResponseShown(status=answer.status, headers=headers, body=None, events=events, event_count=count)


def _received_headers(headers: Mapping[str, str], provider: Provider) -> tuple[tuple[str, str], ...]:
    """The first of them; a cookie is nobody's business."""
    found = [
        (
            clean(name, provider.api_key, limit=100),
            MASK if "cookie" in name else clean(value, provider.api_key, limit=_LONGEST_HEADER),
        )
        for name, value in list(headers.items())[:_MOST_HEADERS]
    ]
    more = len(headers) - len(found)
    return (*found, *((("…", f"{more} more headers"),) if more else ()))


def _events(pieces: Sequence[BodyChunk], provider: Provider) -> tuple[tuple[EventShown, ...], int]:
    """The first and the last events, and how many there were."""
    found = list(events_in(pieces, DIALECTS[provider.dialect].framing))
    return tuple(_first_and_last(found, provider)), len(found)


def _first_and_last(found: Sequence[tuple[float, str]], provider: Provider) -> Iterator[EventShown]:
    for number, (at_s, text) in enumerate(found, 1):
        if number <= _FIRST_EVENTS or number > len(found) - _LAST_EVENTS:
            yield EventShown(number=number, at_s=at_s, data=clean_block(text, provider.api_key, limit=_LONGEST_EVENT))


def events_in(pieces: Iterable[BodyChunk], framing: Framing) -> Iterator[tuple[float, str]]:
    """Every event with the seconds at which its last byte came; the last one may be cut off.

    Server-sent events as they are, comments among them; binary frames as the name and the text that they hold.
    """
    return _frames(pieces) if framing is Framing.EVENTSTREAM else _lines(pieces)


def _lines(pieces: Iterable[BodyChunk]) -> Iterator[tuple[float, str]]:
    waiting, looked_at, at_s = bytearray(), 0, 0.0
    for piece in pieces:
        waiting += piece.data
        at_s, begin = piece.at_s, 0
        for end in _BLANK_LINE.finditer(waiting, max(0, looked_at - _LONGEST_BLANK_LINE)):
            yield from _event(at_s, waiting[begin : end.start()])
            begin = end.end()
        del waiting[:begin]
        looked_at = len(waiting)
    yield from _event(at_s, waiting)


def _event(at_s: float, data: bytes | bytearray) -> Iterator[tuple[float, str]]:
    text = data.decode("utf-8", "replace").strip("\r\n")
    if text:
        yield at_s, text


def _frames(pieces: Iterable[BodyChunk]) -> Iterator[tuple[float, str]]:
    parser, at_s = AwsEventStreamParser(), 0.0
    try:
        for piece in pieces:
            at_s = piece.at_s
            for event in parser.feed(piece.data):
                yield at_s, f"{event.name}: {event.data}"
        list(parser.close())
    except MalformedError as fault:
        yield at_s, f"(a frame with {fault})"
