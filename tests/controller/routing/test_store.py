"""Overrides in a real database: one transaction each, nothing lost, nothing told twice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from controller.journal import Journal
from controller.routing import override_text
from controller.routing.overrides import ALL, Override, OverrideKind
from controller.routing.store import OverrideStore
from monitor.storage.column_conversions import to_ms
from monitor.storage.database import DatabaseError, open_operator, open_reader, open_writer
from tests.controller.routing.test_overrides import DRAIN, HOUR, PAUSE, PIN, A, C, override
from tests.support.builders import T0
from tests.support.pending_reports import untold_events

CHAT = override(PIN, "chat", target=C)
LATER = T0 + timedelta(minutes=30)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The service's database."""
    engine = open_writer(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def overrides(engine: Engine) -> OverrideStore:
    """An empty store."""
    return OverrideStore(engine)


def begin(overrides: OverrideStore, begun: Override, *, warned: bool = False) -> Override:
    """As the command does."""
    return overrides.begin(begun, lambda replaced: override_text.begun_event(begun, replaced=replaced), warned=warned)


def end(overrides: OverrideStore, kind: OverrideKind, *subjects: str) -> list[Override]:
    """Half an hour after T0, by bob; without subjects all of the kind."""
    return overrides.end(kind, subjects or None, at=LATER, by="bob", reason="over", event_for=override_text.ended_event)


def told(engine: Engine) -> list[str]:
    """The kinds of what people must be told, oldest first."""
    return [event.kind for event in untold_events(Journal(engine))]


def test_an_override_is_stored_as_it_is(overrides: OverrideStore, engine: Engine) -> None:
    """Every field comes back, through any kind of engine, and people are told in the same transaction."""
    begun = begin(overrides, replace(CHAT, forced=True))
    assert begun == replace(CHAT, forced=True, id=1)
    assert overrides.in_force(T0) == [begun]
    (untold,) = untold_events(Journal(engine))
    assert (untold.kind, untold.subject, untold.at_ms) == ("pinned", "chat", to_ms(CHAT.at))


def test_the_same_again_replaces_the_first(overrides: OverrideStore) -> None:
    """The database keeps both; one of another kind or on another subject is left alone."""
    others = [begin(overrides, override(PAUSE, "chat")), begin(overrides, override(PIN, "code", target=C))]
    first = begin(overrides, CHAT)
    second = begin(overrides, replace(CHAT, author="bob", reason="better", at=LATER))
    assert overrides.in_force(LATER) == [*others, second]
    gone = overrides.latest()[1]
    assert gone == replace(first, ended_at=LATER, ended_by="bob", ended_reason="replaced: better")


def test_taking_back_ends_what_is_meant(overrides: OverrideStore, engine: Engine) -> None:
    """That kind on that subject; it can be taken back once."""
    pin, pause = begin(overrides, CHAT), begin(overrides, override(PAUSE, "chat"))
    assert end(overrides, PIN, "chat") == [replace(pin, ended_at=LATER, ended_by="bob", ended_reason="over")]
    assert end(overrides, PIN, "chat") == []
    assert overrides.in_force(LATER) == [pause]
    assert told(engine) == ["pinned", "paused", "unpinned"]


def test_all_of_a_kind_at_once(overrides: OverrideStore) -> None:
    """Without subjects every one of that kind ends."""
    begin(overrides, override(PAUSE, ALL))
    begin(overrides, override(PAUSE, "chat"))
    drain = begin(overrides, override(DRAIN, "openai"))
    assert [one.subject for one in end(overrides, PAUSE)] == [ALL, "chat"]
    assert overrides.in_force(LATER) == [drain]


def test_what_has_expired_cannot_be_taken_back(overrides: OverrideStore, engine: Engine) -> None:
    """The end of its time was its end, even where the service has yet to note that; so it is not replaced either."""
    begin(overrides, replace(CHAT, until=LATER))
    assert end(overrides, PIN, "chat") == []
    begin(overrides, replace(CHAT, at=LATER + HOUR, until=LATER + 2 * HOUR))
    assert "replaces" not in untold_events(Journal(engine))[-1].text
    assert overrides.latest()[1].ended_at == LATER


def test_an_expiry_is_noted_once(overrides: OverrideStore, engine: Engine) -> None:
    """And not at all when somebody took it back between the look and the note."""
    pin, pause = begin(overrides, CHAT), begin(overrides, override(PAUSE, "chat"))
    end(overrides, PAUSE, "chat")
    for one in (pin, pin, pause):
        overrides.record_end(
            replace(one, ended_at=CHAT.until), override_text.expired_event(one, CHAT.until), CHAT.until + HOUR
        )
    assert told(engine) == ["pinned", "paused", "resumed", "pin_expired"]
    ended = overrides.latest()[1]
    assert (ended.ended_at, ended.ended_by) == (CHAT.until, None)


@pytest.mark.slow
def test_the_command_learns_when_it_is_published(overrides: OverrideStore) -> None:
    """First its beginning, then its end; and then the service need not read it any more."""
    pin = begin(overrides, CHAT)
    assert not overrides.are_published([pin.id])
    overrides.mark_published([pin], LATER)
    assert overrides.are_published([pin.id])
    assert [(kept.override, kept.published) for kept in overrides.unfinished()] == [(pin, True)]
    (ended,) = end(overrides, PIN, "chat")
    assert not overrides.are_published([pin.id])
    overrides.mark_published([ended], LATER)
    assert overrides.are_published([pin.id])
    assert overrides.unfinished() == []


def test_an_end_between_the_look_and_the_publishing_is_not_taken_for_published(overrides: OverrideStore) -> None:
    """What was published followed from the override, not from its end."""
    pin = begin(overrides, CHAT)
    end(overrides, PIN, "chat")
    overrides.mark_published([pin], LATER)
    assert not overrides.are_published([pin.id])


def test_warnings_are_counted_in_the_database(overrides: OverrideStore, engine: Engine) -> None:
    """So that a restart does not warn again; a forced pin was warned of when it began."""
    pin = begin(overrides, CHAT)
    overrides.record_warning(
        pin, override_text.OverrideEvent(kind="pin_to_failing_target", subject="chat", text="it fails"), LATER
    )
    forced = begin(overrides, override(PIN, "code", target=C, number=2), warned=True)
    assert [kept.warned_at for kept in overrides.unfinished()] == [LATER, forced.at]
    assert told(engine) == ["pinned", "pin_to_failing_target", "pinned"]


def test_hostile_text_is_tamed_where_it_is_kept_and_where_it_is_read(overrides: OverrideStore, engine: Engine) -> None:
    """Control characters and novels neither get in nor out, whoever wrote the row."""
    begin(overrides, replace(CHAT, author="a\x1b[31m", reason="r\n\x00\ud800" + "x" * 10_000))
    (kept,) = overrides.in_force(T0)
    assert (kept.author, kept.reason[:3], len(kept.reason)) == ("a [31m", "r x", 500)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE overrides SET author = 'b\x1b', reason = 'c\x07d', subject = 'chat\n'")
    (read,) = overrides.in_force(T0)
    assert (read.author, read.reason, read.subject) == ("b", "c d", "chat")


def test_a_command_and_the_service_at_once(overrides: OverrideStore, database_url: str) -> None:
    """What another process wrote is there at the next look; a reader cannot write."""
    operator, reader = open_operator(database_url), open_reader(database_url)
    begun = begin(OverrideStore(operator), override(DRAIN, A))
    assert overrides.in_force(T0) == OverrideStore(reader).in_force(T0) == [begun]
    with pytest.raises(DatabaseError, match=r"cannot be written|is read-only"):
        begin(OverrideStore(reader), CHAT)
    operator.dispose()
    reader.dispose()


def test_looking_waits_for_no_other_writer(overrides: OverrideStore, database_url: str) -> None:
    """The service looks twice a second, also while somebody holds the write lock for long."""
    pin = begin(overrides, CHAT)
    other = open_operator(database_url)
    with other.begin() as busy:
        busy.exec_driver_sql("DELETE FROM events")
        assert [kept.override for kept in overrides.unfinished()] == [pin]
    other.dispose()
