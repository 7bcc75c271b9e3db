"""`plan --traffic`: the rate of requests that are reported, as asked for or as the database knows it."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from controller.cli.arguments import reported_per_s, requests_per_s
from monitor.clock import utc_now
from monitor.config.route import Route
from monitor.config.traffic_settings import TrafficSettings
from monitor.history.rollup import HOUR, MINUTE, Rollup, span_start
from monitor.storage.database import open_writer
from monitor.storage.traffic_store import TrafficStore
from tests.support.builders import settings

A, B = "openai/a", "anthropic/b"


def test_a_rate_is_so_many_a_second_minute_or_hour() -> None:
    """As in a scenario."""
    assert [requests_per_s(text) for text in ("10/s", "90/m", "5.4/h")] == pytest.approx([10.0, 1.5, 0.0015])


@pytest.mark.parametrize("text", ["", "10", "10/d", "/s", "0/s", "-1/s", "nan/s", "1e3/s", "1000001/s", "10/s/s"])
def test_anything_else_is_no_rate(text: str) -> None:
    """It is said what is expected."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected one such as 10/s"):
        requests_per_s(text)


def test_the_last_day_says_what_is_reported(tmp_path: Path) -> None:
    """Of the route with the fewest; none where nobody listens, nothing has run, or a route is silent."""
    routes = [Route(name="chat", candidates=(A, B)), Route(name="batch", candidates=(B, A))]
    wanted = replace(settings(tmp_path, A, B, routes=routes), traffic=TrafficSettings())
    assert reported_per_s(wanted) == 0
    store, now = TrafficStore(open_writer(wanted.database)), span_start(utc_now(), MINUTE)
    store.add({((A, "chat", ""), now - 2 * HOUR): Rollup(asked={"ok": 720_000})})
    assert reported_per_s(wanted) == 0
    store.add({((B, "batch", "x"), now - 2 * HOUR): Rollup(asked={"ok": 72_000})})
    assert 5 < reported_per_s(wanted) <= 10
    assert reported_per_s(replace(wanted, traffic=None)) == 0
