"""The page of the past: bars with words, links, and nothing that can become markup."""

import re

from controller.history.availability import DAYS, route_days, target_availability
from controller.history.queries import History, RouteDays
from controller.history.route_rollup import RouteRollup
from monitor.history.rollup import DAY, OutcomeCounts, span_start
from tests.support.builders import T0
from ui import history

HOSTILE = 'a/<script>"&x'
TODAY = span_start(T0, DAY)
COUNTS = {
    TODAY: OutcomeCounts(total=1_000, ok=999, answered=999),
    TODAY - DAY: OutcomeCounts(total=1_000, ok=960, answered=960),
    TODAY - 2 * DAY: OutcomeCounts(total=1_000, ok=500, answered=500),
}
FELT = RouteRollup(observed_s=86_400.0, felt_s=60.0, without_s=7_200.0, flips=2)


def _history(route: RouteRollup = FELT) -> History:
    return History(
        now=T0,
        routes=(RouteDays(route="<b>chat", days=route_days({TODAY: route}, T0), month=route),),
        targets=(target_availability(HOSTILE, COUNTS, {}, T0),),
    )


def test_each_day_is_a_bar_with_its_words() -> None:
    """Good, watch, bad by the share that was served; a gap where nothing was observed."""
    html = history.targets(_history())
    bars = re.findall(r'<i class="hs-(\w+)" title="([^"]*)"', html)
    assert len(bars) == DAYS
    assert [colour for colour, _ in bars[-4:]] == ["gap", "bad", "watch", "good"]
    assert bars[-2][1] == "2026-11-20: served 96.0 %, 1,000 probes, 40 not answered"
    assert f"3 of the last {DAYS} days observed; worst 2026-11-19: served 50.0 %" in html


def test_names_are_text_and_nothing_is_linked() -> None:
    """Whatever somebody calls a model or a route: the file stands alone."""
    html = history.targets(_history()) + history.routes(_history())
    assert "<script" not in html
    assert "<b>chat" not in html
    assert "href" not in html


def test_a_route_says_what_the_failover_saved() -> None:
    """In its first line; and that nothing is known where it is so."""
    html = history.routes(_history())
    assert 'Users were failed for <b class="hs-felt">1 min</b> in 30 days' in html
    assert 'without the failover <b class="hs-felt">2 h</b>' in html
    assert "Nothing was observed in 30 days" in history.routes(_history(RouteRollup()))
