"""Hosts that follow the real API."""

import asyncio
import json
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing
from hotspare_client.follow.follower import Follower
from hotspare_client.follow.local_file import LocalFile
from hotspare_client.follow.node import Node

from monitor.config.settings import Settings
from tests.controller.api.conftest import READER, TOKENS, serving

pytestmark = pytest.mark.slow


async def test_each_region_has_its_table(settings: Settings) -> None:
    """With a tag of its own; without the query that of all regions, and a region that is none is told."""
    table = json.loads(settings.routing_file.read_bytes())

    def publish(**health: str) -> None:
        routes = {f"chat@{region}": _at(table["routes"]["chat"], region) for region in health}
        targets = {
            f"{name}@{region}": {**target, "health": state}
            for region, state in health.items()
            for name, target in table["targets"].items()
        }
        settings.routing_file.write_text(
            json.dumps({**table, "regions": [*health], "routes": routes, "targets": targets})
        )

    publish(eu="up", us="up")
    async with serving(settings) as lab:
        eu, us = [await lab.client.get(f"/v1/routing?region={region}") for region in ("eu", "us")]
        assert [(list(each.json()["routes"]), each.json()["region"]) for each in (eu, us)] == [
            (["chat"], "eu"),
            (["chat"], "us"),
        ]
        assert (await lab.client.get("/v1/routing")).json()["regions"] == ["eu", "us"]
        asked = [
            lab.client.get(f"/v1/routing?region={region}&wait=2s", headers={"If-None-Match": each.headers["etag"]})
            for region, each in (("eu", eu), ("us", us))
        ]
        waiting = [asyncio.create_task(each) for each in asked]
        await asyncio.sleep(0.1)
        publish(eu="up", us="down")
        assert [(await each).status_code for each in waiting] == [304, 200]
        wrong = await lab.client.get("/v1/routing?region=ap")
        assert (wrong.status_code, wrong.json()) == (
            404,
            {"error": "region: 'ap' is not a region of this table; known: eu, us"},
        )


@pytest.mark.parametrize(
    ("more", "has"),
    [
        pytest.param({}, "none", id="without regions"),
        pytest.param({"region": "us"}, "'us' alone", id="of a machine of another region"),
    ],
)
async def test_who_asks_for_a_region_never_gets_another_table(
    settings: Settings, more: dict[str, Any], has: str
) -> None:
    """A table without regions is none of theirs; a machine's own region is."""
    table = json.loads(settings.routing_file.read_bytes()) | more
    settings.routing_file.write_text(json.dumps(table))
    async with serving(settings) as lab:
        wrong = await lab.client.get("/v1/routing?region=eu")
        assert (wrong.status_code, wrong.json()) == (
            404,
            {"error": f"region: 'eu' is not a region of this table, which has {has}"},
        )
        own = await lab.client.get("/v1/routing?region=us")
        assert own.status_code == (200 if more else 404)


def _at(route: dict[str, Any], region: str) -> dict[str, Any]:
    """The route as the table of all has it."""
    weights = {f"{name}@{region}": share for name, share in route["weights"].items()}
    candidates = [f"{name}@{region}" for name in route["candidates"]]
    return {**route, "target": f"{route['target']}@{region}", "candidates": candidates, "weights": weights}


async def test_a_host_follows_the_api(settings: Settings, tmp_path: Path) -> None:
    """Every byte of the file, at once when it changes, and its heartbeat; without the token, nothing."""
    path, told = tmp_path / "host" / "routing.json", list[str]()
    async with serving(settings, tokens=TOKENS) as lab:
        with ExitStack() as stack:
            file = stack.enter_context(closing(LocalFile(path)))
            stranger = stack.enter_context(closing(Node(lab.server.url, token=lambda: "hsk_none")))
            reader = stack.enter_context(closing(Node(lab.server.url, token=lambda: READER)))
            follower = Follower([stranger, reader], file, tell=lambda _, event, *__, **___: told.append(event))
            await asyncio.to_thread(follower.once)
            assert told == ["node_failed", "table_changed"]
            assert path.read_bytes() == settings.routing_file.read_bytes()
            waiting = asyncio.create_task(asyncio.to_thread(follower.step))
            await asyncio.sleep(0.1)
            table = {**json.loads(path.read_bytes()), "epoch": 3}
            settings.routing_file.write_text(json.dumps(table))
            await waiting
            assert path.read_bytes() == settings.routing_file.read_bytes()
            assert (Routing(path).status.epoch, told[-1]) == (3, "table_changed")
