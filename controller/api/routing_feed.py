"""The routing table as it was published, for those that have no file: with a tag, and a wait for the next change."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Final

from controller.routing.regional_table import UnknownRegionError, table_of_region

#: How often it is looked whether there is a new table, while somebody waits for one.
_LOOK_S: Final = 0.05
LONGEST_WAIT_S: Final = 60.0
#: An entity tag, without `W/`; it may hold a comma.
_TAG: Final = re.compile(r'"[^"]*"')


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


@dataclass(frozen=True, slots=True)
class KnownTags:
    """What a client knows already, by If-None-Match; its tags are compared weakly (RFC 9110, 8.8.3.2 and 13.1.2)."""

    tags: frozenset[str] = frozenset()
    """Without `W/`."""
    any: bool = False
    """`*`: whatever there is."""

    @classmethod
    def of(cls, lines: Iterable[str]) -> "KnownTags":
        """Of the header's lines, which make one list; what is no tag is left out."""
        line = ",".join(lines)
        return cls(frozenset(_TAG.findall(line)), line.strip() == "*")

    def __contains__(self, table: PublishedTable) -> bool:
        return self.any or table.tag.removeprefix("W/") in self.tags


class RoutingFeed:
    """Follows `content`, which gives the bytes of the last published file; from one event loop."""

    def __init__(self, content: Callable[[], bytes]) -> None:
        self._content = content
        self._last: PublishedTable | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        """Each is done when there is a table of another tag, or its client has left."""
        self._watch: asyncio.Task[None] | None = None
        self._regional: dict[str, RoutingFeed] = {}
        self._contents: dict[str, tuple[PublishedTable, bytes]] = {}
        """By region, of which table, and its own."""

    def of_region(self, region: str) -> "RoutingFeed":
        """The feed of this region's table; raises UnknownRegionError where the present table has no such region."""
        table = self.current()
        if table is None or region == table.table.get("region"):
            return self
        if not table.table.get("regions"):
            raise UnknownRegionError(f"{region!r} is not a region of this table, which has {_regions_of(table)}")
        if region not in self._regional:
            table_of_region(table.table, region)
            self._regional[region] = RoutingFeed(lambda: self._content_of(region))
        return self._regional[region]

    def _content_of(self, region: str) -> bytes:
        """What this region reads; the same object while nothing is published anew."""
        table = self.current()
        if table is None:
            return b""
        of, content = self._contents.get(region, (None, b""))
        if of is not table:
            if not table.table.get("regions"):  # they were taken out: as below
                return content
            try:
                content = json.dumps(table_of_region(table.table, region), indent=2, ensure_ascii=False).encode()
            except UnknownRegionError:  # it was taken out: whoever follows it keeps what it has
                return content
            self._contents[region] = table, content
        return content

    def current(self) -> PublishedTable | None:
        """The last table; None while there is none."""
        content = self._content()
        if content and (self._last is None or self._last.content is not content):
            self._last = PublishedTable.of(content)
        return self._last

    async def next_after(self, known: KnownTags, wait_s: float, left: asyncio.Future[None]) -> PublishedTable | None:
        """The first table that is not known; the last one after so many seconds, or once the client has `left`.

        Who knows `*` waits for nothing: no table would be news.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + min(wait_s, LONGEST_WAIT_S)
        while (table := self.current()) is None or (table in known and not known.any):
            left_s = ends_at - loop.time()
            if left_s <= 0 or left.done():
                return table
            self._watch = self._watch or asyncio.create_task(self._look())
            await self._change(left_s, left)
        return table

    async def _change(self, at_most_s: float, left: asyncio.Future[None]) -> None:
        """Until there may be another table."""
        waiter = asyncio.get_running_loop().create_future()
        wake = partial(_wake, waiter)
        self._waiting.add(waiter)
        left.add_done_callback(wake)
        try:
            await asyncio.wait((waiter,), timeout=at_most_s)
        finally:
            left.remove_done_callback(wake)
            self._waiting.discard(waiter)

    async def _look(self) -> None:
        """Look for all that wait together, as long as somebody does."""
        table = self.current()
        while self._waiting:
            await asyncio.sleep(_LOOK_S)
            if (new := self.current()) and (table is None or new.tag != table.tag):
                table = new
                for waiter in self._waiting:
                    _wake(waiter)
        self._watch = None


def _wake(waiter: asyncio.Future[None], _: object = None) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _regions_of(table: PublishedTable) -> str:
    return f"{table.table['region']!r} alone" if table.table.get("region") else "none"
