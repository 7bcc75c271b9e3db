"""What vendors say about themselves, live: reads their status pages and keeps what changes; it decides nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from monitor.status_pages.catalog import scope_of
from monitor.status_pages.parsers.registry import read
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

#: From one reading of a page to the next.
EVERY_S = 60.0
#: So many readings in a row must fail before what a page said last is no longer taken for its word.
PATIENCE = 3


#: The page at an address, given its validators (`etag` and `modified`) as they were last time; never raises.
Fetch = Callable[[str, str | None, str | None], Awaitable[FetchResult]]


class StatusPage:
    """One page, whoever it speaks for, and how it was when it was last read."""

    def __init__(self, url: str, scopes: Mapping[str, PageScope], keys: Iterable[Secret] = ()) -> None:
        self.url = url
        self._scopes = scopes
        self._keys = tuple(keys)
        self._etag: str | None = None
        self._modified: str | None = None
        self._failures = 0
        self._words: dict[str, StatusPageReading] = {}

    @property
    def providers(self) -> tuple[str, ...]:
        """Those it speaks for."""
        return tuple(self._scopes)

    async def look(self, fetch: Fetch) -> Mapping[str, StatusPageReading]:
        """What it says now, by provider; nothing where it cannot be read and what it said before may still hold."""
        page = await fetch(self.url, self._etag, self._modified)
        if page.not_modified and self._words:
            self._failures = 0
            return self._words
        # Up to a mebibyte of somebody else's text: not on the loop that times the probes.
        words = await asyncio.to_thread(self._read, page)
        if all(word.state is VendorState.UNKNOWN for word in words.values()):
            return self._failed(page)
        self._failures, self._words = 0, words
        self._etag, self._modified = page.etag, page.modified
        return words

    def _read(self, page: FetchResult) -> dict[str, StatusPageReading]:
        if page.status != 200:
            return dict.fromkeys(self._scopes, UNKNOWN)
        return {name: self._masked(read(page.body, scope, cut=page.truncated)) for name, scope in self._scopes.items()}

    def _masked(self, word: StatusPageReading) -> StatusPageReading:
        """Without our keys, which the vendor knows as well as we do."""
        headline = word.headline
        for key in self._keys:
            headline = clean(headline, key, limit=LONGEST_HEADLINE)
        return replace(word, headline=headline)

    def _failed(self, page: FetchResult) -> Mapping[str, StatusPageReading]:
        self._failures += 1
        self._etag = self._modified = None  # the whole page is wanted next time
        if self._failures == 1:
            why = page.error or (f"HTTP {page.status}" if page.status != 200 else "not the document that is expected")
            log.info("status_page_unreadable page=%s: %s", self.url, why)
        if self._failures < PATIENCE:
            return {}
        self._words = {}
        return dict.fromkeys(self._scopes, UNKNOWN)


class StatusPagePoller:
    """Reads every status page at most once a minute, each of them once however many providers share it.

    `keep` stores a change and returns whether it did; a change that was not stored is handed over again after the next
    reading.
    """

    def __init__(
        self,
        providers: Iterable[Provider],
        fetch: Fetch,
        *,
        keep: Callable[[VendorStateChange], Awaitable[bool]],
        clock: Callable[[], datetime],
    ) -> None:
        self._pages = status_pages(providers)
        self._fetch = fetch
        self._keep = keep
        self._clock = clock
        self._known: dict[str, VendorStateChange] = {}

    def resume(self, known: Mapping[str, VendorStateChange]) -> None:
        """Go on from what was stored last."""
        self._known = dict(known)

    async def watch(self, *, every_s: float = EVERY_S) -> None:
        """Read the pages for ever, spread evenly over the minute."""
        async with asyncio.TaskGroup() as tasks:
            for number, page in enumerate(self._pages):
                tasks.create_task(self._follow(page, number * every_s / len(self._pages), every_s))

    async def _follow(self, page: StatusPage, delay_s: float, every_s: float) -> None:
        await asyncio.sleep(delay_s)
        while True:
            await self.look(page)
            await asyncio.sleep(every_s)

    async def look(self, page: StatusPage) -> None:
        """Read a page once and keep what has changed; raises nothing but CancelledError."""
        try:
            for provider, word in (await page.look(self._fetch)).items():
                await self._heard(provider, word, page.url)
        except Exception as error:  # noqa: BLE001 - what vendors say is worth knowing, and not worth a crash
            log.error("status_page_not_read page=%s: %s", page.url, type(error).__name__)

    async def _heard(self, provider: str, word: StatusPageReading, url: str) -> None:
        before = self._known.get(provider)
        if before and (before.state, before.headline, before.url) == (word.state, word.headline, url):
            return
        report = VendorStateChange(
            provider=provider, at=self._clock(), state=word.state, headline=word.headline, since=word.since, url=url
        )
        if not await self._keep(report):
            return
        self._known[provider] = report
        said = f"{word.state.words}: {word.headline}" if word.headline else word.state.words
        log.info("vendor_said provider=%s page=%s: %s", provider, page_name(url), said)


def status_pages(providers: Iterable[Provider]) -> list[StatusPage]:
    """Every page once, in the order of the providers."""
    shared: dict[str, list[Provider]] = {}
    for provider in providers:
        if provider.status_page:
            shared.setdefault(provider.status_page, []).append(provider)
    return [
        StatusPage(url, {one.name: scope_of(one) for one in those}, dict.fromkeys(one.api_key for one in those))
        for url, those in shared.items()
    ]
