"""The append-only file beside the routing file that holds decisions until the database can take them over."""

import contextlib
import logging
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from controller.routing import unjournalled
from controller.routing.ballast import FULL, Ballast
from controller.routing.decision import Decision
from controller.routing.unjournalled import UnjournalledDecisions
from monitor.config.settings import Settings
from monitor.storage.plain_file import open_plain, write_whole

log = logging.getLogger(__name__)

#: We never write more; what is larger is not ours.
_LARGEST: Final = 1024 * 1024
#: Past this only the last decision on each route is kept.
_COMPACT_FROM: Final = 256 * 1024


class UnjournalledFile:
    """`<routing file>.unjournalled`; one writer. Nothing raises: the routing file itself is the better evidence."""

    def __init__(self, routing_file: Path, ballast: Ballast | None = None) -> None:
        self._path = routing_file.with_name(f"{routing_file.name}.unjournalled")
        self._ballast = ballast
        self.is_left = False
        """Whether it is there still because it could not be removed, although the database has all of it."""

    def append(self, decisions: Sequence[Decision], lineage: int) -> None:
        """Add them, durably; on a full disk with the room of the ballast. What fails is logged."""
        self.is_left = False
        content = b"".join(unjournalled.encode(decision, lineage) for decision in decisions)
        try:
            try:
                self._append(content)
            except OSError as error:
                if error.errno not in FULL or self._ballast is None or not self._ballast.release(len(content)):
                    raise
                self._append(content)
        except OSError as error:
            log.error("unjournalled_not_written path=%s: %s", self._path, error.strerror or error)

    def read(self, settings: Settings, *, lineage: int, now: datetime) -> UnjournalledDecisions:
        """What it holds for this database and configuration; a file that cannot be ours is set aside, and logged."""
        try:
            content = self._content()
        except FileNotFoundError:
            return UnjournalledDecisions()
        except OSError as error:
            self._set_aside(error.strerror or str(error), now)
            return UnjournalledDecisions()
        if len(content) > _LARGEST:
            self._set_aside("it is larger than any of ours", now)
            return UnjournalledDecisions()
        held = unjournalled.decode(content, lineage=lineage, settings=settings, now=now)
        if held.damaged or held.foreign:
            log.warning("unjournalled_lines_left_out damaged=%d foreign=%d", held.damaged, held.foreign)
        if held.foreign and not held.decisions:
            self._set_aside("it belongs to another database or configuration", now)
        return held

    def clear(self) -> None:
        """The database has taken all of it over; one failed system call where there is no file.

        Where the disk refuses, `is_left` says so: lines that stay would count again once the database is an older one.
        """
        try:
            self._path.unlink(missing_ok=True)
            self.is_left = False
        except OSError:
            self.is_left = True

    def _append(self, content: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = open_plain(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            if os.fstat(descriptor).st_size > _COMPACT_FROM:
                content = self._compacted() + content
                os.ftruncate(descriptor, 0)
            write_whole(descriptor, b"\n" + content)  # a torn line before it ends here
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _compacted(self) -> bytes:
        """The last whole line on each route."""
        lines = self._content().split(b"\n")
        last = {found[0].route: line for line in lines if line and (found := unjournalled.read_line(line))}
        return b"".join(line + b"\n" for line in last.values())

    def _content(self) -> bytes:
        """At most one byte more than ours can be."""
        with os.fdopen(open_plain(self._path, os.O_RDONLY), "rb") as file:
            return file.read(_LARGEST + 1)

    def _set_aside(self, why: str, now: datetime) -> None:
        aside = self._path.with_name(f"{self._path.name}.aside-{now:%Y%m%dT%H%M%SZ}")
        log.warning("unjournalled_set_aside path=%s as=%s: %s", self._path, aside.name, why)
        with contextlib.suppress(OSError):
            self._path.rename(aside)
