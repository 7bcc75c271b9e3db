"""Reads a piece of a stream of any dialect, from an SDK or the wire: does it speak, is it the end (pure)."""

from __future__ import annotations

from typing import Any, NamedTuple

#: A piece of a chat that says that its answer failed.
_FAILED_ENDS = {"error", "abort", "ERROR", "TIMEOUT"}
#: What Anthropic's helper adds to the events of the wire.
_OF_HELPERS = {"text", "thinking", "input_json", "citation", "signature"}
_SPEAKING_PARTS = {
    *("content", "reasoning_content", "reasoning", "tool_calls", "function_call", "refusal", "audio", "text"),
    *("thinking", "partial_json", "functionCall", "function_call", "inlineData", "inline_data", "executableCode"),
}


class Piece(NamedTuple):
    """What a piece of a stream is."""

    known: bool = True
    """Whether it has the shape of a dialect; of one that has not, nothing else is known."""
    speaks: bool = False
    """Whether it holds a part of the answer: text, reasoning, a tool call. Keep-alives and roles are none."""
    parts: frozenset[int] = frozenset()
    """The answers that it belongs to: several where a request asked for several."""
    ended: frozenset[int] = frozenset()
    """Those of which it is the right end."""
    usage: bool = False
    """Whether it holds the tokens used."""
    error: object = None
    """What the provider says where it failed inside the stream."""


_UNKNOWN = Piece(known=False, speaks=True)
_ONE = frozenset({0})


def read_piece(piece: object) -> Piece:
    """What `piece` is, by its shape, in all dialects of Hotspare. Never raises."""
    try:
        read = _read(piece)
        return read if read.error is None else read._replace(error=_words(read.error))
    except Exception:  # noqa: BLE001 - a piece may be anything
        return _UNKNOWN


def _read(piece: object) -> Piece:
    kind = _get(piece, "type")
    error = _get(piece, "error")
    if (error and (isinstance(piece, dict) or kind == "error")) or _get(piece, "object") == "error":
        return Piece(error=piece)
    if isinstance(_get(piece, "choices"), (list, tuple)):
        return _chat(piece)
    if isinstance(kind, str):
        return _event(kind, piece)
    if any(_get(piece, name) is not None for name in ("candidates", "promptFeedback", "prompt_feedback")):
        return _gemini(piece)
    if isinstance(piece, dict):
        return _bedrock(piece)
    return _UNKNOWN


def _chat(piece: object) -> Piece:
    choices = _get(piece, "choices")
    reasons = {_index(choice): _get(choice, "finish_reason") for choice in choices}
    failed = [choice for choice in choices if _get(choice, "error") or _has_failed(choice)]
    of_groq = _get(_get(piece, "x_groq"), "error")
    return Piece(
        speaks=any(_speaks(_get(choice, "delta")) or _speaks(choice) for choice in choices),
        parts=frozenset(reasons),
        ended=frozenset(index for index, reason in reasons.items() if reason),
        usage=_get(piece, "usage") is not None,
        error=of_groq or ((_get(failed[0], "error") or piece) if failed else None),
    )


def _event(kind: str, piece: object) -> Piece:
    """OpenAI's responses, Anthropic and Cohere say of each event which it is."""
    delta = _get(piece, "delta")
    if kind in {"error", "response.failed", "response.cancelled"} or _has_failed(delta):
        return Piece(error=_get(_get(piece, "response"), "error") or piece)
    if kind in {"response.completed", "response.incomplete", "message_stop", "message-end"}:
        return Piece(parts=_ONE, ended=_ONE, usage=True)
    if kind.startswith("response."):
        return Piece(speaks=kind.endswith(".delta"), parts=_ONE)
    if kind.startswith(("message", "content", "tool-", "citation-", "ping")):
        return Piece(speaks=kind in {"content_block_delta", "content-delta"} or kind.startswith("tool-"), parts=_ONE)
    return Piece(speaks=True, parts=_ONE) if kind in _OF_HELPERS else _UNKNOWN


def _gemini(piece: object) -> Piece:
    candidates = [each for each in _get(piece, "candidates") or () if each is not None]
    reasons = {_index(each): _get(each, "finishReason") or _get(each, "finish_reason") for each in candidates}
    blocked = not candidates and (_get(piece, "promptFeedback") or _get(piece, "prompt_feedback"))
    parts = [part for each in candidates for part in _get(_get(each, "content"), "parts") or ()]
    return Piece(
        speaks=any(map(_speaks, parts)),
        parts=frozenset(reasons) or _ONE,
        ended=_ONE if blocked else frozenset(index for index, reason in reasons.items() if reason),
        usage=(_get(piece, "usageMetadata") or _get(piece, "usage_metadata")) is not None,
    )


def _bedrock(piece: dict[Any, Any]) -> Piece:
    if "messageStop" in piece:
        return Piece(parts=_ONE, ended=_ONE)
    if "metadata" in piece:
        return Piece(parts=_ONE, usage=True)
    if piece.keys() & {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop"}:
        return Piece(speaks="contentBlockDelta" in piece, parts=_ONE)
    failed = next((key for key in piece if isinstance(key, str) and key.endswith("Exception")), None)
    return Piece(error={"code": failed, **piece}) if failed else _UNKNOWN


def _words(error: object) -> object:
    """An error of an SDK's class as the keys that it had on the wire."""
    if isinstance(error, (dict, str, int)):
        return error
    values = ((name, _get(error, name)) for name in ("type", "code", "status", "message", "error"))
    return {name: _words(value) for name, value in values if value and value is not error}


def _speaks(part: object) -> bool:
    return any(_get(part, name) for name in _SPEAKING_PARTS)


def _has_failed(part: object) -> bool:
    reason = _get(part, "finish_reason")
    return isinstance(reason, str) and reason in _FAILED_ENDS


def _index(part: object) -> int:
    index = _get(part, "index")
    return index if isinstance(index, int) and not isinstance(index, bool) else 0


def _get(piece: object, name: str) -> Any:
    return piece.get(name) if isinstance(piece, dict) else getattr(piece, name, None)
