"""A machine that is to lead and cannot yet stands by, and tries again."""

import asyncio
import json
import os
import signal
from pathlib import Path

import psycopg
import pytest

from controller.fleet.node import FleetNode
from monitor.config.loader import load
from monitor.storage.postgres_engine import SERVICE_LOCK
from monitor.storage.postgres_writer import PostgresWriter
from tests.support.postgres import PostgresServer

_CONFIGURATION = """
database: '{url}'
routing_file: {folder}/routing.json
connectivity: {{endpoints: []}}
api: {{listen: none}}
providers:
  openai: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: key, models: {{m: {{interval: 1h}}}}}}
routes: {{chat: {{candidates: [openai/m]}}}}
"""


@pytest.mark.slow
async def test_a_former_leader_that_does_not_end_at_once_ends_nobody_else(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """The server's process for its connection stands still, as on a machine that is too busy."""
    url, published = postgres.new_database(), tmp_path / "routing.json"
    (tmp_path / "hotspare.yaml").write_text(_CONFIGURATION.format(url=url, folder=tmp_path))
    writer = PostgresWriter(url)
    writer.open()
    writer.close()
    former = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    former.execute(f"SELECT pg_advisory_lock({SERVICE_LOCK})")
    backend, stop = former.info.backend_pid, asyncio.Event()
    with FleetNode(load(tmp_path / "hotspare.yaml", {})) as node:
        os.kill(backend, signal.SIGSTOP)
        try:
            running = asyncio.create_task(node.run(stop))
            await asyncio.sleep(4)
            assert not running.done()
            assert not published.exists()
        finally:
            os.kill(backend, signal.SIGCONT)
        async with asyncio.timeout(40):
            while not published.exists():  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.1)
        stop.set()
        await running
    former.close()
    assert json.loads(published.read_text())["epoch"] > 1
