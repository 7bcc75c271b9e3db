"""What other intervals would cost and bring."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.plan.savings import alternatives
from tests.support.builders import settings


@pytest.mark.slow
def test_longer_intervals_cost_less_and_notice_later(tmp_path: Path) -> None:
    """Twice the interval is half the money; the sentinel that `plan` offers is among the ways."""
    configured = settings(tmp_path, "openai/a", "openai/b", "anthropic/c")
    prices = {"openai/a": 0.001, "openai/b": 0.00001, "anthropic/c": None}
    now, doubled, halved, *rest = alternatives(configured, prices, seeds=6)
    assert now.usd_per_month == pytest.approx(2 * doubled.usd_per_month, rel=1e-3)
    assert halved.usd_per_month == pytest.approx(2 * now.usd_per_month, rel=1e-3)
    assert None not in {halved.mean_s, now.mean_s, doubled.mean_s}
    assert (halved.mean_s or 0) < (now.mean_s or 0) < (doubled.mean_s or 0)
    assert [each.name for each in rest] == ["sentinel openai/b"]
    assert alternatives(replace(configured, routes=()), prices, seeds=1)[0].mean_s is None
