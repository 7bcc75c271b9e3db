"""The rows of deliveries: what was begun, what has arrived, and what of it is forgotten."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from controller.alerts.delivery import (
    DeliveryKind,
    PlannedMessage,
    Receipt,
    from_payload,
    place_key,
    to_payload,
)
from controller.alerts.delivery_store import DeliveryStore
from controller.journal import Journal
from monitor.storage.database import open_writer
from tests.support.alert_world import NOON, outage, over


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A new database."""
    opened = open_writer(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def deliveries(engine: Engine) -> DeliveryStore:
    """Those to Slack."""
    return DeliveryStore(engine, "slack")


def planned(key: str, **values: Any) -> PlannedMessage:
    """A message of this key."""
    return PlannedMessage(key=key, **{"kind": DeliveryKind.EVENT, **values})


def test_what_was_begun_is_under_way_until_it_is_known(deliveries: DeliveryStore) -> None:
    """With where it was to go; done or mark_unsent, it is no longer."""
    deliveries.begin(planned("slack event 1", channel="#llm-status"), NOON)
    deliveries.begin(planned("slack event 2", channel="#llm-status", ts="1.1"), NOON)
    deliveries.mark_unconfirmed("slack event 1", "no answer in time")
    first, second = deliveries.under_way()
    assert (first.channel, first.ts, first.error) == ("#llm-status", None, "no answer in time")
    assert (second.ts, second.begun_at) == ("1.1", NOON)
    deliveries.mark_unsent("slack event 1")
    deliveries.done("slack event 2", NOON, Receipt(channel="C1", ts="2.2"))
    assert deliveries.under_way() == []


def test_a_delivery_and_what_people_know_are_one(engine: Engine, deliveries: DeliveryStore) -> None:
    """Done with where the headline stands, the revision, the line, what else it did for, and the channel's own name."""
    (kept,) = Journal(engine).commit([], [outage()])
    deliveries.begin(planned("slack incident 1", incident_id=kept.id, channel="#llm-status"), NOON)
    receipt = Receipt(incidents=((kept.id, 1, 1),), home=kept.id, call=1, channel="C1", ts="1.1")
    deliveries.done("slack incident 1", NOON, receipt, configured="#llm-status")
    snapshot = deliveries.snapshot(NOON)
    (known,) = snapshot.incidents
    assert (known.revision, known.line, known.channel, known.ts) == (1, 1, "C1", "1.1")
    assert snapshot.deliveries["slack incident 1"].call == 1
    assert snapshot.deliveries[place_key("slack", "#llm-status")].channel == "C1"
    deliveries.keep(Receipt(incidents=((kept.id, 0, 0),)))
    assert deliveries.snapshot(NOON).incidents == snapshot.incidents, "what people know they do not forget"
    deliveries.gone("1.1")
    (known,) = deliveries.snapshot(NOON).incidents
    assert (known.revision, known.line, known.ts) == (0, 1, None)
    assert "slack incident 1" not in deliveries.snapshot(NOON).deliveries


def test_what_is_told_together_is_read_together(engine: Engine, deliveries: DeliveryStore) -> None:
    """An incident that is over comes back into the book with one that is told under its headline."""
    journal = Journal(engine)
    (lead,) = journal.commit([], [outage()])
    (other,) = journal.commit([], [outage("gemini")])
    journal.commit([], [over(lead)])
    deliveries.keep(Receipt(incidents=((lead.id, 9, 9),)))
    assert [one.incident.id for one in deliveries.snapshot(NOON).incidents] == [lead.id, other.id]
    journal.commit([], [over(other)])
    deliveries.keep(Receipt(incidents=((other.id, 9, 9),)))
    assert deliveries.snapshot(NOON).incidents == ()


def test_an_incident_that_changed_is_read_anew(engine: Engine, deliveries: DeliveryStore) -> None:
    """What is unchanged since the last look is kept from it; a note is a change."""
    journal = Journal(engine)
    (kept,) = journal.commit([], [outage()])
    first = deliveries.snapshot(NOON).incidents[0].incident
    assert deliveries.snapshot(NOON).incidents[0].incident is first
    journal.comments.note(kept.id, "I called them", author="ana", at=NOON)
    assert deliveries.snapshot(NOON).incidents[0].incident.timeline[-1].text == "I called them"


def test_what_counts_for_the_bound(deliveries: DeliveryStore) -> None:
    """Messages of the last hour, also those under way; no calls, notes or states, nor what a clock set back left."""
    deliveries.begin(planned("slack event 1"), NOON)
    deliveries.begin(planned("slack event 2"), NOON - timedelta(minutes=61))
    deliveries.begin(planned("slack event 3"), NOON + timedelta(days=1))
    deliveries.begin(planned("slack incident 7 call 2", incident_id=7, receipt=Receipt(call=2)), NOON)
    deliveries.done("slack incident 7 call 2", NOON, Receipt(call=2, channel="C1", ts="3.3"))
    deliveries.mark(planned("slack incident 7 calm 2", kind=DeliveryKind.CALM, incident_id=7), NOON)
    deliveries.keep_state("lookup", NOON, "missing_scope")
    assert deliveries.snapshot(NOON).sent_at == (NOON,)


def test_a_part_fails_until_it_works(deliveries: DeliveryStore) -> None:
    """Since when is kept, the newest reason is, and a later failure is a new one."""
    deliveries.keep_state("", NOON, "no answer in time")
    deliveries.keep_state("", NOON + timedelta(minutes=1), "HTTP 500")
    deliveries.keep_state("channel #oncall", NOON, "is_archived")
    assert sorted(deliveries.failing()) == ["", "channel #oncall"]
    state = deliveries.snapshot(NOON).outage
    assert state is not None
    assert (state.since, state.error, state.over_at) == (NOON, "HTTP 500", None)
    deliveries.keep_state("", NOON + timedelta(minutes=2), None)
    assert deliveries.failing() == ["channel #oncall"]
    deliveries.keep_state("", NOON + timedelta(minutes=9), "HTTP 502")
    state = deliveries.snapshot(NOON).outage
    assert state is not None
    assert (state.since, state.over_at) == (NOON + timedelta(minutes=9), None)


def test_old_rows_are_forgotten(engine: Engine, deliveries: DeliveryStore) -> None:
    """After a month, unless their incident is open, they are under way, or they say how a channel is called."""
    (still,) = Journal(engine).commit([], [outage()])
    for key, about in (("slack event 1", None), ("slack incident 1", still.id), ("slack incident 2", 2)):
        deliveries.begin(planned(key, incident_id=about), NOON)
        deliveries.done(key, NOON, Receipt(channel="C1", ts=key), configured="#llm-status")
    deliveries.begin(planned("slack event 2"), NOON)
    DeliveryStore(engine, "webhook").begin(planned("webhook event 1"), NOON)
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
        pytest.param(Receipt(incidents=((7, 4, 12), (8, 0, 3)), home=7, call=1), id="a headline"),
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
    assert from_payload({"also": "slack incident 7 call 3"}).call == 3, "as version 0005 wrote it"
