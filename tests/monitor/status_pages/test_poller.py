"""Vendors' status pages, live: how often they are read, what is kept, and that none of it can do harm."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from monitor.status_pages.poller import MAX_FAILURES, StatusPagePoller, status_pages
from monitor.status_pages.reading import VendorState, VendorStateChange
from probes.target import Provider, Secret
from probes.transport.fetch import FetchResult
from tests.support import status_pages as pages
from tests.support.builders import T0, target

OPENAI_PAGE = "https://status.openai.com/proxy/status.openai.com"
WELL = FetchResult(status=200, body=pages.body(pages.incident_io()), headers={"etag": '"1"', "last-modified": "then"})
ILL = FetchResult(status=200, body=pages.body(pages.incident_io("partial_outage")), headers={"etag": '"2"'})
HTML = FetchResult(status=200, body=b"<!doctype html><title>Moved</title>", headers={"etag": '"3"'})
UNCHANGED = FetchResult(status=304)


def provider(name: str = "openai", page: str | None = OPENAI_PAGE, base_url: str = "http://127.0.0.1:1") -> Provider:
    """A provider with a status page."""
    return replace(target(f"{name}/x", base_url=base_url).provider, status_page=page)


class World:
    """Pages as they are, what was asked and kept, and a database that may be locked."""

    def __init__(self, *providers: Provider) -> None:
        self.now = T0
        self.answer: FetchResult | Exception = WELL
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.kept: list[VendorStateChange] = []
        self.locked = False
        self.providers = providers or (provider(),)
        self.vendors = StatusPagePoller(status_pages(self.providers), self.fetch, keep=self.keep, clock=self.clock)
        self.pages = status_pages(self.providers)

    def clock(self) -> datetime:
        """The present of this world."""
        return self.now

    async def fetch(self, url: str, etag: str | None, modified: str | None) -> FetchResult:
        """The page as it is now."""
        self.asked.append((url, etag, modified))
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def keep(self, report: VendorStateChange) -> bool:
        """Into the database, if that can be written."""
        if not self.locked:
            self.kept.append(report)
        return not self.locked

    async def sees(self, *answers: FetchResult | Exception) -> list[str]:
        """The states that are kept when the page is so, reading after reading, a minute apart."""
        before = len(self.kept)
        for answer in answers:
            self.answer = answer
            await self.vendors.poll(self.pages[0])
            self.now += timedelta(minutes=1)
        return [report.state.value for report in self.kept[before:]]


async def test_only_changes_are_kept() -> None:
    """With the time when we first read it so, and what the vendor says of it."""
    world = World()
    assert await world.sees(WELL, WELL, ILL, ILL, WELL) == ["operational", "partial_outage", "operational"]
    assert world.kept[1] == VendorStateChange(
        provider="openai",
        at=T0 + timedelta(minutes=2),
        state=VendorState.PARTIAL_OUTAGE,
        headline="Chat Completions",
        url=OPENAI_PAGE,
    )


@pytest.mark.parametrize("spelled", [str, str.upper], ids=["plain", "loud"])
async def test_a_headline_holds_no_key(spelled: Callable[[str], str]) -> None:
    """A vendor knows the keys of its customers; those of all who share the page are cut out."""
    keys = ["tok_Zx81mQp4vTe7LrW2", "tok_9dFhK3sWqB5nYc0J"]
    world = World(*(replace(provider(name), api_key=Secret(key)) for name, key in zip("ab", keys, strict=True)))
    told = pages.incident_io("partial_outage", pages.incident_io_incident(" and ".join(map(spelled, keys))))
    await world.sees(FetchResult(status=200, body=pages.body(told)))
    assert [(report.provider, report.headline) for report in world.kept] == [("a", "*** and ***"), ("b", "*** and ***")]


async def test_another_headline_is_a_change() -> None:
    """The vendor has found words for it."""
    world = World()
    document = pages.incident_io("partial_outage", pages.incident_io_incident())
    named = FetchResult(status=200, body=pages.body(document))
    assert await world.sees(ILL, named) == ["partial_outage", "partial_outage"]
    assert world.kept[1].headline == "Elevated error rate"
    assert world.kept[1].since == datetime.fromisoformat("2026-11-21T14:02:00+00:00")


async def test_what_has_not_changed_is_not_sent_again() -> None:
    """The validators of the last readable page go with the question; a 304 stands for what it said."""
    world = World()
    assert await world.sees(WELL, UNCHANGED, ILL, UNCHANGED) == ["operational", "partial_outage"]
    assert [asked[1:] for asked in world.asked] == [(None, None), ('"1"', "then"), ('"1"', "then"), ('"2"', None)]


async def test_a_page_that_cannot_be_read_is_unknown_after_three_readings() -> None:
    """A hiccup of the page, or of our own network, is no change of what the vendor says."""
    assert MAX_FAILURES == 3
    world = World()
    gone = FetchResult(error="not within 10 s")
    assert await world.sees(WELL, HTML, gone, WELL, FetchResult(status=503), HTML) == ["operational"]
    assert await world.sees(gone) == ["unknown"]
    assert await world.sees(gone, HTML, ILL) == ["partial_outage"]
    assert world.asked[-1][1:] == (None, None), "after an unreadable page the whole of it is wanted"


async def test_a_304_to_nobody_is_unreadable() -> None:
    """A server that says so without having been asked has told us nothing."""
    assert await World().sees(UNCHANGED, UNCHANGED, UNCHANGED) == ["unknown"]


async def test_a_page_that_is_shared_is_read_once() -> None:
    """And read for each provider by what matters to it."""
    world = World(provider(), provider("other"), provider("none", None))
    assert [page.url for page in world.pages] == [OPENAI_PAGE]
    assert list(world.pages[0].scopes) == ["openai", "other"]
    assert await world.sees(ILL) == ["partial_outage", "partial_outage"]
    assert len(world.asked) == 1
    scoped = World(provider("claude", base_url="https://api.anthropic.com"))
    incident = pages.atlassian_incident("No login", "claude.ai")
    document = pages.body(pages.statuspage("operational", incident))
    assert await scoped.sees(FetchResult(status=200, body=document)) == ["operational"]


async def test_after_a_restart_only_what_is_new_is_kept() -> None:
    """What was stored last still holds; another page is another word."""
    world = World()
    await world.sees(ILL)
    again = World()
    again.vendors.resume({"openai": world.kept[0]})
    assert await again.sees(ILL, WELL) == ["operational"]
    moved = World(provider(page="https://mirror.example/status"))
    moved.vendors.resume({"openai": world.kept[0]})
    assert await moved.sees(ILL) == ["partial_outage"]


async def test_a_report_that_could_not_be_stored_is_stored_later() -> None:
    """The next reading tries again, a 304 too."""
    world = World()
    world.locked = True
    assert await world.sees(ILL) == []
    world.locked = False
    assert await world.sees(UNCHANGED) == ["partial_outage"]


async def test_whatever_goes_wrong_is_said_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """What vendors say is not worth a crash."""
    world = World()
    assert await world.sees(RuntimeError("a bug"), WELL) == ["operational"]
    assert "status_page_not_read" in caplog.text
    assert "Traceback" not in caplog.text


async def read_times(providers: Sequence[Provider], *, every_s: float, readings: int) -> dict[str, list[float]]:
    """When each page was read, until there were so many readings."""
    loop, enough = asyncio.get_running_loop(), asyncio.Event()
    times: dict[str, list[float]] = {}
    began = loop.time()

    async def fetch(url: str, _etag: str | None, _modified: str | None) -> FetchResult:
        times.setdefault(url, []).append(loop.time() - began)
        if sum(map(len, times.values())) >= readings:
            enough.set()
        return WELL

    async def keep(_: VendorStateChange) -> bool:
        await asyncio.sleep(0)
        return True

    vendors = StatusPagePoller(status_pages(providers), fetch, keep=keep, clock=lambda: T0)
    watch = asyncio.create_task(vendors.watch(every_s=every_s))
    await asyncio.wait_for(enough.wait(), 10)
    watch.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watch
    return times


@pytest.mark.slow
async def test_pages_are_read_in_turn_and_no_sooner_than_agreed() -> None:
    """Spread over the period, so that they never all come in at once."""
    three = [provider(name, f"https://{name}.example/status") for name in ("a", "b", "c")]
    times = await read_times(three, every_s=0.3, readings=6)
    first = [times[f"https://{name}.example/status"][0] for name in ("a", "b", "c")]
    assert [start >= 0.1 * number for number, start in enumerate(first)] == [True] * 3
    assert first == sorted(first)
    assert all(later - sooner >= 0.29 for one in times.values() for sooner, later in pairwise(one))


async def test_without_pages_there_is_nothing_to_watch() -> None:
    """The watch ends, and nobody misses it."""
    vendors = StatusPagePoller(status_pages([provider(page=None)]), World().fetch, keep=World().keep, clock=lambda: T0)
    await asyncio.wait_for(vendors.watch(), 5)
