"""The cycle while the database cannot be written: it decides and publishes, and the journal takes all of it over."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from controller.cycle.cycle import Cycle
from controller.journal import Journal
from controller.routing.ballast import Ballast
from controller.routing.override_text import OverrideEvent
from controller.routing.overrides import Override, OverrideKind
from controller.routing.routing_file import RoutingFile
from monitor.config.database_url import is_postgres
from monitor.config.settings import Settings
from monitor.health import Health
from monitor.storage.buffered_store import BufferedStore
from monitor.storage.database import DatabaseError, open_reader
from monitor.storage.lock import instance_lock
from monitor.storage.postgres_engine import WRITING_LOCK
from monitor.storage.postgres_writer import PostgresWriter
from monitor.storage.sqlite_engine import database_path
from monitor.storage.sqlite_writer import SqliteWriter
from monitor.storage.writer_database import WriterDatabase
from tests.support.builders import T0, observation, settings
from tests.support.databases import ON_SQLITE
from tests.support.postgres import PostgresServer

A, B, C = "openai/a", "openai/b", "anthropic/c"
QUIET = [(n * 30.0 + offset, ".", name) for n in range(3) for offset, name in ((0, A), (5, B), (10, C))]
OUTAGE = [
    (90.0 + n * 30 + offset, symbol, name)
    for n in range(4)
    for offset, name, symbol in ((0, A, "x"), (5, B, "x"), (10, C, "."))
]
MOVED_S = OUTAGE[-1][0] + 1


class KilledError(Exception):
    """Stands for the end of the process at that point."""


class WatchedFile(RoutingFile):
    """A routing file that remembers all that was published, and whose process may end before or after that."""

    def __init__(self, stage: "Stage") -> None:
        super().__init__(stage.settings.routing_file, ballast=Ballast(stage.settings.routing_file))
        self.stage = stage

    def publish(self, table: Mapping[str, Any]) -> None:
        """As ever."""
        self.stage.step()
        super().publish(table)
        self.stage.published.append((table["generation"], table["routes"]["chat"]["target"]))
        self.stage.step()


class Stage:
    """A service's cycle on a database that another connection can lock, and that may be killed between its steps."""

    def __init__(self, wanted: Settings) -> None:
        self.settings = wanted
        self.published: list[tuple[int, str]] = []
        self.steps, self.kill_after = 0, 0
        self.now_s = 0.0
        self._lock: sqlite3.Connection | psycopg.Connection | None = None
        self.start(0)

    def start(self, at_s: float) -> None:
        """A new process."""
        self.now_s = at_s
        self.database = self.new_database()
        self.database.open()
        self.go_on(at_s)

    def new_database(self) -> WriterDatabase:
        """That of a new process, not open yet."""
        url = self.settings.database
        if is_postgres(url):
            return PostgresWriter(url, monotonic=lambda: self.now_s, busy_s=0.01)
        return SqliteWriter(database_path(url), monotonic=lambda: self.now_s, busy_s=0.01)

    def go_on(self, at_s: float) -> None:
        """A new process has opened the database."""
        self.store, self.journal = BufferedStore(self.database), Journal(self.database.engine)
        self.cycle = Cycle(self.settings, self.store, self.journal, WatchedFile(self))
        self.cycle.start(T0 + timedelta(seconds=at_s))

    def restart(self, at_s: float) -> None:
        """The process dies, and another one starts."""
        self.database.close()
        self.start(at_s)

    def step(self) -> None:
        """A durable step is about to be made, or was; perhaps it is the last."""
        self.steps += 1
        if self.steps == self.kill_after:
            raise KilledError

    def run(self, *symbols: tuple[str, str], at_s: float) -> None:
        """One cycle with observations that ended just now."""
        self.now_s = at_s
        seen = [observation(symbol, at_s=at_s, name=name) for symbol, name in symbols]
        self.cycle.run(seen, T0 + timedelta(seconds=at_s + 0.1))

    def play(self, story: list[tuple[float, str, str]]) -> None:
        """One cycle for each observation."""
        for at_s, symbol, name in story:
            self.run((symbol, name), at_s=at_s)

    def lock(self) -> None:
        """Let somebody else hold the database."""
        url = self.settings.database
        if is_postgres(url):
            self._lock = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
            self._lock.execute(f"SELECT pg_advisory_lock({WRITING_LOCK})")
        else:
            self._lock = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            self._lock.execute("BEGIN EXCLUSIVE")

    def unlock(self) -> None:
        """Let go of it."""
        if self._lock:
            if isinstance(self._lock, psycopg.Connection):
                self._lock.execute("SELECT pg_advisory_unlock_all()")  # closing it takes effect a moment later
            self._lock.close()
            self._lock = None

    def delete(self) -> None:
        """Let somebody else remove all that is stored."""
        url = self.settings.database
        if is_postgres(url):
            with psycopg.connect(url.replace("+psycopg", "")) as other:
                other.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        for part in self.settings.routing_file.parent.glob("hotspare.db*"):
            part.unlink()

    def table(self) -> dict[str, Any]:
        """The routing file as a reader finds it."""
        found: dict[str, Any] = json.loads(self.settings.routing_file.read_text())
        return found

    def target(self) -> str:
        """Where users are."""
        return str(self.table()["routes"]["chat"]["target"])

    def unjournalled(self) -> Path:
        """The file of decisions that the database has not got."""
        return self.settings.routing_file.with_name("routing.json.unjournalled")

    def kinds(self) -> list[str]:
        """The kinds of the events that are stored."""
        with self.database.engine.connect() as connection:
            return [str(row[0]) for row in connection.exec_driver_sql("SELECT kind FROM events ORDER BY id")]


@pytest.fixture
def stage(tmp_path: Path, database_url: str) -> Iterator[Stage]:
    """One whose targets are known to be well."""
    made = Stage(replace(settings(tmp_path, A, B, C), database=database_url))
    made.play(QUIET)
    yield made
    made.unlock()
    made.database.close()


def test_the_route_moves_while_the_database_is_locked(stage: Stage) -> None:
    """Under the next generation, with the decision beside the file; the journal takes over all that happened."""
    stage.lock()
    stage.play(OUTAGE)
    assert (stage.target(), stage.table()["generation"]) == (C, 2)
    assert stage.unjournalled().exists()
    assert stage.journal.generation() == 1
    stage.unlock()
    stage.run((".", C), at_s=MOVED_S)
    assert not stage.unjournalled().exists()
    assert [(each.target, each.generation) for each in stage.journal.decisions(1)] == [(C, 2)]
    assert stage.store.transitions(target=A, limit=1)[0].after is Health.DOWN
    assert len(stage.store.observations(A, after=T0 - timedelta(days=1))) == 7
    [incident] = stage.journal.open_incidents()
    assert (incident.routes[0].target, incident.opened_at) == (C, stage.store.transitions(target=A, limit=1)[0].at)
    assert "database_written_again" in stage.kinds()
    assert (stage.cycle.is_behind, stage.table()["generation"]) == (False, 2)


def test_decisions_that_were_taken_over_are_removed_once_the_disk_allows_it(stage: Stage) -> None:
    """Their file is refused at first; each cycle tries again."""
    stage.lock()
    stage.play(OUTAGE)
    path = stage.unjournalled()
    held = path.read_bytes()
    path.unlink()
    path.mkdir()
    stage.unlock()
    stage.run((".", C), at_s=MOVED_S)
    assert stage.journal.generation() == 2
    path.rmdir()
    path.write_bytes(held)
    stage.run((".", C), at_s=MOVED_S + 5)
    assert not path.exists()


def test_an_outage_that_is_over_before_the_database_is_back_has_its_incident(stage: Stage) -> None:
    """Both moves are journalled in order, and people can read what happened."""
    stage.lock()
    stage.play(OUTAGE)
    at_s = MOVED_S
    while stage.target() == C and at_s < 4000:
        at_s += 10
        stage.run((".", A), (".", B), (".", C), at_s=at_s)
    assert stage.target() == A
    stage.unlock()
    stage.run((".", A), at_s=at_s + 10)
    assert [each.target for each in reversed(stage.journal.decisions(3))] == [A, C, A]
    [incident] = stage.journal.incidents()
    assert incident.resolved_at is not None


def test_a_restart_without_the_database_goes_on_from_the_files(stage: Stage) -> None:
    """It is locked at the start, too: the route stays, and neither generation nor target is used twice."""
    stage.lock()
    stage.play(OUTAGE)
    stage.restart(MOVED_S)
    stage.run((".", C), ("x", A), at_s=MOVED_S + 1)
    assert (stage.target(), stage.table()["generation"]) == (C, 2)
    assert stage.table()["targets"][A]["health"] == "down"
    stage.unlock()
    stage.run((".", C), at_s=MOVED_S + 5)
    assert [(each.target, each.generation) for each in stage.journal.decisions(1)] == [(C, 2)]
    assert not stage.unjournalled().exists()


def test_a_restart_with_the_database_journals_what_waited_once(stage: Stage) -> None:
    """The decisions beside the routing file are taken over at the start; the file is then gone."""
    stage.lock()
    stage.play(OUTAGE)
    stage.unlock()
    stage.restart(MOVED_S)
    assert not stage.unjournalled().exists()
    assert [(each.target, each.generation) for each in stage.journal.decisions()] == [(C, 2), (A, 1)]


def start_with_a_damaged_database(stage: Stage) -> None:
    """Start the service again at `MOVED_S`; the damaged database is set aside for a new one."""
    stage.database.close()
    Path(stage.settings.database.removeprefix("sqlite:///")).write_bytes(b"no database" * 1000)
    stage.database = stage.new_database()
    with pytest.raises(DatabaseError):
        stage.database.open()
    assert stage.database.recover(T0)
    stage.go_on(MOVED_S)
    stage.run((".", C), at_s=MOVED_S)


@ON_SQLITE
def test_a_new_database_at_the_start_gets_each_decision_once(stage: Stage) -> None:
    """What the routing file says is journalled as the service begins, and not again as the new one is found."""
    stage.play(OUTAGE)
    start_with_a_damaged_database(stage)
    assert [(each.target, each.generation) for each in stage.journal.decisions()] == [(C, 2)]


def test_a_database_deleted_under_the_service_loses_no_route(stage: Stage) -> None:
    """Health, routes and open incidents are written into the new one, and people are told."""
    stage.play(OUTAGE)
    known = stage.cycle.detection.detector.state_of(A)
    stage.delete()
    for n in range(3):
        stage.run((".", C), at_s=MOVED_S + n)
    assert (stage.target(), stage.table()["generation"]) == (C, 2)
    assert stage.cycle.detection.detector.state_of(A) == known
    assert stage.store.states()[A].health.health is Health.DOWN
    assert [(each.target, each.generation) for each in stage.journal.decisions()] == [(C, 2)]
    assert [incident.routes[0].target for incident in stage.journal.open_incidents()] == [C]
    assert "database_replaced" in stage.kinds()


@ON_SQLITE
def test_a_database_damaged_before_the_start_is_told(stage: Stage) -> None:
    """It is set aside, the route stays where the file says, and the new one gets what is known."""
    stage.play(OUTAGE)
    start_with_a_damaged_database(stage)
    assert (stage.target(), stage.table()["generation"]) == (C, 2)
    assert "database_replaced" in stage.kinds()
    assert stage.database.is_settled()


@ON_SQLITE
def test_an_older_backup_put_in_place_moves_nothing_back(stage: Stage, tmp_path: Path) -> None:
    """Under the running service, and before it starts again: the file says where users are, and why."""
    backup, path = tmp_path / "backup.db", Path(stage.settings.database.removeprefix("sqlite:///"))
    source, copy = sqlite3.connect(path), sqlite3.connect(backup)
    source.backup(copy)
    source.close()
    copy.close()
    stage.play(OUTAGE)
    stage.database.close()
    for part in tmp_path.glob("hotspare.db*"):
        part.unlink()
    backup.rename(path)
    stage.start(MOVED_S)
    stage.run((".", A), (".", C), at_s=MOVED_S)
    assert (stage.target(), stage.table()["generation"]) == (C, 2)
    assert stage.table()["targets"][A]["health"] == "down"
    assert stage.journal.routes()["chat"].target == C


def test_overrides_stay_in_force_and_end_without_the_database(stage: Stage) -> None:
    """A pin in memory holds until it expires."""
    pin = Override(
        kind=OverrideKind.PIN,
        subject="chat",
        target=C,
        author="ana",
        reason="a test",
        at=T0 + timedelta(seconds=80),
        until=T0 + timedelta(seconds=200),
    )
    stage.journal.overrides.begin(pin, lambda _: OverrideEvent(kind="pinned", subject="chat", text="a test"))
    stage.run((".", A), (".", C), at_s=85)
    assert stage.target() == C
    stage.lock()
    stage.run((".", A), (".", C), at_s=150)
    assert stage.target() == C
    stage.run((".", A), (".", B), (".", C), at_s=201)
    assert stage.target() == A
    stage.unlock()
    stage.run((".", A), at_s=210)
    assert "pin_expired" in stage.kinds()


def test_who_does_not_hold_the_folder_does_not_publish(stage: Stage, tmp_path: Path) -> None:
    """The folder was replaced, and another service publishes there: the first one stops at once, and says why."""
    file = stage.settings.routing_file
    folder = tmp_path / "routes"
    with instance_lock(folder, card=folder / "card", folder=True) as lock:
        ours = RoutingFile(folder / file.name, folder=lock)
        ours.publish({"generation": 1})
        folder.rename(tmp_path / "moved")
        with instance_lock(folder, card=folder / "card", folder=True):
            with pytest.raises(Exception, match="another hotspare"):
                ours.publish({"generation": 2})
            assert not (folder / file.name).exists()
        ours.publish({"generation": 3})
        assert json.loads((folder / file.name).read_text()) == {"generation": 3}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_any_step_of_an_outage_without_a_database(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    """The database is locked from the first failure on; the process dies at each step, and starts under the lock.

    No generation stands for two targets, generations never fall, and no route goes back to what is down.
    """
    server: PostgresServer | None = request.getfixturevalue("postgres") if kind == "postgresql" else None
    whole = played(tmp_path, 0, server)
    assert whole.published[-1] == (2, C)
    for kill_after in range(1, whole.steps + 1, 4 if server else 1):  # a database takes a while to be made
        killed = played(tmp_path, kill_after, server)
        generations = [generation for generation, _ in killed.published]
        assert generations == sorted(generations), f"killed at step {kill_after}"
        assert len(dict(killed.published)) == len(set(killed.published)), f"killed at step {kill_after}"
        targets = [target for _, target in killed.published]
        assert targets == sorted(targets, reverse=True), f"killed at step {kill_after}: back to what is down"
        assert targets[-1] == C, f"killed at step {kill_after}"
        journalled = {
            (each.generation, each.target) for each in Journal(open_reader(killed.settings.database)).decisions()
        }
        assert journalled == set(killed.published), f"killed at step {kill_after}"


def played(tmp_path: Path, kill_after: int, server: PostgresServer | None) -> Stage:
    """The outage with one death at that step, and the lock gone at its end."""
    folder = tmp_path / str(kill_after)
    folder.mkdir()
    made = settings(folder, A, B, C)
    stage = Stage(replace(made, database=server.new_database()) if server else made)
    stage.play(QUIET)
    stage.lock()
    stage.steps, stage.kill_after = 0, kill_after
    more = [(at_s + 120, symbol, name) for at_s, symbol, name in OUTAGE]
    for at_s, symbol, name in (*OUTAGE, *more):
        try:
            stage.run((symbol, name), at_s=at_s)
        except KilledError:
            stage.restart(at_s + 0.2)
    stage.unlock()
    stage.run((".", C), at_s=more[-1][0] + 10)
    stage.database.close()
    return stage
