"""The database opens where it can, and says what to do where it cannot."""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from monitor.storage.database import (
    SCHEMA,
    DatabaseError,
    durable,
    open_operator,
    open_reader,
    open_writer,
    reading,
)
from monitor.storage.sqlite_engine import database_path
from monitor.storage.tables import EVENTS

_NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "hotspare.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Engine]:
    """A new database that does not wait for locks."""
    engine = open_writer(_url(path), busy_timeout_s=0.05)
    yield engine
    engine.dispose()


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


def _add_event(engine: Engine, subject: str = "") -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO events (at_ms, kind, subject, text) VALUES (1, 'service_started', :subject, '')"),
            {"subject": subject},
        )


def _count_events(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM events")).scalar_one())


def _in_a_child(code: str, path: Path) -> str:
    """What a process of its own prints; `sys.argv[1]` is the database's URL."""
    command = [sys.executable, "-c", f"import os, sys\n{code}", _url(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/hotspare.db", "var/hotspare.db"),
        ("sqlite:////var/lib/hotspare.db", "/var/lib/hotspare.db"),
        ("sqlite:///a b?mode=ro#c%20d.db", "a b?mode=ro#c%20d.db"),
    ],
)
def test_the_path_is_what_follows_the_prefix(url: str, path: str) -> None:
    """Three slashes are a relative path, four an absolute one, and nothing in it has a meaning of its own."""
    assert database_path(url) == Path(path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("postgresql://me:geheim@db/x", "'postgresql://…' is not supported", id="another database"),
        pytest.param("var/hotspare.db", "'var/hotspare.db' is not supported: expected 'sqlite:///", id="a bare path"),
        pytest.param("sqlite://var/hotspare.db", "is not supported: expected 'sqlite:///", id="a slash too few"),
        pytest.param("sqlite:///:memory:", "keeps nothing", id="memory"),
        pytest.param("sqlite:///", "names no file", id="no path"),
        pytest.param("sqlite:///a\0b", "names no file", id="a NUL in the path"),
    ],
)
def test_other_databases_are_refused(url: str, message: str) -> None:
    """A URL that is not a SQLite file is refused with the form that is expected, and without its password."""
    with pytest.raises(DatabaseError, match="^database .*" + message) as caught:
        database_path(url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b.db", "what?mode=ro.db", "100%25.db", "a#b.db", "ünï 漢字.db", "'\"`;.db"])
def test_any_file_name_works(tmp_path: Path, name: str) -> None:
    """Characters that mean something in a URL are part of the name, for the writer and the reader alike."""
    path = tmp_path / "a new? folder" / name
    writer = open_writer(_url(path))
    _add_event(writer)
    assert _count_events(open_reader(_url(path))) == 1
    writer.dispose()
    assert path.is_file()


def test_a_relative_path_is_of_the_folder_it_was_opened_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later change of the working directory does not move the database."""
    monkeypatch.chdir(tmp_path)
    writer, reader = open_writer("sqlite:///var/hotspare.db"), open_reader("sqlite:///var/hotspare.db")
    monkeypatch.chdir("/")
    _add_event(writer)
    assert _count_events(reader) == 1
    writer.dispose()


def test_a_new_file_is_its_owner_s_alone(writer: Engine, path: Path) -> None:
    """With the log beside it; one that is there already keeps the mode that people gave it."""
    with writer.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    assert {each.stat().st_mode & 0o777 for each in path.parent.glob(f"{path.name}*")} == {0o600}
    writer.dispose()
    path.chmod(0o640)
    open_writer(f"sqlite:///{path}").dispose()
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_file_is_write_ahead_logged(writer: Engine, path: Path) -> None:
    """Readers never wait for the writer: the journal mode is WAL."""
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def test_only_durable_transactions_wait_for_the_disk(writer: Engine) -> None:
    """`synchronous` is FULL (2) in a durable transaction and NORMAL (1) in any other, in whatever order they come."""
    levels = []
    for engine in (writer, durable(writer), writer):
        with engine.connect() as connection:
            levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
    assert levels == [1, 2, 1]


def test_the_writer_may_live_in_a_thread_of_its_own(writer: Engine) -> None:
    """What was opened in one thread is used in another."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_add_event, writer).result()
    assert _count_events(writer) == 1


def test_a_failed_transaction_leaves_nothing(writer: Engine) -> None:
    """An error inside a transaction undoes all of it, and the engine goes on."""
    with writer.connect() as connection:
        connection.exec_driver_sql("INSERT INTO events (at_ms, kind, subject, text) VALUES (1, '', '', '')")
        with pytest.raises(DatabaseError, match=r"refused a statement \(no such table: nowhere\)"):
            connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")
    assert _count_events(writer) == 0
    _add_event(writer)
    assert _count_events(writer) == 1


def test_opening_again_keeps_everything(path: Path) -> None:
    """What was written is there when the database is opened the next time."""
    for expected in (1, 2):
        engine = open_writer(_url(path))
        _add_event(engine)
        assert _count_events(engine) == expected
        engine.dispose()


def test_opening_an_up_to_date_database_does_not_import_alembic(writer: Engine, path: Path) -> None:
    """Only a start that must migrate pays for the import."""
    writer.dispose()
    code = "from monitor.storage.database import open_writer; open_writer(sys.argv[1]); print('alembic' in sys.modules)"
    assert _in_a_child(code, path) == "False\n"


def test_a_folder_is_not_a_database(path: Path) -> None:
    """A folder where the file should be is named, by the writer and the reader."""
    path.mkdir()
    for opened in (open_writer, open_reader):
        with pytest.raises(DatabaseError, match=f"^database {path} is a folder or a device: expected a file$"):
            opened(_url(path))


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    """When the folder cannot be made, the message says which part of the path is in the way."""
    (tmp_path / "var").write_text("")
    with pytest.raises(DatabaseError, match=r"its folder cannot be made: .*exists \(.*/var\)$"):
        open_writer(_url(tmp_path / "var" / "hotspare.db"))


@pytest.mark.parametrize("content", [b"# Notes\n" * 500, b"SQLite format 3\0" + b"\xff" * 4096], ids=["text", "torn"])
def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    """Something else's file is refused and keeps its content."""
    path.write_bytes(content)
    for opened in (open_writer, open_reader):
        with pytest.raises(DatabaseError, match=f"^database {path} is not a database; move it away"):
            opened(_url(path))
    assert path.read_bytes() == content


def test_a_damaged_database_is_named(writer: Engine, path: Path) -> None:
    """Garbage in the middle of the file is reported as damage, with the way out."""
    writer.dispose()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DatabaseError, match=f"^database {path} is damaged; move it away to start a new one"):
        open_writer(_url(path))


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    """A SQLite file with foreign tables is not changed by one byte."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.commit()
    other.close()
    content = path.read_bytes()
    for opened in (open_writer, open_reader):
        with pytest.raises(DatabaseError, match="belongs to something else: it has the table 'bookmarks'"):
            opened(_url(path))
    assert path.read_bytes() == content


def test_a_newer_database_is_refused(writer: Engine, path: Path) -> None:
    """A schema from the future is not touched, and both sides say that another version is needed."""
    with writer.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    writer.dispose()
    with pytest.raises(DatabaseError, match=f"has schema '9999', this version of Hotspare knows up to '{SCHEMA}'"):
        open_writer(_url(path))
    with pytest.raises(DatabaseError, match=f"has schema '9999', expected '{SCHEMA}': `hotspare run` of this version"):
        open_reader(_url(path))


def test_a_lock_of_someone_else_is_reported_and_outlived(writer: Engine, path: Path) -> None:
    """While another connection holds the database, writing fails with a sentence; afterwards it works."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    locked = f"^database {path} is locked by another process; stop whatever else writes to it"
    with pytest.raises(DatabaseError, match=locked):
        _add_event(writer)
    open_writer(_url(path), busy_timeout_s=0.05).dispose()  # it has nothing to write
    assert _count_events(open_reader(_url(path))) == 0
    other.close()
    _add_event(writer)
    assert _count_events(writer) == 1


def test_a_full_disk_is_reported_and_outlived(writer: Engine) -> None:
    """When the file cannot grow the message says so, and the same write succeeds once there is room."""
    with writer.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DatabaseError, match="cannot grow: the disk is full"):
        _add_event(writer, "x" * 100_000)
    with writer.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    _add_event(writer, "x" * 100_000)
    assert _count_events(writer) == 1


def test_a_reader_without_a_database_asks_the_right_questions(path: Path) -> None:
    """No file: the reader says what makes one, and makes none itself."""
    with pytest.raises(DatabaseError, match=f"^no database at {path}: is `hotspare run` running, and from this folder"):
        open_reader(_url(path))
    assert not path.exists()


def test_a_reader_of_an_empty_database_says_so(path: Path) -> None:
    """A file without tables is a database that nobody has written to yet."""
    path.touch()
    with pytest.raises(DatabaseError, match="is empty: `hotspare run` has not written to it yet"):
        open_reader(_url(path))


def test_a_reader_cannot_write(writer: Engine, path: Path) -> None:
    """The page can never change the history."""
    with pytest.raises(DatabaseError, match="cannot be written"):
        _add_event(open_reader(_url(path)))
    assert _count_events(writer) == 0


def test_a_reader_sees_one_instant_and_the_next_one_later(writer: Engine, path: Path) -> None:
    """Two reads in one block agree whatever is written between them; the next block sees it."""
    reader = open_reader(_url(path))
    with reader.connect() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one()
        _add_event(writer)
        assert connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one() == before == 0
    assert _count_events(reader) == 1


def test_a_database_that_vanishes_under_a_reader_is_an_error_not_an_empty_one(writer: Engine, path: Path) -> None:
    """A file deleted while the page is open is reported, and is not made anew."""
    reader = open_reader(_url(path))
    writer.dispose()
    path.unlink()
    with pytest.raises(DatabaseError, match="cannot be opened; is it still there"):
        _count_events(reader)
    assert not path.exists()


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_database_that_vanishes_under_the_writer_is_an_error(writer: Engine, path: Path, replaced: bool) -> None:
    """Nothing is written into a file that is no longer there for anyone else."""
    path.rename(path.with_name("old.db"))
    if replaced:
        path.touch()
    with pytest.raises(DatabaseError, match="was deleted or replaced while in use"):
        _add_event(writer)
    path.with_name("old.db").rename(path)
    _add_event(writer)
    assert _count_events(writer) == 1


def test_readers_in_several_threads_do_not_disturb_the_writer(writer: Engine, path: Path) -> None:
    """Forty reads in four threads all succeed while rows are written, and never see fewer rows than before."""
    reader = open_reader(_url(path))
    with ThreadPoolExecutor(4) as threads:
        counts = [threads.submit(lambda: [_count_events(reader) for _ in range(10)]) for _ in range(4)]
        for _ in range(100):
            _add_event(writer)
    assert all(seen.result() == sorted(seen.result()) for seen in counts)
    assert _count_events(reader) == 100


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that an unprivileged user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _open_unprivileged(opened: str, path: Path) -> str:
    """What a user without special rights is told on opening."""
    return _in_a_child(
        f"from monitor.storage.database import {opened}, DatabaseError\n"
        f"if os.getuid() == 0: os.setuid({_NOBODY})\n"
        f"try: {opened}(sys.argv[1])\n"
        "except DatabaseError as error: print(error)",
        path,
    )


@pytest.mark.slow
def test_permissions_are_reported_in_words(shared_folder: Path) -> None:
    """A folder or a file that the user may not use is named, for the writer and the reader."""
    path = shared_folder / "hotspare.db"
    open_writer(_url(path)).dispose()
    path.chmod(0o444)
    shared_folder.chmod(0o555)
    assert _open_unprivileged("open_writer", path).endswith("cannot be written by this user: check its permissions\n")
    path.chmod(0o666)
    assert "cannot write to its folder" in _open_unprivileged("open_writer", path)
    path.chmod(0o000)
    assert "cannot be read by this user" in _open_unprivileged("open_reader", path)
    assert "its folder cannot be made" in _open_unprivileged("open_writer", shared_folder / "var" / "hotspare.db")
    shared_folder.chmod(0o755)


def test_an_operator_writes_beside_the_writer_and_never_migrates(writer: Engine, path: Path) -> None:
    """It needs a database of this version, makes none, and the writer sees what it wrote."""
    operator = open_operator(_url(path))
    _add_event(operator)
    operator.dispose()
    with writer.begin() as connection:
        assert len(connection.execute(EVENTS.select()).all()) == 1
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(DatabaseError, match="has schema '0001', expected"):
        open_operator(_url(path))
    with pytest.raises(DatabaseError, match="no database at"):
        open_operator(_url(path.with_name("other.db")))
    assert not path.with_name("other.db").exists()


def test_reading_waits_for_no_lock(writer: Engine, path: Path) -> None:
    """The writer's own looks do not wait while somebody else writes."""
    operator = open_operator(_url(path))
    with operator.begin() as busy, reading(writer).connect() as connection:
        busy.execute(EVENTS.delete())
        assert connection.execute(EVENTS.select()).all() == []
    operator.dispose()
