"""The application and its baseline, against the simulated providers and a routing file written by hand."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from hotspare_client import Routing, Target

from controller.demo import files
from controller.demo.providers import CANDIDATES, PROVIDERS, Fault
from controller.demo.traffic import Caller, DrillPhase, Traffic
from controller.demo.world import World

_KEYS = {provider.api_key_env: "sk-test" for provider in PROVIDERS}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The providers, running; one set for all tests, each of which leaves them well."""
    with World() as running:
        yield running


def _point(file: Path, world: World, chosen: str) -> Routing:
    """A routing file that points at one of the drill's candidates, and somebody who reads it."""
    targets = {
        f"{provider.name}/{provider.models[0]}": {
            "provider": provider.name,
            "model": provider.models[0],
            "dialect": provider.dialect,
            "base_url": world.base_url(provider.name),
            "api_key_env": provider.api_key_env,
            "health": "up",
        }
        for provider in PROVIDERS
    }
    since = "2026-11-21T18:00:00.000Z"
    route = {
        "target": chosen,
        "since": since,
        "reason": "by hand",
        "candidates": list(targets),
        "weights": {chosen: 100},
    }
    table = {"format": "hotspare.routing/1", "generation": 1, "written_at": since, "valid_for_s": 90}
    file.write_text(json.dumps({**table, "routes": {files.ROUTE: route}, "targets": targets}))
    return Routing(file)


@pytest.mark.slow
@pytest.mark.parametrize("candidate", [pytest.param(one, id=f"{one} is asked") for one in CANDIDATES])
async def test_the_application_speaks_every_dialect(world: World, tmp_path: Path, candidate: str) -> None:
    """Wherever the routing file points, the application gets an answer there."""
    routing = _point(tmp_path / "routing.json", world, candidate)
    caller = Caller(lambda: routing.route(files.ROUTE), keys=_KEYS)
    async with httpx.AsyncClient(trust_env=False) as client:
        await caller.ask(client, lambda: DrillPhase.QUIET)
    assert (caller.requests, caller.failed) == ({DrillPhase.QUIET: 1}, {DrillPhase.QUIET: 0})


@pytest.mark.slow
async def test_a_request_fails_when_the_provider_does(world: World, tmp_path: Path) -> None:
    """HTTP 500 is a failed request, counted in the phase in which its answer came."""
    routing = _point(tmp_path / "routing.json", world, CANDIDATES[0])
    caller = Caller(lambda: routing.route(files.ROUTE), keys=_KEYS)
    world.set_faults({"openai": Fault(status=500, share=1.0)})
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            await caller.ask(client, lambda: DrillPhase.OUTAGE)
    finally:
        world.set_faults({})
    assert caller.failed_share(DrillPhase.OUTAGE) == 1.0
    assert caller.failed_share(DrillPhase.QUIET) is None
    assert caller.recent_failed_share == 1.0


async def test_a_request_without_a_target_has_failed() -> None:
    """An application that knows no target cannot serve its users."""
    caller = Caller(lambda: None, keys=_KEYS)
    async with httpx.AsyncClient(trust_env=False) as client:
        await caller.ask(client, lambda: DrillPhase.QUIET)
    assert (caller.requests, caller.failed) == ({DrillPhase.QUIET: 1}, {DrillPhase.QUIET: 1})


@pytest.mark.slow
async def test_a_provider_that_cannot_be_reached_is_a_failed_request(world: World, tmp_path: Path) -> None:
    """A refused connection is no exception to the application, it is a failed request."""
    routing = _point(tmp_path / "routing.json", world, CANDIDATES[0])
    there = routing.route(files.ROUTE)
    assert there is not None
    gone = Target(**{**vars(there), "base_url": "http://127.0.0.1:9"})
    caller = Caller(lambda: gone, keys=_KEYS)
    async with httpx.AsyncClient(trust_env=False) as client:
        await caller.ask(client, lambda: DrillPhase.QUIET)
    assert caller.failed[DrillPhase.QUIET] == 1


@pytest.mark.slow
async def test_only_the_twin_suffers_when_the_route_has_left(world: World, tmp_path: Path) -> None:
    """Both ask at the same rate all the time; the one that follows the file does not notice the outage."""
    first = _point(tmp_path / "first.json", world, CANDIDATES[0]).route(files.ROUTE)
    routing = _point(tmp_path / "routing.json", world, CANDIDATES[1])
    traffic = Traffic(
        application=Caller(lambda: routing.route(files.ROUTE), keys=_KEYS),
        baseline=Caller(lambda: first, keys=_KEYS),
        per_second=50.0,
    )
    traffic.enter(DrillPhase.OUTAGE)
    world.set_faults({"openai": Fault(status=500, share=1.0)})
    running = asyncio.create_task(traffic.run())
    try:
        await _both_have_asked(traffic, 10)
    finally:
        world.set_faults({})
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    shares = traffic.failed_shares
    assert shares == {"quiet": None, "outage": 0.0, "outage_without_failover": 1.0, "after": None}


async def _both_have_asked(traffic: Traffic, count: int) -> None:
    callers = (traffic.application, traffic.baseline)
    for _ in range(1000):
        if all(caller.requests[DrillPhase.OUTAGE] >= count for caller in callers):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the traffic does not flow")


@pytest.mark.slow
def test_a_new_drill_counts_from_nothing() -> None:
    """Starting over forgets every count and is quiet again."""
    traffic = Traffic(application=Caller(lambda: None, keys={}), baseline=Caller(lambda: None, keys={}))
    traffic.application.requests[DrillPhase.AFTER] = 3
    traffic.reset()
    assert set(traffic.failed_shares.values()) == {None}
