"""The routing table as it was published, for those that have no file: with a tag, and a wait for the next change."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

#: How often it is looked whether there is a new table, while somebody waits for one.
_LOOK_S: Final = 0.05
LONGEST_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """One published table."""

    content: bytes
    tag: str
    """Of everything but `written_at`: the service writes the file anew when nothing has changed, to show that it
    lives."""
    written_at: str
    table: dict[str, Any]

    @classmethod
    def of(cls, content: bytes) -> "PublishedTable":
        """What the routing file publishes."""
        table = json.loads(content)
        lasting = {name: value for name, value in table.items() if name != "written_at"}
        digest = sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()[:32]
        return cls(content=content, tag=f'W/"{digest}"', written_at=str(table.get("written_at", "")), table=table)


class RoutingFeed:
    """Follows `content`, which gives the bytes of the last published file; from one event loop."""

    def __init__(self, content: Callable[[], bytes]) -> None:
        self._content = content
        self._last: PublishedTable | None = None
        self._waiting = 0
        self._changed = asyncio.Event()
        """Set, and replaced, when there is a table of another tag."""
        self._watch: asyncio.Task[None] | None = None

    def current(self) -> PublishedTable | None:
        """The last table; None while there is none."""
        content = self._content()
        if content and (self._last is None or self._last.content is not content):
            self._last = PublishedTable.of(content)
        return self._last

    async def next_after(self, tags: frozenset[str], wait_s: float) -> PublishedTable | None:
        """The first table whose tag is none of these; after so many seconds the last one, whatever its tag."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + min(wait_s, LONGEST_WAIT_S)
        self._waiting += 1
        try:
            while (table := self.current()) is None or table.tag in tags:
                left_s = ends_at - loop.time()
                if left_s <= 0:
                    return table
                self._watch = self._watch or asyncio.create_task(self._look())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await self._changed.wait()
            return table
        finally:
            self._waiting -= 1

    async def _look(self) -> None:
        """Look for all that wait together, as long as somebody does."""
        table = self.current()
        while self._waiting:
            await asyncio.sleep(_LOOK_S)
            if (new := self.current()) and (table is None or new.tag != table.tag):
                table = new
                self._changed.set()
                self._changed = asyncio.Event()
        self._watch = None
