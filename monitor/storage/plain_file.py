"""Files of our own that anybody may have put something else in the place of: a link, a FIFO, a device."""

import os
import stat


def open_plain(path: str | os.PathLike[str], flags: int) -> int:
    """A descriptor of a plain file, which is created with the mode 0600; raises OSError where it is anything else.

    It never waits: opening a FIFO would wait for its other side.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no plain file")
    return descriptor


def write_whole(descriptor: int, content: bytes) -> None:
    """Write all of it; raises OSError, and a part of it may then be written."""
    while content:
        content = content[os.write(descriptor, content) :]
