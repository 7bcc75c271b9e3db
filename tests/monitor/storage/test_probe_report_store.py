"""Reports of several machines reach the leader in order and once, whatever happens between their commits."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from monitor.storage.database import DatabaseError
from monitor.storage.postgres_engine import open_reporter
from monitor.storage.postgres_writer import PostgresWriter
from monitor.storage.probe_report import ProbeReport, ReportedEvent, encode
from monitor.storage.probe_report_store import ReportInbox, ReportOutbox
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.postgres import PostgresServer

Outboxes = Callable[..., ReportOutbox]
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def writer(url: str) -> Iterator[PostgresWriter]:
    """The leader's."""
    made = PostgresWriter(url, statement_s=20)
    made.open()
    yield made
    made.close()


@pytest.fixture
def inbox(writer: PostgresWriter) -> ReportInbox:
    """The leader's."""
    return ReportInbox(writer.engine)


def probe(number: int, *, target: str = "a/m@eu", under_way: bool = False) -> Observation:
    """The one that began so many seconds ago."""
    return Observation(
        target=target,
        check="chat",
        started_at=NOW - timedelta(seconds=number),
        outcome=Outcome.OK,
        duration_s=0.5,
        cost_usd=0.25,
        under_way=under_way,
    )


def report(*probes: Observation) -> str:
    """What a machine sends of these."""
    return encode(ProbeReport(observations=probes))


@pytest.fixture
def outbox(url: str) -> Iterator[Callable[..., ReportOutbox]]:
    """Makes that of a machine of a region."""
    made: list[ReportOutbox] = []

    def of_a_machine(region: str = "eu") -> ReportOutbox:
        made.append(ReportOutbox(open_reporter(url), region=region, reporter=f"host-{region}"))
        return made[-1]

    yield of_a_machine
    for each in made:
        each.close()


def seconds(observations: Sequence[Observation]) -> list[int]:
    """The numbers of these probes."""
    return [int((NOW - each.started_at).total_seconds()) for each in observations]


def other(url: str) -> psycopg.Connection:
    """Somebody else's connection."""
    return psycopg.connect(url.replace("+psycopg", ""))


@pytest.mark.slow
def test_what_is_sent_is_stored_and_handed_over_once(
    outbox: Outboxes, url: str, writer: PostgresWriter, inbox: ReportInbox
) -> None:
    """Also what a machine sends again, because it never heard that it had arrived."""
    eu, us = outbox(), outbox("us")
    eu.send([report(probe(9), probe(8)), report(probe(7))])
    us.send([report(probe(9, target="a/m@us"))])
    eu.send([report(probe(8), probe(7), probe(6), probe(5, under_way=True))])
    taken = inbox.take(NOW)
    of_eu = [each for each in taken.observations if each.target == "a/m@eu"]
    assert seconds(of_eu) == [9, 8, 7, 6, 5]
    assert {(each.target, each.region) for each in taken.observations} == {("a/m@eu", "eu"), ("a/m@us", "us")}
    assert inbox.take(NOW).observations == ()
    store = Store(writer.engine)
    assert seconds(store.observations("a/m@eu", after=NOW - timedelta(hours=1))) == [9, 8, 7, 6]
    assert store.spent(since=NOW, until=NOW) == {"a/m@eu": 1.0, "a/m@us": 0.25}
    with other(url) as connection:
        assert connection.execute("SELECT count(*) FROM probe_reports").fetchone() == (0,)


@pytest.mark.slow
def test_what_a_region_must_tell_is_told_once(outbox: Outboxes, writer: PostgresWriter, inbox: ReportInbox) -> None:
    """With the region; also where it is sent again. Kinds that are none of ours are left out."""
    refused = ReportedEvent(at=NOW, kind="key_refused", subject="openai", text="the variable KEY_A is refused")
    unknown = ReportedEvent(at=NOW, kind="service_started", subject="openai", text="x")
    sent = encode(ProbeReport(events=(refused, unknown), observations=(probe(9),)))
    outbox().send([sent])
    assert seconds(inbox.take(NOW).observations) == [9]
    outbox().send([sent])
    assert inbox.take(NOW).observations == ()
    _, events = Store(writer.engine).events_after(0)
    assert [(each.kind, each.subject, each.text, each.telling) for each in events] == [
        ("key_refused", "openai", "in eu: the variable KEY_A is refused", "due")
    ]


@pytest.mark.slow
def test_a_late_commit_is_not_passed_over(outbox: Outboxes, url: str, inbox: ReportInbox) -> None:
    """A later number of the same region waits for it; another region does not."""
    outbox().send([report(probe(9))])
    with other(url) as late:
        late.execute("UPDATE regions SET sequence = 2 WHERE region = 'eu'")
        late.execute("INSERT INTO probe_reports VALUES ('eu', 2, 0, %s)", (report(probe(8)),))
        later = threading.Thread(target=outbox().send, args=([report(probe(7))],))
        later.start()
        outbox("us").send([report(probe(6))])
        assert seconds(inbox.take(NOW).observations) == [9, 6]
        later.join(0.3)
        assert later.is_alive()
        assert inbox.take(NOW).observations == ()
        late.commit()
        later.join()
    assert seconds(inbox.take(NOW).observations) == [8, 7]


@pytest.mark.slow
def test_what_could_not_be_stored_waits(outbox: Outboxes, url: str, writer: PostgresWriter, inbox: ReportInbox) -> None:
    """Nothing is lost, and nothing comes twice, when the database refuses the transaction."""
    outbox().send([report(probe(9)), report(probe(8))])
    with other(url) as lock:
        lock.execute("LOCK TABLE spending IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseError):
            inbox.take(NOW)
    while not writer.recover(NOW):
        pass
    assert seconds(inbox.take(NOW).observations) == [9, 8]
    assert inbox.take(NOW).observations == ()


@pytest.mark.slow
def test_what_is_refused_for_ever_holds_nothing_up(
    outbox: Outboxes, url: str, inbox: ReportInbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A report that no database takes, one that is damaged, and probes of another year."""
    with other(url) as connection:
        connection.execute("ALTER TABLE spending ADD CHECK (target <> 'bad')")
    whole, year = report(probe(6)), 366 * 86_400
    outbox().send([report(probe(9)), report(probe(8, target="bad"), probe(7)), whole[:-9], whole])
    outbox().send([report(probe(year), probe(-year), probe(5))])
    taken = [inbox.take(NOW) for _ in range(5)]
    assert [seconds(each.observations) for each in taken] == [[9], [], [6, 5], [], []]
    assert caplog.text.count("report_left_out region=eu sequence=") == 2
    assert [each.more for each in taken] == [True, True, False, False, False]


@pytest.mark.slow
def test_a_region_that_catches_up_leaves_room_for_the_others(outbox: Outboxes, url: str, inbox: ReportInbox) -> None:
    """One that was cut off for an hour has thousands of reports."""
    outbox().send([report(probe(number)) for number in range(200, 100, -1)])
    outbox("us").send([report(probe(1))])
    numbers = seconds(inbox.take(NOW).observations)
    assert 1 in numbers
    assert len(numbers) < 50
    while more := inbox.take(NOW).observations:
        numbers += seconds(more)
    numbers.remove(1)
    assert numbers == list(range(200, 100, -1))


@pytest.mark.slow
def test_one_transaction_has_its_measure(outbox: Outboxes, url: str, inbox: ReportInbox) -> None:
    """What takes long holds up the decisions."""
    probes = [probe(second, target=f"a/{number}@eu") for second in (3, 2, 1) for number in range(900)]
    outbox().send([report(*probes[begin : begin + 900]) for begin in (0, 900, 1800)])
    assert [len(inbox.take(NOW).observations) for _ in range(3)] == [1800, 900, 0]


@pytest.mark.slow
def test_a_region_is_heard_of_when_it_has_nothing_to_say(outbox: Outboxes, url: str, inbox: ReportInbox) -> None:
    """By the database's time, whatever the clocks of the machines say."""
    assert inbox.regions() == []
    outbox().send([])
    outbox("us").send([report(probe(1))])
    with other(url) as connection:
        connection.execute("UPDATE regions SET reported_ms = reported_ms - 60000 WHERE region = 'us'")
    eu, us = inbox.regions()
    assert (eu.region, eu.reporter, eu.waiting, us.waiting) == ("eu", "host-eu", 0, 1)
    assert eu.silent_s < 30
    assert us.silent_s >= 60
    assert inbox.take(NOW).blind_since == {"us": None}


@pytest.mark.slow
def test_a_machine_sends_again_after_the_server_was_away(outbox: Outboxes, url: str, inbox: ReportInbox) -> None:
    """It raises what everything of the database raises, and connects anew."""
    eu = outbox()
    eu.send([])
    with other(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'hotspare%' AND query LIKE '%raised%'"
        )
    with pytest.raises(DatabaseError):
        eu.send([report(probe(1))])
    eu.send([report(probe(1))])
    assert seconds(inbox.take(NOW).observations) == [1]
