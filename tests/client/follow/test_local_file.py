"""The file of a host: written as a whole, by one process."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hotspare_client.follow.local_file import FileHeldError, LocalFile

from controller.routing.routing_file import RoutingFile, RoutingFileError
from monitor.storage.lock import InstanceLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """In a folder that is not there yet."""
    return tmp_path / "var" / "routing.json"


def test_it_is_written_as_the_service_does(path: Path) -> None:
    """Readable by all, in place of a link, with nothing left beside it, also of a follower that was killed."""
    path.parent.mkdir()
    path.symlink_to(path.with_name("elsewhere.json"))
    path.with_name(".routing.json.ab12cd_9.tmp").write_text("half")
    path.with_name(".other.json.ab12cd_9.tmp").write_text("of another")
    file = LocalFile(path)
    assert file.open() == b""
    file.write(b"{}")
    assert (path.read_bytes(), path.is_symlink(), stat.S_IMODE(path.stat().st_mode)) == (b"{}", False, 0o644)
    assert sorted(entry.name for entry in path.parent.iterdir()) == [".other.json.ab12cd_9.tmp", "routing.json"]
    assert LocalFile(path.with_name("none") / "x.json").open() == b""


def test_a_device_a_pipe_or_a_socket_is_left_alone(path: Path) -> None:
    """As root, `--file /dev/null` put a table in place of the machine's."""
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(OSError, match="it is a device, a pipe or a socket"):
        LocalFile(path).open()
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert list(path.parent.iterdir()) == [path]


def damage(path: Path) -> None:
    """As an editor does."""
    path.write_text("[]")


def replace_by_folder(path: Path) -> None:
    """With something in it, so that it cannot be replaced in turn."""
    path.unlink()
    (path / "x").mkdir(parents=True)


@pytest.mark.parametrize(
    ("act", "done"),
    [
        (Path.unlink, "was deleted"),
        (damage, "was changed"),
        (lambda path: path.chmod(0o600), "was given other permissions"),
        (lambda path: os.utime(path, (1, 1)), ""),
        (lambda path: path.write_bytes(path.read_bytes()), ""),
    ],
)
def test_what_others_do_to_it_is_undone(path: Path, act: Callable[[Path], None], done: str) -> None:
    """Unless it says the same as before."""
    file = LocalFile(path)
    file.open()
    assert file.restore() == "", "what it has not written is not its own"
    file.write(b"{}")
    assert file.restore() == ""
    act(path)
    assert file.restore() == done
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"{}", 0o644)
    assert file.restore() == ""


def test_what_cannot_be_written_leaves_nothing_behind(path: Path) -> None:
    """The error is the system's."""
    file = LocalFile(path)
    file.open()
    file.write(b"{}")
    replace_by_folder(path)
    for call in (file.restore, lambda: file.write(b"[]")):
        with pytest.raises(OSError, match="directory"):
            call()
    assert [entry.name for entry in path.parent.iterdir()] == ["routing.json"]


def test_a_folder_has_one_writer(path: Path) -> None:
    """Of followers and services, until it ends, however that is; a folder in its place is taken anew."""
    first, second = LocalFile(path), LocalFile(path)
    first.open()
    with pytest.raises(FileHeldError, match="another follower, or a service"):
        second.open()
    lock = InstanceLock(path.parent, card=path.with_name("card"), folder=True)
    with pytest.raises(RoutingFileError, match="holds"):
        RoutingFile(path, folder=lock).publish({})
    path.parent.rename(path.parent.with_name("old"))
    second.open()
    with pytest.raises(FileHeldError):
        first.write(b"{}")
    code = (
        "import sys, pathlib; from hotspare_client.follow import local_file as module; "
        "module.LocalFile(pathlib.Path(sys.argv[1])).open()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert "FileHeldError" in done.stderr
    second.close()
    first.write(b"{}")
    first.close()
