"""What an operator does with the file loses nothing, overwrites nothing, and finds what is damaged."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from monitor.storage import maintenance
from monitor.storage.database import DatabaseError, open_writer
from monitor.storage.lock import LockError, instance_lock
from monitor.storage.store import Store
from tests.support.builders import T0, observation

A = "openai/gpt-6-luna"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database's URL."""
    return f"sqlite:///{tmp_path}/hotspare.db"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A new database, held open as the service holds it, with 2,000 observations."""
    engine = open_writer(url)
    Store(engine).record([observation(at_s=30 * n) for n in range(2_000)])
    yield engine
    engine.dispose()


def _no_progress(_done: float, _of: float) -> None:
    """Nobody looks."""


def test_what_the_file_holds(engine: Engine, url: str) -> None:
    """Rows, sizes, growth; beside the service that holds it open."""
    info = maintenance.read_info(url, T0 + timedelta(seconds=30 * 2_000))
    rows = {table.name: table.rows for table in info.tables}
    assert (rows["observations"], rows["spending"], info.last_day) == (2_000, 2, 2_000)
    assert (info.oldest, info.gives_back) == (T0, True)
    assert info.bytes_per_observation is not None
    assert 50 < info.bytes_per_observation < 300
    assert info.tables[0].name == "observations"
    assert 10 < info.sums_last_day <= rows["rollups"]
    assert info.bytes_per_sum is not None
    assert 100 < info.bytes_per_sum < 5_000


def test_a_link_leads_to_the_same_log(engine: Engine, url: str, tmp_path: Path) -> None:
    """SQLite keeps it beside the file."""
    link = tmp_path / "links" / "link.db"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "hotspare.db")
    sizes = [maintenance.read_info(each, T0).wal_size for each in (url, f"sqlite:///{link}")]
    assert sizes[0] == sizes[1] > 0


def test_a_backup_is_the_database_as_of_one_instant(engine: Engine, url: str, tmp_path: Path) -> None:
    """Whole, checked, in one file, and never in the place of another."""
    to = tmp_path / "copy 1.db"
    assert maintenance.back_up(url, to, _no_progress) == to.stat().st_size
    with closing(open_writer(f"sqlite:///{to}").connect()) as copy:
        assert copy.exec_driver_sql("SELECT count(*) FROM observations").scalar_one() == 2_000
    with pytest.raises(DatabaseError, match="is there already"):
        maintenance.back_up(url, to, _no_progress)
    with pytest.raises(DatabaseError, match="cannot be written"):
        maintenance.back_up(url, tmp_path / "nowhere" / "copy.db", _no_progress)
    (tmp_path / "not.db").write_text("of another kind, and longer than a header of sixteen bytes")
    with pytest.raises(DatabaseError, match=r"database .*/not\.db cannot be read: file is not a database"):
        maintenance.back_up(f"sqlite:///{tmp_path}/not.db", to.with_name("other.db"), _no_progress)
    assert not list(tmp_path.glob(".*"))


def test_what_a_killed_backup_has_left_is_removed_by_the_next(engine: Engine, url: str, tmp_path: Path) -> None:
    """It is as large as the database; that of a process that lives is not touched."""
    program = (
        "import os, signal, sys; from pathlib import Path; from monitor.storage.database_copy import copy_database\n"
        "path = Path(sys.argv[1])\n"
        "copy_database(path, path.with_name('first.db'), lambda *_: os.kill(os.getpid(), int(sys.argv[2])))\n"
    )

    def begin(number: signal.Signals) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", program, tmp_path / "hotspare.db", str(int(number))])

    finished, link = tmp_path / ".nightly.hotspare-copy", tmp_path / ".link.1.hotspare-copy"
    maintenance.back_up(url, finished, _no_progress)
    link.symlink_to(finished)
    assert begin(signal.SIGKILL).wait() == -signal.SIGKILL
    assert list(tmp_path.glob(".first.db.*"))
    stopped = begin(signal.SIGSTOP)
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED)
    maintenance.back_up(url, tmp_path / "second.db", _no_progress)
    assert {str(stopped.pid) in each.name for each in {*tmp_path.glob(".*")} - {finished, link}} == {True}
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait() == 0
    assert (tmp_path / "first.db").exists()
    assert {*tmp_path.glob(".*")} == {finished, link}


def test_a_damaged_file_is_found(engine: Engine, url: str, tmp_path: Path) -> None:
    """Pages that were overwritten; a good one has no faults."""
    assert maintenance.check(url) == []
    engine.dispose()
    damaged = tmp_path / "damaged.db"
    shutil.copy(tmp_path / "hotspare.db", damaged)
    with damaged.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 8192)
    assert maintenance.check(f"sqlite:///{damaged}")
    with pytest.raises(DatabaseError, match=r"damaged|malformed"):
        maintenance.back_up(f"sqlite:///{damaged}", tmp_path / "copy.db", _no_progress)
    assert not (tmp_path / "copy.db").exists()


def test_unused_space_is_given_back(engine: Engine, url: str, tmp_path: Path) -> None:
    """A new file does so by itself, in steps, once old rows are gone."""
    store = Store(engine)
    for day in range(20):
        store.record([observation(at_s=86_400 * day + n, detail="x" * 500) for n in range(1_000)])
    store.prune(T0 + timedelta(days=300), at_most=100_000)
    before = maintenance.read_info(url, T0).unused or 0
    for _ in range(5):
        store.prune(T0)
    assert maintenance.read_info(url, T0).unused == before - 5 * 64 * 4096


def test_an_old_file_needs_one_vacuum(tmp_path: Path, url: str) -> None:
    """With the service stopped; every row is still there."""
    with closing(sqlite3.connect(tmp_path / "hotspare.db")) as old:
        old.execute("PRAGMA auto_vacuum=NONE")
        old.execute("CREATE TABLE alembic_version (version_num TEXT)")
        old.execute("DROP TABLE alembic_version")
        old.execute("VACUUM")
    engine = open_writer(url)
    store = Store(engine)
    store.record([observation(at_s=n, detail="x" * 500) for n in range(3_000)])
    store.prune(T0 + timedelta(seconds=2_000))
    assert not maintenance.read_info(url, T0).gives_back
    engine.dispose()
    with instance_lock(tmp_path / "hotspare.db"), pytest.raises(LockError, match="stop it first"):
        maintenance.vacuum(url)
    before, after = maintenance.vacuum(url)
    info = maintenance.read_info(url, T0)
    assert after < before / 2
    assert (info.gives_back, info.unused) == (True, 0)
    assert {table.name: table.rows for table in info.tables}["observations"] == 1_000


@pytest.mark.parametrize("action", [maintenance.check, maintenance.vacuum])
def test_there_must_be_a_database(action: object, url: str) -> None:
    """A wrong path makes no file."""
    assert callable(action)
    with pytest.raises(DatabaseError, match="no database at"):
        action(url)
