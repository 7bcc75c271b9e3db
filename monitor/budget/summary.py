"""What probing has cost this month and how the budget limits it, as page and status show it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from monitor.budget import allocation, tracker
from monitor.budget.allocation import format_usd, month_of
from monitor.budget.tracker import Throttling
from monitor.config.settings import Settings
from monitor.formatting import listed, plural
from monitor.storage.spending import SpendingStore
from probes.pricing import costs_money


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSummary:
    """The cost of probing at one instant."""

    month_begins: datetime
    month_ends: datetime
    spent_usd: float
    """The known cost of this month; where there is a budget, of what counts against it."""
    cap_usd: float | None = None
    throttling: Throttling = field(default_factory=Throttling)
    stretches: Mapping[str, float] = field(default_factory=dict)
    stretch_text: str = ""
    """While intervals are stretched: which targets are probed less often, and how often."""
    stopped: tuple[str, ...] = ()
    probed: tuple[str, ...] = ()
    """The others that count against the budget."""
    unknown: tuple[str, ...] = ()
    """Targets that cost money, have answered, and whose price is unknown."""

    @property
    def exhausted(self) -> bool:
        """Whether this month's budget is spent, so that nothing that costs money is probed."""
        return bool(self.stopped) and not self.probed

    @property
    def alarm(self) -> str | None:
        """That nothing that costs money is probed, as a sentence without its end; None while anything is."""
        if not self.exhausted:
            return None
        cap = format_usd(self.cap_usd or 0.0)
        return f"The budget of {cap} is spent: paid targets are not probed until {self.month_ends:%Y-%m-%d}"

    @property
    def sentence(self) -> str:
        """The summary in one sentence without its end."""
        spent = format_usd(self.spent_usd)
        parts = [f"{spent} spent this month"]
        if self.cap_usd is not None:
            parts = [f"{spent} of the budget of {format_usd(self.cap_usd)} spent this month"]
        if self.exhausted:
            parts.append(f"paid targets are not probed until {self.month_ends:%Y-%m-%d}")
        elif self.stopped:
            parts.append(f"no money for {listed(self.stopped)}: not probed until {self.month_ends:%Y-%m-%d}")
        if self.stretches and not self.exhausted:
            parts.append(self.stretch_text)
        this_month = self.cap_usd is not None and self.throttling.month == self.month_begins
        if this_month and self.throttling.reserve_used_up and not self.exhausted:
            parts.append("the reserve for extra probes is used up")
        if self.unknown:
            parts.append(f"the price of {plural(len(self.unknown), 'target')} is unknown and not counted")
        return "; ".join(parts)


def read_summary(settings: Settings, ledger: SpendingStore, now: datetime) -> BudgetSummary:
    """The summary from what the service has stored; raises DatabaseError."""
    month = month_of(now)
    stored = ledger.pace()
    throttling = (tracker.from_json(stored) if stored else None) or Throttling()
    capped = settings.budget.usd_per_month is not None
    paid = [target.id for target in settings.targets if costs_money(target)]
    this_month = capped and throttling.month == month.begins
    stopped = tuple(target for target in paid if this_month and target in throttling.stopped)
    stretches = {target: throttling.stretches[target] for target in paid if capped and target in throttling.stretches}
    # Without a budget, whatever has a price is shown.
    free = {target.id for target in settings.targets} - set(paid) if capped else set()
    spent = ledger.spent(since=month.begins, until=now)
    return BudgetSummary(
        month_begins=month.begins,
        month_ends=month.ends,
        spent_usd=sum(spending.usd for target, spending in spent.items() if target not in free),
        cap_usd=settings.budget.usd_per_month,
        throttling=throttling,
        stretches=stretches,
        stretch_text=allocation.describe_stretches(allocation.paid_targets(settings.targets, paid, {}), stretches),
        stopped=stopped,
        probed=tuple(target for target in paid if target not in stopped),
    )


def throttled_settings(settings: Settings, summary: BudgetSummary) -> Settings:
    """The settings with the intervals that the service probes at."""
    return allocation.stretched(settings, summary.stretches)


def without_price(settings: Settings, costs: Mapping[str, float | None], answered: Iterable[str]) -> tuple[str, ...]:
    """The targets that cost money and have answered, at an unknown cost."""
    answering = frozenset(answered)
    return tuple(
        target.id
        for target in settings.targets
        if costs_money(target) and target.id in answering and costs.get(target.id) is None
    )
