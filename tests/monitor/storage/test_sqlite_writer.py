"""A database that is locked, deleted, replaced or damaged under the service is opened again, or set aside."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.storage.database import DatabaseError, open_operator, open_reader, open_writer
from monitor.storage.database_copy import CopyError, copy_database
from monitor.storage.lock import HeldError
from monitor.storage.maintenance import check, vacuum
from monitor.storage.sqlite_writer import SqliteWriter
from monitor.storage.store import Store
from tests.support.databases import Seconds

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def seconds() -> Seconds:
    """The clock of the database under test."""
    return Seconds()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file."""
    return tmp_path / "hotspare.db"


@pytest.fixture
def database(path: Path, seconds: Seconds) -> Iterator[SqliteWriter]:
    """An open one, with one event."""
    made = SqliteWriter(path, monotonic=seconds)
    made.open()
    add_event(made)
    yield made
    made.close()


def add_event(database: SqliteWriter) -> None:
    """Write something."""
    Store(database.engine).add_event(NOW, "noted", "here", "x" * 1000)


def count(path: Path) -> int:
    """The events in the file."""
    with open_reader(f"sqlite:///{path}").connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one())


def tries_again(database: SqliteWriter, seconds: Seconds) -> bool:
    """Whether it can be used again, a second later."""
    seconds.now += 1.0
    return database.recover(NOW)


def test_a_lock_refuses_at_once_until_it_is_gone(path: Path, database: SqliteWriter, seconds: Seconds) -> None:
    """After the first wait nobody waits again; it is tried once a second, and how long it lasted is known."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError, match="is locked by another process"):
        add_event(database)
    assert database.unusable
    other.close()
    with pytest.raises(DatabaseError, match="is locked by another process"):
        add_event(database)
    seconds.now += 3.0
    assert database.unusable_s() == 3.0
    assert tries_again(database, seconds)
    add_event(database)
    assert (count(path), database.replaced) == (2, None)
    outage = database.confirm_written()
    assert outage is not None
    assert outage.lasted_s == 4.0
    assert (database.unusable_s(), database.confirm_written()) == (0.0, None)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow meanwhile."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


@pytest.mark.parametrize("on_a_full_disk", [False, True])
@pytest.mark.parametrize("replaced", ["deleted", "by an empty file", "by a backup"])
def test_one_that_was_deleted_or_replaced_is_gone_on_with(
    path: Path, database: SqliteWriter, seconds: Seconds, replaced: str, on_a_full_disk: bool
) -> None:
    """The next write notices; the file at the path is made ready, and it is known that it is another one.

    Also where that takes more than one try.
    """
    if replaced == "deleted":
        for part in path.parent.glob("hotspare.db*"):
            part.unlink()
    else:
        fresh = path.with_name("fresh.db")
        if replaced == "by a backup":
            open_writer(f"sqlite:///{fresh}").dispose()
        else:
            fresh.touch()
        fresh.rename(path)
    with pytest.raises(DatabaseError, match="was deleted or replaced by someone else"):
        add_event(database)
    if on_a_full_disk:
        with full_disk():
            assert not tries_again(database, seconds)
    assert tries_again(database, seconds)
    add_event(database)
    assert count(path) == 1, "what the log of the former file held is not in it"
    used = "the one in its place is used" if replaced == "by a backup" else "a new one was begun"
    assert database.replaced is not None
    assert used in database.replaced


def replace_file(path: Path) -> None:
    """By a new database with one event; the log of the former one stays."""
    fresh = path.with_name("fresh.db")
    engine = open_writer(f"sqlite:///{fresh}")
    Store(engine).add_event(NOW, "noted", "here", "restored")
    engine.dispose()
    fresh.rename(path)


def link_to(path: Path) -> Path:
    """Another name for it, in a folder of its own."""
    link = path.parent / "links" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    return link


@pytest.mark.parametrize("linked", [False, True])
def test_nobody_writes_to_a_new_file_beside_the_log_of_the_former(
    path: Path, seconds: Seconds, *, linked: bool
) -> None:
    """Until the service has moved that log away: SQLite would read it into the new file, whose indexes break."""
    database = SqliteWriter(link_to(path) if linked else path, monotonic=seconds)
    database.open()
    add_event(database)
    operator = open_operator(f"sqlite:///{path}")
    replace_file(path)
    then = r"was replaced while another hotspare \(pid \d+ .* uses it: it takes the new one over in a moment"
    with pytest.raises(DatabaseError, match=then):
        Store(operator).add_event(NOW, "noted", "here", "by a command")
    with pytest.raises(DatabaseError, match=then):
        open_operator(f"sqlite:///{path}")
    with pytest.raises(CopyError, match=then):
        copy_database(path, path.with_name("copy.db"))
    with pytest.raises(HeldError, match=then):
        vacuum(f"sqlite:///{path}")
    with pytest.raises(HeldError, match=then):
        SqliteWriter(path).open()
    with pytest.raises(DatabaseError):
        add_event(database)
    assert tries_again(database, seconds)
    Store(operator).add_event(NOW, "noted", "here", "by a command")
    add_event(database)
    assert count(path) == 3
    database.close()
    assert check(f"sqlite:///{path}") == []
    assert [each.name for each in path.parent.glob("*former*")] == ["hotspare.db.former-20261128T120000Z-wal"]


@pytest.mark.parametrize("linked", [False, True])
def test_the_log_that_a_killed_service_left_is_not_read_into_another_file(path: Path, *, linked: bool) -> None:
    """A backup was put in place without removing it: commands wait for the service, which moves it away."""
    given = link_to(path) if linked else path
    program = (
        "import os, signal, sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from monitor.storage.sqlite_writer import SqliteWriter; from monitor.storage.store import Store\n"
        "database = SqliteWriter(Path(sys.argv[1])); database.open()\n"
        "for _ in range(99): Store(database.engine).add_event(datetime.now(UTC), 'noted', 'here', 'x' * 1000)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, given], check=False).returncode == -signal.SIGKILL
    replace_file(path)
    for command in (open_operator, vacuum):
        with pytest.raises((DatabaseError, HeldError), match="the former one's log is beside it: start the service"):
            command(f"sqlite:///{given}")
    database = SqliteWriter(given)
    database.open()
    assert count(path) == 1
    add_event(database)
    database.close()
    assert check(f"sqlite:///{path}") == []
    assert len(list(path.parent.glob("hotspare.db.former-*-wal"))) == 1


def test_the_log_of_a_folder_that_was_copied_is_its_own(path: Path, database: SqliteWriter) -> None:
    """The copy of a lock file names another inode, and what is in the log is not lost."""
    moved = path.parent / "moved"
    moved.mkdir()
    for each in path.parent.glob("hotspare.db*"):
        shutil.copy(each, moved)
    add_event(database)
    other = SqliteWriter(moved / "hotspare.db")
    other.open()
    assert count(moved / "hotspare.db") == 1
    other.close()


def test_a_damaged_file_behind_a_link_is_set_aside_itself(path: Path, seconds: Seconds) -> None:
    """The link leads to the new one then."""
    database = SqliteWriter(link_to(path), monotonic=seconds)
    database.open()
    add_event(database)
    checkpoint(path)
    path.write_bytes(os.urandom(path.stat().st_size))
    for _ in range(4):
        with suppress(DatabaseError):
            add_event(database)
        tries_again(database, seconds)
    add_event(database)
    database.close()
    assert (path.parent / "links" / "link.db").is_symlink()
    assert path.with_name("hotspare.db.damaged-20261128T120000Z").exists()
    assert path.stat().st_mode & 0o777 == 0o600
    assert check(f"sqlite:///{path}") == []


def test_a_file_that_was_replaced_under_a_dead_service_is_anybodys(path: Path, database: SqliteWriter) -> None:
    """What its lock file says is of no matter then: the log went with the last connection."""
    database.close()
    assert json.loads(path.with_name("hotspare.db.lock").read_text())["log"] is None
    replace_file(path)
    Store(open_operator(f"sqlite:///{path}")).add_event(NOW, "noted", "here", "by a command")
    assert count(path) == 2


@pytest.mark.parametrize("damage", ["overwritten", "cut off", "emptied"])
def test_a_damaged_one_is_set_aside(path: Path, database: SqliteWriter, seconds: Seconds, damage: str) -> None:
    """It is kept beside the new one; nothing of it is deleted."""
    checkpoint(path)
    Store(database.engine).notices()  # as a service that runs looks at it all the time
    size = path.stat().st_size
    if damage == "overwritten":
        with path.open("r+b") as file:
            file.write(os.urandom(size))
    else:
        os.truncate(path, 0 if damage == "emptied" else size // 2)
    for _ in range(4):
        with suppress(DatabaseError):
            add_event(database)
        tries_again(database, seconds)
    assert database.is_usable()
    assert database.replaced is not None
    assert "a new one was begun" in database.replaced
    aside = list(path.parent.glob("hotspare.db.damaged-20261128T120000Z"))
    assert aside or damage == "emptied", "an empty file is nothing to keep"


def checkpoint(path: Path) -> None:
    """Everything into the file itself."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_one_that_was_compacted_is_not_damaged(path: Path, database: SqliteWriter, seconds: Seconds) -> None:
    """`VACUUM` by an operator makes the file smaller, too."""
    for _ in range(400):
        add_event(database)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM events")
    other = sqlite3.connect(path)
    other.execute("VACUUM")
    other.close()
    checkpoint(path)
    for _ in range(3):
        with suppress(DatabaseError):
            add_event(database)
        tries_again(database, seconds)
    assert database.is_usable()
    assert database.replaced is None


def test_a_second_one_may_not_write(path: Path, database: SqliteWriter) -> None:
    """Not even once the lock's card was removed; and the first one's own locks are left alone."""
    path.with_name("hotspare.db.lock").unlink()
    for _ in range(2):
        with pytest.raises(HeldError, match="another hotspare"):
            SqliteWriter(path).open()
    add_event(database)
    assert count(path) == 2


def test_one_that_somebody_else_holds_by_now_is_not_written(
    path: Path, database: SqliteWriter, seconds: Seconds
) -> None:
    """The file was moved away, and another service began a new one there."""
    path.rename(path.with_name("moved.db"))
    second = SqliteWriter(path)
    second.open()
    with pytest.raises(DatabaseError):
        add_event(database)
    assert not tries_again(database, seconds)
    assert database.unusable is not None
    assert "another hotspare" in database.unusable
    second.close()
    assert tries_again(database, seconds)


def test_the_lineage_stays_with_the_database(path: Path, database: SqliteWriter) -> None:
    """It is a number that a copy shares, and a new database does not."""
    assert database.lineage
    database.close()
    again = SqliteWriter(path)
    again.open()
    assert again.lineage == database.lineage
    again.close()
    other = SqliteWriter(path.with_name("other.db"))
    other.open()
    assert other.lineage != database.lineage
    other.close()
