"""The migrations lead to the tables that the code uses, and never lose a row."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlmodel import SQLModel

from monitor.history.rollup import DAY, HOUR
from monitor.storage.database import SCHEMA, DatabaseError, open_writer
from monitor.storage.migrations.run import SCRIPTS, migrate
from monitor.storage.sqlite_engine import backup_path
from monitor.storage.store import Store
from monitor.storage.tables import CHANNEL_STATES, DELIVERIES, EVENTS, INCIDENTS, OBSERVATIONS


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A new database at the newest revision."""
    engine = open_writer(f"sqlite:///{tmp_path}/hotspare.db")
    yield engine
    engine.dispose()


def _revisions() -> list[str]:
    """Every revision there is, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


def _shape(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """All that SQLite knows of each table, constraints that Alembic does not compare included."""
    shape: dict[str, list[tuple[object, ...]]] = {}
    for table in sorted(inspect(connection).get_table_names()):
        facts = [
            f"* FROM pragma_table_list('{table}')",
            f"* FROM pragma_table_xinfo('{table}')",
            # Without its number: several indexes of one table are made in any order.
            f"name, \"unique\", origin, partial FROM pragma_index_list('{table}') ORDER BY name",
            f"sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = '{table}' ORDER BY name",
        ]
        shape[table] = [tuple(row) for fact in facts for row in connection.exec_driver_sql(f"SELECT {fact}")]
    return shape


def _statements(connection: Connection) -> dict[str, str]:
    """What SQLite would make each table and index with, without the space that a migration leaves otherwise."""
    rows = connection.exec_driver_sql("SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: "".join(sql.split()) for name, sql in rows}


def test_the_newest_migration_is_the_schema_that_the_code_expects() -> None:
    """`SCHEMA` is the one head: a start without migrations is a start at the newest schema."""
    assert _revisions()[-1] == SCHEMA


@pytest.fixture
def migrated() -> Iterator[Connection]:
    """A database that every migration has been through."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate(connection, current=None, wanted=SCHEMA)
        yield connection
    engine.dispose()


def test_migrated_tables_and_models_are_the_same(migrated: Connection) -> None:
    """Alembic would have nothing to change."""
    assert compare_metadata(MigrationContext.configure(migrated), SQLModel.metadata) == []


def test_a_new_database_and_a_migrated_one_are_the_same(engine: Engine, migrated: Connection) -> None:
    """In each table, index and constraint, and in the revision: a later migration finds in both what it expects."""
    with engine.connect() as connection:
        assert _statements(connection) == _statements(migrated)
        assert _shape(connection) == _shape(migrated)
        revisions = [each.exec_driver_sql("SELECT * FROM alembic_version").all() for each in (connection, migrated)]
    assert revisions == [[(SCHEMA,)]] * 2


@pytest.mark.parametrize("revision", _revisions())
def test_rows_of_every_revision_survive(engine: Engine, revision: str) -> None:
    """A database of any earlier version, with rows in it, is brought up to date with its rows."""
    with engine.begin() as connection:
        for table in inspect(connection).get_table_names():
            connection.exec_driver_sql(f'DROP TABLE "{table}"')
        migrate(connection, current=None, wanted=revision)
        connection.exec_driver_sql("INSERT INTO events (at_ms, kind, subject, text) VALUES (1, 'a', 'b', 'c')")
        connection.exec_driver_sql(
            "INSERT INTO incidents (provider, kind, opened_ms, document, revision, told_revision)"
            " VALUES ('openai', 'outage', 1, '{\"timeline\": [1, 2]}', 3, 2)"
        )
    with engine.begin() as connection:
        migrate(connection, current=revision, wanted=SCHEMA)
    with engine.connect() as connection:
        assert connection.execute(EVENTS.select()).one()[1:5] == (1, "a", "b", "c")
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        incident = connection.execute(INCIDENTS.select()).one()
    assert (incident.provider, incident.revision, incident.told_revision) == ("openai", 3, 2)
    assert (incident.lead_id, incident.reopened, incident.acknowledged_by) == (None, 0, None)
    told_whole = revision < "0005"  # the messages of before had all lines
    assert incident.told_lines == (2 if told_whole else 0)


def _older_database(path: Path, revision: str) -> None:
    """One as that revision left it, with an event."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrate(connection, current=None, wanted=revision)
        connection.exec_driver_sql("INSERT INTO events (at_ms, kind, subject, text) VALUES (1, 'a', 'b', 'c')")
    engine.dispose()


@pytest.mark.parametrize("revision", _revisions()[:-1])
def test_an_upgrade_keeps_the_database_as_it_was(tmp_path: Path, revision: str) -> None:
    """The copy has the old schema and all rows, and the rights of the file; a second start leaves it alone."""
    path = tmp_path / "hotspare.db"
    _older_database(path, revision)
    path.chmod(0o600)
    open_writer(f"sqlite:///{path}").dispose()
    copy = backup_path(path, revision)
    engine = create_engine(f"sqlite:///{copy}")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == revision
        assert connection.scalar(text("SELECT count(*) FROM events")) == 1
    engine.dispose()
    assert copy.stat().st_mode & 0o777 == 0o600
    open_writer(f"sqlite:///{path}").dispose()
    assert sorted(each.name for each in tmp_path.glob("*.schema-*")) == [copy.name]


def test_without_room_for_the_copy_nothing_is_changed(tmp_path: Path) -> None:
    """The error names the copy; with a file of the operator's in its place the upgrade goes on."""
    path = tmp_path / "hotspare.db"
    _older_database(path, "0001")
    blocked = backup_path(path, "0001")
    blocked.symlink_to(tmp_path / "nowhere" / "copy.db")
    with pytest.raises(DatabaseError, match=r"is not brought up to .* without a copy: .*hotspare\.db\.schema-0001"):
        open_writer(f"sqlite:///{path}")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0001"
    engine.dispose()
    blocked.unlink()
    blocked.touch()
    open_writer(f"sqlite:///{path}").dispose()


def test_a_new_or_newer_database_gets_no_copy(tmp_path: Path) -> None:
    """There is nothing to keep, and a newer one is refused as it is."""
    path = tmp_path / "hotspare.db"
    engine = open_writer(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(DatabaseError, match="a newer one has written it"):
        open_writer(f"sqlite:///{path}")
    assert list(tmp_path.glob("*.schema-*")) == []


#: Rows of deliveries as version 0005 stored them, one of each form of key, and the columns of today that they mean.
_INCIDENT, _PLACE = {"incident_id": 7}, {"channel": "C1", "ts": "1.1"}
_FORMS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("slack", "slack incident 7", {**_INCIDENT, **_PLACE}, {"kind": "headline", "call": 1}),
    ("slack", "slack incident 7 critical", {**_INCIDENT, "channel": "C2", "ts": "1.2"}, {"kind": "copy", "call": 2}),
    ("slack", "slack incident 7 call 1", {**_INCIDENT, **_PLACE, "attempts": 0}, {"kind": "call", "call": 1}),
    (
        "slack",
        "slack incident 7 call 2",
        {**_INCIDENT, "channel": "C2", "ts": "1.2", "attempts": 0},
        {"kind": "call", "call": 2},
    ),
    ("slack", "slack incident 7 call 13", {**_INCIDENT, "channel": "C1", "ts": "1.3"}, {"kind": "call", "call": 13}),
    ("slack", "slack incident 7 calm 13", {**_INCIDENT, "attempts": 0}, {"kind": "calm"}),
    ("slack", "slack incident 7 line 3-5", {**_INCIDENT, "channel": "C1", "ts": "1.4"}, {"kind": "reply"}),
    ("slack", "slack incident 8", {"incident_id": 8, "channel": "#x", "done_ms": None}, {"kind": "headline"}),
    ("slack", "slack incident 9 opened 1", {"incident_id": 9, "channel": "", "ts": ""}, {"kind": "opened"}),
    ("slack", "slack incident 9 resolved 2", {"incident_id": 9, "channel": "", "ts": ""}, {"kind": "resolved"}),
    ("slack", "slack event 12", _PLACE, {"kind": "event", "event_id": 12}),
    ("slack", "slack together incidents 3-9", _PLACE, {"kind": "together"}),
    ("slack", "slack together events 3-9", _PLACE, {"kind": "together"}),
    ("slack", "slack held 2026-11-21 12:00", _PLACE, {"kind": "held"}),
    ("slack", "slack channel #on call", {"channel": "C3", "attempts": 0}, {"kind": "place", "subject": "#on call"}),
    (
        "webhook",
        "webhook incident 7 revision 4",
        {**_INCIDENT, "channel": "critical", "ts": "incident_changed"},
        {"kind": "revision", "revision": 4, "channel": None, "ts": None}
        | {"severity": "critical", "alert_kind": "incident_changed"},
    ),
    (
        "apprise 1",
        "apprise 1 event 12",
        {"channel": "info", "ts": "notice", "done_ms": None, "error": "no"},
        {"kind": "event", "event_id": 12, "channel": None, "ts": None, "severity": "info", "alert_kind": "notice"},
    ),
    ("apprise 1", "apprise 1 since", {"attempts": 0}, {"kind": "since"}),
    ("digest", "digest 2026-11-16", {"attempts": 0}, {"kind": "digest", "subject": "2026-11-16"}),
    ("buttons", "buttons press U0ANA hotspare_0 1.1 1.2", _INCIDENT, {"kind": "press"}),
    ("slack", "slack of another version", {}, {"kind": "other"}),
]
_STATES = [
    ("slack", "slack", None, ""),
    ("slack", "slack state lookup", 9, "lookup"),
    ("slack", "slack state channel #on call", None, "channel #on call"),
    ("apprise 1", "apprise 1", None, ""),
]


_NOTHING: dict[str, Any] = {"incident_id": None, "channel": None, "ts": None, "error": None}
_INSERT = text(
    "INSERT INTO deliveries (key, sink, incident_id, begun_ms, done_ms, channel, ts, attempts, error)"
    " VALUES (:key, :sink, :incident_id, :begun_ms, :done_ms, :channel, :ts, :attempts, :error)"
)


def test_deliveries_keep_what_their_keys_said(engine: Engine) -> None:
    """Each form of key that version 0005 wrote becomes columns; the states of channels go into their own table."""
    with engine.begin() as connection:
        for table in inspect(connection).get_table_names():
            connection.exec_driver_sql(f'DROP TABLE "{table}"')
        migrate(connection, current=None, wanted="0005")
        for sink, key, values, _ in _FORMS:
            row = {"key": key, "sink": sink, "begun_ms": 5, "done_ms": 6, "attempts": 1, **values}
            connection.execute(_INSERT, {**_NOTHING, **row})
        for sink, key, done_ms, _ in _STATES:
            row = {"key": key, "sink": sink, "begun_ms": 5, "done_ms": done_ms, "attempts": 3, "error": "why"}
            connection.execute(_INSERT, {**_NOTHING, **row})
        migrate(connection, current="0005", wanted=SCHEMA)
    with engine.connect() as connection:
        rows = {row["key"]: dict(row) for row in connection.execute(DELIVERIES.select()).mappings()}
        states = {tuple(row) for row in connection.execute(CHANNEL_STATES.select())}
    nothing = dict.fromkeys(column.name for column in DELIVERIES.columns)
    for sink, key, values, meant in _FORMS:
        kept = {"key": key, "sink": sink, "begun_ms": 5, "done_ms": 6, "attempts": 1}
        assert rows.pop(key) == {**nothing, **kept, **values, **meant}, key
    assert rows == {}
    assert states == {(sink, part, 5, over_ms, 3, "why") for sink, _, over_ms, part in _STATES}


def test_older_rows_are_marked_as_failed_here(engine: Engine) -> None:
    """By what version 0006 counted so, and by credentials of this machine that could not be had; none is lost."""
    rows = {
        ("ok", 200, ""): 0,
        ("bad_request", 400, "no such field"): 0,
        ("bad_request", None, "the probe itself failed: x"): 1,
        ("bad_request", 200, "the probe itself failed: this machine was too busy"): 1,
        ("auth", None, "the key contains characters"): 1,
        ("auth", 401, "the key was refused"): 0,
        ("timeout", None, "no AWS credentials within 5 s"): 1,
        ("timeout", None, "no connection to api.openai.com within 5 s"): 0,
    }
    with engine.begin() as connection:
        for table in inspect(connection).get_table_names():
            connection.exec_driver_sql(f'DROP TABLE "{table}"')
        migrate(connection, current=None, wanted="0006")
        for number, row in enumerate(rows):
            connection.exec_driver_sql(
                "INSERT INTO observations (target, started_ms, check_, region, duration_s, loop_lag_s, outcome,"
                " http_status, detail) VALUES ('a/b', ?, 'chat', 'local', 1.0, 0.0, ?, ?, ?)",
                (number, *row),
            )
        migrate(connection, current="0006", wanted=SCHEMA)
    with engine.connect() as connection:
        kept = connection.execute(OBSERVATIONS.select().order_by(OBSERVATIONS.c.started_ms)).all()
    assert {(row.outcome, row.http_status, row.detail): row.failed_here for row in kept} == rows


def test_older_observations_are_summed_up(engine: Engine) -> None:
    """By hour and day, once; `failed_here` of version 0008 included."""
    with engine.begin() as connection:
        for table in inspect(connection).get_table_names():
            connection.exec_driver_sql(f'DROP TABLE "{table}"')
        migrate(connection, current=None, wanted="0008")
        for minute, (outcome, failed_here) in enumerate([("ok", 0), ("server_error", 0), ("timeout", 1), ("ok", 0)]):
            connection.exec_driver_sql(
                "INSERT INTO observations (target, started_ms, check_, region, duration_s, loop_lag_s, outcome,"
                " detail, failed_here) VALUES ('a/b', ?, 'chat', 'local', 1.0, 0.0, ?, '', ?)",
                (minute * 20 * 60_000, outcome, failed_here),
            )
        migrate(connection, current="0008", wanted=SCHEMA)
    store, begin = Store(engine), datetime(1970, 1, 1, tzinfo=UTC)
    day, hours = (store.rollups(["a/b"], span, since=begin, until=begin + DAY)["a/b"] for span in (DAY, HOUR))
    assert [(at, rollup.counts.total) for at, rollup in hours] == [(begin, 3), (begin + HOUR, 1)]
    assert day[0][1] == hours[0][1] + hours[1][1]
    assert day[0][1].counts.served == pytest.approx(2 / 3)


def test_observations_are_written_anew_in_the_order_in_which_they_came(engine: Engine) -> None:
    """All columns of all of them, hours and years apart; each can still be stored only once."""
    hours = (-1, 0, 1, 400, 400 * 365)
    with engine.begin() as connection:
        for table in inspect(connection).get_table_names():
            connection.exec_driver_sql(f'DROP TABLE "{table}"')
        migrate(connection, current=None, wanted="0016")
        columns = [str(row[1]) for row in connection.exec_driver_sql("PRAGMA table_info(observations)")]
        texts = {"target", "check_", "region", "outcome", "detail", "request_id", "model", "deprecation", "limit_left"}
        rows = [
            {name: name if name in texts else place for place, name in enumerate(columns)}
            | {"target": f"a/{target}", "started_ms": hour * 3_600_000 + target}
            for target in range(3)
            for hour in hours
        ]
        marks = ", ".join(f":{name}" for name in columns)
        insert = text(f"INSERT INTO observations VALUES ({marks})")  # noqa: S608 - our own names
        connection.execute(insert, rows)
        migrate(connection, current="0016", wanted=SCHEMA)
    rows.sort(key=lambda row: row["started_ms"])
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM observations ORDER BY rowid").mappings().all()
    assert [dict(row) for row in kept] == rows
    with pytest.raises(DatabaseError, match="UNIQUE"), engine.begin() as connection:
        connection.execute(insert, rows[:1])


def with_next(scripts: Path, upgrade: str) -> Path:
    """A copy of the migrations with one more, `next`."""
    shutil.copytree(SCRIPTS, scripts)
    (scripts / "versions" / "next.py").write_text(
        f"import sqlalchemy as sa\nfrom alembic import op\nrevision = 'next'\ndown_revision = {SCHEMA!r}\n"
        f"def upgrade():\n    op.add_column('events', sa.Column('more', sa.TEXT()))\n    {upgrade}\n"
    )
    return scripts


def _add_event(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO events (at_ms, kind, subject, text) VALUES (1, 'a', 'b', 'c')")


def test_a_migration_keeps_the_rows(engine: Engine, tmp_path: Path) -> None:
    """A migration that changes a table with rows leaves them as they were."""
    _add_event(engine)
    with engine.begin() as connection:
        migrate(connection, current=SCHEMA, wanted="next", scripts=with_next(tmp_path / "100% scripts", "pass"))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM events").all()
        assert [(*row[:5], row.more) for row in rows] == [(1, 1, "a", "b", "c", None)]
        assert connection.exec_driver_sql("SELECT * FROM alembic_version").scalar_one() == "next"


def test_a_migration_that_fails_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    """An error in the middle undoes the whole migration, what it had done to the tables included."""
    _add_event(engine)
    with engine.connect() as connection:
        before = _shape(connection)
    scripts = with_next(tmp_path / "scripts", "op.execute('INSERT INTO nowhere VALUES (1)')")
    with pytest.raises(DatabaseError, match="nowhere"), engine.begin() as connection:
        migrate(connection, current=SCHEMA, wanted="next", scripts=scripts)
    with engine.connect() as connection:
        assert _shape(connection) == before
        assert connection.exec_driver_sql("SELECT * FROM alembic_version").scalar_one() == SCHEMA
        assert len(connection.execute(EVENTS.select()).all()) == 1
