"""A real API over a database with a past, and clients that ask it over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.api.access import hash_token
from controller.api.bounds import PATIENCE, Patience
from controller.api.server import ApiServer
from monitor.clock import utc_now
from monitor.config.api_settings import ApiSettings, ApiToken
from monitor.config.settings import Settings
from tests.support import seeded_database as seeded

READER, OPERATOR = "hsk_reader", "hsk_operator"
TOKENS = {
    "grafana": ApiToken(hash=hash_token(READER), scope="read"),
    "ana": ApiToken(hash=hash_token(OPERATOR), scope="operate"),
}


@dataclass
class ApiLab:
    """The API, what it told the service, and a client."""

    server: ApiServer
    client: httpx.AsyncClient
    settings: Settings
    told: list[tuple[str, str]] = field(default_factory=list)

    def publish(self) -> None:
        """Write the routing file anew, as the service does."""
        seeded.publish(self.settings, utc_now())


@asynccontextmanager
async def serving(
    settings: Settings, patience: Patience = PATIENCE, trouble: str | None = None, **changed: Any
) -> AsyncIterator[ApiLab]:
    """The API of these settings while the block runs; `changed` are settings of the API."""
    chosen = replace(settings, api=ApiSettings(**{"listen": "127.0.0.1:0", **changed}))
    told: list[tuple[str, str]] = []
    server = ApiServer(
        settings=chosen,
        content=_content_of(chosen),
        stuck=lambda: None,
        trouble=lambda: trouble,
        clock=utc_now,
        patience=patience,
        notify=lambda event, text: told.append((event, text)),
    )
    running = asyncio.create_task(server.run())
    await asyncio.sleep(0)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=False, timeout=20) as client:  # noqa: S501 - a certificate of ours
        yield ApiLab(server, client, chosen, told)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _content_of(settings: Settings) -> Callable[[], bytes]:
    """What was published last, the same bytes until it is published anew."""
    last = b""

    def content() -> bytes:
        nonlocal last
        path: Path = settings.routing_file
        now = path.read_bytes() if path.exists() else b""
        last = last if now == last else now
        return last

    return content


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Three providers with two models each, two routes; openai is down, in hostile words."""
    settings = seeded.settings_in(tmp_path)
    seeded.seed(settings, utc_now())
    seeded.break_openai(settings, utc_now(), detail=f"HTTP 500: {seeded.HOSTILE}")
    seeded.publish(settings, utc_now())
    return settings


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[ApiLab]:
    """The API for this machine, without tokens."""
    async with serving(settings) as lab:
        yield lab
