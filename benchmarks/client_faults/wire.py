"""What a provider sends in each of two dialects: whole answers, the events of streams, errors (pure)."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from benchmarks.client_faults.faults import ANSWER, Reply

_BROKEN: Final = b'data: {"id": "chatcmpl-1", "choices": [{"delta": {"con\n\n'
_INPUT, _OUTPUT = 12, 80


class Chat:
    """OpenAI's Chat Completions."""

    def __init__(self, model: str) -> None:
        self._model = model

    def error(self, reply: Reply) -> dict[str, Any]:
        """The body of a failure."""
        return {"error": {"message": reply.message, "type": reply.code, "code": reply.code, "param": None}}

    def answer(self, text: str, functions: Sequence[str] = ()) -> dict[str, Any]:
        """The body of a whole answer; with functions, a call of the first with the answer as its `text`."""
        message: dict[str, Any] = {"role": "assistant", "content": text}
        for name in functions[:1]:
            call = {"name": name, "arguments": json.dumps({"text": text})}
            message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if functions else "stop"}
        return self._event([choice], "chat.completion") | self._usage

    def events(self, reply: Reply) -> Iterator[bytes]:
        """The stream of an answer, as far as `reply` has it."""
        for number, word in enumerate(_words(reply), start=1):
            if number == reply.broken_event:
                yield _BROKEN
            yield _data(self._event([{"index": 0, "delta": {"role": "assistant", "content": word}}]))
        if reply.words is not None:
            return
        yield _data(self._event([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        yield _data(self._event([]) | self._usage)
        if reply.then == "done":
            yield b"data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], kind: str = "chat.completion.chunk") -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": self._model, "choices": choices}

    @property
    def _usage(self) -> dict[str, Any]:
        counts = {"prompt_tokens": _INPUT, "completion_tokens": _OUTPUT, "total_tokens": _INPUT + _OUTPUT}
        return {"usage": counts}


class Messages:
    """Anthropic's Messages."""

    def __init__(self, model: str) -> None:
        self._model = model

    def error(self, reply: Reply) -> dict[str, Any]:
        """The body of a failure."""
        return {"type": "error", "error": {"type": reply.code, "message": reply.message}}

    def answer(self, text: str, _functions: Sequence[str] = ()) -> dict[str, Any]:
        """The body of a whole answer."""
        return self._message([{"type": "text", "text": text}], "end_turn", _OUTPUT)

    def events(self, reply: Reply) -> Iterator[bytes]:
        """The stream of an answer, as far as `reply` has it."""
        yield _named({"type": "message_start", "message": self._message([], None, 1)})
        yield _named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        for number, word in enumerate(_words(reply), start=1):
            if number == reply.broken_event:
                yield _BROKEN
            delta = {"type": "text_delta", "text": word}
            yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
        if reply.words is not None:
            return
        yield _named({"type": "content_block_stop", "index": 0})
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        yield _named({"type": "message_delta", "delta": end, "usage": {"output_tokens": _OUTPUT}})
        yield _named({"type": "message_stop"})

    def _message(self, content: list[dict[str, Any]], reason: str | None, tokens: int) -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {"input_tokens": _INPUT, "output_tokens": tokens},
        }


def _words(reply: Reply) -> list[str]:
    return [f"{word} " for word in ANSWER.split()][: reply.words]


def _data(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _named(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\n".encode() + _data(event)
