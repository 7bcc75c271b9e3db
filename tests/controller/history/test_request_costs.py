"""What requests cost: by route, target and tag, to the end of the month, elsewhere, and because of failovers."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.history import request_costs as words
from controller.history.request_costs import RequestCosts, request_costs
from monitor.storage.traffic_store import RequestTotals
from monitor.traffic.traffic_sums import TrafficKey
from tests.support.builders import settings

A, B, C = "openai/a", "anthropic/b", "gemini/c"
PRICES = {A: (1e-6, 4e-6), B: (2e-6, 8e-6), C: None}
#: Ten of November's thirty days, five of which had requests.
NOW = datetime(2026, 11, 11, tzinfo=UTC)
FIRST = NOW - timedelta(days=5)


def of(requests: int, target: str = A, *, unpriced: int = 0) -> RequestTotals:
    """Requests of 1,000 tokens in and 250 out."""
    price = PRICES[target]
    read, written = 1_000 * (requests - unpriced), 250 * (requests - unpriced)
    usd = read * price[0] + written * price[1] if price else 0.0
    return RequestTotals(requests=requests, input_tokens=read, output_tokens=written, cost_usd=usd, unpriced=unpriced)


TOTALS: dict[TrafficKey, RequestTotals] = {
    (A, "chat", "search"): of(6_000),
    (A, "chat", ""): of(3_000),
    (B, "chat", "search"): of(1_000, B),
    (A, "", ""): of(50, unpriced=50),
}


@pytest.fixture
def costs(tmp_path: Path) -> RequestCosts:
    """As above, of a route with three candidates."""
    found = request_costs(settings(tmp_path, A, B, C), TOTALS, FIRST, NOW, PRICES)
    assert found
    return found


def test_nothing_reported_is_nothing_to_say(tmp_path: Path) -> None:
    """No table of zeros."""
    assert request_costs(settings(tmp_path, A, B), {}, NOW, NOW, PRICES) is None


def test_routes_targets_and_tags_are_summed_up(costs: RequestCosts) -> None:
    """9,000 requests at $0.002 and 1,000 at $0.004; five more times as much in the twenty days left."""
    assert words.rows(costs) == [
        ("route chat", "10,000", "$22", "$2.20", "$110"),
        ("no route", "50", "–", "–", "–"),
        (f"target {A}", "9,050", "$18", "$2", "$90"),
        (f"target {B}", "1,000", "$4", "$4", "$20"),
        ("tag search", "7,000", "$16", "$2.29", "$80"),
        ("no tag", "3,050", "$6", "$2", "$30"),
    ]
    assert costs.sentence == (
        "10,050 requests of your applications cost $22 this month; the cost of 50 of them is not known;"
        " away from the first candidates they cost $2 more; $110 by its end"
    )


def test_candidates_are_compared_with_the_first(costs: RequestCosts) -> None:
    """All requests of the month at each one's price, and an hour of a failover: 10,000 requests in 120 hours."""
    assert words.candidate_rows(costs) == [
        ("chat", A, "$100", "–", "–"),
        ("chat", B, "$200", "$100 more", "$0.17 more"),
        ("chat", C, "–", "–", "–"),
    ]


def test_scripts_read_the_same(costs: RequestCosts) -> None:
    """Plain JSON, null where nothing is known."""
    document = json.loads(json.dumps(words.document(costs)))
    assert document["routes"]["chat"]["usd_per_request"] == pytest.approx(0.0022)
    assert document["routes"]["no route"]["usd"] is None
    assert document["candidates"][1]["more_usd_per_hour"] == pytest.approx(20 / 120)
    assert document["moves_usd"] == pytest.approx(2.0)
