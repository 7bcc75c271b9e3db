"""The budget, live: opens the purse where the last service left it, reviews it once a minute, and says what changes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime

from monitor.budget import allocation as budget
from monitor.budget import tracker as purse
from monitor.budget.allocation import month_of
from monitor.budget.tracker import BudgetEvent, BudgetTracker
from monitor.detection import pacing
from monitor.formatting import listed, span
from monitor.settings import Settings
from monitor.storage.spending import SpendingStore
from probes import pricing
from probes.observation import Observation

_REVIEW_S = 60.0
_BREATH_S = 1.0


def open_purse(settings: Settings, ledger: SpendingStore, now: datetime) -> BudgetTracker:
    """The purse as the database knows it; raises DatabaseError."""
    if settings.budget_usd_per_month is None:
        return BudgetTracker(settings, now=now, spent={}, usual={})
    spent = ledger.spent(since=month_of(now).begins, until=now)
    kept, lately = ledger.pace(), ledger.lately(now)
    # Only for those that nothing is known of: it takes half a second to load the price list.
    usual = {one.id: lately[one.id] if one.id in lately else pricing.usual_usd(one) for one in settings.targets}
    return BudgetTracker(
        settings,
        now=now,
        spent={target: one.usd for target, one in spent.items()},
        usual=usual,
        pace=purse.from_json(kept) if kept else None,
    )


def warnings(settings: Settings, now: datetime) -> tuple[str, ...]:
    """What the budget will do to this configuration, as far as prices tell; each a full sentence. Asks nobody."""
    cap = settings.budget_usd_per_month
    if cap is None:
        return ()
    month = month_of(now)
    usual = {one.id: pricing.usual_usd(one) for one in settings.targets if pricing.costs_money(one)}
    paid = budget.paid_targets(settings.targets, usual, usual)
    said = budget.forecast(cap, paid, month)
    found = []
    if said.stretches:
        found.append(
            f"budget.usd_per_month: {budget.slower(paid, said.stretches)} to keep {budget.money(cap)} a"
            f" month; the configured intervals cost {budget.money(said.usd_per_month)}"
            " (`hotspare plan` says what that means)"
        )
    if said.lasts_s is not None:
        found.append(
            f"budget.usd_per_month: {budget.money(cap)} does not even pay for one probe an hour of"
            f" {listed(said.beyond)}: what there is for those probes is spent after {span(said.lasts_s)}, and"
            " none of them is made until the next month"
        )
    unknown = [target for target, usd in usual.items() if usd is None]
    if unknown:
        found.append(
            f"budget.usd_per_month: the price of {', '.join(unknown)} is not known and counts nothing; write it into"
            " the configuration (price: {input: …, output: …}, in dollars per million tokens)"
        )
    return tuple(found)


class BudgetEnforcer:
    """What the budget allows a running service, from one event loop.

    `changed` is handed the settings with other intervals; `stopped` whom nobody asks any more, and why; `keep` the pace
    as text; `tell` each piece of news.
    """

    def __init__(
        self,
        opened: BudgetTracker,
        *,
        changed: Callable[[Settings], Awaitable[None]],
        stopped: Callable[[frozenset[str], str], Awaitable[None]],
        keep: Callable[[str], None],
        tell: Callable[[BudgetEvent], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._purse = opened
        self._changed = changed
        self._stopped = stopped
        self._keep = keep
        self._tell = tell
        self._clock = clock
        self._hurry = asyncio.Event()

    def begins(self, target: str) -> bool:
        """Whether a probe of this target may begin; call `ended` after one that may."""
        return self._purse.affordable(target, self._clock())

    def ended(self, target: str, seen: Observation | None) -> None:
        """A probe has ended, with what it saw, or with nothing."""
        if seen is not None:
            self._purse.seen(seen)
        self._purse.given_up(target)
        if self._purse.short(target):
            self._hurry.set()

    def granted(self, extra: pacing.BurstProbe) -> tuple[str, ...]:
        """Those of the targets of an extra probe that may be asked."""
        return self._purse.spare(extra.targets, self._clock())

    async def watch(self) -> None:
        """Review the purse once a minute, and at once when it is short, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), _REVIEW_S)
            await self.review()
            await asyncio.sleep(_BREATH_S)
            self._hurry.clear()

    async def review(self) -> None:
        """What the budget allows from now on, and whatever follows from that."""
        before = self._purse.pace
        news = self._purse.review(self._clock())
        after = self._purse.pace
        if after.stretches != before.stretches:
            await self._changed(self._purse.settings())
        if after.stopped != before.stopped:
            await self._stopped(*stopped(self._purse))
        for one in news:
            self._tell(one)
        # Last: killed in between, the next service says it once more rather than never.
        if after != before:
            self._keep(purse.to_json(after))


def stopped(opened: BudgetTracker) -> tuple[frozenset[str], str]:
    """Whom nobody asks because the budget does not pay for it any more, and the reason."""
    return (frozenset(opened.pace.stopped), opened.reason()) if opened.pace.stopped else (frozenset(), "")
