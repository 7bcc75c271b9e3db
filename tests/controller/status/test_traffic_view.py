"""What applications report stands beside the probes of a target, in `status` and on the page."""

from datetime import timedelta

from controller.status.traffic_view import read_traffic
from monitor.storage.database import open_writer
from monitor.storage.traffic_store import TrafficStore
from tests.monitor.storage.test_traffic_store import A, add, counts
from tests.support.builders import T0


def test_the_last_minute_is_told_in_one_sentence(database_url: str) -> None:
    """And up to ten seconds before; what is the application's own fault says nothing."""
    engine = open_writer(database_url)
    store = TrafficStore(engine)
    add(store, counts(19, ok=9_999), counts(21, ok=600), counts(81, ok=4, server_error=600, bad_request=7))
    views = read_traffic(store, [A, "who/knows"], T0 + timedelta(seconds=89))
    assert list(views) == [A]
    assert views[A].sentence == "your applications: 1,204 requests, 49.8 % failed in the last minute"
    assert views[A].document() == {"since": "2026-11-21T18:00:20.000Z", "requests": 1204, "failed": 600}
    engine.dispose()
