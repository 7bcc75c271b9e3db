"""Hosts that follow the real API."""

import asyncio
import json
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hotspare_client import Routing
from hotspare_client.follow.follower import Follower
from hotspare_client.follow.local_file import LocalFile
from hotspare_client.follow.node import Node

from monitor.config.settings import Settings
from tests.controller.api.conftest import READER, TOKENS, serving

pytestmark = pytest.mark.slow


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
