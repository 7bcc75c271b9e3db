"""Who keeps the lease: one of those that start at once, until another takes it."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from controller.fleet.lease_keeper import LeaseKeeper, holder_name
from controller.fleet.shared_clock import SharedClock
from controller.fleet.succession import place_of
from monitor.storage.lease_fence import LEADER, LeaseFence
from monitor.storage.lease_store import LeaseStore
from monitor.storage.postgres_engine import open_reporter
from monitor.storage.postgres_writer import PostgresWriter
from tests.support.postgres import PostgresServer


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def keepers(url: str) -> Iterator[list[LeaseKeeper]]:
    """Of four machines."""
    with ExitStack() as opened:
        made = [LeaseKeeper(url, f"m{number} pid 1 {number:08x}.0", SharedClock()) for number in range(4)]
        for keeper in made:
            opened.callback(keeper.close)
        yield made


@pytest.mark.slow
def test_one_of_those_that_start_on_an_empty_database_leads(url: str, keepers: list[LeaseKeeper]) -> None:
    """Each tries until somebody leads, and begins to write at once; no other one fails because it is thrown out."""

    def start(keeper: LeaseKeeper) -> bool:
        lease = None
        while lease is None and not (keeper.reading and keeper.reading.epoch):
            lease = keeper.take(0)
        if lease:
            writer = PostgresWriter(url, fence=LeaseFence(lease))
            writer.open()
            writer.close()
        return lease is not None

    with ThreadPoolExecutor(len(keepers)) as threads:
        assert sorted(threads.map(start, keepers)) == [False, False, False, True]


@pytest.mark.slow
async def test_it_is_renewed_until_it_is_lost(url: str, keepers: list[LeaseKeeper]) -> None:
    """And given back only by who still has it."""
    first, second = keepers[:2]
    while (lease := first.take(0)) is None:
        pass
    fence, engine = LeaseFence(lease), open_reporter(url)
    leases = LeaseStore(engine, LEADER)
    kept = asyncio.create_task(first.keep(fence, lambda: None))
    assert leases.take(second.holder, leases.read(), early=True)
    await asyncio.wait_for(kept, 15)
    assert fence.deposed
    first.release(fence)
    assert leases.read().left_s > 0
    engine.dispose()


def test_a_holder_is_named_after_its_place() -> None:
    """Two processes of one routing file have one place, and two names."""
    one, two = holder_name(Path("var/routing.json")), holder_name(Path("var/routing.json"))
    assert place_of(one) == place_of(two) != place_of(holder_name(Path("other/routing.json")))
    assert one != two
