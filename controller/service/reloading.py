"""Reads the configuration anew while the service runs: when its files change, on a signal, and when people ask."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from controller.service.background import BackgroundRecorder
from monitor.config.loader import load, mark_of, revision_of
from monitor.config.problems import ConfigError
from monitor.config.settings import Settings
from monitor.formatting import listed, plural
from monitor.reload_events import ASKED, LOADED, REFUSED, UNCHANGED
from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
_MOST_PROBLEMS: Final = 3
_MOST_TOLD: Final = 100
_NO_RELOAD: Final = "cannot change while the service runs; restart it, or take the change back"


@dataclass
class ConfigurationInForce:
    """The configuration that the service runs by."""

    settings: Settings
    loaded_at: datetime
    refused: str | None = None
    """Why what the file says by now is not in force; None while it is."""


class RefusedConfigurationError(Exception):
    """A configuration of this revision cannot come into force; the message says why."""

    def __init__(self, text: str, revision: str) -> None:
        super().__init__(text)
        self.revision = revision


@dataclass(kw_only=True)
class Reloader:
    """Applies what the file says, whole or not at all: a bad one changes nothing but what people are told.

    `apply` puts settings into force, and raises DatabaseError with nothing changed. One configuration is read at a
    time; whatever asks meanwhile is answered by the next.
    """

    configuration: ConfigurationInForce
    environ: Mapping[str, str]
    apply: Callable[[Settings], Awaitable[None]]
    beat: Callable[[], None]
    """Stores what is in force, on the database's thread."""
    recorder: BackgroundRecorder
    look_s: float = _LOOK_S
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _event: int = 0
    """The number of the last event that was looked at."""
    _told: set[str] = field(default_factory=set)
    """Why configurations were refused: each reason calls people once."""
    _wanted_files: frozenset[str] = frozenset()
    """Those of a configuration that was refused."""

    def ask(self) -> None:
        """Read the configuration now; on the event loop, returns at once."""
        self._asked.set()

    async def run(self) -> None:
        """For ever. A file that changes is read once it has been still for a second: it may be half written."""
        await self._is_requested()  # what was requested before the start is of no use
        before = await self._look()
        present = self.configuration.settings
        is_same = await asyncio.to_thread(revision_of, present.path) == present.revision
        read = before if is_same else ()  # it has changed since it was read for the start
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.look_s):
                    await self._asked.wait()
            asked, now = await self._is_asked(), await self._look()
            if asked or (now != read and now == before):
                read = now
                await self.reload(asked=asked)
                # Other files may hold values by now; what has changed since `now` is read again.
                after = await self._look()
                read = now if [mark[0] for mark in now] == [mark[0] for mark in after] else after
            before = now

    async def reload(self, *, asked: bool) -> None:
        """Read the file and put it into force, or say why not; with nothing new, say so where somebody `asked`."""
        present = self.configuration
        try:
            settings = await asyncio.to_thread(self._load)
            if settings == present.settings:
                if present.refused or asked:
                    self._record(UNCHANGED, f"{_named(settings)} was in force already", settings.revision)
                present.settings, present.refused = settings, None
            else:
                await self._apply(settings)
                text = self._loaded_text(present.settings, settings)
                present.settings, present.loaded_at, present.refused = settings, self.recorder.clock(), None
                self._record(LOADED, text, settings.revision)
        except RefusedConfigurationError as error:
            text = f"{error}; revision {present.settings.revision} stays in force"
            self._record(
                REFUSED, text, error.revision or str(present.settings.path), notify=str(error) not in self._told
            )
            self._told = {*list(self._told)[-_MOST_TOLD:], str(error)}
            present.refused = text
        with contextlib.suppress(DatabaseError):
            await self.recorder.database.run(self.beat)

    async def _apply(self, settings: Settings) -> None:
        try:
            await self.apply(settings)
        except DatabaseError as error:
            raise RefusedConfigurationError(f"{settings.path} is not applied: {error}", settings.revision) from error

    def _load(self) -> Settings:
        present = self.configuration.settings
        try:
            settings = load(present.path, self.environ)
        except ConfigError as error:
            self._wanted_files = error.files - {str(file) for file in present.files}
            raise RefusedConfigurationError(_problem_text(error), error.revision) from None
        self._wanted_files = frozenset()
        fixed = {
            "database": settings.database != present.database,
            "routing_file": settings.routing_file != present.routing_file,
            "otel": settings.otel != present.otel,
            "controller.dry_run": settings.controller.dry_run != present.controller.dry_run,
        }
        changed = [name for name, differs in fixed.items() if differs]
        if changed:
            raise RefusedConfigurationError(f"{present.path}: {listed(changed)} {_NO_RELOAD}", settings.revision)
        return settings

    def _record(self, kind: str, text: str, subject: str, *, notify: bool = False) -> None:
        self.recorder.event(kind, subject, text, notify=notify)

    async def _is_asked(self) -> bool:
        """Whether somebody has asked since the last call, by a signal or in the database."""
        asked = self._asked.is_set()
        self._asked.clear()
        return await self._is_requested() or asked

    async def _is_requested(self) -> bool:
        """Whether somebody has asked in the database since the last call."""
        with contextlib.suppress(DatabaseError):
            self._event, new = await self.recorder.database.run(self.recorder.store.events_after, self._event)
            return any(event.kind == ASKED for event in new)
        return False

    async def _look(self) -> tuple[tuple[object, ...], ...]:
        """What shows that the file, or one whose value it holds, has changed; in a thread: the disk may hang."""
        settings = self.configuration.settings
        bundle = [settings.network.ca_bundle] if settings.network.ca_bundle else []
        files = (settings.path, *settings.files, *bundle, *map(Path, sorted(self._wanted_files)))
        return await asyncio.to_thread(lambda: tuple(map(mark_of, files)))

    def _loaded_text(self, before: Settings, after: Settings) -> str:
        return "; ".join((f"{_named(after)} is in force", *_differences(before, after), *_fixed_keys(after)))


def _named(settings: Settings) -> str:
    return f"{settings.path} (revision {settings.revision})"


def _problem_text(error: ConfigError) -> str:
    """The first problems, and what to do where only a restart helps."""
    shown, more = error.problems[:_MOST_PROBLEMS], len(error.problems) - _MOST_PROBLEMS
    texts = [*shown, *([f"and {plural(more, 'other problem')}"] if more > 0 else [])]
    if error.unset:
        texts.append(f"a running service sees no new variable: restart it with {listed(sorted(error.unset))}")
    return "; ".join(texts)


def _differences(before: Settings, after: Settings) -> Iterator[str]:
    for what, old, new in (
        ("target", {target.id for target in before.targets}, {target.id for target in after.targets}),
        ("route", {route.name for route in before.routes}, {route.name for route in after.routes}),
    ):
        if added := sorted(new - old):
            yield f"new {what}s: {listed(added)}"
        if removed := sorted(old - new):
            yield f"{what}s removed: {listed(removed)}"


def _fixed_keys(settings: Settings) -> Iterator[str]:
    if settings.variables:
        names = listed(list(settings.variables))
        yield f"what stands in the environment ({names}) is as it was at the start: only a restart reads it anew"
