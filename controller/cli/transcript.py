"""`hotspare once -v`: one probe's whole exchange, its phases, its cost, and why it ended as it did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from controller.cli import output
from monitor.formatting import plural, span
from probes.observation import Observation
from probes.transcript import EventShown, RequestShown, ResponseShown, Transcript

_INDENT = 2
_WIDEST_BAR = 40
_BESIDE_THE_BAR = 38
_SHORTEST_BAR = 10
#: Above this the times are our own event loop's as much as the provider's.
_LATE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePhase:
    """One step of a probe, in seconds since its start."""

    name: str
    from_s: float
    until_s: float


def phases(seen: Observation) -> tuple[ProbePhase, ...]:
    """The steps that the probe got through, each from the end of the one before."""
    ends = (
        ("name looked up", seen.resolved_s),
        ("TCP connected", seen.tcp_s),
        ("TLS established" if seen.tcp_s is not None else "connected", seen.connected_s),
        ("request sent", seen.sent_s),
        ("headers received", seen.first_byte_s),
        ("first token", seen.first_token_s),
        ("last byte", seen.last_byte_s),
        ("verdict", seen.duration_s),
    )
    found: list[ProbePhase] = []
    reached_s = 0.0
    for name, until_s in ends:
        if until_s is None or (name == "TLS established" and until_s == reached_s):
            continue
        found.append(ProbePhase(name=name, from_s=reached_s, until_s=max(reached_s, until_s)))
        reached_s = found[-1].until_s
    return tuple(found)


def document(one: Transcript) -> dict[str, Any]:
    """The exchange as JSON: seconds since the probe's start, null for what did not happen or is not known."""
    return {
        "request": _request(one.request) if one.request else None,
        "response": _response(one.response) if one.response else None,
        "events": [_arrived(event) for event in one.response.events] if one.response else [],
        "phases": _phases(one.observation),
        "reasoning": list(one.reasoning),
    }


def _request(sent: RequestShown) -> dict[str, Any]:
    return {"method": sent.method, "url": sent.url, "headers": dict(sent.headers), "body": sent.body}


def _response(received: ResponseShown) -> dict[str, Any]:
    return {
        "status": received.status,
        "headers": dict(received.headers),
        "body": received.body,
        "event_count": received.event_count,
    }


def _arrived(event: EventShown) -> dict[str, Any]:
    return {"number": event.number, "at_s": round(event.at_s, 4), "data": event.data}


def _phases(seen: Observation) -> dict[str, Any]:
    return {
        "fresh": seen.fresh,
        "resolved_s": seen.resolved_s,
        "tcp_s": seen.tcp_s,
        "connected_s": seen.connected_s,
        "sent_s": seen.sent_s,
        "first_byte_s": seen.first_byte_s,
        "first_token_s": seen.first_token_s,
        "last_byte_s": seen.last_byte_s,
        "duration_s": seen.duration_s,
        "longest_stall_s": seen.longest_stall_s,
        "tokens_per_s": seen.tokens_per_s,
        "loop_lag_s": seen.loop_lag_s,
    }


def print_examination(one: Transcript, console: Console) -> None:
    """For people: the request, the response, the phases, what it cost, and the numbered steps of the reading."""
    seen = one.observation
    lines = _Lines(console)
    lines.put(f"{seen.target} · {seen.check} · {seen.started_at:%Y-%m-%d %H:%M:%S} UTC", style="bold", indent=0)
    _print_request(one.request, lines)
    _print_response(one.response, lines)
    lines.head("Phases")
    for line in _bars(phases(seen), console.width if console.is_terminal else 80):
        lines.put(line)
    for line in _asides(seen):
        lines.put(line)
    lines.head("Tokens and cost")
    for line in (_cost(seen), *_besides(seen)):
        lines.put(line)
    lines.head("Why")
    *steps, last = one.reasoning
    for number, step in enumerate(steps, 1):
        lines.put(step, before=f"{number}. ")
    lines.put(last, before=f"{len(steps) + 1}. ", style=f"bold {output.outcome_style(seen.outcome)}")
    console.print()


def _print_request(sent: RequestShown | None, lines: "_Lines") -> None:
    lines.head("Request")
    if sent is None:
        lines.put("none was sent")
        return
    lines.put(f"{sent.method} {sent.url}")
    lines.headers(sent.headers)
    lines.put(sent.body)


def _print_response(received: ResponseShown | None, lines: "_Lines") -> None:
    lines.head("Response")
    if received is None:
        lines.put("none came")
        return
    lines.put(f"HTTP {received.status}")
    lines.headers(received.headers)
    if received.body is not None:
        lines.put(received.body or "(no body)")
        return
    reached = 0
    for event in received.events:
        _say_left_out(event.number - reached - 1, lines)
        lines.put(event.data, before=f"+{event.at_s:.3f} s  ")
        reached = event.number
    if not received.events:
        lines.put("(no event)")


def _say_left_out(count: int, lines: "_Lines") -> None:
    if count:
        lines.put(f"… {plural(count, 'more event')} …", style="dim")


def _bars(steps: Sequence[ProbePhase], columns: int) -> Iterator[str]:
    """A line each: what, when it was over, how long it took, and both as a bar."""
    whole_s = steps[-1].until_s or 1.0
    width = max(_SHORTEST_BAR, min(_WIDEST_BAR, columns - _BESIDE_THE_BAR))
    for step in steps:
        begin = min(width - 1, int(step.from_s / whole_s * width))
        length = max(1, round(step.until_s / whole_s * width) - begin)
        bar = " " * begin + "━" * length
        yield f"{step.name:<16} {step.until_s:>7.3f} s  +{step.until_s - step.from_s:.3f} s  {bar}".rstrip()


def _asides(seen: Observation) -> Iterator[str]:
    if seen.longest_stall_s is not None:
        yield f"longest stall between two pieces of text: {seen.longest_stall_s:.3f} s"
    if seen.tokens_per_s is not None:
        yield f"{seen.tokens_per_s:.1f} tokens per second after the first"
    if not seen.fresh:
        yield "over a connection that had served before"
    if seen.loop_lag_s > _LATE_S:
        yield f"our own event loop was up to {seen.loop_lag_s:.3f} s late: these times are not all the provider's"


def _cost(seen: Observation) -> str:
    if seen.input_tokens is None and seen.output_tokens is None:
        tokens = "no tokens were counted"
    else:
        cached = f" ({seen.cached_tokens} of them cached)" if seen.cached_tokens else ""
        reasoning = f" ({seen.reasoning_tokens} of them reasoning)" if seen.reasoning_tokens else ""
        tokens = f"{_count(seen.input_tokens)} tokens in{cached}, {_count(seen.output_tokens)} out{reasoning}"
    cost = "cost unknown" if seen.cost_usd is None else f"${seen.cost_usd:.6f}"
    return f"{tokens}; {cost}"


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else str(tokens)


def _besides(seen: Observation) -> Iterator[str]:
    """What the reply said besides its content: who answered, that the model will go, whom to quote in a ticket."""
    if seen.model is not None:
        yield f"answered by {seen.model}, which is not the model that was asked"
    if seen.deprecation is not None:
        yield f"the provider says of the model: {seen.deprecation}"
    if seen.retry_after_s is not None:
        yield f"the provider asks to wait for {span(seen.retry_after_s)}"
    if seen.request_id is not None:
        yield f"request id {seen.request_id}"


class _Lines:
    """Lines as they are in a pipe; on a terminal folded at its edge, each below where it began."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def head(self, title: str) -> None:
        self._console.print()
        self._console.print(Text(title, style="bold cyan"))

    def headers(self, headers: Sequence[tuple[str, str]]) -> None:
        for name, value in headers:
            self.put(f"{name}: {value}", style="dim")
        self._console.print()

    def put(self, text: str, *, before: str = "", indent: int = _INDENT, style: str = "") -> None:
        """The text, line for line; `before` stands before the first, and the others are indented as far."""
        margin = " " * (indent + len(before))
        for number, line in enumerate(text.split("\n")):
            lead = " " * indent + before if number == 0 else margin
            for part, piece in enumerate(self._folded(Text(line, style=style), len(margin))):
                self._console.print(Text(lead if part == 0 else margin) + piece, soft_wrap=True)

    def _folded(self, line: Text, margin: int) -> Sequence[Text]:
        room = self._console.width - margin
        if not self._console.is_terminal or line.cell_len <= room:
            return [line]
        return list(line.wrap(self._console, max(room, 20), overflow="fold"))
