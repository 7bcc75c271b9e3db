"""A disk that neither works nor fails: each call has a deadline, and what was given up is not half done."""

import gc
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from monitor.health import Health, Transition
from monitor.storage.bounded_sqlite import BoundedConnection, DiskCalls, connect
from monitor.storage.buffered_store import BufferedStore
from monitor.storage.database import DatabaseError
from monitor.storage.sqlite_engine import prepare, writer_engine
from monitor.storage.sqlite_writer import SqliteWriter
from monitor.storage.store import Store
from tests.support.builders import T0

DEADLINE_S, PATIENT_S = 0.05, 60.0


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What hangs waits for it; set at the end."""
    event = threading.Event()
    yield event
    event.set()


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread."""
    for _ in range(2_000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("it never was so")


def test_a_call_that_hangs_is_given_up_and_no_other_begun(released: threading.Event) -> None:
    """Errors and results pass through; once the disk answers, calls are made again."""
    calls = DiskCalls(DEADLINE_S)
    calls.deadline_s = PATIENT_S
    assert calls.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        calls.run(lambda: 1 // 0)
    calls.deadline_s = DEADLINE_S
    with pytest.raises(sqlite3.OperationalError, match="the disk does not answer") as caught:
        calls.run(released.wait)
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_IOERR
    with pytest.raises(sqlite3.OperationalError, match="the disk does not answer"):
        calls.run(lambda: 7)
    assert (calls.is_hanging, calls.gave_up) == (True, True)
    released.set()
    until(lambda: not calls.is_hanging)
    calls.deadline_s = PATIENT_S
    assert calls.run(lambda: 7) == 7


def test_what_was_given_up_is_rolled_back(tmp_path: Path, released: threading.Event) -> None:
    """Whatever the caller does meanwhile with its cursors and its connection, none of it waits."""
    calls = DiskCalls(PATIENT_S)
    connection = connect(calls, str(tmp_path / "a.db"), isolation_level=None, check_same_thread=False)
    connection.create_function("hang", 0, released.wait)
    connection.execute("CREATE TABLE t (x)")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1)")
    cursor, calls.deadline_s = connection.cursor(), DEADLINE_S
    with pytest.raises(sqlite3.OperationalError):
        cursor.execute("INSERT INTO t SELECT hang()")
    cursor.close()
    connection.rollback()
    connection.close()
    released.set()
    until(lambda: not files_open(tmp_path / "a.db"))
    with closing(sqlite3.connect(tmp_path / "a.db", timeout=0)) as other:
        assert other.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


def files_open(path: Path) -> list[str]:
    """The descriptors of this process that lead to a file."""
    return [link.name for link in Path("/proc/self/fd").iterdir() if os.path.realpath(link) == str(path)]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Cycles stay: the service collects them seldom."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_an_error_keeps_nothing_of_its_call() -> None:
    """Once it is handled, what was called is gone."""

    class Held:
        def fail(self) -> None:
            raise sqlite3.OperationalError

    held = Held()
    gone = weakref.ref(held)
    with suppress(sqlite3.Error):
        DiskCalls(PATIENT_S).run(held.fail)
    del held
    assert gone() is None


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("content", ["emptied", "damaged"])
def test_a_connection_that_cannot_be_used_is_closed(tmp_path: Path, content: str) -> None:
    """What is open holds a lock on the file, also on one that is begun anew in its place."""
    path = tmp_path / "hotspare.db"
    path.write_bytes(b"" if content == "emptied" else b"no database" * 1000)
    engine = writer_engine(path, 0, NoPragma(PATIENT_S))
    for _ in range(2):
        with pytest.raises(DatabaseError):
            prepare(engine, path)
    engine.dispose()
    assert files_open(path) == []


class NoPragma(DiskCalls):
    """A disk on which no pragma succeeds."""

    def run_with(self, late: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As of `DiskCalls`."""
        if str(args).startswith("('PRAGMA"):
            raise sqlite3.OperationalError("disk I/O error")
        return super().run_with(late, function, *args, **kwargs)


def hang(database: SqliteWriter, released: threading.Event) -> None:
    """A statement that does not return."""
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, BoundedConnection)
        driver.create_function("hang", 0, released.wait)
        database.calls.deadline_s = DEADLINE_S
        connection.execute(text("SELECT hang()"))


def test_writes_wait_in_memory_while_the_disk_hangs(tmp_path: Path, released: threading.Event) -> None:
    """The database counts as unusable, nobody waits for it, and nothing is stored twice once it answers."""
    database = SqliteWriter(tmp_path / "hotspare.db", calls=DiskCalls(PATIENT_S))
    database.open()
    store = BufferedStore(database)
    changes = [
        Transition(target=f"a/{n}", at=T0, before=Health.UP, after=Health.DOWN, reason="r", evidence=1.0, threshold=1.0)
        for n in range(2)
    ]
    store.save_states([], changes[:1])
    with pytest.raises(DatabaseError, match=r"check the disk \(the disk does not answer\)"):
        hang(database, released)
    store.save_states([], changes)
    assert not store.save_progress([]), "it does not wait: there is a later one each minute"
    store.add_event(T0, "pinned", "chat", "ana pinned chat", notify=True)
    assert not database.recover(T0)
    released.set()
    until(lambda: not database.calls.is_hanging)
    database.calls.deadline_s = PATIENT_S
    assert database.recover(T0)
    store.forget_stored()
    store.flush_essential()
    assert sorted(change.target for change in store.transitions()) == ["a/0", "a/1"]
    store.forget_stored()
    assert store.pending.is_empty
    database.close()


def test_nothing_else_touches_a_disk_that_hangs(tmp_path: Path, released: threading.Event) -> None:
    """Making the folder and the file would wait for it as SQLite does."""
    path, calls = tmp_path / "data" / "hotspare.db", DiskCalls(DEADLINE_S)
    with pytest.raises(sqlite3.OperationalError):
        calls.run(released.wait)
    engine = writer_engine(path, 0, calls)
    with pytest.raises(DatabaseError, match="the disk does not answer"):
        prepare(engine, path, calls)
    assert not path.parent.exists()
    path.parent.mkdir()
    with pytest.raises(DatabaseError, match="the disk does not answer"):
        engine.connect()
    assert not path.exists()


class NoRollback(DiskCalls):
    """A disk that fails a transaction just as it is taken back."""

    fails = False

    def run_with(self, late: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As of `DiskCalls`."""
        if self.fails and function.__name__ == "rollback":
            raise sqlite3.OperationalError("disk I/O error")
        return super().run_with(late, function, *args, **kwargs)


def test_a_connection_that_cannot_be_rolled_back_is_not_waited_for(tmp_path: Path) -> None:
    """It is closed, and the next call opens another one."""
    disk = NoRollback()
    database = SqliteWriter(tmp_path / "hotspare.db", calls=disk)
    database.open()
    store = Store(database.engine)
    disk.fails = True
    for _ in range(3):
        with pytest.raises(DatabaseError, match="disk I/O error"):
            store.notices()
    disk.fails = False
    store.add_event(T0, "noted", "here", "text")
    database.close()
