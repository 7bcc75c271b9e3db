"""One Hotspare per file: a lock that the kernel releases when its holder dies, however it dies."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.clock import utc_now


class LockError(Exception):
    """Someone else holds the lock, or its file cannot be used; the message says who, where and since when, or why."""


@contextmanager
def instance_lock(path: Path) -> Iterator[Path]:
    """The exclusive use of a file among cooperating processes, by `flock` on `<path>.lock`, which is given.

    Raises LockError, never waits; makes the folder where there is none. The lock file stays behind on
    release, empty; only a living holder is an obstacle. Programs that the holder starts do not inherit the lock; a bare
    `os.fork` does.
    """
    # One file by two names is still one file.
    real = path.resolve() if path.is_symlink() else path
    lock_file = real.with_name(f"{real.name}.lock")
    descriptor = _acquire(lock_file)
    try:
        yield lock_file
    finally:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


def _acquire(lock_file: Path) -> int:
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LockError(f"{lock_file} cannot be opened: {error.strerror}; may this user write there?") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        started_at = utc_now().isoformat(timespec="seconds").replace("+00:00", "Z")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "started_at": started_at}
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    except BlockingIOError as error:
        known = _who(os.pread(descriptor, 1024, 0))
        os.close(descriptor)
        raise LockError(f"another hotspare{known} holds {lock_file}: stop it first") from error
    except OSError as error:
        os.close(descriptor)
        raise LockError(f"{lock_file} cannot be locked: {error.strerror}; is it on a local disk with room?") from error
    return descriptor


def _who(content: bytes) -> str:
    """Who wrote this, as part of a sentence; nothing when it does not say (the holder may be writing it just now)."""
    try:
        holder = json.loads(content)
        return f" (pid {holder['pid']} on {holder['host']}, since {holder['started_at']})"
    except (ValueError, KeyError, TypeError):
        return ""
