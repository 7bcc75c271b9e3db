"""What probing has cost this month and what the budget makes of it: the read model and the words of page and status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from monitor import budget, purse
from monitor.budget import month_of
from monitor.purse import Pace
from monitor.settings import Settings
from monitor.spending import Ledger
from monitor.words import plural
from probes.pricing import costs_money


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What is known of the money at one instant."""

    month_begins: datetime
    month_ends: datetime
    spent_usd: float
    """This month, as far as is known; where there is a budget, by what counts against it."""
    cap_usd: float | None = None
    pace: Pace = field(default_factory=Pace)
    """How what costs money is probed, as the service has it."""
    longer: str = ""
    """`30s → 2m` while intervals are stretched."""
    unknown: tuple[str, ...] = ()
    """Targets that cost money, have answered, and whose price is not known."""

    @property
    def empty(self) -> bool:
        """Whether the budget of this month is spent."""
        return self.cap_usd is not None and self.pace.empty and self.pace.month == self.month_begins

    @property
    def stretched(self) -> bool:
        """Whether what costs money is probed less often than configured."""
        return self.cap_usd is not None and self.pace.stretch > 1

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
        elif self.stretched:
            parts.append(f"what costs money is probed less often ({self.longer})")
        if self.cap_usd is not None and self.pace.bare and self.pace.month == self.month_begins and not self.empty:
            parts.append("the reserve for extra probes is used up")
        if self.unknown:
            parts.append(f"the price of {plural(len(self.unknown), 'target')} is unknown and not counted")
        return "; ".join(parts)


def read_money(settings: Settings, ledger: Ledger, now: datetime) -> Money:
    """What the service has stored; raises DatabaseError."""
    month = month_of(now)
    kept = ledger.pace()
    pace = (purse.from_json(kept) if kept else None) or Pace()
    paid = [target.id for target in settings.targets if costs_money(target)]
    # Without a budget, whatever has a price is shown.
    free = {target.id for target in settings.targets} - set(paid) if settings.budget_usd_per_month else set()
    spent = ledger.spent(since=month.begins, until=now)
    return Money(
        month_begins=month.begins,
        month_ends=month.ends,
        spent_usd=sum(one.usd for target, one in spent.items() if target not in free),
        cap_usd=settings.budget_usd_per_month,
        pace=pace,
        longer=budget.longer_intervals(budget.paid_targets(settings.targets, paid, {}), pace.stretch),
    )


def at_pace(settings: Settings, money: Money) -> Settings:
    """The settings with the intervals that the service probes at."""
    if not money.stretched:
        return settings
    paid = [target.id for target in settings.targets if costs_money(target)]
    return budget.stretched(settings, paid, money.pace.stretch)


def without_price(settings: Settings, costs: Mapping[str, float | None], answered: Iterable[str]) -> tuple[str, ...]:
    """The targets that count, have answered, and whose answers have no known cost."""
    heard = frozenset(answered)
    return tuple(
        target.id
        for target in settings.targets
        if costs_money(target) and target.id in heard and costs.get(target.id) is None
    )
