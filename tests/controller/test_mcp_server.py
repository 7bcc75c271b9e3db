"""`hotspare mcp`, as a real client asks it: a process of its own over standard input and output."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters, stdio_client

from monitor.clock import utc_now
from tests.support import seeded_database as seeded

pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A database with an outage."""
    settings = seeded.settings_in(tmp_path)
    seeded.seed(settings, utc_now())
    seeded.break_openai(settings, utc_now())
    return settings.path


async def asked(config: Path, *questions: tuple[str, dict[str, Any]]) -> AsyncIterator[Any]:
    """The answers, and before them the tools."""
    command = ["-m", "controller.cli.main", "mcp", "-c", str(config)]
    async with (
        stdio_client(StdioServerParameters(command=sys.executable, args=command)) as streams,
        ClientSession(*streams[:2]) as session,
    ):
        await session.initialize()
        yield (await session.list_tools()).tools
        for name, arguments in questions:
            yield await session.call_tool(name, arguments)


async def test_a_model_reads_what_people_read(config: Path) -> None:
    """Status, incidents, one of them, history; each tool says that it only reads, and what is wrong is told."""
    questions: list[tuple[str, dict[str, Any]]] = [
        ("status", {}),
        ("incidents", {"only_open": True}),
        ("incident", {"number": 2}),
        ("history", {"days": 1}),
        ("incident", {"number": 99}),
        ("history", {"days": 0}),
    ]
    tools, *answers = [each async for each in asked(config, *questions)]
    assert {tool.name for tool in tools} == {"status", "incidents", "incident", "history", "plan"}
    assert all(tool.annotations.read_only_hint for tool in tools)
    status, listed, shown, history = (answer.structured_content for answer in answers[:4])
    assert status["routes"][0]["target"] == seeded.HAIKU
    assert [incident["provider"] for incident in listed["incidents"]] == ["openai"]
    assert shown["timeline"]
    assert {"routes", "targets"} <= history.keys()
    assert [answer.is_error for answer in answers] == [False] * 4 + [True] * 2
    assert "there is no incident 99" in str(answers[4].content)


async def test_a_model_asks_what_the_configuration_will_do(config: Path) -> None:
    """By the same plan as the command's; a mistake in the file meanwhile is told as the command tells it."""
    answers = asked(config, ("plan", {}), ("plan", {}))
    await anext(answers)
    planned = await anext(answers)
    assert not planned.is_error
    outages = [outage for route in planned.structured_content["routes"] for outage in route["outages"]]
    assert all(outage["flipped"] == outage["runs"] for outage in outages if outage["failure_rate"] == 1.0)
    with config.open("a") as file:
        file.write("nonsense: 1\n")
    refused = await anext(answers)
    assert refused.is_error
    assert "nonsense" in str(refused.content)
    assert [answer async for answer in answers] == []
