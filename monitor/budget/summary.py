"""What the ledger and the price list say about the budget: its tracker, its summary, and warnings before the start."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from monitor.budget import allocation, tracker
from monitor.budget.allocation import format_usd, month_of
from monitor.budget.tracker import BudgetTracker, Throttling
from monitor.config.settings import Settings
from monitor.formatting import format_elapsed, listed, plural
from monitor.storage.store import Store
from probes.pricing import context_usd_per_s, costs_money, usual_usd


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


def read_summary(settings: Settings, store: Store, now: datetime) -> BudgetSummary:
    """The summary from what the service has stored; raises DatabaseError."""
    month = month_of(now)
    stored = store.throttling()
    throttling = (tracker.from_json(stored) if stored else None) or Throttling()
    capped = settings.budget.usd_per_month is not None
    paid = [target.id for target in settings.targets if costs_money(target)]
    this_month = capped and throttling.month == month.begins
    stopped = tuple(target for target in paid if this_month and target in throttling.stopped)
    stretches = {target: throttling.stretches[target] for target in paid if capped and target in throttling.stretches}
    # Without a budget, whatever has a price is shown.
    free = {target.id for target in settings.targets} - set(paid) if capped else set()
    spent = store.spent(since=month.begins, until=now)
    return BudgetSummary(
        month_begins=month.begins,
        month_ends=month.ends,
        spent_usd=sum(usd for target, usd in spent.items() if target not in free),
        cap_usd=settings.budget.usd_per_month,
        throttling=throttling,
        stretches=stretches,
        stretch_text=allocation.describe_stretches(allocation.paid_targets(settings.targets, paid, {}), stretches),
        stopped=stopped,
        probed=tuple(target for target in paid if target not in stopped),
    )


def open_tracker(settings: Settings, store: Store, now: datetime) -> BudgetTracker:
    """The tracker as the last service left it; raises DatabaseError."""
    if settings.budget.usd_per_month is None:
        return BudgetTracker(settings, now=now, spent={}, usual={})
    stored, recent = store.throttling(), store.mean_costs(now)
    # The price list, which takes half a second to load, is only for targets without a recent cost.
    usual = {each.id: recent[each.id] if each.id in recent else usual_usd(each) for each in settings.targets}
    return BudgetTracker(
        settings,
        now=now,
        spent=store.spent(since=month_of(now).begins, until=now),
        usual=usual,
        throttling=tracker.from_json(stored) if stored else None,
        context_usd_per_s=context_usd_per_s(settings.targets),
    )


def unread_tracker(settings: Settings, now: datetime) -> BudgetTracker:
    """The tracker where the database cannot be read yet: the past is to be learned, prices are the list's."""
    capped = settings.budget.usd_per_month is not None
    usual = {each.id: usual_usd(each) for each in settings.targets if capped}
    context_usd = context_usd_per_s(settings.targets) if capped else 0.0
    unread = BudgetTracker(settings, now=now, spent={}, usual=usual, context_usd_per_s=context_usd)
    unread.is_unread = capped
    return unread


def warnings(settings: Settings, now: datetime) -> tuple[str, ...]:
    """The effects of the budget on this configuration, by the price list; each a full sentence. Makes no request."""
    cap = settings.budget.usd_per_month
    if cap is None:
        return ()
    month = month_of(now)
    usual = {each.id: usual_usd(each) for each in settings.targets if costs_money(each)}
    paid = allocation.paid_targets(settings.targets, usual, usual)
    forecast = allocation.forecast(cap, paid, month, context_usd_per_s=context_usd_per_s(settings.targets))
    texts = []
    if forecast.stretches:
        texts.append(
            f"budget.usd_per_month: {allocation.describe_stretches(paid, forecast.stretches)} to keep"
            f" {format_usd(cap)} a month; the configured intervals cost {format_usd(forecast.usd_per_month)}"
            " (`hotspare plan` says what that means)"
        )
    if forecast.lasts_s is not None:
        texts.append(
            f"budget.usd_per_month: {format_usd(cap)} does not pay for even one probe an hour of"
            f" {listed(forecast.beyond)}: the money for those probes lasts {format_elapsed(forecast.lasts_s)},"
            " and none of them is made after that until the next month"
        )
    unknown = [target for target, usd in usual.items() if usd is None]
    if unknown:
        texts.append(
            f"budget.usd_per_month: the price of {', '.join(unknown)} is unknown and not counted; write it into"
            " the configuration (price: {input: …, output: …}, in dollars per million tokens)"
        )
    return tuple(texts)


def without_price(settings: Settings, costs: Mapping[str, float | None], answered: Iterable[str]) -> tuple[str, ...]:
    """The targets that cost money and have answered, at an unknown cost."""
    answering = frozenset(answered)
    return tuple(
        target.id
        for target in settings.targets
        if costs_money(target) and target.id in answering and costs.get(target.id) is None
    )
