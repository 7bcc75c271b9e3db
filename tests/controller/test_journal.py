"""The journal keeps decisions and incidents together, and knows what people have not been told."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

import pytest
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, event

from controller.alerts.delivery import Receipt
from controller.alerts.delivery_store import DeliveryStore
from controller.incidents.incident import AffectedTarget, Incident, IncidentKind, RouteImpact, TimelineEntry
from controller.incidents.store import incident_of
from controller.journal import Journal
from controller.routing.decision import Decision, MoveKind
from monitor.health import Health
from monitor.storage.database import DatabaseError, open_reader, open_writer
from tests.support.databases import ON_SQLITE
from tests.support.pending_reports import untold_incidents

NOW = datetime(2026, 11, 21, 18, 0, 0, 123_000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def url(database_url: str) -> str:
    """A database's URL."""
    return database_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A new database that does not wait for locks."""
    engine = open_writer(url, busy_timeout_s=0.05)
    yield engine
    engine.dispose()


@pytest.fixture
def journal(engine: Engine) -> Journal:
    """A journal on a new database."""
    return Journal(engine)


def _decision(generation: int, **changes: Any) -> Decision:
    """A failover of route `chat`, `generation` minutes after NOW."""
    values = {
        "route": "chat",
        "at": NOW + generation * MINUTE,
        "move": MoveKind.FAILOVER,
        "before": "openai/a",
        "target": "gemini/b",
        "reason": "openai/a is down: 9 of 14 probes failed in 41 s (server_error)",
        "generation": generation,
    }
    return Decision(**{**values, **changes})


def _incident(minute: int = 0, **changes: Any) -> Incident:
    """A new outage of openai, this many minutes after NOW."""
    values = {
        "id": 0,
        "provider": "openai",
        "kind": IncidentKind.OUTAGE,
        "opened_at": NOW + minute * MINUTE,
        "affected": (AffectedTarget(target="openai/a", health=Health.DOWN, since=NOW, reason="9 of 14 <!channel>"),),
        "timeline": (TimelineEntry(at=NOW, text="openai/a went down"),),
        "routes": (RouteImpact(route="chat", target="gemini/b"),),
    }
    return Incident(**{**values, **changes})


def _resolved(incident: Incident, minutes: int = 5) -> Incident:
    return replace(incident, resolved_at=incident.opened_at + minutes * MINUTE, revision=incident.revision + 1)


def test_an_empty_journal_knows_nothing(journal: Journal) -> None:
    """No routes, generation 0, no incidents, nothing to tell; committing nothing changes nothing."""
    assert journal.commit([], []) == []
    assert (journal.routes(), journal.generation()) == ({}, 0)
    assert (journal.decisions(), journal.incidents(), journal.open_incidents(), untold_incidents(journal)) == ([],) * 4


@pytest.mark.slow
@pytest.mark.parametrize("move", list(MoveKind))
def test_a_decision_comes_back_as_it_was(journal: Journal, move: MoveKind) -> None:
    """Every kind of move survives, also one that comes from nowhere."""
    decision = _decision(1, move=move, before=None if move is MoveKind.FIRST else "openai/a")
    journal.commit([decision], [])
    assert journal.decisions() == [decision]


def test_a_step_and_a_dry_run_come_back_as_they_were(journal: Journal) -> None:
    """Weights keep their order and their fractions; a route that was only decided in a dry run says so."""
    weights = (("openai/a", 12.5), ("gemini/b", 87.5))
    step = _decision(1, move=MoveKind.STEP, before="gemini/b", weights=weights, dry_run=True)
    journal.commit([step], [])
    assert journal.decisions() == [step]
    route = journal.routes()["chat"]
    assert route == step
    assert (route.home, route.home_share, route.dry_run) == ("openai/a", 12.5, True)


def test_routes_stand_where_their_latest_decision_put_them(journal: Journal) -> None:
    """The last decision of each route counts, and the generation is the highest of all."""
    back = _decision(3, move=MoveKind.FAILBACK, before="gemini/b", target="openai/a", reason="40 of 40 probes answered")
    journal.commit([_decision(1), _decision(1, route="code")], [])
    journal.commit([back], [])
    code = _decision(1, route="code")
    assert journal.routes() == {"chat": back, "code": code}
    assert journal.generation() == 3
    assert journal.decisions(limit=2) == [back, code]


def test_a_new_incident_gets_an_id_and_comes_back_as_it_was(journal: Journal) -> None:
    """The returned incidents differ from the given ones in their id only, and are what is read later."""
    first, second = journal.commit([], [_incident(0), _incident(1, kind=IncidentKind.CONFIGURATION)])
    assert (first, second) == (
        _incident(0, id=first.id),
        _incident(1, kind=IncidentKind.CONFIGURATION, id=second.id),
    )
    assert 0 < first.id < second.id
    assert journal.open_incidents() == [first, second]
    assert journal.incidents() == [second, first]
    assert journal.incidents(limit=1) == [second]


def test_a_changed_incident_replaces_itself(journal: Journal) -> None:
    """Kind, resolution, parts and revision follow; a resolved incident is no longer open, but remembered."""
    (incident,) = journal.commit([], [_incident(kind=IncidentKind.DEGRADATION)])
    changed = replace(_resolved(incident), kind=IncidentKind.OUTAGE, routes=(), affected=())
    assert journal.commit([], [changed]) == [changed]
    assert (journal.open_incidents(), journal.incidents()) == ([], [changed])


def test_hostile_text_is_kept(journal: Journal) -> None:
    """What a provider wrote never stops a decision from being kept."""
    (incident,) = journal.commit(
        [_decision(1, reason="\0\ud800" + "x" * 10_000)], [_incident(timeline=(TimelineEntry(at=NOW, text="\ud800"),))]
    )
    assert journal.decisions()[0].reason == "\ufffd\ufffd" + "x" * 1997 + "…"
    assert journal.incidents() == [replace(incident, timeline=(TimelineEntry(at=NOW, text="\ufffd"),))]


@ON_SQLITE
def test_a_commit_is_all_or_nothing(engine: Engine, journal: Journal) -> None:
    """When one part cannot be kept, no other part is."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON incidents BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    with pytest.raises(DatabaseError, match="no room"):
        journal.commit([_decision(1)], [_incident()])
    assert (journal.decisions(), journal.incidents()) == ([], [])


def test_an_incident_of_another_database_is_added_under_its_number(journal: Journal) -> None:
    """The database was replaced by a new one, or an older one was restored, while the service ran."""
    [stored] = journal.commit([], [_incident(id=99)])
    assert (stored.id, journal.incidents()) == (99, [stored])


@ON_SQLITE
def test_everything_in_the_journal_survives_a_power_cut(engine: Engine, journal: Journal) -> None:
    """Every transaction of the journal is `synchronous=FULL`."""
    full, levels = 2, list[int]()

    @event.listens_for(engine, "commit")
    def note(connection: DatabaseConnection) -> None:
        levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    journal.commit([_decision(1)], [_incident()])
    journal.skip_stale_alerts(NOW)
    assert levels == [full, full]


def test_an_incident_is_undelivered_until_its_latest_revision_was_told(engine: Engine, journal: Journal) -> None:
    """A change makes it undelivered again, also one that came while an older revision was being told."""
    (incident,) = journal.commit([], [_incident()])
    (waiting,) = untold_incidents(journal)
    assert (waiting.id, waiting.told_revision, waiting.slack_channel, waiting.slack_ts) == (incident.id, 0, None, None)
    DeliveryStore(engine, "slack").keep(Receipt(incidents=((incident.id, 1, 0),)))
    assert untold_incidents(journal) == []
    changed = _resolved(incident)
    journal.commit([], [changed])
    DeliveryStore(engine, "slack").keep(Receipt(incidents=((incident.id, 1, 0),)))
    (waiting,) = untold_incidents(journal)
    assert (incident_of(waiting), waiting.told_revision) == (changed, 1)


def test_an_incident_that_ended_untold_is_told_once_as_resolved(journal: Journal) -> None:
    """Opened and resolved before anyone was told: one undelivered entry; oldest incident first."""
    later, earlier = journal.commit([], [_incident(5), _incident(0)])
    journal.commit([], [_resolved(earlier)])
    assert [incident_of(row) for row in untold_incidents(journal)] == [_resolved(earlier), later]


def test_old_news_is_forgotten_but_nothing_else(engine: Engine, journal: Journal) -> None:
    """Only incidents that were resolved long ago and never told at all are treated as told."""
    old, just_resolved, still_open, half_told = journal.commit([], [_incident(n) for n in range(4)])
    DeliveryStore(engine, "slack").keep(Receipt(incidents=((half_told.id, 1, 0),)))
    resolved = [_resolved(old, minutes=5), _resolved(just_resolved, minutes=60), _resolved(half_told, minutes=5)]
    journal.commit([], resolved)
    limit = NOW + 30 * MINUTE
    assert (journal.skip_stale_alerts(limit), journal.skip_stale_alerts(limit)) == (1, 0)
    assert journal.count_untold() == 3
    assert [row.id for row in untold_incidents(journal)] == [just_resolved.id, still_open.id, half_told.id]
    assert journal.incidents()[-1] == resolved[0]


def test_words_of_another_version_do_not_stop_the_journal(engine: Engine, journal: Journal) -> None:
    """A kind and a document that this version does not know are read as far as they go."""
    (incident,) = journal.commit([], [_incident()])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE incidents SET kind = 'plague', document = '{\"affected\": 1}'")
    assert journal.open_incidents() == [replace(incident, affected=(), timeline=(), routes=())]


def test_what_reads_works_on_a_reader(journal: Journal, url: str) -> None:
    """The page's read-only engine gives the same answers, and writing through it fails."""
    journal.commit([_decision(1)], [_incident()])
    reader = Journal(open_reader(url))
    assert reader.routes() == journal.routes()
    assert reader.decisions() == journal.decisions()
    assert reader.incidents() == journal.incidents()
    with pytest.raises(DatabaseError, match=r"cannot be written|is read-only"):
        reader.skip_stale_alerts(NOW)


def _commit_until_killed(url: str, first: int, pipe: Connection) -> None:
    """Commit two decisions, a new incident and a change of the last one per generation, and report each."""
    journal = Journal(open_writer(url))
    incidents = journal.incidents(limit=1)
    for generation in range(first + 1, first + 100_000):
        decisions = [_decision(generation), _decision(generation, route="code")]
        changed = [_resolved(incident) for incident in incidents]
        *_, newest = journal.commit(decisions, [*changed, _incident(generation)])
        incidents = [newest]
        pipe.send(generation)


@pytest.mark.slow
def test_a_killed_journal_has_whole_transactions_only(url: str) -> None:
    """After kill -9 in mid-write, twice: the file is sound, what was reported is there, nothing is there in part."""
    spawn = multiprocessing.get_context("spawn")
    generation = 0
    for reports in (20, 200):
        ours, theirs = spawn.Pipe(duplex=False)
        child = spawn.Process(target=_commit_until_killed, args=(url, generation, theirs))
        child.start()
        theirs.close()
        for _ in range(reports):
            reported = ours.recv()
        child.kill()
        child.join()
        ours.close()
        engine = open_writer(url)
        journal = Journal(engine)
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        generation = journal.generation()
        decisions, incidents = journal.decisions(limit=100_000), journal.incidents(limit=100_000)
        (last,) = journal.open_incidents()
        engine.dispose()
        whole = range(generation, 0, -1)
        assert reported <= generation
        assert [(d.generation, d.route) for d in decisions] == [(g, route) for g in whole for route in ("code", "chat")]
        assert [i.opened_at for i in incidents] == [NOW + g * MINUTE for g in whole]
        assert last == incidents[0]
