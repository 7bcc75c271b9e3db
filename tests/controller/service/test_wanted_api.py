"""The API is made from the first configuration on that wants one, and goes by each that follows."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from controller.api.server import ApiServer
from controller.service.wanted_api import WantedApi
from monitor.clock import utc_now
from monitor.config.api_settings import ApiSettings
from monitor.config.settings import Settings
from tests.support.builders import settings


class Maker:
    """Makes servers, and keeps them."""

    def __init__(self) -> None:
        self.made: list[ApiServer] = []

    def __call__(self, chosen: Settings) -> ApiServer:
        """One that has published nothing."""
        server = ApiServer(
            settings=chosen,
            content=lambda: b"",
            stuck=lambda: None,
            trouble=lambda: None,
            clock=utc_now,
            notify=lambda *_: None,
        )
        self.made.append(server)
        return server

    async def until(self, *, answers: bool) -> None:
        """Wait until the server answers, or until nobody does."""
        while True:
            if await self._answers() == answers:
                return
            await asyncio.sleep(0.01)

    async def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
                await client.get(f"{self.made[0].url if self.made else ''}/healthz")
                return True
        return False


@pytest.fixture
def quiet(tmp_path: Path) -> Settings:
    """Settings without an API."""
    return replace(settings(tmp_path, "a/m"), api=ApiSettings(listen="none"))


@pytest.fixture
def heard(quiet: Settings) -> Settings:
    """The same, with one on any port."""
    return replace(quiet, api=ApiSettings(listen="127.0.0.1:0"))


async def test_it_is_made_when_it_is_first_wanted(quiet: Settings, heard: Settings) -> None:
    """Not before; then it answers until a configuration wants none, and again for the next that does."""
    make = Maker()
    api = WantedApi(quiet, make)
    running = asyncio.create_task(api.run())
    try:
        api.reconfigure(quiet)
        await asyncio.sleep(0)
        assert make.made == []
        for wanted in (heard, quiet, heard):
            api.reconfigure(wanted)
            await make.until(answers=wanted is heard)
        assert len(make.made) == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_it_is_made_at_once_where_it_is_wanted_from_the_start(heard: Settings) -> None:
    """What it needs is imported before the first probe."""
    make = Maker()
    WantedApi(heard, make)
    assert len(make.made) == 1
