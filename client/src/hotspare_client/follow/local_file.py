"""The routing file of this host: written as a whole, by one follower."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import tempfile
from pathlib import Path

from hotspare_client.reader import read_file
from hotspare_client.table import TableError

_MODE = 0o644


class FileHeldError(Exception):
    """Another process writes in the folder of the file; the message is a sentence."""


class LocalFile:
    """The file, and the lock of its folder, which a service that publishes there takes as well. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """Nothing is touched before `open`."""
        self.path = path.absolute()
        self.content = b""
        """What was last written; empty while that is nothing."""
        self._version: tuple[int, ...] = ()
        self._folder: int | None = None

    def open(self) -> bytes:
        """Make the folder, take it, and return what the file has, empty for nothing.

        Raises FileHeldError, and OSError where the folder cannot be made, or a device, a pipe or a socket is at the
        path: what replaces it takes it from every program of the machine.
        """
        if self.path.exists() and not (self.path.is_file() or self.path.is_dir() or self.path.is_symlink()):
            raise OSError(errno.EINVAL, "it is a device, a pipe or a socket")
        self._hold_folder()
        # Of a follower that was killed while it wrote.
        ours = re.compile(re.escape(f".{self.path.name}.") + r"[a-z0-9_]{8}\.tmp")
        for entry in self.path.parent.iterdir():
            if ours.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    entry.unlink()
        with contextlib.suppress(OSError, TableError):
            return read_file(self.path)[1]
        return b""

    def write(self, content: bytes) -> None:
        """Put it in place of whatever is at the path, durably and readable by every user of the machine.

        As the service does: a temporary file in the same folder, chmod, fsync, rename, fsync of the folder. A link is
        replaced, not followed. Raises OSError, and FileHeldError where the folder was replaced and is taken; the old
        file is then untouched.
        """
        folder = self._hold_folder()
        descriptor, temporary = tempfile.mkstemp(prefix=f".{self.path.name}.", suffix=".tmp", dir=self.path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), _MODE)
                os.fsync(file.fileno())
                version = _version(os.fstat(file.fileno()))
            Path(temporary).replace(self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
        self.content, self._version = content, version
        # Some network filesystems cannot; the rename has happened all the same.
        with contextlib.suppress(OSError):
            os.fsync(folder)

    def restore(self) -> str:
        """What others have done to the file since it was written, as a clause; it is then as it was. Empty: nothing.

        Costs one stat while nothing has changed. Raises as `write`.
        """
        if not self.content:
            return ""
        try:
            stats = self.path.lstat()
            if _version(stats) == self._version:
                return ""
            as_written = stat.S_ISREG(stats.st_mode) and read_file(self.path)[1] == self.content
        except FileNotFoundError:
            done = "was deleted"
        except (OSError, TableError):
            done = "could not be read any more"
        else:
            if as_written and stat.S_IMODE(stats.st_mode) == _MODE:
                self._version = _version(stats)
                return ""
            done = "was given other permissions" if as_written else "was changed"
        self.write(self.content)
        return done

    def close(self) -> None:
        """Let go of the folder."""
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def _hold_folder(self) -> int:
        """Take the folder itself, so that the lock ends with this process however it ends; returns its descriptor."""
        folder = self.path.parent
        if self._folder is not None:
            with contextlib.suppress(OSError):
                here, there = os.fstat(self._folder), folder.stat()
                if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                    return self._folder
            self.close()
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise FileHeldError(
                f"another follower, or a service, writes in {folder}: stop it, or give each a folder of its own"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        self._folder = descriptor
        return descriptor


def _version(stats: os.stat_result) -> tuple[int, ...]:
    return stats.st_mode, stats.st_ino, stats.st_size, stats.st_mtime_ns
