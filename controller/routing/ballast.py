"""A file beside the routing file that takes up room while there is some, to be given up when the disk is full."""

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

SIZE: Final = 1024 * 1024
#: Given up at a time: whoever filled the disk takes what is free as well.
_SLICE: Final = 128 * 1024
#: Laid only where so much remains besides: ballast must not be what fills the disk.
_LEFT_FREE: Final = 4 * SIZE
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Ballast:
    """One mebibyte, hidden beside the routing file. What cannot be done is left undone; nothing raises."""

    def __init__(self, routing_file: Path) -> None:
        self._path = routing_file.with_name(f".{routing_file.name}.ballast")

    def lay(self) -> None:
        """Make it whole again, where there is room; one stat when it is."""
        with contextlib.suppress(OSError):
            present = self._size()
            space = os.statvfs(self._path.parent)
            if present >= SIZE or space.f_bavail * space.f_frsize < _LEFT_FREE + SIZE:
                return
            self._write()

    def release(self, wanted: int) -> bool:
        """Give up so many bytes at least, and a slice of it at the most beyond; False when there is nothing left."""
        try:
            present = self._size()
            if not present:
                return False
            left = max(0, present - max(_SLICE, wanted + wanted // 2))
            if left:
                os.truncate(self._path, left)
            else:
                self._path.unlink()
        except OSError:
            return False
        return True

    def _size(self) -> int:
        try:
            return os.lstat(self._path).st_size
        except FileNotFoundError:
            return 0

    def _write(self) -> None:
        """With random bytes, and synced: a file with holes, or one that is compressed, takes up no room."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            written = 0
            while written < SIZE:
                written += os.write(descriptor, os.urandom(SIZE - written))
            os.fsync(descriptor)
        except OSError:
            self._path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
