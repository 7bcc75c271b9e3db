"""What requests cost, on the Cost page: two tables, and nothing that a name could inject."""

from datetime import timedelta
from pathlib import Path

from controller.history.request_costs import request_costs
from monitor.storage.traffic_store import RequestTotals
from tests.support.builders import T0, settings
from ui import request_costs as page

A, B = "openai/a", "anthropic/b"


def test_requests_and_candidates_are_tables(tmp_path: Path) -> None:
    """By route, target and tag, and at each candidate."""
    spent = RequestTotals(requests=9, input_tokens=900, output_tokens=90, cost_usd=3)
    prices = {A: (1e-3, 1e-2), B: (2e-3, 2e-2)}
    totals = {(A, "chat", "<b>x"): spent}
    costs = request_costs(settings(tmp_path, A, B), totals, T0 - timedelta(hours=1), T0, prices)
    assert costs
    told = page.requests(costs)
    assert "9 requests of your applications cost $3 this month" in told
    assert "tag &lt;b&gt;x" in told
    assert "<b>x" not in told
    assert "an hour there" in page.candidates(costs).lower()
