"""Judges the pieces of one stream: which of them to give, how long to wait for the next, whether it is whole (pure)."""

from __future__ import annotations

from typing import Any

from hotspare_client.pieces import read_piece

#: After its right end a stream may still bring its usage; after that, only the terminator that lets the connection be
#: used again.
AFTER_END_S, _AFTER_USAGE_S = 0.5, 0.1
#: More pieces without a word of the answer are no beginning of one.
_MOST_HELD = 1_000


class StreamCutError(ConnectionError):
    """The stream ended without the right end of its dialect: the answer is not whole."""


class StreamSilentError(TimeoutError):
    """No piece came within the limit."""


class StreamFailedError(Exception):
    """The provider said inside the stream that it failed."""

    def __init__(self, message: str, body: object) -> None:
        super().__init__(message)
        self.body = body
        """What it said, as it came."""


class StreamWatch:
    """One stream. Pieces are held back until the first one that speaks, so that a failure before it is unseen."""

    def __init__(self, name: str, *, began_at: float, first_token_s: float, stall_s: float) -> None:
        self.is_open = False
        """Whether there is a stream; before that, an error may be the caller's own."""
        self._name = name
        self._began_at = began_at
        self._first_token_s = first_token_s
        self._stall_s = stall_s
        self._held: list[Any] = []
        self._count = 0
        self._silent_s = 0.0
        """Waited for since the last piece that spoke."""
        self._speaks = False
        self._known = False
        self._parts: frozenset[int] = frozenset()
        self._ended: frozenset[int] = frozenset()
        self._has_usage = False

    @property
    def is_whole(self) -> bool:
        """Whether the right end has come; where no piece has the shape of a dialect, there is none to wait for."""
        return bool(self._ended) and self._ended >= self._parts

    def patience_s(self, now: float, left_s: float) -> float:
        """How long the next piece may take; `left_s` until the deadline of the request."""
        if self.is_whole:
            return _AFTER_USAGE_S if self._has_usage else AFTER_END_S
        limit_s = self._stall_s - self._silent_s if self._speaks else self._first_token_s - (now - self._began_at)
        return max(0.0, min(limit_s, left_s))

    def take(self, piece: Any, waited_s: float) -> list[Any]:
        """The pieces to give now. Raises StreamFailedError where this one says that the provider failed."""
        read = read_piece(piece)
        self._count += 1
        if read.error is not None:
            raise StreamFailedError(f"{self._name} failed inside the stream: {str(read.error)[:200]}", read.error)
        self._known = self._known or read.known
        self._parts |= read.parts
        self._ended |= read.ended
        self._has_usage = self._has_usage or read.usage
        self._silent_s = 0.0 if read.speaks else self._silent_s + waited_s
        if read.speaks:
            self._speaks = True
        self._held.append(piece)
        return self.give() if self._speaks or self.is_whole or len(self._held) >= _MOST_HELD else []

    def give(self) -> list[Any]:
        """What is held back."""
        held, self._held = self._held, []
        return held

    def silence(self, waited_s: float) -> StreamSilentError:
        """The error for a stream that sent nothing within its limit."""
        what = f"nothing for {waited_s:.1f} s after {self._count} pieces" if self._speaks else "no piece of the answer"
        return StreamSilentError(f"{self._name} sent {what}")

    def check_end(self) -> None:
        """Raise StreamCutError where the stream has ended before its right end."""
        if not self._count or (self._known and not self.is_whole):
            raise StreamCutError(f"the stream of {self._name} ended after {self._count} pieces, without its end")
