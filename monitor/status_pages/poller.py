"""Reads the status pages of vendors while the service runs, and stores what changes; decides nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime

from monitor.status_pages.catalog import scope_of
from monitor.status_pages.formats import read
from monitor.status_pages.reading import (
    LONGEST_HEADLINE,
    UNKNOWN,
    PageScope,
    StatusPageReading,
    VendorState,
    VendorStateChange,
    page_name,
)
from probes.redaction import clean
from probes.target import Provider, Secret
from probes.transport.fetch import FetchResult

log = logging.getLogger(__name__)

#: Seconds from one reading of a page to the next.
EVERY_S = 60.0
#: After so many failed readings in a row, what the page said last no longer holds.
MAX_FAILURES = 3
#: The page at an address, given its validators (`etag` and `modified`) as they were last time; never raises.
Fetch = Callable[[str, str | None, str | None], Awaitable[FetchResult]]


@dataclass(eq=False)
class StatusPage:
    """One page, the part of it that concerns each provider, the keys to mask, and its last reading."""

    url: str
    scopes: Mapping[str, PageScope]
    keys: Iterable[Secret] = ()
    _etag: str | None = None
    _modified: str | None = None
    _failures: int = 0
    _readings: Mapping[str, StatusPageReading] = field(default_factory=dict)

    async def read(self, fetch: Fetch) -> Mapping[str, StatusPageReading]:
        """What it says now, by provider; empty where it cannot be read and its last reading still holds."""
        page = await fetch(self.url, self._etag, self._modified)
        if page.status == 304 and self._readings:
            self._failures = 0
            return self._readings
        # In a thread: parsing up to a mebibyte must not delay the loop that times the probes.
        readings = await asyncio.to_thread(self._parse, page)
        if all(reading.state is VendorState.UNKNOWN for reading in readings.values()):
            return self._failed(page)
        self._failures, self._readings = 0, readings
        self._etag, self._modified = page.validator("etag"), page.validator("last-modified")
        return readings

    def _parse(self, page: FetchResult) -> dict[str, StatusPageReading]:
        if page.status != 200:
            return dict.fromkeys(self.scopes, UNKNOWN)
        return {name: self._masked(read(page.body, scope, cut=page.truncated)) for name, scope in self.scopes.items()}

    def _masked(self, reading: StatusPageReading) -> StatusPageReading:
        """The reading without our keys, which the vendor could write there."""
        headline = reading.headline
        for key in self.keys:
            headline = clean(headline, key, limit=LONGEST_HEADLINE)
        return replace(reading, headline=headline)

    def _failed(self, page: FetchResult) -> Mapping[str, StatusPageReading]:
        self._failures += 1
        self._etag = self._modified = None  # so that the next request gets the whole page
        if self._failures == 1:
            why = page.error or (f"HTTP {page.status}" if page.status != 200 else "not the document that is expected")
            log.info("status_page_unreadable page=%s: %s", self.url, why)
        if self._failures < MAX_FAILURES:
            return {}
        self._readings = {}
        return dict.fromkeys(self.scopes, UNKNOWN)


@dataclass(eq=False)
class StatusPagePoller:
    """Reads every status page at most once a minute, and only once where several providers share it.

    `keep` stores a change and returns whether it did; if not, it gets the change again after the next reading.
    """

    pages: Sequence[StatusPage]
    fetch: Fetch
    _: KW_ONLY
    keep: Callable[[VendorStateChange], Awaitable[bool]]
    clock: Callable[[], datetime]
    _known: dict[str, VendorStateChange] = field(default_factory=dict)

    def resume(self, known: Mapping[str, VendorStateChange]) -> None:
        """Go on from the last stored changes."""
        self._known = dict(known)

    async def watch(self, *, every_s: float = EVERY_S) -> None:
        """Read the pages for ever, spread evenly over the period."""
        async with asyncio.TaskGroup() as tasks:
            for number, page in enumerate(self.pages):
                tasks.create_task(self._follow(page, number * every_s / len(self.pages), every_s))

    async def _follow(self, page: StatusPage, delay_s: float, every_s: float) -> None:
        await asyncio.sleep(delay_s)
        while True:
            await self.poll(page)
            await asyncio.sleep(every_s)

    async def poll(self, page: StatusPage) -> None:
        """Read a page once and store what has changed; raises nothing but CancelledError."""
        try:
            for provider, reading in (await page.read(self.fetch)).items():
                await self._store_change(provider, reading, page.url)
        except Exception as error:  # noqa: BLE001 - a status page must never stop the service
            log.error("status_page_not_read page=%s: %s", page.url, type(error).__name__)

    async def _store_change(self, provider: str, reading: StatusPageReading, url: str) -> None:
        before = self._known.get(provider)
        if before and (before.state, before.headline, before.url) == (reading.state, reading.headline, url):
            return
        state, headline, since, at = reading.state, reading.headline, reading.since, self.clock()
        change = VendorStateChange(provider=provider, at=at, state=state, headline=headline, since=since, url=url)
        if not await self.keep(change):
            return
        self._known[provider] = change
        text = f"{state.label}: {headline}" if headline else state.label
        log.info("vendor_said provider=%s page=%s: %s", provider, page_name(url), text)


def status_pages(providers: Iterable[Provider]) -> list[StatusPage]:
    """Each status page of these providers once, in their order."""
    shared: dict[str, list[Provider]] = {}
    for provider in providers:
        if provider.status_page:
            shared.setdefault(provider.status_page, []).append(provider)
    return [
        StatusPage(url, {each.name: scope_of(each) for each in sharing}, {each.api_key for each in sharing})
        for url, sharing in shared.items()
    ]
