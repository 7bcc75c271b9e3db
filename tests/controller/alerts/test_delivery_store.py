"""The rows of deliveries: what was begun, what has arrived, and what of it is forgotten."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from controller.alerts.delivery import channel_key, state_key
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.told import Receipt, from_payload, to_payload
from controller.journal import Journal
from monitor.storage.database import open_writer
from tests.support.alert_world import NOON, outage, over


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A new database."""
    opened = open_writer(f"sqlite:///{tmp_path}/hotspare.db")
    yield opened
    opened.dispose()


@pytest.fixture
def deliveries(engine: Engine) -> DeliveryStore:
    """Those to Slack."""
    return DeliveryStore(engine, "slack")


def test_what_was_begun_is_under_way_until_it_is_known(deliveries: DeliveryStore) -> None:
    """With where it was to go; done or withdrawn, it is no longer."""
    deliveries.begin("slack event 1", NOON, channel="#llm-status")
    deliveries.begin("slack event 2", NOON, channel="#llm-status", thread="1.1")
    deliveries.unsure("slack event 1", "no answer in time")
    first, second = deliveries.under_way()
    assert (first.channel, first.ts, first.error) == ("#llm-status", None, "no answer in time")
    assert (second.ts, second.begun_at) == ("1.1", NOON)
    deliveries.withdrawn("slack event 1")
    deliveries.done("slack event 2", NOON, channel="C1", ts="2.2", told=Receipt())
    assert deliveries.under_way() == []


def test_a_delivery_and_what_people_know_are_one(engine: Engine, deliveries: DeliveryStore) -> None:
    """Done with where the headline stands, the revision, the line, what else it did for, and the channel's own name."""
    (kept,) = Journal(engine).commit([], [outage()])
    deliveries.begin("slack incident 1", NOON, incident_id=kept.id, channel="#llm-status")
    told = Receipt(incidents=((kept.id, 1, 1),), home=kept.id, also=("slack incident 1 call 1",))
    deliveries.done("slack incident 1", NOON, channel="C1", ts="1.1", told=told, asked="#llm-status")
    book = deliveries.book(NOON)
    (known,) = book.known
    assert (known.revision, known.line, known.channel, known.ts) == (1, 1, "C1", "1.1")
    assert book.rows["slack incident 1 call 1"].ts == "1.1"
    assert book.rows[channel_key("slack", "#llm-status")].channel == "C1"
    deliveries.told(Receipt(incidents=((kept.id, 0, 0),)))
    assert deliveries.book(NOON).known == book.known, "what people know they do not forget"
    deliveries.gone("1.1")
    (known,) = deliveries.book(NOON).known
    assert (known.revision, known.line, known.ts) == (0, 1, None)
    assert "slack incident 1" not in deliveries.book(NOON).rows


def test_what_is_told_together_is_read_together(engine: Engine, deliveries: DeliveryStore) -> None:
    """An incident that is over comes back into the book with one that is told under its headline."""
    journal = Journal(engine)
    (lead,) = journal.commit([], [outage()])
    (other,) = journal.commit([], [outage("gemini")])
    journal.commit([], [over(lead)])
    deliveries.told(Receipt(incidents=((lead.id, 9, 9),)))
    assert [one.incident.id for one in deliveries.book(NOON).known] == [lead.id, other.id]
    journal.commit([], [over(other)])
    deliveries.told(Receipt(incidents=((other.id, 9, 9),)))
    assert deliveries.book(NOON).known == ()


def test_an_incident_that_changed_is_read_anew(engine: Engine, deliveries: DeliveryStore) -> None:
    """What is unchanged since the last look is kept from it; a note is a change."""
    journal = Journal(engine)
    (kept,) = journal.commit([], [outage()])
    first = deliveries.book(NOON).known[0].incident
    assert deliveries.book(NOON).known[0].incident is first
    journal.comments.note(kept.id, "I called them", author="ana", at=NOON)
    assert deliveries.book(NOON).known[0].incident.timeline[-1].text == "I called them"


def test_what_counts_for_the_bound(deliveries: DeliveryStore) -> None:
    """Messages of the last hour, also those under way; no calls, notes or states, nor what a clock set back left."""
    deliveries.begin("slack event 1", NOON)
    deliveries.begin("slack event 2", NOON - timedelta(minutes=61))
    deliveries.begin("slack event 3", NOON + timedelta(days=1))
    deliveries.begin("slack incident 7 call 2", NOON, incident_id=7)
    deliveries.done("slack incident 7 call 2", NOON, channel="C1", ts="3.3", told=Receipt())
    deliveries.note("slack incident 7 calm 2", NOON, 7)
    deliveries.part_failed("lookup", NOON, "missing_scope")
    assert deliveries.book(NOON).sent_at == (NOON,)


def test_a_part_fails_until_it_works(deliveries: DeliveryStore) -> None:
    """Since when is kept, the newest reason is, and a later failure is a new one."""
    deliveries.sink_failed(NOON, "no answer in time")
    deliveries.sink_failed(NOON + timedelta(minutes=1), "HTTP 500")
    deliveries.part_failed("channel #oncall", NOON, "is_archived")
    assert sorted(deliveries.failing()) == ["", "channel #oncall"]
    row = deliveries.book(NOON).rows[state_key("slack")]
    assert (row.begun_at, row.error, row.attempts, row.done_at) == (NOON, "HTTP 500", 2, None)
    deliveries.sink_works(NOON + timedelta(minutes=2))
    assert deliveries.failing() == ["channel #oncall"]
    deliveries.sink_failed(NOON + timedelta(minutes=9), "HTTP 502")
    assert deliveries.book(NOON).rows[state_key("slack")].begun_at == NOON + timedelta(minutes=9)


def test_old_rows_are_forgotten(engine: Engine, deliveries: DeliveryStore) -> None:
    """After a month, unless their incident is open, they are under way, or they say how a channel is called."""
    (still,) = Journal(engine).commit([], [outage()])
    for key, about in (("slack event 1", None), ("slack incident 1", still.id), ("slack incident 2", 2)):
        deliveries.begin(key, NOON, incident_id=about)
        deliveries.done(key, NOON, channel="C1", ts=key, told=Receipt(), asked="#llm-status")
    deliveries.begin("slack event 2", NOON)
    DeliveryStore(engine, "webhook").begin("webhook event 1", NOON)
    deliveries.prune(NOON + timedelta(days=29))
    assert len(keys(engine)) == 6
    deliveries.prune(NOON + timedelta(days=31))
    assert keys(engine) == ["slack channel #llm-status", "slack event 2", "slack incident 1", "webhook event 1"]


def keys(engine: Engine) -> list[str]:
    """All that is there."""
    with engine.connect() as connection:
        return [key for (key,) in connection.exec_driver_sql("SELECT key FROM deliveries ORDER BY key")]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(Receipt(), id="nothing"),
        pytest.param(
            Receipt(incidents=((7, 4, 12), (8, 0, 3)), home=7, also=("slack incident 7 call 1",)), id="a headline"
        ),
        pytest.param(Receipt(events=(12, 13)), id="events"),
    ],
)
def test_what_people_know_travels_with_the_message(told: Receipt) -> None:
    """As short texts, and back."""
    payload = to_payload(told)
    assert all(payload.values())
    assert from_payload(payload) == told


def test_what_travelled_may_be_anything() -> None:
    """Somebody else's message, or that of another version: what cannot be read is left out."""
    strange = {"incidents": "7:x:1 8:2 9:1:1", "events": ["1", None], "home": "", "also": "", "more": {}}
    assert from_payload(strange) == replace(Receipt(), incidents=((9, 1, 1),))
