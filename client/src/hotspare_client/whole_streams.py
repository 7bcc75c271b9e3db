"""Streams of the openai package for libraries that take one that was cut for a whole one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

from hotspare_client.pieces import read_piece
from hotspare_client.stream_watch import AFTER_END_S, StreamCutError


def with_whole_streams(client: Any, name: str) -> Any:
    """A copy of an AsyncOpenAI whose streams of chat completions are `WholeStream`s; `name` is the target's."""
    copy = client.with_options()
    completions = copy.chat.completions
    create = completions.create

    async def create_whole(*args: Any, **options: Any) -> Any:
        reply = await create(*args, **options)
        return WholeStream(reply, name) if options.get("stream") is True else reply

    completions.create = create_whole
    return copy


class WholeStream:
    """The chunks of a stream, which ends half a second after its answer at the latest.

    Raises StreamCutError where it ends before. All else is the stream's own.
    """

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name
        self._chunks: AsyncIterator[Any] = aiter(stream)
        self._parts: frozenset[int] = frozenset()
        self._ended: frozenset[int] = frozenset()

    @property
    def _is_whole(self) -> bool:
        return bool(self._ended) and self._ended >= self._parts

    def __aiter__(self) -> WholeStream:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await asyncio.wait_for(anext(self._chunks), AFTER_END_S if self._is_whole else None)
        except StopAsyncIteration:
            if self._is_whole:
                raise
            raise StreamCutError(f"the stream of {self._name} ended without its end") from None
        except Exception:
            if self._is_whole:
                raise StopAsyncIteration from None
            raise
        piece = read_piece(chunk)
        self._parts |= piece.parts
        self._ended |= piece.ended
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> WholeStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stream.close()
