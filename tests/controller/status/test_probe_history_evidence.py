"""Which trails an incident shows: those that its verdicts rest on, from a real database file."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from controller.incidents.incident import AffectedTarget, Incident, IncidentKind, TimelineEntry
from controller.status.document import status_document
from controller.status.overview import read
from controller.status.probe_history import EvidenceTrail
from controller.status.queries import MOST_TRAILS, read_evidence_trails
from monitor.health import Health, Transition, WeighedProbe
from monitor.storage.database import open_reader, open_writer
from monitor.storage.row_conversions import read_trail
from monitor.storage.store import Store
from probes.outcome import Outcome
from tests.support import seeded_database as seeded
from tests.support.databases import ON_SQLITE

NOW = datetime(2026, 11, 21, 18, 3, 12, 345_678, tzinfo=UTC)
LUNA, SMALL = seeded.LUNA, seeded.SMALL_LUNA


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(database_url)
    yield engine
    engine.dispose()


def incident(*affected: tuple[str, datetime], lines: tuple[datetime, ...] = ()) -> Incident:
    """One of openai, whose targets changed then."""
    return Incident(
        id=7,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=NOW,
        affected=tuple(AffectedTarget(target=name, health=Health.DOWN, since=at, reason="") for name, at in affected),
        timeline=tuple(TimelineEntry(at=at, text="") for at in lines),
        routes=(),
    )


def found(engine: Engine, seen: Incident, *transitions: Transition) -> tuple[EvidenceTrail, ...]:
    """What is read of this incident, once these transitions are kept."""
    Store(engine).save_states([], transitions)
    with engine.connect() as connection:
        return read_evidence_trails(connection, [seen]).get(seen.id, ())


def test_a_verdict_comes_with_its_probes(engine: Engine) -> None:
    """Every probe with its time and evidence, and a sentence that counts them."""
    (trail,) = found(engine, incident((LUNA, NOW)), seeded.verdict(LUNA, NOW))
    assert (trail.targets, trail.health, trail.threshold) == ((LUNA,), Health.DOWN, 9.8)
    assert trail.at == NOW.replace(microsecond=345_000)
    assert [trail.against(probe) for probe in trail.probes] == [mark == "x" for mark in "x.xx.x.xx.x.xx"]
    said = "14 probes over 41 s, 9 of them failed (server_error); evidence 10.4, verdict at 9.8"
    assert trail.sentence == said


def test_the_targets_of_a_failing_provider_share_one(engine: Engine) -> None:
    """One drawing for all of them, with the probes of all."""
    both = [seeded.verdict(name, NOW, LUNA, SMALL) for name in (LUNA, SMALL)]
    (trail,) = found(engine, incident((LUNA, NOW), (SMALL, NOW)), *both)
    assert trail.targets == (SMALL, LUNA)
    assert {probe.target for probe in trail.probes} == {SMALL, LUNA}


def test_an_incident_shows_its_own(engine: Engine) -> None:
    """Neither another provider's of the same instant nor its target's of another day."""
    day_before = seeded.verdict(LUNA, NOW - timedelta(days=1))
    assert found(engine, incident((LUNA, NOW)), seeded.verdict(seeded.HAIKU, NOW), day_before) == ()


def test_a_verdict_is_found_once_the_target_is_well_again(engine: Engine) -> None:
    """The timeline still knows when it fell."""
    seen = incident((LUNA, NOW + timedelta(minutes=9)), lines=(NOW, NOW + timedelta(minutes=9)))
    assert [trail.at for trail in found(engine, seen, seeded.verdict(LUNA, NOW))] == [NOW.replace(microsecond=345_000)]


def test_the_newest_of_many_are_shown(engine: Engine) -> None:
    """An incident of many verdicts must not fill the page."""
    falls = [NOW + timedelta(minutes=n) for n in range(MOST_TRAILS + 2)]
    trails = found(engine, incident(lines=tuple(falls)), *(seeded.verdict(LUNA, at) for at in falls))
    assert [trail.at.minute for trail in trails] == [at.minute for at in reversed(falls[2:])]


def slow(at: datetime) -> tuple[WeighedProbe, ...]:
    """Ten slow answers."""
    return tuple(
        WeighedProbe(at=at - timedelta(seconds=10 * (9 - n)), target=LUNA, outcome=Outcome.SLOW, evidence=1.2 * (n + 1))
        for n in range(10)
    )


def late(at: datetime) -> tuple[WeighedProbe, ...]:
    """Correct answers of which nine in ten were late."""
    return tuple(replace(probe, outcome=Outcome.OK, late=n > 0) for n, probe in enumerate(slow(at)))


def test_late_answers_are_kept_and_counted(engine: Engine) -> None:
    """They survive the database; a row of an earlier version, which has no mark, reads as in time."""
    change = replace(FALL, trail=late(NOW), after=Health.DEGRADED)
    (trail,) = found(engine, incident((LUNA, NOW)), change)
    assert [probe.late for probe in trail.probes] == [False, *[True] * 9]
    assert trail.sentence == "10 probes over 1 min 30 s, 9 of them late; evidence 10.4, verdict at 9.8"
    assert [probe.late for probe in read_trail('[[0, "a/b", "ok", 1.5], [1, "a/b", "ok", 2.5, 1]]')] == [False, True]


FALL = seeded.verdict(LUNA, NOW)


@pytest.mark.parametrize(
    ("transition", "drawn"),
    [
        pytest.param(replace(FALL, before=Health.RECOVERING), False, id="a relapse needs one failure"),
        pytest.param(replace(FALL, after=Health.MISCONFIGURED), False, id="a wrong key needs no evidence"),
        pytest.param(replace(FALL, after=Health.UP), False, id="good news needs no defence"),
        pytest.param(replace(FALL, trail=()), False, id="none was kept"),
        pytest.param(replace(FALL, trail=FALL.trail[:6]), False, id="evidence that did not suffice"),
        pytest.param(replace(FALL, after=Health.DEGRADED), False, id="failures do not make it degraded"),
        pytest.param(replace(FALL, trail=slow(NOW)), False, id="slow answers do not make it down"),
        pytest.param(replace(FALL, trail=slow(NOW), after=Health.DEGRADED), True, id="slow answers make it degraded"),
        pytest.param(replace(FALL, trail=slow(NOW), after=Health.UNUSABLE), True, id="or unusable"),
        pytest.param(replace(FALL, trail=late(NOW), after=Health.DEGRADED), True, id="late answers make it degraded"),
        pytest.param(
            replace(seeded.verdict(LUNA, NOW, LUNA, SMALL), before=Health.RECOVERING),
            True,
            id="the whole provider fails while one recovers",
        ),
    ],
)
def test_only_what_a_verdict_rests_on_is_drawn(engine: Engine, transition: Transition, *, drawn: bool) -> None:
    """Evidence of something else beside a verdict would be a lie."""
    assert bool(found(engine, incident((LUNA, NOW)), transition)) is drawn


def test_status_has_it_too(tmp_path: Path) -> None:
    """Under its incident, for scripts; an incident without a trail has an empty list."""
    settings = seeded.settings_in(tmp_path)
    seeded.seed(settings, NOW)
    seeded.break_openai(settings, NOW)
    engine = open_reader(settings.database)
    seen = read(settings, engine, NOW)
    engine.dispose()
    (shown,) = status_document(seen)["open_incidents"]
    (trail,) = shown["trails"]
    assert (trail["targets"], trail["health"], trail["at"]) == ((LUNA,), "down", "2026-11-21T18:00:12.345Z")
    assert trail["probes"][0] == {
        "at": "2026-11-21T17:59:31.395Z",
        "target": LUNA,
        "outcome": "server_error",
        "late": False,
        "evidence": 1.4,
    }
    (bare,) = status_document(replace(seen, evidence_trails={}))["open_incidents"]
    assert bare["trails"] == []


@ON_SQLITE
def test_it_costs_seeks_of_the_index(engine: Engine) -> None:
    """However many transitions are kept, none is read but those of the instants that the incident knows."""
    statements: list[str] = []
    with engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.set_trace_callback(statements.append)
        read_evidence_trails(connection, [incident((LUNA, NOW))])
        raw.set_trace_callback(None)
        (query,) = [statement for statement in statements if "transitions" in statement]
        plan = " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}"))
    assert "SEARCH transitions USING INDEX ix_transitions_at_ms (at_ms=?)" in plan
    assert "SCAN" not in plan
