"""A database that the version before the typed deliveries wrote: nothing that was told is told again."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from controller.alerts.channel import plan_alerts
from controller.alerts.delivery_store import DeliveryStore
from controller.journal import Journal
from monitor.storage.column_conversions import to_ms
from monitor.storage.database import open_writer
from monitor.storage.migrations.run import migrate
from monitor.storage.store import Store
from tests.support.alert_world import NOON, TOKEN, AlertWorld, outage, stuck
from tests.support.slack_server import SlackServer

#: That version's schema, and those of its tables that tell what was told.
_OLD, _KEPT = "0005", ("incidents", "events", "decisions", "transitions")


def downgrade(path: Path, rows: list[tuple[object, ...]]) -> None:
    """Put a database of that version in its place, with what it can hold of the same rows, and these deliveries."""
    newer = path.rename(path.with_name("newer.db"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrate(connection, current=None, wanted=_OLD)
    engine.dispose()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("ATTACH ? AS newer", (str(newer),))
        for table in _KEPT:
            info, schemas = "SELECT name FROM pragma_table_info(?, ?)", ("newer", "main")
            present, former = ({name for (name,) in database.execute(info, (table, schema))} for schema in schemas)
            columns = ", ".join(f'"{name}"' for name in sorted(present & former))
            database.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")  # noqa: S608
        database.executemany("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)", rows)


def ms(seconds: float) -> int:
    """So long after noon."""
    return to_ms(NOON + timedelta(seconds=seconds))


def test_a_called_incident_goes_on_where_it_was(tmp_path: Path) -> None:
    """The headline is not posted again, the next reminder comes when it would have, and says that it is one."""
    with SlackServer(token=TOKEN) as server:
        world = AlertWorld(tmp_path, server, mention=("<!here>",))
        world.keep(stuck(outage(), at=NOON))
        world.round(0)
        (posted,) = server.messages
        world.engine.dispose()
        place = (server.channel_id, posted.ts)
        rows: list[tuple[object, ...]] = [
            ("slack incident 1", "slack", 1, ms(0), ms(0), *place, 1),
            ("slack incident 1 call 1", "slack", 1, ms(0), ms(0), *place, 0),
            ("slack channel #llm-status", "slack", None, ms(0), ms(0), server.channel_id, None, 0),
        ]
        downgrade(tmp_path / "hotspare.db", rows)
        world = AlertWorld(tmp_path, server, mention=("<!here>",))
        world.round(29 * 60)
        assert len(server.everything) == 1
        world.round(31 * 60)
        (reminder,) = server.thread(posted.ts)
        assert "⏰ Still open after 31 min" in str(reminder.versions[0].blocks)
        world.engine.dispose()


def test_a_message_under_way_is_found_and_not_sent_twice(tmp_path: Path) -> None:
    """Slack took the headline, the old version was killed, and this one starts: it looks for the old stamp."""
    with SlackServer(token=TOKEN) as server:
        world = AlertWorld(tmp_path, server)
        world.keep(stuck(outage(), at=NOON))
        world.engine.dispose()
        payload = {"incidents": "1:2:2", "home": "1", "also": "slack incident 1 call 1"}
        payload |= {"key": "slack incident 1", "begun": str(ms(0))}
        metadata = {"event_type": "hotspare_message", "event_payload": payload}
        message = {"channel": "#llm-status", "text": "x", "blocks": [], "metadata": metadata}
        assert server.answer("chat.postMessage", TOKEN, message)["ok"]
        downgrade(
            tmp_path / "hotspare.db",
            [("slack incident 1", "slack", 1, ms(0), None, "#llm-status", None, 1)],
        )
        world = AlertWorld(tmp_path, server)
        world.round(60)
        assert len(server.everything) == 1
        assert world.told()
        delivery = DeliveryStore(world.engine, "slack").snapshot(world.now).deliveries["slack incident 1"]
        assert (delivery.call, delivery.ts) == (1, server.messages[0].ts)
        world.engine.dispose()


@pytest.mark.slow
def test_an_alert_keeps_its_id_and_what_was_taken_is_not_due(tmp_path: Path) -> None:
    """Of two incidents and two events of a webhook, one each was taken and one each was begun."""
    path = tmp_path / "hotspare.db"
    engine = open_writer(f"sqlite:///{path}")
    Journal(engine).commit([], [outage(), outage("gemini")])
    for text in ("ana pinned chat", "ana unpinned chat"):
        Store(engine).add_event(NOON, "pinned", "chat", text, notify=True)
    engine.dispose()
    alert = ("warning", "incident_opened", 1)
    rows: list[tuple[object, ...]] = [
        ("webhook since", "webhook", None, ms(-60), ms(-60), None, None, 0),
        ("webhook incident 1 revision 1", "webhook", 1, ms(1), ms(2), *alert),
        ("webhook incident 2 revision 1", "webhook", 2, ms(3), None, *alert),
        ("webhook event 1", "webhook", None, ms(4), ms(5), "info", "notice", 1),
        ("webhook event 2", "webhook", None, ms(6), None, "info", "notice", 1),
    ]
    downgrade(path, rows)
    engine = open_writer(f"sqlite:///{path}")
    now: datetime = NOON + timedelta(minutes=1)
    due = DeliveryStore(engine, "webhook").due_alerts(now)
    engine.dispose()
    planned = list(plan_alerts(due, now, every_change=True, room=None))
    assert [one.key for one in planned] == ["webhook incident 2 revision 1", "webhook event 2"]
    assert [one.alert.id if one.alert else "" for one in planned] == [
        f"incident-2-1-{ms(3):x}",
        f"notice-2-{ms(6):x}",
    ]
