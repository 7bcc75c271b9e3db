"""Keeps the static page (`ui.static`) up to date: a short process for each writing, beside the service and below it."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from controller.service.background import BackgroundRecorder

log = logging.getLogger(__name__)

#: At the latest so long after the last writing, and at the earliest.
EVERY_S: Final = 60.0
APART_S: Final = 5.0
_DEADLINE_S: Final = 30.0
_LONGEST_REASON: Final = 500
#: It gives way to everything else on this machine.
_NICENESS: Final = 19


@dataclass(kw_only=True)
class StaticPageWriter:
    """Writes the page when something has changed, and once a minute; a failure is told once, and so is its end.

    The process ends within 30 seconds, whatever it meets. A service that is killed leaves at most one behind for so
    long, which writes what is true.
    """

    config: Path
    folder: Path
    recorder: BackgroundRecorder
    command: Sequence[str] = (sys.executable, "-m", "ui.static_file")
    """What writes, followed by `-c CONFIG DIR`."""
    every_s: float = EVERY_S
    apart_s: float = APART_S
    deadline_s: float = _DEADLINE_S

    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _failed: str | None = None

    def change(self) -> None:
        """Say that something has changed; on the event loop, returns at once."""
        self._changed.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._changed.clear()
            self._report(await self._write())
            await asyncio.sleep(self.apart_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every_s - self.apart_s):
                    await self._changed.wait()

    def _report(self, failed: str | None) -> None:
        if failed and not self._failed:
            text = f"{self.folder}: {failed}; it is tried again every minute"
            self.recorder.event("static_page_failed", "static page", text)
        elif self._failed and not failed:
            self.recorder.event("static_page_written_again", "static page", str(self.folder))
        self._failed = failed

    async def _write(self) -> str | None:
        """Why it was not written; None when it was."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                *("-c", str(self.config), str(self.folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            return f"no process can be started: {error.strerror or error}"
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        try:
            async with asyncio.timeout(self.deadline_s):
                _, said = await process.communicate()
        except TimeoutError:
            return f"it is not written within {self.deadline_s:g} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not process.returncode:
            return None
        lines = said.decode(errors="replace").strip().splitlines()
        return lines[-1][:_LONGEST_REASON] if lines else f"it ended with status {process.returncode}"
