"""What the database knows of an incident: how it began, its probes in numbers, request ids, where routes were."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from controller.incidents.incident import (
    AffectedTarget,
    BadPeriod,
    EntryKind,
    FailedRequests,
    Incident,
    IncidentKind,
    RouteImpact,
    TimelineEntry,
    sum_numbers,
)
from controller.incidents.queries import MAX_REQUEST_IDS, read_facts, read_numbers_lately, read_onsets
from controller.incidents.text import first_failed
from controller.journal import Journal
from controller.routing.decision import Decision, MoveKind
from monitor.health import Health, TargetHealth, Transition, WeighedProbe
from monitor.history.rollup import MINUTE, Rollup
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from monitor.storage.traffic_store import TrafficStore
from probes.outcome import Outcome
from tests.support.builders import T0, observation

A, B = "openai/a", "openai/b"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A new database."""
    engine = open_writer(database_url)
    yield engine
    engine.dispose()


def incident(*targets: str, resolved_s: float | None = None) -> Incident:
    """An outage that was opened 40 s after the first failed probe, at T0."""
    resolved_at = None if resolved_s is None else T0 + timedelta(seconds=resolved_s)
    return Incident(
        id=7,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=T0 + timedelta(seconds=40),
        resolved_at=resolved_at,
        affected=tuple(AffectedTarget(target=name, health=Health.DOWN, since=T0, reason="") for name in targets),
        timeline=(TimelineEntry(at=T0 + timedelta(seconds=0.1), text="", kind=EntryKind.FIRST_FAILURE),),
        routes=(RouteImpact(route="chat", target=A),),
    )


def test_probes_are_counted_from_the_first_failed_one_to_the_end(engine: Engine) -> None:
    """Those before and after, and those of other targets, are not among them; the most frequent outcome first."""
    store = Store(engine)
    store.record([observation(".", at_s=-30, name=A), observation("x", at_s=0, name=A)])
    store.record(
        [observation("x", at_s=10, name=A), observation(".", at_s=20, name=A), observation("t", at_s=30, name=A)]
    )
    store.record([observation("t", at_s=15, name=B), observation("x", at_s=15, name="gemini/c")])
    store.record([observation("x", at_s=200, name=A)])
    with engine.connect() as connection:
        counted, _ = read_facts(connection, incident(A, B, resolved_s=100), T0 + timedelta(seconds=900))
    assert [(one.target, one.outcomes) for one in counted.numbers] == [
        (A, ((Outcome.SERVER_ERROR, 2), (Outcome.OK, 1), (Outcome.TIMEOUT, 1))),
        (B, ((Outcome.TIMEOUT, 1),)),
    ]
    assert sum_numbers(counted.numbers) == (5, {Outcome.SERVER_ERROR: 2, Outcome.TIMEOUT: 2})


def test_an_open_incident_is_counted_until_now(engine: Engine) -> None:
    """And one whose probes are gone keeps the figures that it has."""
    Store(engine).record([observation("x", at_s=0, name=A)])
    with engine.connect() as connection:
        counted, _ = read_facts(connection, incident(A), T0 + timedelta(seconds=50))
        gone, _ = read_facts(connection, incident(B), T0 + timedelta(seconds=50))
        known = replace(incident(B), numbers=counted.numbers, request_ids=("req_1",))
        still_known, _ = read_facts(connection, known, T0 + timedelta(seconds=50))
    assert sum_numbers(counted.numbers)[1].total() == 1
    assert gone.numbers == ()
    assert (still_known.numbers, still_known.request_ids) == (counted.numbers, ("req_1",))


def test_request_ids_are_of_failed_probes_of_every_target(engine: Engine) -> None:
    """At most five, the newest first: one of each target before the second of any; none of a probe that was ok."""
    ids = {A: ["a1", "a2", "a3", "a4", "a5", "a6"], B: ["b1"]}
    for name, texts in ids.items():
        begin_s = 15 if name == B else 0
        failed = [observation("x", at_s=begin_s + n, name=name) for n in range(len(texts))]
        seen = [replace(one, request_id=text) for one, text in zip(failed, texts, strict=True)]
        Store(engine).record([*seen, replace(observation(".", at_s=20, name=name), request_id="fine")])
    with engine.connect() as connection:
        counted, _ = read_facts(connection, incident(A, B), T0 + timedelta(seconds=50))
    assert len(counted.request_ids) == MAX_REQUEST_IDS
    assert counted.request_ids == ("b1", "a6", "a5", "a4", "a3")


def test_only_what_the_incident_is_about_is_counted(engine: Engine) -> None:
    """Not the healthy time between two bad periods, what failed on our side, nor refusals of our key.

    An open incident's headline counts its present period, of the last hour; a fault of ours needs no ids for a vendor.
    """
    store = Store(engine)
    first, second = (
        BadPeriod(began_at=T0, opened_at=T0, ended_at=T0 + timedelta(seconds=100), kind=IncidentKind.OUTAGE),
        BadPeriod(began_at=T0 + timedelta(hours=2), opened_at=T0 + timedelta(hours=2), kind=IncidentKind.OUTAGE),
    )
    store.record([observation("x", at_s=10, name=A), observation(".", at_s=20, name=A)])
    store.record([replace(observation("x", at_s=30, name=A), failed_here=True), observation("a", at_s=40, name=A)])
    store.record([observation(".", at_s=3600.0 + n, name=A) for n in range(5)])
    store.record([replace(observation("t", at_s=7300 + n, name=A), request_id=f"r{n}") for n in range(3)])
    now = T0 + timedelta(seconds=7400)
    twice = replace(incident(A), periods=(first, second))
    with engine.connect() as connection:
        counted, _ = read_facts(connection, twice, now)
        ours, _ = read_facts(connection, replace(twice, kind=IncidentKind.CONFIGURATION), now)
        lately = read_numbers_lately(connection, twice, now)
        later = read_numbers_lately(connection, twice, now + timedelta(hours=1))
    assert counted.numbers[0].outcomes == ((Outcome.TIMEOUT, 3), (Outcome.OK, 1), (Outcome.SERVER_ERROR, 1))
    assert counted.request_ids[:3] == ("r2", "r1", "r0")
    assert (dict(ours.numbers[0].outcomes)[Outcome.AUTH], ours.request_ids) == (1, ())
    assert (sum_numbers(lately)[0], later) == (3, ())


def test_where_routes_were_is_read_from_decisions_and_verdicts(engine: Engine) -> None:
    """Each route's last decision before it began and all since; what a dry run decided moved nobody."""
    store, journal = Store(engine), Journal(engine)
    down = Transition(target=A, at=T0 + timedelta(seconds=40), before=Health.UP, after=Health.DOWN, reason="")
    back = replace(down, at=T0 + timedelta(seconds=90), before=Health.DOWN, after=Health.RECOVERING)
    store.save_states([], [down, back])
    made = [(-900.0, A, None, False), (-300.0, "gemini/x", A, True), (45.0, "gemini/c", A, False)]
    for seconds, target, before, dry in made:
        move = Decision(
            route="chat",
            at=T0 + timedelta(seconds=seconds),
            move=MoveKind.FAILOVER,
            before=before,
            target=target,
            reason="",
            generation=1,
            dry_run=dry,
        )
        journal.commit([move, replace(move, route="other")], [])
    told = journal.with_facts(incident(A, resolved_s=100), T0 + timedelta(hours=1))
    assert told.on_failing_s == (("chat", 5.0),)
    with engine.connect() as connection:
        _, periods = read_facts(connection, incident(A, resolved_s=100), T0)
    assert [(one.target, round(one.lasted_s, 1)) for one in periods] == [(A, 44.9), ("gemini/c", 55.0)]


def test_failed_requests_are_those_that_applications_reported(engine: Engine) -> None:
    """From the minute of the first failed probe on; those of before, and of other targets, are not among them."""
    sums = {
        ((A, "chat", "search"), T0): Rollup(asked={"server_error": 400, "ok": 9, "bad_request": 5}),
        ((A, "chat", ""), T0): Rollup(asked={"timeout": 12}),
        ((A, "chat", ""), T0 - MINUTE): Rollup(asked={"server_error": 7}),
        (("gemini/x", "chat", ""), T0): Rollup(asked={"server_error": 50}),
    }
    TrafficStore(engine).add(sums)
    with engine.connect() as connection:
        counted, _ = read_facts(connection, incident(A, resolved_s=100), T0)
    assert counted.failed_requests == (FailedRequests(route="chat", before_move=412),)


def bad(target: str, health: Health, since_s: float) -> TargetHealth:
    """What the detector says."""
    return TargetHealth(target=target, health=health, since=T0 + timedelta(seconds=since_s), reason="")


def test_it_began_with_the_first_failed_probe_of_the_trail(engine: Engine) -> None:
    """Of the verdict or of the suspicion before it, whichever goes back further."""
    first = WeighedProbe(at=T0, target=B, outcome=Outcome.TIMEOUT, evidence=4.0)
    fine = replace(first, at=T0 - timedelta(seconds=5), outcome=Outcome.OK)
    later = replace(first, at=T0 + timedelta(seconds=9), target=A)
    suspect = Transition(
        target=A, at=T0, before=Health.UP, after=Health.SUSPECT, reason="a is suspect", trail=(fine, first)
    )
    down = replace(suspect, at=T0 + timedelta(seconds=40), before=Health.SUSPECT, after=Health.DOWN, trail=(later,))
    Store(engine).save_states([], [suspect, down])
    with engine.connect() as connection:
        found = read_onsets(connection, [bad(A, Health.DOWN, 40)])
    assert [(entry.at, entry.kind, entry.text) for entry in found[A]] == [
        (T0, EntryKind.FIRST_FAILURE, f"First failed probe: timeout from {B}"),
        (T0, EntryKind.SUSPECT, "a is suspect"),
    ]


def test_it_may_have_begun_with_failed_requests(engine: Engine) -> None:
    """Where applications reported them, and no probe had failed."""
    suspect = Transition(
        target=A,
        at=T0,
        before=Health.UP,
        after=Health.SUSPECT,
        reason="openai/a is suspect: 3 of 5 requests of 2 hosts failed at once (server_error); evidence 9",
    )
    down = replace(suspect, at=T0 + timedelta(seconds=8), before=Health.SUSPECT, after=Health.DOWN)
    Store(engine).save_states([], [suspect, down])
    with engine.connect() as connection:
        found = read_onsets(connection, [bad(A, Health.DOWN, 8)])
    first = TimelineEntry(
        at=T0, text="First failed requests to openai/a, as applications report", kind=EntryKind.FIRST_FAILURE
    )
    assert found[A] == [first, TimelineEntry(at=T0, text=suspect.reason, kind=EntryKind.SUSPECT)]
    assert first_failed(replace(incident(A), timeline=(first,))) == "failed requests"
    assert first_failed(incident(A)) == "failed probe"


def test_without_a_trail_the_stored_probes_tell(engine: Engine) -> None:
    """The first of the failed ones in a row that ended in the verdict, as with a key that is refused."""
    seen = [observation(symbol, at_s=10 * n, name=A) for n, symbol in enumerate("a.aa")]
    Store(engine).record([*seen, observation(".", at_s=60, name=A)])
    with engine.connect() as connection:
        found = read_onsets(connection, [bad(A, Health.MISCONFIGURED, 30.1)])
    [failed] = found[A]
    assert (failed.at, failed.text) == (T0 + timedelta(seconds=20.1), f"First failed probe: auth from {A}")


def test_nothing_is_said_where_nothing_is_known(engine: Engine) -> None:
    """No verdict and no probe of it is stored; and nothing is asked where nothing is bad."""
    with engine.connect() as connection:
        assert read_onsets(connection, [bad(A, Health.DOWN, 40)]) == {A: []}
    assert Journal(engine).onsets([]) == {}
