"""What vendors said comes back as it was, from a real database file."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from monitor.status_pages.reading import VendorState, VendorStateChange
from monitor.storage.database import DatabaseError, open_operator, open_reader, open_writer
from monitor.storage.store import Store
from tests.support.builders import T0

URL = "https://status.openai.com/proxy/status.openai.com"


def report(
    provider: str = "openai", *, at_s: float = 0, state: str = "operational", headline: str = ""
) -> VendorStateChange:
    """A report so long after T0."""
    return VendorStateChange(
        provider=provider, at=T0 + timedelta(seconds=at_s), state=VendorState(state), headline=headline, url=URL
    )


@pytest.fixture
def database(database_url: str) -> str:
    """An address."""
    return database_url


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """A store on a new database."""
    engine = open_writer(database)
    yield Store(engine)
    engine.dispose()


def test_a_report_comes_back_as_it_was(store: Store, database: str) -> None:
    """Through a reader as well, whatever the vendor wrote."""
    first = report(state="partial_outage", headline="Errors <b>\u6f22 & more")
    first = replace(first, since=T0 - timedelta(minutes=14))
    last = replace(report("anthropic", at_s=3), url=None)
    store.record_vendor_report(first)
    store.record_vendor_report(last)
    engine = open_reader(database)
    assert Store(engine).vendor_states() == {"openai": first, "anthropic": last}
    engine.dispose()


def test_the_last_report_of_each_provider_holds(store: Store) -> None:
    """By the order in which they were kept: a clock that was set back changes nothing."""
    assert store.vendor_states() == {}
    for one in (report(at_s=9), report("anthropic"), report(at_s=5, state="degraded")):
        store.record_vendor_report(one)
    assert {name: one.state for name, one in store.vendor_states().items()} == {
        "openai": "degraded",
        "anthropic": "operational",
    }


def test_a_span_begins_with_what_was_in_force(store: Store) -> None:
    """The one before it, those within it, none after it, and none of another provider."""
    reports = [report(at_s=at_s, headline=f"at {at_s}") for at_s in (0, 10, 20, 30, 40)]
    for one in [*reports, report("anthropic", at_s=15)]:
        store.record_vendor_report(one)

    def told(after_s: float, before_s: float) -> list[str]:
        after, before = (T0 + timedelta(seconds=seconds) for seconds in (after_s, before_s))
        return [one.headline for one in store.vendor_reports("openai", after=after, before=before)]

    assert told(15, 30) == ["at 10", "at 20", "at 30"]
    assert told(20, 20) == ["at 20"]
    assert told(-5, 5) == ["at 0"]
    assert told(50, 60) == ["at 40"]
    assert store.vendor_reports("gemini", after=T0, before=T0 + timedelta(hours=1)) == []


def test_what_no_column_takes_is_made_fit(store: Store) -> None:
    """NUL and lone surrogates are replaced, and what is too long is cut."""
    store.record_vendor_report(replace(report(headline="\0\ud800" + "x" * 500), url="https://" + "y" * 5_000))
    kept = store.vendor_states()["openai"]
    assert kept.headline == "\ufffd\ufffd" + "x" * 197 + "…"
    assert len(kept.url or "") == 2_000


def test_a_state_of_a_newer_version_is_unknown(store: Store, database: str) -> None:
    """Not an error: the rest of the database is still of use."""
    store.record_vendor_report(report())
    engine = open_operator(database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE vendor_reports SET state = 'sulking'"))
    engine.dispose()
    assert store.vendor_states()["openai"].state is VendorState.UNKNOWN


def test_old_reports_go_and_what_still_holds_stays(store: Store) -> None:
    """The last report of a provider holds however old it is."""
    for one in (report(at_s=0), report(at_s=1, headline="b"), report(at_s=2, headline="c"), report("anthropic")):
        store.record_vendor_report(one)
    late = T0 + timedelta(days=15)
    assert store.prune(late, at_most=1) == 1
    assert store.prune(late) == 1
    assert store.prune(late) == 0
    assert {name: one.headline for name, one in store.vendor_states().items()} == {"openai": "c", "anthropic": ""}


def test_a_database_that_cannot_be_written_says_so(store: Store, database: str) -> None:
    """The report was not kept and can be kept again."""
    engine = open_reader(database)
    with pytest.raises(DatabaseError):
        Store(engine).record_vendor_report(report())
    engine.dispose()
    assert store.vendor_states() == {}
