"""The report says what the sums say, in a table, as Markdown and for scripts."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.history import report as words
from controller.history.report import Report, RouteReport, TargetReport
from controller.history.request_costs import request_costs
from controller.history.route_rollup import RouteRollup
from monitor.history.rollup import Rollup
from monitor.storage.traffic_store import RequestTotals
from tests.support.builders import T0, observation, settings
from tests.support.incident_builders import incident

_WEEK_S = 7 * 86_400.0
_FELT = RouteRollup(
    on_target_s={"anthropic/b": 0.1 * _WEEK_S, "openai/a": 0.9 * _WEEK_S},
    observed_s=_WEEK_S,
    felt_s=604.8,
    without_s=7_200.0,
    flips=4,
)
_CHAT = RouteReport(
    route="chat",
    history=_FELT,
    slo=0.999,
    first="openai/a",
    usual_usd={"openai/a": 0.0001, "anthropic/b": 0.0003},
)
_REPORT = Report(
    since=T0 - timedelta(days=7),
    until=T0,
    routes=[_CHAT, RouteReport(route="new|one", history=RouteRollup())],
    targets=[
        TargetReport(target="openai/a", history=Rollup.of([observation("."), observation("x"), observation("r")])),
        TargetReport(target="anthropic/b", history=Rollup()),
    ],
    incidents=[incident(id=8), incident(id=7, resolved_at=T0 - timedelta(days=1))],
    incident_s=7_500.0,
    still_open=1,
)


def test_the_last_drill_is_a_line_of_its_own() -> None:
    """In the table for people, as Markdown and for scripts."""
    proven = replace(_REPORT, routes=[replace(_CHAT, drill="standby anthropic/b proven 3 d ago")])
    assert words.drill_lines(proven) == ["chat: standby anthropic/b proven 3 d ago"]
    assert "- chat: standby anthropic/b proven 3 d ago" in words.markdown(proven)
    assert words.document(proven)["routes"][0]["drill"] == "standby anthropic/b proven 3 d ago"


def test_a_route_is_told_in_a_row() -> None:
    """The error budget of 0.1 % of a week is used up to the last second, and not missed."""
    assert words.route_cells(_CHAT) == (
        *("chat", "99.9 %", "10 min 5 s", "2 h", "4 ×", "16 h 48 min, 3 ×", "100 % of 10 min 5 s (99.9 %)"),
        "openai/a 90.0 %, anthropic/b 10.0 %",
    )
    assert not _CHAT.misses
    assert RouteReport(route="chat", history=_FELT, slo=0.9995).misses
    assert not RouteReport(route="chat", history=_FELT).misses


def test_what_is_not_known_is_a_dash() -> None:
    """A new route and a target that was never asked."""
    assert words.route_cells(_REPORT.routes[1]) == ("new|one", "–", "–", "–", "0 ×", "–", "–", "–")
    assert words.target_cells(_REPORT.targets[1])[1:] == ("–", "–", "–", "–", "–", "–", "0", "–")


def test_a_target_is_told_in_a_row() -> None:
    """Three probes: one answer, one failure of theirs, one refusal."""
    assert words.target_cells(_REPORT.targets[0]) == (
        *("openai/a", "33.3 %", "50.0 %", "0.1 s", "0.1 s", "–", "–", "3", "–"),
    )


def test_markdown_is_a_table_whatever_the_names() -> None:
    """Every row has the columns of its head; a name cannot end its cell."""
    text = words.markdown(_REPORT)
    assert text.startswith("# 2026-11-14 18:00 to 2026-11-21 18:00 UTC: 2 incidents, 2 h 5 min in all, 1 still open\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.count("|") for line in rows}
    assert widths == {len(words.ROUTE_COLUMNS) + 1, len(words.TARGET_COLUMNS) + 1}


def test_the_cost_of_requests_is_a_section_of_its_own(tmp_path: Path) -> None:
    """Where applications report their tokens."""
    totals = {("openai/a", "ch|at", ""): RequestTotals(requests=9, input_tokens=900, output_tokens=90, cost_usd=3)}
    costs = request_costs(settings(tmp_path, "openai/a"), totals, T0 - timedelta(hours=1), T0, {})
    told = replace(_REPORT, requests=costs)
    text = words.markdown(told)
    assert "\n## Requests\n\n9 requests of your applications cost $3 this month; " in text
    assert "| `route ch∣at` | 9 | $3 | $333.33 |" in text
    assert (words.document(_REPORT)["requests"], words.document(told)["requests"]["total"]["usd"]) == (None, 3)


def test_the_document_has_the_figures_unrounded() -> None:
    """For scripts: null where nothing is known."""
    document = words.document(_REPORT)
    chat, new = document["routes"]
    assert (chat["felt_s"], chat["felt_without_failover_s"], chat["error_budget_s"]) == (
        604.8,
        7_200.0,
        pytest.approx(604.8),
    )
    assert (new["served"], new["error_budget_s"]) == (None, None)
    assert document["targets"][0]["outcomes"] == {"ok": 1, "server_error": 1, "rate_limited": 1}
    told = document["incidents"]
    assert (told["count"], told["lasted_s"], told["open"]) == (2, 7_500.0, 1)
    assert [(each["id"], each["title"]) for each in told["list"]] == [(8, "outage of openai"), (7, "outage of openai")]
    assert (chat["away_s"], chat["away_price_factor"]) == (pytest.approx(60_480.0), pytest.approx(3.0))


def test_the_price_of_being_away_is_known_or_said_to_be_unknown() -> None:
    """A target without a known price has no factor; a route that never left has nothing to say."""
    unknown = replace(_CHAT, usual_usd={"openai/a": 0.0001, "anthropic/b": None})
    assert words.route_cells(unknown)[5] == "16 h 48 min, price unknown"
    at_home = replace(_CHAT, history=RouteRollup(on_target_s={"openai/a": 60.0}, observed_s=60.0))
    assert words.route_cells(at_home)[5] == "–"
    assert at_home.away_price is None
