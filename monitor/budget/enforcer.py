"""Enforces the monthly budget while the service runs, and restores its state on start."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime

from monitor.budget import allocation
from monitor.budget import tracker as budget_tracker
from monitor.budget.allocation import format_usd, month_of
from monitor.budget.tracker import BudgetEvent, BudgetTracker
from monitor.config.settings import Settings
from monitor.detection.pacing import BurstProbe
from monitor.formatting import format_elapsed, listed
from monitor.storage.spending import SpendingStore
from probes import pricing
from probes.observation import Observation

_REVIEW_S = 60.0
_PAUSE_S = 1.0


def open_tracker(settings: Settings, ledger: SpendingStore, now: datetime) -> BudgetTracker:
    """The tracker as the last service left it; raises DatabaseError."""
    if settings.budget.usd_per_month is None:
        return BudgetTracker(settings, now=now, spent={}, usual={})
    spent = ledger.spent(since=month_of(now).begins, until=now)
    stored, recent = ledger.pace(), ledger.lately(now)
    # The price list, which takes half a second to load, is only for targets without a recent cost.
    usual = {each.id: recent[each.id] if each.id in recent else pricing.usual_usd(each) for each in settings.targets}
    return BudgetTracker(
        settings,
        now=now,
        spent={target: spending.usd for target, spending in spent.items()},
        usual=usual,
        throttling=budget_tracker.from_json(stored) if stored else None,
    )


def warnings(settings: Settings, now: datetime) -> tuple[str, ...]:
    """The effects of the budget on this configuration, by the price list; each a full sentence. Makes no request."""
    cap = settings.budget.usd_per_month
    if cap is None:
        return ()
    month = month_of(now)
    usual = {each.id: pricing.usual_usd(each) for each in settings.targets if pricing.costs_money(each)}
    paid = allocation.paid_targets(settings.targets, usual, usual)
    forecast = allocation.forecast(cap, paid, month)
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


@dataclass(eq=False)
class BudgetEnforcer:
    """Allows and refuses the probes of a running service, from one event loop.

    `changed` is called with the settings when intervals change, `stopped` with the targets that are not probed any more
    and the reason, `keep` with the throttling as text, `tell` with each event.
    """

    tracker: BudgetTracker
    _: KW_ONLY
    changed: Callable[[Settings], Awaitable[None]]
    stopped: Callable[[frozenset[str], str], Awaitable[None]]
    keep: Callable[[str], None]
    tell: Callable[[BudgetEvent], None]
    clock: Callable[[], datetime]
    _review_now: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def may_begin(self, target: str) -> bool:
        """Whether a probe of this target may begin; call `end_probe` after one that may."""
        return self.tracker.reserve_probe(target, self.clock())

    def end_probe(self, target: str, observation: Observation | None) -> None:
        """Count the cost of a probe that has ended; None when it gave no observation."""
        if observation is not None:
            self.tracker.add_cost(observation)
        self.tracker.release_probe(target)
        if self.tracker.is_newly_exhausted(target):
            self._review_now.set()

    def granted_targets(self, burst_probe: BurstProbe) -> tuple[str, ...]:
        """The targets of an extra probe that may be probed."""
        return self.tracker.grant_extra(burst_probe.targets, self.clock())

    async def watch(self) -> None:
        """Review the budget once a minute, and at once when a target is exhausted, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._review_now.wait(), _REVIEW_S)
            await self.review()
            await asyncio.sleep(_PAUSE_S)
            self._review_now.clear()

    async def review(self) -> None:
        """Set what the budget allows from now on, and call back with what has changed."""
        before = self.tracker.throttling
        events = self.tracker.review(self.clock())
        after = self.tracker.throttling
        if after.stretches != before.stretches:
            await self.changed(self.tracker.throttled_settings())
        if after.stopped != before.stopped:
            await self.stopped(*stopped_targets(self.tracker))
        for event in events:
            self.tell(event)
        # Last: when the service is killed in between, the next one repeats the events rather than losing them.
        if after != before:
            self.keep(budget_tracker.to_json(after))


def stopped_targets(tracker: BudgetTracker) -> tuple[frozenset[str], str]:
    """The targets that the budget does not pay for any more, and the reason; empty where there are none."""
    stopped = frozenset(tracker.throttling.stopped)
    return (stopped, tracker.stop_reason()) if stopped else (stopped, "")
