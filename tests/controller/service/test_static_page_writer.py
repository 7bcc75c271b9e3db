"""The static page is written beside the service, at each change, and its failures are reported once."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from controller.service.background import BackgroundRecorder
from controller.service.static_page_writer import StaticPageWriter

#: Appends a line to DIR/written; fails while DIR/fails exists; hangs while DIR/hangs does.
SCRIPT = """
import sys, time
from pathlib import Path
folder = Path(sys.argv[3])
if (folder / "hangs").exists(): time.sleep(60)
if (folder / "fails").exists(): sys.exit("first line\\nthe folder is gone")
with (folder / "written").open("a") as file: file.write("x")
"""


class Events:
    """What the service would store."""

    def __init__(self) -> None:
        self.kinds: list[tuple[str, str]] = []

    def event(self, kind: str, _subject: str, text: str) -> None:
        self.kinds.append((kind, text))


@pytest.mark.slow
async def test_written_at_changes_and_failures_are_reported_once(tmp_path: Path) -> None:
    """Bounded in time; what fails is tried again, and reported again only when it works."""
    events = Events()
    writer = StaticPageWriter(
        config=tmp_path / "hotspare.yaml",
        folder=tmp_path,
        recorder=cast(BackgroundRecorder, events),
        command=(sys.executable, "-c", SCRIPT),
        every_s=0.2,
        apart_s=0.05,
        deadline_s=5.0,  # a process of its own starts within this on a busy machine
    )
    written = tmp_path / "written"
    running = asyncio.create_task(writer.run())
    await _until(written.exists)
    (tmp_path / "fails").touch()
    writer.change()
    await _until(lambda: bool(events.kinds))
    await asyncio.sleep(0.5)
    (tmp_path / "fails").unlink()
    await _until(lambda: len(events.kinds) == 2)
    (tmp_path / "hangs").touch()
    await _until(lambda: len(events.kinds) == 3)
    running.cancel()
    assert [kind for kind, _ in events.kinds] == [
        "static_page_failed",
        "static_page_written_again",
        "static_page_failed",
    ]
    assert "the folder is gone" in events.kinds[0][1]
    assert "not written within 5 s" in events.kinds[2][1]


async def test_a_missing_interpreter_is_a_failure_too(tmp_path: Path) -> None:
    """Where no process can be started, the service goes on."""
    events: Any = Events()
    writer = StaticPageWriter(config=tmp_path, folder=tmp_path, recorder=events, command=(str(tmp_path / "no"),))
    running = asyncio.create_task(writer.run())
    await _until(lambda: bool(events.kinds))
    running.cancel()
    assert "no process can be started" in events.kinds[0][1]


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what another process does sets no event
            await asyncio.sleep(0.01)
