"""Tracks what probes cost this month and decides what the budget still allows (pure)."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from monitor.budget import allocation
from monitor.budget.allocation import BudgetAllocation, PaidTarget, format_usd, month_of
from monitor.config.settings import Settings
from monitor.formatting import format_elapsed, listed
from probes.context_check import CONTEXT
from probes.observation import Observation
from probes.pricing import believable_usd, costs_money

#: The mean cost of a probe is taken over about so many.
_MEMORY_PROBES = 50
#: The share of a budget below which nothing is left.
_NEGLIGIBLE = 1e-9
#: When a target is stopped, those that could pay for fewer probes than this are stopped with it, in one message.
_LAST_PROBES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """How paid targets are probed now; kept as JSON, with the alias as the name of the field."""

    month: datetime | None = None
    """The begin of the month that `stopped` and `reserve_used_up` are about; `cap_usd` is its budget."""
    cap_usd: float | None = None
    stretches: Mapping[str, float] = field(default_factory=dict)
    """The factor by which each interval is longer, by target; without those that stay."""
    beyond: tuple[str, ...] = ()
    """The targets whose share does not pay for one probe an hour: they get what the others leave."""
    stopped: tuple[str, ...] = ()
    """The targets that the budget does not pay for any more: not probed until the month is over."""
    reserve_used_up: Annotated[bool, Field(alias="bare")] = False
    """Whether extra probes were refused this month because the reserve was used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetEvent:
    """Something about the budget to be logged, and reported to people where `notify`."""

    kind: str
    text: str
    notify: bool


@dataclass(slots=True)
class _Mean:
    """The mean cost of the latest probes of one target."""

    usd: float
    probes: int = 0

    def add(self, usd: float) -> None:
        self.probes = min(self.probes + 1, _MEMORY_PROBES)
        self.usd += (usd - self.usd) / self.probes


class BudgetTracker:
    """Tracks the cost of the probes of these settings. Not thread-safe.

    `spent` is what each target has cost this month so far, `usual` the assumed cost of a probe of each (None: unknown)
    until one has been paid for; both in dollars, by target id. `throttling` is that of the last service, and
    `context_usd_per_s` what the checks `context` cost together, beside the probes that intervals are made for. Without
    a cap in the settings, every probe is allowed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        now: datetime,
        spent: Mapping[str, float],
        usual: Mapping[str, float | None],
        throttling: Throttling | None = None,
        context_usd_per_s: float = 0.0,
    ) -> None:
        self._settings = settings
        self._context_usd_per_s = context_usd_per_s
        self._cap = settings.budget.usd_per_month
        self._paid = {target.id for target in settings.targets if costs_money(target)}
        self._targets = {target.id: target for target in settings.targets}
        free = self._targets.keys() - self._paid
        self._month = month_of(now)
        # By month, because clocks are set back. Targets that were removed this month have cost money as well.
        self._spent_in = {self._month.begins: math.fsum(usd for target, usd in spent.items() if target not in free)}
        self._means = {name: _Mean(usd=usual.get(name) or 0.0) for name in self._paid}
        self._under_way: dict[str, list[float]] = defaultdict(list)
        """What is set aside for each probe under way, by target."""
        self.throttling = throttling or Throttling()
        """How paid targets are probed now; set by `review`."""
        self.is_unread = False
        """What was spent before it began is not known yet."""
        self._reserved_usd = 0.0
        self._refused = 0

    def learn_spent(self, spent: Mapping[str, float], month_begins: datetime) -> None:
        """What each target has cost in that month by the database: other processes spend too, and what was spent before
        may not have been readable when this tracker began.
        """
        free = self._targets.keys() - self._paid
        known = math.fsum(usd for target, usd in spent.items() if target not in free)
        self._spent_in[month_begins] = max(self._spent_in.get(month_begins, 0.0), known)
        self.is_unread = False

    def go_on_from(self, former: "BudgetTracker") -> None:
        """Go on with what the tracker of other settings has counted, and with what it has set aside."""
        for begins, usd in former._spent_in.items():  # noqa: SLF001 - of the same class, as below
            self._spent_in[begins] = max(self._spent_in.get(begins, 0.0), usd)
        known = former._means  # noqa: SLF001
        self._means |= {name: mean for name, mean in known.items() if name in self._means and mean.probes}
        self._under_way = former._under_way  # noqa: SLF001
        self.throttling, self.is_unread = former.throttling, former.is_unread

    @property
    def spent_usd(self) -> float:
        """The known cost of this month's probes so far."""
        return self._spent_in.get(self._month.begins, 0.0)

    def is_newly_exhausted(self, target: str) -> bool:
        """Whether what is left does not pay for another probe of this target, and no review has noted that yet."""
        if self._cap is None or target not in self._paid or target in self.throttling.stopped:
            return False
        return self._is_exhausted(self._cap, target, self.throttling.beyond)

    def throttled_settings(self) -> Settings:
        """The settings with the intervals as they are stretched now."""
        return allocation.stretched(self._settings, self.throttling.stretches)

    def reserve_probe(self, target: str, now: datetime) -> bool:
        """Whether a probe of this target may begin; its cost is then set aside until `add_cost` or `release_probe`."""
        if self._cap is None or target not in self._paid:
            return True
        mean = self._means[target].usd
        if self._month.contains(now):
            left = self._left(self._cap, target, self.throttling.beyond) - self._set_aside_usd
            if target in self.throttling.stopped or mean > left:
                return False
        self._under_way[target].append(mean)
        return True

    def release_probe(self, target: str) -> None:
        """Release what was set aside for one probe that did not happen."""
        if self._under_way[target]:
            self._under_way[target].pop()

    @property
    def _set_aside_usd(self) -> float:
        return math.fsum(chain.from_iterable(self._under_way.values()))

    def grant_extra(self, targets: Sequence[str], now: datetime) -> tuple[str, ...]:
        """The targets that may have an extra probe: all while the reserve lasts, else those that are free."""
        if self._cap is None or not self._month.contains(now):
            return tuple(targets)
        left = self._cap - self.spent_usd - self._set_aside_usd
        reserve = allocation.reserve_usd(self._cap, left, self._month, now)
        probed = [target for target in targets if target not in self.throttling.stopped]
        granted = tuple(name for name in probed if name not in self._paid or self._means[name].usd <= reserve)
        self._refused += any(name not in granted and name not in self.throttling.beyond for name in probed)
        return granted

    def add_cost(self, observation: Observation) -> None:
        """Count the cost of a probe; a cost that no probe of the target can have is ignored."""
        target = observation.target
        self.release_probe(target)
        if target not in self._paid or observation.cost_usd is None:
            return
        usd = believable_usd(self._targets[target], observation.check, observation.cost_usd)
        if usd is not None:
            if observation.check != CONTEXT:
                self._means[target].add(usd)
            begins = month_of(observation.started_at).begins
            self._spent_in[begins] = self._spent_in.get(begins, 0.0) + usd

    def review(self, now: datetime) -> list[BudgetEvent]:
        """Set the throttling for the rest of the month, once a minute; returns the events of what has changed."""
        self._month = month_of(now)
        before = self.throttling
        self.throttling = Throttling() if self._cap is None else self._throttle(self._cap, before, now)
        self._refused = 0
        return [] if self._cap is None else self._events(self._cap, before, now)

    def follow(self, throttling: Throttling, now: datetime) -> None:
        """Probe as another process has decided by its `review`."""
        self._month, self.throttling = month_of(now), throttling

    def stop_reason(self) -> str:
        """Why the stopped targets are not probed."""
        return f"not probed until {self._month.ends:%Y-%m-%d}: {self._lack_text(self._cap or 0.0)}"

    def _lack_text(self, cap: float) -> str:
        if len(self.throttling.stopped) == len(self._paid) and self.spent_usd > 0:
            return f"the budget of {format_usd(cap)} is spent"
        return f"the rest of the budget of {format_usd(cap)} does not pay for that"

    def _throttle(self, cap: float, before: Throttling, now: datetime) -> Throttling:
        # A target whose single probe costs more than the budget takes nothing from the others.
        possible = [target for target in self._paid_targets() if target.usd <= cap]
        present = BudgetAllocation(stretches=before.stretches, beyond=frozenset(before.beyond))
        shares = allocation.allocate(
            possible,
            allocation.all_month_usd_per_s(cap - self._context_usd_per_s * self._month.seconds, self._month),
            left_usd_per_s=allocation.rest_usd_per_s(
                cap - self.spent_usd - self._context_usd_per_s * self._month.left_s(now), self._month, now
            ),
            present=present,
        )
        self._reserved_usd = allocation.reserved_usd(possible, shares, cap, self._month, now)
        same = before.month == self._month.begins and before.cap_usd == cap
        return Throttling(
            month=self._month.begins,
            cap_usd=cap,
            stretches=shares.stretches,
            beyond=tuple(sorted(shares.beyond)),
            stopped=self._stopped(cap, shares.beyond, before.stopped if same else ()),
            reserve_used_up=(same and before.reserve_used_up) or self._refused > 0,
        )

    def _left(self, cap: float, target: str, beyond: Iterable[str]) -> float:
        return cap - self.spent_usd - (self._reserved_usd if target in beyond else 0.0)

    def _is_exhausted(self, cap: float, target: str, beyond: Iterable[str], probes: int = 1) -> bool:
        return self._left(cap, target, beyond) < max(probes * self._means[target].usd, cap * _NEGLIGIBLE)

    def _stopped(self, cap: float, beyond: frozenset[str], before: Iterable[str]) -> tuple[str, ...]:
        """The targets that cannot be paid; one that was stopped stays so until its share pays for every hour."""
        out = {target for target in self._paid if self._is_exhausted(cap, target, beyond)}
        still = {target for target in before if target in self._paid and (target in beyond or target in out)}
        if out - still:
            out |= {target for target in beyond if self._is_exhausted(cap, target, beyond, _LAST_PROBES)}
        out |= still
        priced = {target for target in self._paid if self._means[target].usd > 0}
        # Targets of unknown price stop too once those of known price have used up the money.
        spent = self.spent_usd > (1 - allocation.RESERVE) * cap and bool(priced)
        return tuple(sorted(self._paid if spent and priced <= out else out))

    def _paid_targets(self) -> list[PaidTarget]:
        means = {name: mean.usd for name, mean in self._means.items()}
        return allocation.paid_targets(self._settings.targets, self._paid, means)

    def _events(self, cap: float, before: Throttling, now: datetime) -> list[BudgetEvent]:
        after, events = self.throttling, []
        if after.stretches != before.stretches:
            kind = "interval_stretched" if after.stretches else "interval_restored"
            # That stretching begins or ends is reported; a change between two stretches is only logged.
            notify = not (after.stretches and before.stretches)
            events.append(BudgetEvent(kind=kind, text=self._stretch_text(cap, now), notify=notify))
        stops = [target for target in after.stopped if target not in before.stopped]
        if stops:
            text = (
                f"{listed(stops)} will not be probed until {self._month.ends:%Y-%m-%d}: {self._lack_text(cap)},"
                " and no route moves because of that"
            )
            events.append(BudgetEvent(kind="probing_stopped", text=text, notify=True))
        resumed = [target for target in before.stopped if target in self._paid and target not in after.stopped]
        if resumed:
            text = f"probed again: {listed(resumed)}; {self._spent_text(cap, now)}"
            events.append(BudgetEvent(kind="probing_resumed", text=text, notify=True))
        if after.reserve_used_up and not before.reserve_used_up and len(after.stopped) < len(self._paid):
            text = (
                f"no extra probes of paid targets until {self._month.ends:%Y-%m-%d}: the reserve of the budget of"
                f" {format_usd(cap)} is used up, and outages are found at the regular intervals alone"
            )
            events.append(BudgetEvent(kind="reserve_used_up", text=text, notify=True))
        return events

    def _stretch_text(self, cap: float, now: datetime) -> str:
        spent, paid = self._spent_text(cap, now), self._paid_targets()
        if not self.throttling.stretches:
            return f"paid targets are probed at their configured intervals again: {spent}"
        wants_usd = allocation.usd_per_s(paid) * self._month.seconds
        return (
            f"{allocation.describe_stretches(paid, self.throttling.stretches)}, and outages there are found later:"
            f" at the configured intervals probing costs {format_usd(wants_usd)} a month; {spent}"
        )

    def _spent_text(self, cap: float, now: datetime) -> str:
        left = format_elapsed(self._month.left_s(now))
        return f"{format_usd(self.spent_usd)} of the budget of {format_usd(cap)} spent, {left} of the month left"


_ADAPTER = TypeAdapter(Throttling)


def to_json(throttling: Throttling) -> str:
    """The throttling as JSON; `from_json` gives it back exactly."""
    return _ADAPTER.dump_json(throttling, by_alias=True).decode()


def from_json(text: str) -> Throttling | None:
    """The throttling; None when the text is none (another version's): it is then computed anew."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None
