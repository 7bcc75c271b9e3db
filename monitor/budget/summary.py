"""What probing has cost this month and what the budget makes of it: the read model and the words of page and status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from monitor.budget import allocation as budget
from monitor.budget import tracker as purse
from monitor.budget.allocation import month_of
from monitor.budget.tracker import Throttling
from monitor.formatting import listed, plural
from monitor.settings import Settings
from monitor.storage.spending import SpendingStore
from probes.pricing import costs_money


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSummary:
    """What is known of the money at one instant."""

    month_begins: datetime
    month_ends: datetime
    spent_usd: float
    """This month, as far as is known; where there is a budget, by what counts against it."""
    cap_usd: float | None = None
    pace: Throttling = field(default_factory=Throttling)
    """How what costs money is probed, as the service has it."""
    stretches: Mapping[str, float] = field(default_factory=dict)
    """By which factor the interval of each target is longer; without those that keep theirs."""
    slower: str = ""
    """While intervals are stretched: who is probed less often, and how often, in words."""
    stopped: tuple[str, ...] = ()
    """The targets that the budget does not pay for any more this month, by id."""
    going: tuple[str, ...] = ()
    """The others that count against the budget."""
    unknown: tuple[str, ...] = ()
    """Targets that cost money, have answered, and whose price is not known."""

    @property
    def empty(self) -> bool:
        """Whether the budget of this month is spent: nothing that costs money is probed."""
        return bool(self.stopped) and not self.going

    @property
    def stretched(self) -> bool:
        """Whether anything that costs money is probed less often than configured."""
        return bool(self.stretches)

    @property
    def alarm(self) -> str | None:
        """That nobody watches what costs money, as a sentence without its end; None while somebody does."""
        if not self.empty:
            return None
        cap = budget.money(self.cap_usd or 0.0)
        return f"The budget of {cap} is spent: what costs money is not probed until {self.month_ends:%Y-%m-%d}"

    @property
    def words(self) -> str:
        """All of it in one sentence without its end."""
        spent = budget.money(self.spent_usd)
        parts = [f"{spent} spent this month"]
        if self.cap_usd is not None:
            parts = [f"{spent} of the budget of {budget.money(self.cap_usd)} spent this month"]
        if self.empty:
            parts.append(f"what costs money is not probed until {self.month_ends:%Y-%m-%d}")
        elif self.stopped:
            parts.append(f"no money for {listed(self.stopped)}: not probed until {self.month_ends:%Y-%m-%d}")
        if self.stretched and not self.empty:
            parts.append(self.slower)
        if self.cap_usd is not None and self.pace.bare and self.pace.month == self.month_begins and not self.empty:
            parts.append("the reserve for extra probes is used up")
        if self.unknown:
            parts.append(f"the price of {plural(len(self.unknown), 'target')} is unknown and not counted")
        return "; ".join(parts)


def read_money(settings: Settings, ledger: SpendingStore, now: datetime) -> BudgetSummary:
    """What the service has stored; raises DatabaseError."""
    month = month_of(now)
    kept = ledger.pace()
    pace = (purse.from_json(kept) if kept else None) or Throttling()
    capped = settings.budget_usd_per_month is not None
    paid = [target.id for target in settings.targets if costs_money(target)]
    stopped = tuple(one for one in paid if capped and one in pace.stopped and pace.month == month.begins)
    stretches = {one: pace.stretches[one] for one in paid if capped and one in pace.stretches}
    # Without a budget, whatever has a price is shown.
    free = {target.id for target in settings.targets} - set(paid) if capped else set()
    spent = ledger.spent(since=month.begins, until=now)
    return BudgetSummary(
        month_begins=month.begins,
        month_ends=month.ends,
        spent_usd=sum(one.usd for target, one in spent.items() if target not in free),
        cap_usd=settings.budget_usd_per_month,
        pace=pace,
        stretches=stretches,
        slower=budget.slower(budget.paid_targets(settings.targets, paid, {}), stretches),
        stopped=stopped,
        going=tuple(one for one in paid if one not in stopped),
    )


def at_pace(settings: Settings, money: BudgetSummary) -> Settings:
    """The settings with the intervals that the service probes at."""
    if not money.stretched:
        return settings
    return budget.stretched(settings, money.stretches)


def without_price(settings: Settings, costs: Mapping[str, float | None], answered: Iterable[str]) -> tuple[str, ...]:
    """The targets that count, have answered, and whose answers have no known cost."""
    heard = frozenset(answered)
    return tuple(
        target.id
        for target in settings.targets
        if costs_money(target) and target.id in heard and costs.get(target.id) is None
    )
