"""What people say of an incident is never lost, whoever writes beside them, and moves what must be told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from controller.incidents.incident import AffectedTarget, EntryKind, Incident, IncidentKind, RouteImpact, TimelineEntry
from controller.incidents.store import CommentStore
from controller.incidents.timeline import MAX_COMMENTS
from controller.journal import Journal
from controller.routing.operator_requests import RefusedError
from monitor.health import Health
from monitor.storage.database import open_operator, open_writer

NOW = datetime(2026, 11, 21, 18, 0, 0, 123_000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def url(database_url: str) -> str:
    """A database's URL."""
    return database_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """The service's database."""
    engine = open_writer(url)
    yield engine
    engine.dispose()


def incident(provider: str = "openai", minute: int = 0, **changed: object) -> Incident:
    """A new outage, this many minutes after NOW."""
    new = Incident(
        id=0,
        provider=provider,
        kind=IncidentKind.OUTAGE,
        opened_at=NOW + minute * MINUTE,
        affected=(AffectedTarget(target=f"{provider}/a", health=Health.DOWN, since=NOW, reason="9 of 14"),),
        timeline=(TimelineEntry(at=NOW + minute * MINUTE, text="went down", kind=EntryKind.HEALTH),),
        routes=(RouteImpact(route="chat", target="gemini/b"),),
    )
    return replace(new, **changed)  # type: ignore[arg-type] # the keywords are the fields' names


def went_on(one: Incident, text: str, seconds: float) -> Incident:
    """The incident as a service has it in memory after one more line."""
    line = TimelineEntry(at=NOW + timedelta(seconds=seconds), text=text, kind=EntryKind.MOVED)
    return replace(one, timeline=(*one.timeline, line), revision=one.revision + 1)


def test_a_note_and_a_service_that_does_not_know_of_it_keep_both(engine: Engine, url: str) -> None:
    """The service writes the incident from memory: the note stays, each line has its own number, the revision grows."""
    journal = Journal(engine)
    [stored] = journal.commit([], [incident()])
    operator = open_operator(url)
    noted = CommentStore(operator).note(stored.id, "ticket 4711", author="ana", at=NOW + timedelta(seconds=5))
    operator.dispose()
    assert noted.revision == stored.revision + 1
    [kept] = journal.commit([], [went_on(stored, "moved", 9)])
    assert kept.revision == noted.revision + 1
    assert [(line.text, line.number) for line in kept.timeline] == [("went down", 1), ("ticket 4711", 2), ("moved", 3)]
    assert journal.incident(stored.id) == kept


def test_nothing_is_lost_where_both_write_at_once(engine: Engine, url: str) -> None:
    """Twenty notes beside forty changes: all are there, no number is used twice."""
    journal = Journal(engine)
    [one] = journal.commit([], [incident()])

    def talk() -> None:
        operator = open_operator(url)
        for n in range(MAX_COMMENTS):
            CommentStore(operator).note(1, f"note {n}", author="ana", at=NOW + timedelta(seconds=n))
        operator.dispose()

    with ThreadPoolExecutor(1) as people:
        talking = people.submit(talk)
        for n in range(40):
            [one] = journal.commit([], [replace(one, reopened=n, revision=one.revision + 1)])
        talking.result()
    kept = journal.incident(1)
    assert kept is not None
    assert [line.text for line in kept.timeline if line.kind is EntryKind.NOTE] == [
        f"note {n}" for n in range(MAX_COMMENTS)
    ]
    assert [line.number for line in kept.timeline] == sorted({line.number for line in kept.timeline})
    assert kept.revision == 1 + MAX_COMMENTS + 40


def test_whoever_looks_after_it_stays_until_it_comes_back(engine: Engine) -> None:
    """The service does not know the name, and does not take it away."""
    journal = Journal(engine)
    [one] = journal.commit([], [incident()])
    journal.comments.acknowledge(one.id, author="ana", at=NOW)
    [changed] = journal.commit([], [went_on(one, "moved", 9)])
    [resolved] = journal.commit([], [replace(went_on(changed, "Resolved", 20), resolved_at=NOW + MINUTE)])
    assert (changed.acknowledged_by, resolved.acknowledged_by) == ("ana", "ana")
    [again] = journal.commit([], [replace(resolved, resolved_at=None, reopened=1, revision=resolved.revision + 1)])
    assert again.acknowledged_by is None
    assert journal.open_incidents() == [again]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("a\nb\x1b[31m\u202ec", "a b [31m c", id="lines and control characters"),
        pytest.param("\ud800 漢字 🚑", "漢字 🚑", id="a lone surrogate"),
        pytest.param("<!channel> & co", "<!channel> & co", id="markup stays text"),
    ],
)
def test_a_note_is_one_line_of_text(engine: Engine, text: str, kept: str) -> None:
    """As every text that people type."""
    Journal(engine).commit([], [incident()])
    assert CommentStore(engine).note(1, text, author=text, at=NOW).timeline[-1].text == kept


def test_an_incident_that_there_is_not(engine: Engine) -> None:
    """A sentence, not a row."""
    for say in (CommentStore(engine).acknowledge, Journal(engine).comments.acknowledge):
        with pytest.raises(RefusedError, match="there is no incident 7"):
            say(7, author="ana", at=NOW)


@pytest.mark.slow
def test_new_incidents_are_given_their_lead(engine: Engine) -> None:
    """Two that begin in one cycle: the earlier leads; the others follow it, for ever, also once it is resolved."""
    journal = Journal(engine)
    later, first = journal.commit([], [incident("gemini", 1), incident("openai", 0)])
    assert (first.lead_id, later.lead_id) == (None, first.id)
    [third] = journal.commit([], [incident("anthropic", 2)])
    assert third.lead_id == first.id
    journal.commit([], [replace(went_on(first, "Resolved", 200), resolved_at=NOW + 4 * MINUTE)])
    [kept] = journal.commit([], [went_on(third, "moved", 300)])
    assert kept.lead_id == first.id
    [fourth] = journal.commit([], [incident("mistral", 5)])
    assert fourth.lead_id == first.id, "those that are open are told under its headline, so this one is too"


@pytest.mark.slow
def test_incidents_of_late_are_found(engine: Engine) -> None:
    """Those resolved after an instant, oldest first; and any by its number."""
    journal = Journal(engine)
    stored = journal.commit([], [incident(minute=n) for n in range(3)])
    over = [replace(one, resolved_at=one.opened_at + MINUTE, revision=2) for one in stored[:2]]
    journal.commit([], over)
    assert journal.resolved_since(NOW) == over
    assert journal.resolved_since(NOW + MINUTE) == over[1:]
    assert (journal.incident(3), journal.incident(4)) == (stored[2], None)
