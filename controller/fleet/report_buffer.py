"""Reports of probes on disk, until the database can take them: bounded, and kept over a restart."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor.storage.checked_line import from_line, to_line
from monitor.storage.plain_file import open_plain, write_whole

log = logging.getLogger(__name__)

MOST_BYTES: Final = 128 * 1024 * 1024
"""Some 400,000 probes: of 1,000 targets, those of three hours."""
_AT_ONCE: Final = 1024 * 1024
#: A report has at most a thousand observations.
_LONGEST_LINE: Final = 4 * 1024 * 1024


class ReportBuffer:
    """Two files beside the routing file, the older of which is given up when both are full. One user; nothing raises.

    A line is a checksum and a report. One that is torn or damaged is left out, and costs no other. What was read when
    the process is killed is read again: who takes reports must not take one twice.
    """

    def __init__(self, routing_file: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._newer = routing_file.with_name(f"{routing_file.name}.unreported")
        self._older = routing_file.with_name(f"{routing_file.name}.unreported.older")
        self._most_bytes = most_bytes
        self._done = 0
        """Of the file that is read: bytes that have been reported."""
        self._read = 0
        """Bytes that `oldest` has returned since, in lines."""
        self._failed: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return _size(self._older) == _size(self._newer) == 0

    def append(self, report: str) -> None:
        """Let it wait, behind those that do; what cannot be written is lost, and logged."""
        line = to_line(report.encode())
        try:
            if _size(self._newer) + len(line) > self._most_bytes // 2:
                self._make_room()
            _append(self._newer, line)
            self._failed = None
        except OSError as error:
            self._log(f"report_not_kept path={self._newer}: {error.strerror or error}; these probes are lost")

    def oldest(self) -> list[str]:
        """The reports that have waited longest, about a megabyte of them; nothing where nothing can be read."""
        path = self._path
        try:
            content = _content(path, self._done)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._log(f"reports_not_read path={path}: {error.strerror or error}")
            return []
        whole = content[: content.rfind(b"\n") + 1]
        if not whole:
            self._give_up(path, content)
            return []
        self._read = len(whole)
        reports = list(_reports(whole))
        if not reports:
            self.forget()
            return self.oldest()
        return reports

    def forget(self) -> None:
        """What `oldest` returned last is reported."""
        path, self._done, self._read = self._path, self._done + self._read, 0
        if self._done >= _size(path):
            with contextlib.suppress(OSError):
                path.unlink()
            self._done = 0

    @property
    def _path(self) -> Path:
        """The file that is read."""
        return self._older if _size(self._older) else self._newer

    def _make_room(self) -> None:
        if _size(self._older):
            log.error(
                "reports_dropped path=%s: %s is full; the oldest probes are lost", self._older, self._newer.parent
            )
            self._done = 0
        self._newer.replace(self._older)
        self._read = 0

    def _give_up(self, path: Path, content: bytes) -> None:
        """Nothing whole follows: a torn line at the end, or a file that is none of ours."""
        if content:
            log.warning("report_left_out path=%s: %d bytes of it are damaged", path, len(content))
        self._done, self._read = _size(path), 0
        self.forget()

    def _log(self, text: str) -> None:
        if text != self._failed:
            log.error("%s", text)
        self._failed = text


def _reports(lines: bytes) -> Iterator[str]:
    """Those of lines that are whole."""
    for line in filter(None, lines.split(b"\n")):
        text = from_line(line)
        if text is None:
            log.warning("report_left_out: a line of %d bytes is damaged", len(line))
        else:
            yield text.decode(errors="replace")


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        write_whole(descriptor, b"\n" + line)  # a torn line before it ends here
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _content(path: Path, offset: int) -> bytes:
    """About a megabyte from there on, to the end of a line."""
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        file.seek(offset)
        content = file.read(_AT_ONCE)
        return content if content.endswith(b"\n") else content + file.readline(_LONGEST_LINE)


def _size(path: Path) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0
