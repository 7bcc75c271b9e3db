"""One Hotspare per thing: a lock on a file or a folder itself, which the kernel releases however its holder dies."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from monitor.clock import utc_now

_TRIES: Final = 5
_LOOK_S: Final = 0.001


class LockError(Exception):
    """Someone else holds the lock, or there is nothing that could be locked; the message says who or why."""


class HeldError(LockError):
    """Another living process holds the lock."""


class InstanceLock:
    """The exclusive use of a file, or of a folder, among cooperating processes, by `flock` on the thing itself.

    A lock is of the thing, not of its name: a link leads to the same lock, and a new thing under the old name is not
    locked (`is_current`). Who holds which thing stands in the file `card` (`<thing>.lock`), which is locked as well, so
    that others can tell a new thing (`refuse_replaced`). Programs that the holder starts do not inherit it; a bare
    `os.fork` does. SQLite holds POSIX locks of its own on a database, which the kernel drops when *any* descriptor of
    that file is closed in the same process: acquire before the first connection, and release after the last one is
    closed.
    """

    def __init__(self, path: Path, *, card: Path | None = None, folder: bool = False) -> None:
        self._path = path.absolute()
        self._given_card = card.absolute() if card else None
        self._flags = os.O_RDONLY | (os.O_DIRECTORY if folder else os.O_CREAT | os.O_NONBLOCK) | os.O_CLOEXEC
        self._folder = folder
        self._descriptor: int | None = None
        self._card_descriptor: int | None = None

    def acquire(self) -> None:
        """Take it; makes an empty file for its owner alone, or the folder, where there is none.

        Raises LockError; waits for milliseconds at the most.
        """
        _refuse_held(self._path, self._card)
        for _ in range(_TRIES):
            descriptor = self._open()
            try:
                self._lock(descriptor)
            except LockError:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
            if self.is_current():
                self._introduce(os.fstat(descriptor).st_ino)
                return
            self.release()  # replaced in this very moment
        raise LockError(f"{self._path} is replaced again and again: what else writes there?")

    def is_current(self) -> bool:
        """Whether it is held, and the path still leads to what is locked; one stat."""
        if self._descriptor is None:
            return False
        try:
            there = self._path.stat()
        except OSError:
            return False
        here = os.fstat(self._descriptor)
        return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        """Let go of it; nothing happens when it is not held."""
        for descriptor in (self._card_descriptor, self._descriptor):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._card_descriptor = None

    def note_log(self, inode: int | None) -> None:
        """Write down which log belongs to the file that is held, for `log_left_behind`."""
        if self._card_descriptor is not None:
            with suppress(OSError):
                self._write(_holder(self._card) | {"log": inode})

    @property
    def _card(self) -> Path:
        return self._given_card or _card_of(self._path)

    def _open(self) -> int:
        try:
            (self._path if self._folder else self._path.parent).mkdir(parents=True, exist_ok=True)
            return os.open(self._path, self._flags, 0o600)
        except OSError as error:
            raise LockError(f"{self._path} cannot be opened: {error.strerror}; may this user write there?") from error

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            own = ", or give the routing file of this one a folder of its own" if self._folder else ""
            raise HeldError(
                f"another hotspare{_who(_holder(self._card))} holds {self._path}: stop it first{own}"
            ) from error
        except OSError as error:
            local = "a network file system without locks cannot be used, put it on a local disk"
            raise LockError(f"{self._path} cannot be locked: {error.strerror}; {local}") from error

    def _introduce(self, inode: int) -> None:
        """Write down who holds what, and lock that; a full disk is no reason not to hold it."""
        started_at = utc_now().isoformat(timespec="seconds").replace("+00:00", "Z")
        with suppress(OSError):
            self._card_descriptor = self._open_own_card()
            for _ in range(_TRIES):
                with suppress(BlockingIOError):  # somebody looks whether it is locked
                    fcntl.flock(self._card_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(_LOOK_S)
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "started_at": started_at, "inode": inode}
            self._write(holder)

    def _open_own_card(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            return os.open(self._card, flags, 0o644)
        except PermissionError:  # another user's, who ran it before
            self._card.unlink()
            return os.open(self._card, flags, 0o644)

    def _write(self, holder: Mapping[str, object]) -> None:
        assert self._card_descriptor is not None  # noqa: S101 - for the type
        os.ftruncate(self._card_descriptor, 0)
        os.pwrite(self._card_descriptor, json.dumps(holder).encode(), 0)


def refuse_replaced(path: Path) -> None:
    """Raise HeldError where the log beside a database may be that of another file, which was at its path before.

    SQLite would read it into the new one. A living process holds the other one, or a dead one has left its log. Opens
    no more than the lock file: nothing that the caller may have locked.
    """
    _refuse_held(path, _card_of(path))
    if log_left_behind(path) is not None:
        then = "start the service, which moves it away"
        raise HeldError(f"{path} was replaced, and the former one's log is beside it: {then}")


def log_left_behind(path: Path) -> Path | None:
    """The write-ahead log beside a database, where it belongs to what the last holder held, and that is elsewhere."""
    holder, log = _holder(_card_of(path)), log_of(path)
    with suppress(OSError):
        if holder.get("log") == log.stat().st_ino and holder.get("inode") != path.stat().st_ino:
            return log
    return None


def log_of(path: Path) -> Path:
    """The write-ahead log of a database: beside the file itself, wherever a link to it is."""
    return Path(f"{os.path.realpath(path)}-wal")


def _refuse_held(path: Path, card: Path) -> None:
    """Raise HeldError where a living process holds what stood at this path before, and not what stands there now."""
    holder = _holder(card)
    with suppress(OSError):
        if "inode" in holder and holder["inode"] != path.stat().st_ino and _is_locked(card):
            then = "it takes the new one over in a moment; where it does not, stop it first"
            raise HeldError(f"{path} was replaced while another hotspare{_who(holder)} uses it: {then}")


def _card_of(path: Path) -> Path:
    return Path(f"{os.path.realpath(path)}.lock")


@contextmanager
def instance_lock(path: Path, *, card: Path | None = None, folder: bool = False) -> Iterator[InstanceLock]:
    """An `InstanceLock` for the time of a block. Raises LockError."""
    lock = InstanceLock(path, card=card, folder=folder)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


def _is_locked(card: Path) -> bool:
    with _open_card(card) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _holder(card: Path) -> dict[str, Any]:
    """What stands on a card; nothing where it does not say."""
    try:
        with _open_card(card) as file:
            holder = json.loads(file.read(1024))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _open_card(card: Path) -> BinaryIO:
    return open(card, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def _who(holder: dict[str, Any]) -> str:
    """Who that is, as part of a sentence."""
    try:
        return f" (pid {holder['pid']} on {holder['host']}, since {holder['started_at']})"
    except KeyError:
        return ""
