"""Statuspage's documents, as a real client of theirs reads them; and everything that the OpenAPI document allows."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.status_pages.component_pages import is_statuspage
from tests.controller.api.conftest import ApiLab
from tests.support import seeded_database as seeded

pytestmark = pytest.mark.slow

_ASK = """
import json, sys
from statuspage_prometheus_exporter.service_checker import check_status_page_service
print(json.dumps(check_status_page_service("hotspare", {"name": "Hotspare", "url": sys.argv[1]})))
"""


async def run(*words: str, folder: Path, **environment: str) -> tuple[int, str]:
    """The exit status of a command, and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        *words, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode(errors="replace")


async def read_as_a_client(url: str, folder: Path) -> dict[str, Any]:
    """What `statuspage-prometheus-exporter` makes of a summary."""
    services = folder / "services.json"
    services.write_text(json.dumps({"hotspare": {"name": "Hotspare", "url": url}}), encoding="utf-8")
    address = f"{url}/api/v2/summary.json"
    status, printed = await run(sys.executable, "-c", _ASK, address, folder=folder, SERVICES_JSON_PATH=str(services))
    assert status == 0, printed
    document: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return document


async def test_a_client_reads_the_outage(api: ApiLab, tmp_path: Path) -> None:
    """It says what the page says: which components fail, and that the incident is known."""
    client_sees = await read_as_a_client(api.server.url, tmp_path)
    assert client_sees["success"]
    states = {each["name"]: each["status"] for each in client_sees["component_metadata"]}
    assert (states["chat"], states[seeded.LUNA], states["openai"]) == ("operational", "major_outage", "major_outage")
    [incident] = client_sees["incident_metadata"]
    assert incident["name"].startswith("outage of openai")
    assert incident["affected_components"] == [seeded.LUNA]


async def test_hotspare_reads_its_own(api: ApiLab) -> None:
    """As it reads the pages of vendors."""
    assert is_statuspage((await api.client.get("/api/v2/summary.json")).json())


async def test_ids_are_those_of_the_same_things(api: ApiLab) -> None:
    """Groups name their members, and a second reading has the same ids."""
    first = (await api.client.get("/api/v2/components.json")).json()["components"]
    by_id = {each["id"]: each for each in first}
    assert len(by_id) == len(first)
    for group in (each for each in first if each["group"]):
        assert {by_id[member]["group_id"] for member in group["components"]} == {group["id"]}
    assert [each["id"] for each in (await api.client.get("/api/v2/components.json")).json()["components"]] == list(
        by_id
    )


async def test_nothing_that_the_document_allows_breaks_it(api: ApiLab, tmp_path: Path) -> None:
    """Schemathesis: right and wrong requests to every address, and every answer is one of those described."""
    words = ["-m", "schemathesis.cli", "run", f"{api.server.url}/openapi.json", "--max-examples", "10", "--seed", "19"]
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}
    status, printed = await run(sys.executable, *words, "--checks", "all", folder=tmp_path, **home)
    assert status == 0, printed[-3000:]
