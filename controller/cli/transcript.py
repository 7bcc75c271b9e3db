"""Prints for `hotspare once -v` one probe's exchange, its phases, its cost, and why it ended as it did."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from controller.cli import output
from monitor.formatting import format_elapsed, plural
from probes.observation import Observation
from probes.transcript import Transcript, TranscriptRequest, TranscriptResponse

#: Above this delay of our own event loop, the measured times are not the provider's alone.
_LATE_S = 0.02
_PHASES = (
    *("fresh", "resolved_s", "tcp_s", "connected_s", "sent_s", "first_byte_s", "first_token_s", "last_byte_s"),
    *("duration_s", "longest_stall_s", "tokens_per_s", "loop_lag_s"),
)
"""The fields of an observation in `phases` of the JSON document."""


def phases(observation: Observation) -> Iterator[tuple[str, float, float]]:
    """Yield the steps that the probe got through, each from the end of the one before, in seconds since its start."""
    ends = (
        ("name looked up", observation.resolved_s),
        ("TCP connected", observation.tcp_s),
        ("TLS established" if observation.tcp_s is not None else "connected", observation.connected_s),
        ("request sent", observation.sent_s),
        ("headers received", observation.first_byte_s),
        ("first token", observation.first_token_s),
        ("last byte", observation.last_byte_s),
        ("verdict", observation.duration_s),
    )
    reached_s = 0.0
    for name, until_s in ends:
        if until_s is None or (name == "TLS established" and until_s == reached_s):
            continue
        from_s, reached_s = reached_s, max(reached_s, until_s)
        yield name, from_s, reached_s


def transcript_document(transcript: Transcript) -> dict[str, Any]:
    """Return the exchange as JSON: seconds since the probe's start, null for what did not happen or is not known."""
    request, response = transcript.request, transcript.response
    return {
        "request": request and asdict(request) | {"headers": dict(request.headers)},
        "response": response
        and {name: getattr(response, name) for name in ("status", "headers", "body", "event_count")}
        | {"headers": dict(response.headers)},
        "events": [asdict(event) | {"at_s": round(event.at_s, 4)} for event in response.events] if response else [],
        "phases": {name: getattr(transcript.observation, name) for name in _PHASES},
        "reasoning": list(transcript.reasoning),
    }


def print_transcript(transcript: Transcript, console: Console) -> None:
    """For people: the request, the response, the phases, what it cost, and the numbered steps of the reading."""
    observation = transcript.observation
    title = f"{observation.target} · {observation.check} · {observation.started_at:%Y-%m-%d %H:%M:%S} UTC"
    _print_text(console, title, style="bold", indent=0)
    _print_exchange(transcript.request, transcript.response, console)
    _print_head(console, "Phases")
    columns = console.width if console.is_terminal else 80
    for line in (*_bars(list(phases(observation)), columns), *_asides(observation)):
        _print_text(console, line)
    _print_head(console, "Tokens and cost")
    for line in (_cost(observation), *_besides(observation)):
        _print_text(console, line)
    _print_head(console, "Why")
    *steps, last = transcript.reasoning
    for number, step in enumerate(steps, 1):
        _print_text(console, step, before=f"{number}. ")
    _print_text(console, last, before=f"{len(steps) + 1}. ", style=f"bold {output.outcome_style(observation.outcome)}")
    console.print()


def _print_exchange(request: TranscriptRequest | None, response: TranscriptResponse | None, console: Console) -> None:
    _print_head(console, "Request")
    if request:
        _print_text(console, f"{request.method} {request.url}")
        _print_headers(console, request.headers)
    _print_text(console, request.body if request else "none was sent")
    _print_head(console, "Response")
    if response is None:
        _print_text(console, "none came")
        return
    _print_text(console, f"HTTP {response.status}")
    _print_headers(console, response.headers)
    if response.body is not None:
        _print_text(console, response.body or "(no body)")
        return
    reached = 0
    for event in response.events:
        if left_out := event.number - reached - 1:
            _print_text(console, f"… {plural(left_out, 'more event')} …", style="dim")
        _print_text(console, event.data, before=f"+{event.at_s:.3f} s  ")
        reached = event.number
    if not response.events:
        _print_text(console, "(no event)")


def _bars(steps: Sequence[tuple[str, float, float]], columns: int) -> Iterator[str]:
    """A line each: what, when it was over, how long it took, and both as a bar."""
    total_s = steps[-1][2] or 1.0
    width = max(10, min(40, columns - 38))  # beside the bar there are 38 columns of text
    for name, from_s, until_s in steps:
        begin = min(width - 1, int(from_s / total_s * width))
        length = max(1, round(until_s / total_s * width) - begin)
        bar = " " * begin + "━" * length
        yield f"{name:<16} {until_s:>7.3f} s  +{until_s - from_s:.3f} s  {bar}".rstrip()


def _asides(observation: Observation) -> Iterator[str]:
    if observation.longest_stall_s is not None:
        yield f"longest stall between two pieces of text: {observation.longest_stall_s:.3f} s"
    if observation.tokens_per_s is not None:
        yield f"{observation.tokens_per_s:.1f} tokens per second after the first"
    if not observation.fresh:
        yield "over a connection that had served before"
    if observation.loop_lag_s > _LATE_S:
        late = f"our own event loop was up to {observation.loop_lag_s:.3f} s late"
        yield f"{late}: these times are not all the provider's"


def _cost(observation: Observation) -> str:
    tokens = "no tokens were counted"
    if observation.input_tokens is not None or observation.output_tokens is not None:
        counts = ["unknown" if n is None else str(n) for n in (observation.input_tokens, observation.output_tokens)]
        cached = f" ({observation.cached_tokens} of them cached)" if observation.cached_tokens else ""
        reasoning = f" ({observation.reasoning_tokens} of them reasoning)" if observation.reasoning_tokens else ""
        tokens = f"{counts[0]} tokens in{cached}, {counts[1]} out{reasoning}"
    return f"{tokens}; {'cost unknown' if observation.cost_usd is None else f'${observation.cost_usd:.6f}'}"


def _besides(observation: Observation) -> Iterator[str]:
    """What else the reply says: which model answered, that the model is deprecated, the request id."""
    if observation.model is not None:
        yield f"answered by {observation.model}, which is not the model that was asked"
    if observation.deprecation is not None:
        yield f"the provider says of the model: {observation.deprecation}"
    if observation.retry_after_s is not None:
        yield f"the provider asks to wait for {format_elapsed(observation.retry_after_s)}"
    if observation.limit_left is not None:
        yield f"close to a limit: {observation.limit_left} left for {format_elapsed(observation.limit_resets_s or 0.0)}"
    if observation.request_id is not None:
        yield f"request id {observation.request_id}"


def _print_head(console: Console, title: str) -> None:
    console.print()
    console.print(Text(title, style="bold cyan"))


def _print_headers(console: Console, headers: Sequence[tuple[str, str]]) -> None:
    for name, value in headers:
        _print_text(console, f"{name}: {value}", style="dim")
    console.print()


def _print_text(console: Console, text: str, *, before: str = "", indent: int = 2, style: str = "") -> None:
    """Print it line for line, on a terminal folded at its edge; what comes after `before` is indented as far."""
    margin = " " * (indent + len(before))
    lead = " " * indent + before
    room = console.width - len(margin)
    for line in text.split("\n"):
        whole = Text(line, style=style)
        fits = not console.is_terminal or whole.cell_len <= room
        for piece in [whole] if fits else whole.wrap(console, max(room, 20), overflow="fold"):
            console.print(Text(lead) + piece, soft_wrap=True)
            lead = margin
