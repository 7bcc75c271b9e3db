"""A file of observations that wait in memory to be stored: a process that is killed loses none of them.

Blocks are appended: a length and a CRC-32 (four bytes each, big-endian), then a JSON list, compressed by zlib: the
names of the columns, and the rows.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from monitor.storage.plain_file import open_plain, write_whole
from monitor.storage.row_conversions import observation_of, observation_row
from monitor.storage.tables import OBSERVATIONS
from probes.observation import Observation

_SHORTEST_S: Final = 1.0
_LONGEST_S: Final = 60.0
#: As many targets as share a minute.
_MANY: Final = 1_000
_HEAD: Final = struct.Struct(">II")
#: We never write more; what lies beyond is not ours.
_LARGEST: Final = 64 * 1024 * 1024
_LARGEST_BLOCK: Final = 32 * 1024 * 1024
_COLUMNS: Final = [column.name for column in OBSERVATIONS.columns]
_NOTHING: Final = dict.fromkeys(_COLUMNS)
#: So many rows make one block where all are written anew.
_ROWS_OF_BLOCK: Final = 500
_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def longest_hold(targets: int) -> timedelta:
    """How long one waits at the most, where there are so many targets."""
    return timedelta(seconds=min(max(_SHORTEST_S, _LONGEST_S * targets / _MANY), _LONGEST_S))


def held_file_of(routing_file: Path) -> "HeldFile":
    """The one beside this routing file."""
    return HeldFile(routing_file.with_name(f"{routing_file.name}.held"))


def held_row(observation: Observation) -> str:
    """The observation as a JSON list of its columns: a sixth of what the value takes in memory."""
    row = observation_row(observation)
    return _json([row.get(name) for name in _COLUMNS])


def observation_of_held(row: str) -> Observation:
    """The observation of such a row; its instants are kept to the millisecond."""
    return observation_of(dict(zip(_COLUMNS, json.loads(row), strict=True)))


class HeldFile:
    """One writer. It survives the process, not a power cut: nobody waits for the disk.

    It takes observations as `held_row` gives them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, rows: Sequence[str]) -> bool:
        """Add these; False where that is not possible."""
        try:
            self._append(self._path, rows)
        except OSError:
            return False
        return True

    def replace(self, rows: Sequence[str]) -> None:
        """Hold these and no others; where that is not possible, those of before stay with them or are gone."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        with suppress(OSError):
            if rows:
                fresh.unlink(missing_ok=True)
                for begin in range(0, len(rows), _ROWS_OF_BLOCK):
                    self._append(fresh, rows[begin : begin + _ROWS_OF_BLOCK])
                fresh.replace(self._path)
            else:
                self._path.unlink()

    def read(self) -> list[Observation]:
        """Those that it holds; without a last block that is torn, and what follows a damaged one."""
        try:
            with os.fdopen(open_plain(self._path, os.O_RDONLY), "rb") as file:
                content = file.read(_LARGEST)
        except OSError:
            return []
        return list(_read(content))

    @staticmethod
    def _append(path: Path, rows: Sequence[str]) -> None:
        content = _block(rows)
        descriptor = open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            before = os.fstat(descriptor).st_size
            if before + len(content) > _LARGEST:
                raise OSError(0, "it is full")
            try:
                write_whole(descriptor, content)
            except OSError:
                os.ftruncate(descriptor, before)  # what follows a torn block could not be read
                raise
        finally:
            os.close(descriptor)


def _block(rows: Sequence[str]) -> bytes:
    packed = zlib.compress(f"[{','.join((_json(_COLUMNS), *rows))}]".encode())
    return _HEAD.pack(len(packed), zlib.crc32(packed)) + packed


def _read(content: bytes) -> Iterator[Observation]:
    place = 0
    while place + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, place)
        packed = content[place + _HEAD.size : place + _HEAD.size + length]
        place += _HEAD.size + length
        if len(packed) < length or zlib.crc32(packed) != checksum:
            return
        rows = json.loads(zlib.decompressobj().decompress(packed, _LARGEST_BLOCK))
        for row in rows[1:]:
            with suppress(ValueError, TypeError):  # another version's
                values = zip(rows[0], row, strict=True)
                yield observation_of(_NOTHING | {name: value for name, value in values if name in _NOTHING})
