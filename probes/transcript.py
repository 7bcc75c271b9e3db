"""The transcript of one probe: request, response and the steps of the classification, with keys masked."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from probes.classifier import Classification, RawResponse
from probes.dialects.base import Dialect
from probes.dialects.registry import DIALECTS
from probes.exchange import BodyChunk, Exchange
from probes.json_values import MalformedError
from probes.observation import Observation
from probes.outcome import Blame, Effect, Outcome
from probes.redaction import MASK, clean, clean_block, find_secret
from probes.request_reply import Request
from probes.streaming.aws_eventstream import AwsEventStreamParser
from probes.target import Provider

_LONGEST_BODY: Final = 64_000
_LONGEST_EVENT: Final = 1_000
_FIRST_EVENTS: Final = 30
_LAST_EVENTS: Final = 10
_MOST_HEADERS: Final = 40
_LONGEST_HEADER: Final = 300
_LONGEST_STEP: Final = 500
_KEY_ACROSS_EVENTS: Final = "(not shown: together, the events contain a key)"
#: Headers whose value is secret whatever it is.
_SECRET_HEADERS: Final = re.compile(r"(?i)auth|cookie|token|secret|api-?key|signature")
_SECRET_PARAMETERS: Final = re.compile(r"(?i)((?:^|&)[^=&]*(?:key|token|secret|sig|password)[^=&]*=)[^&]*")

_BLANK_LINE: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LONGEST_BLANK_LINE: Final = 4

_BLAMES: Final = {
    Blame.NOBODY: "nobody's fault",
    Blame.PROVIDER: "the provider's fault",
    Blame.UNDECIDED: "fault undecided",
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
class TranscriptRequest:
    """The request as it was sent."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str
    """JSON, indented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEvent:
    """One event of a stream, as it was received."""

    number: int
    """From 1; events that are left out count."""
    at_s: float
    """Seconds since the probe started."""
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptResponse:
    """The response, as far as it was read."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str | None
    """The beginning and the end; None for a stream."""
    events: tuple[TranscriptEvent, ...] = ()
    """The first and the last of a stream."""
    event_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What `once -v` shows. Each text is bounded, holds no key, and cannot drive a terminal."""

    observation: Observation
    request: TranscriptRequest | None
    """None where nothing could be sent."""
    response: TranscriptResponse | None
    """None where no headers arrived."""
    reasoning: tuple[str, ...]
    """The steps of the classification, in order; the last names the outcome, its blame and its effect."""


def build_transcript(exchange: Exchange, observation: Observation, classification: Classification) -> Transcript:
    """The transcript of a finished exchange."""
    provider = exchange.target.provider
    steps = classification.steps or (classification.detail,)
    shown = [clean(step, provider.api_key, limit=_LONGEST_STEP) for step in steps]
    return Transcript(
        observation=observation,
        request=_show_request(exchange.request, provider) if exchange.request else None,
        response=_show_response(exchange, exchange.response(None)) if exchange.status is not None else None,
        reasoning=(*shown, f"outcome: {describe_outcome(observation.outcome)}"),
    )


def describe_outcome(outcome: Outcome) -> str:
    """`server_error: the provider's fault; evidence for down`."""
    unless = ", unless we are blind" if outcome.blame is Blame.UNDECIDED else ""
    return f"{outcome}: {_BLAMES[outcome.blame]}; {_EFFECTS[outcome.effect]}{unless}"


def _show_request(request: Request, provider: Provider) -> TranscriptRequest:
    body = json.dumps(request.body, indent=2, ensure_ascii=False)
    return TranscriptRequest(
        method=request.method,
        url=clean_block(_mask_url(request.url), provider.api_key),
        headers=tuple((name, _show_request_header(name, value, provider)) for name, value in request.headers.items()),
        body=clean_block(body, provider.api_key, limit=_LONGEST_BODY),
    )


def _mask_url(url: str) -> str:
    """The URL with a password before the host and secret parameters masked."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = _SECRET_PARAMETERS.sub(rf"\g<1>{MASK}", parts.query)
    return urlunsplit((parts.scheme, f"{MASK}@{host}" if "@" in parts.netloc else host, parts.path, query, ""))


def _show_request_header(name: str, value: str, provider: Provider) -> str:
    """The value; of a secret one only its scheme, and the variable that it comes from."""
    key = provider.api_key.reveal()
    if not (key and key in value) and not _SECRET_HEADERS.search(name):
        return clean_block(value, provider.api_key, limit=_LONGEST_HEADER)
    scheme, _, secret = value.partition(" ")
    origin = (
        f" ({provider.api_key_env or provider.api_key_file or 'the key in the configuration'})"
        if key and key in value
        else ""
    )
    return (f"{scheme} {MASK}" if secret and (not key or key not in scheme) else MASK) + origin


def _show_response(exchange: Exchange, response: RawResponse) -> TranscriptResponse:
    provider = exchange.target.provider
    headers = _show_response_headers(response.headers, provider)
    if not exchange.streaming:
        body = clean_block(response.body.decode("utf-8", "replace"), provider.api_key, limit=_LONGEST_BODY)
        return TranscriptResponse(status=response.status, headers=headers, body=body)
    events, count = _show_events(exchange.chunks or [], provider)
    if find_secret(provider.api_key.reveal(), response.reply.text):
        events = tuple(replace(event, data=_KEY_ACROSS_EVENTS) for event in events)
    return TranscriptResponse(status=response.status, headers=headers, body=None, events=events, event_count=count)


def _show_response_headers(headers: Mapping[str, str], provider: Provider) -> tuple[tuple[str, str], ...]:
    """The first 40 headers; cookies are masked."""
    shown = [
        (
            clean(name, provider.api_key, limit=100),
            MASK if "cookie" in name else clean(value, provider.api_key, limit=_LONGEST_HEADER),
        )
        for name, value in list(headers.items())[:_MOST_HEADERS]
    ]
    more = len(headers) - len(shown)
    return (*shown, *((("…", f"{more} more headers"),) if more else ()))


def _show_events(chunks: Sequence[BodyChunk], provider: Provider) -> tuple[tuple[TranscriptEvent, ...], int]:
    """The first and the last events, and how many there were."""
    events = list(split_events(chunks, DIALECTS[provider.dialect]))
    shown = (
        TranscriptEvent(number=number, at_s=at_s, data=clean_block(text, provider.api_key, limit=_LONGEST_EVENT))
        for number, (at_s, text) in enumerate(events, 1)
        if number <= _FIRST_EVENTS or number > len(events) - _LAST_EVENTS
    )
    return tuple(shown), len(events)


def split_events(chunks: Iterable[BodyChunk], dialect: Dialect) -> Iterator[tuple[float, str]]:
    """The text of each event, and the seconds at which its last byte arrived; the last event may be cut off.

    Server-sent events as they are, comments included; binary frames as their name and payload.
    """
    return _split_frames(chunks) if dialect.stream_parser is AwsEventStreamParser else _split_sse(chunks)


def _split_sse(chunks: Iterable[BodyChunk]) -> Iterator[tuple[float, str]]:
    pending, searched, at_s = bytearray(), 0, 0.0
    for at_s, data in chunks:
        pending += data
        begin = 0
        for end in _BLANK_LINE.finditer(pending, max(0, searched - _LONGEST_BLANK_LINE)):
            yield from _decode_event(at_s, pending[begin : end.start()])
            begin = end.end()
        del pending[:begin]
        searched = len(pending)
    yield from _decode_event(at_s, pending)


def _decode_event(at_s: float, data: bytes | bytearray) -> Iterator[tuple[float, str]]:
    text = data.decode("utf-8", "replace").strip("\r\n")
    if text:
        yield at_s, text


def _split_frames(chunks: Iterable[BodyChunk]) -> Iterator[tuple[float, str]]:
    parser, at_s = AwsEventStreamParser(), 0.0
    try:
        for at_s, data in chunks:
            for event in parser.feed(data):
                yield at_s, f"{event.name}: {event.data}"
        list(parser.close())
    except MalformedError as fault:
        yield at_s, f"(a frame with {fault})"
