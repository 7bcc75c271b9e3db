"""One Hotspare per file: a lock that the kernel releases when its holder dies, however it dies."""

import fcntl
import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.clock import utc_now


class LockError(Exception):
    """The lock file cannot be used; the message says which and why."""


class LockHeld(LockError):  # noqa: N818 - the base says that it is an error, the name says what happened
    """Someone else holds the lock; the message says who, where and since when."""


class InstanceLock:
    """The exclusive use of a file among cooperating processes, by `flock` on `<path>.lock`.

    The lock file stays behind on release, empty; only a living holder is an obstacle. Programs that the holder
    starts do not inherit the lock; a bare `os.fork` does.
    """

    def __init__(self, path: Path) -> None:
        # One file by two names is still one file.
        real = path.resolve() if path.is_symlink() else path
        self.path = real.with_name(f"{real.name}.lock")
        """The lock file."""
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, making its folder when there is none; raises LockHeld or LockError, never waits."""
        if self._descriptor is not None:
            raise LockError(f"{self.path} is already held by this very lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LockError(f"{self.path} cannot be opened: {error.strerror}; may this user write there?") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _introduction(), 0)
        except BlockingIOError as error:
            holder = _who(os.pread(descriptor, 1024, 0))
            os.close(descriptor)
            raise LockHeld(f"another hotspare{holder} holds {self.path}: stop it first") from error
        except OSError as error:
            os.close(descriptor)
            raise LockError(
                f"{self.path} cannot be locked: {error.strerror}; is it on a local disk with room?"
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; does nothing when the lock is not held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _introduction() -> bytes:
    started_at = utc_now().isoformat(timespec="seconds").replace("+00:00", "Z")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started_at": started_at}).encode()


def _who(content: bytes) -> str:
    """Who wrote this, as part of a sentence; nothing when it does not say (the holder may be writing it just now)."""
    try:
        holder = json.loads(content)
        return f" (pid {holder['pid']} on {holder['host']}, since {holder['started_at']})"
    except (ValueError, KeyError, TypeError):
        return ""
