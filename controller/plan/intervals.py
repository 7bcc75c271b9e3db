"""The intervals that a plan reckons with: those while every route is on its first candidate (pure)."""

from collections.abc import Mapping
from dataclasses import replace

from controller.routing.spend_where_used import spend_where_used
from monitor.budget.allocation import BudgetForecast
from monitor.budget.usual_month import apply_budget
from monitor.config.settings import Settings


def as_probed(configured: Settings, prices: Mapping[str, float | None]) -> tuple[Settings, BudgetForecast | None]:
    """The settings with these intervals, as far as the budget allows, and its forecast; None without a budget.

    A trial ends when its route has moved, so that the intervals need not change in it.
    """
    stretched, forecast = apply_budget(configured, prices)
    probed = spend_where_used(stretched, {}, prices)
    return replace(probed, controller=replace(probed.controller, spend_where_used=False)), forecast
