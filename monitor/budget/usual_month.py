"""What the budget makes of a configuration's intervals in a usual month: 30 days, and no surprises (pure)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from monitor.budget import allocation
from monitor.budget.allocation import BudgetForecast, CalendarMonth
from monitor.config.settings import Settings
from probes.pricing import context_usd_per_s, costs_money

MONTH_DAYS = 30.0
_BEGINS = datetime(2001, 9, 1, tzinfo=UTC)
MONTH = CalendarMonth(begins=_BEGINS, ends=_BEGINS + timedelta(days=MONTH_DAYS))


def apply_budget(settings: Settings, prices: Mapping[str, float | None]) -> tuple[Settings, BudgetForecast | None]:
    """Return the settings with the intervals that the budget allows, and its forecast; None without a budget.

    `prices` are those of a good probe in dollars, by target id; None where it is not known.
    """
    cap = settings.budget.usd_per_month
    if cap is None:
        return settings, None
    costly = [target.id for target in settings.targets if costs_money(target)]
    paid, context_usd = allocation.paid_targets(settings.targets, costly, prices), context_usd_per_s(settings.targets)
    forecast = allocation.forecast(cap, paid, MONTH, context_usd_per_s=context_usd)
    return allocation.stretched(settings, forecast.stretches), forecast
