"""The page of costs: sums by provider and check, and what other settings would save."""

from controller.history.queries import CheckCost
from controller.plan.savings import Alternative
from monitor.history.rollup import DAY
from tests.support.builders import T0
from ui.cost import daily_chart, savings_table, table


def _cost(target: str, check: str, usd: float, *, probes: int = 100, unpriced: int = 0, day: int = 0) -> CheckCost:
    return CheckCost(day=T0 + day * DAY, target=target, check=check, usd=usd, probes=probes, unpriced=unpriced)


COSTS = [
    _cost("a/one", "chat", 0.5),
    _cost("a/two", "chat", 0.25, day=1),
    _cost("a/two", "stream", 0.0, unpriced=100),
    _cost("b/one", "chat", 2.0),
]


def test_the_most_expensive_comes_first_and_an_unknown_price_is_no_zero() -> None:
    """Checks of a provider's models are summed."""
    rows = [(row["provider"], row["check"], row["probes"], row["cost"], row["per 1,000"]) for row in table(COSTS)]
    assert rows == [
        ("b", "chat", 100, "$2", "$20"),
        ("a", "chat", 200, "$0.75", "$3.75"),
        ("a", "stream", 100, "price unknown", "–"),
    ]


def test_a_day_is_one_bar_of_its_providers() -> None:
    """Not one for each target."""
    values = daily_chart(COSTS, by="provider")["data"]["values"]
    assert [(row["provider"], row["usd"]) for row in values] == [("a", 0.5), ("a", 0.25), ("b", 2.0)]


def test_what_is_saved_is_against_how_it_is_now() -> None:
    """What costs more says so; an outage that moved nothing has no time."""
    now, less, more = (
        Alternative(name=name, usd_per_month=usd, mean_s=mean_s, p95_s=None)
        for name, usd, mean_s in (("as configured", 4.0, 57.2), ("less", 2.0, 90.0), ("more", 8.0, None))
    )
    rows = [(row["saves"], row["routes move after, mean"]) for row in savings_table([now, less, more])]
    assert rows == [("–", "57 s"), ("$2", "1 min 30 s"), ("costs $4 more", "–")]
