"""A file of ours is opened only where it is a plain one, at once, and private."""

import os
from pathlib import Path

import pytest

from monitor.storage.plain_file import open_plain, write_whole

READ, WRITE = os.O_RDONLY, os.O_WRONLY | os.O_CREAT
OPEN = Path("/proc/self/fd")


def test_a_file_is_private_and_written_whole(tmp_path: Path) -> None:
    """Nobody else reads what a provider said."""
    descriptor = open_plain(tmp_path / "file", WRITE)
    write_whole(descriptor, b"all of it")
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"all of it"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("flags", [READ, WRITE])
@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str, flags: int) -> None:
    """At once: a FIFO would wait for its other side."""
    path = tmp_path / "file"
    {"fifo": os.mkfifo, "link": lambda at: at.symlink_to("/dev/null"), "folder": os.mkdir}[kind](path)
    before = len(list(OPEN.iterdir()))
    with pytest.raises(OSError, match=r"plain file|No such device|symbolic links|directory"):
        open_plain(path, flags)
    assert len(list(OPEN.iterdir())) == before


def test_a_full_disk_is_an_error() -> None:
    """Also where the system takes a part of it."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        write_whole(descriptor, b"nothing")
    os.close(descriptor)
