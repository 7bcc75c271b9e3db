"""The purse: what the month's budget still allows, one observation and one minute at a time, without any IO."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from monitor import budget
from monitor.budget import Month, Paid, month_of
from monitor.settings import Settings
from monitor.words import plural, span
from probes.observation import Observation
from probes.pricing import costs_money

#: The mean cost of a probe is that of about the last so many.
_MEMORY_PROBES = 50
#: So small a share of a budget is nothing.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How paid targets are probed now; survives a restart as JSON."""

    month: datetime | None = None
    """When the month began that `empty` and `bare` are about."""
    cap_usd: float | None = None
    """The budget that they are about."""
    stretch: float = 1.0
    empty: bool = False
    """The budget is spent: no paid target is probed until the month is over."""
    bare: bool = False
    """The reserve was used up this month, and extra probes were refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something about the budget that people should know; `tell`: in Slack as well."""

    kind: str
    text: str
    tell: bool


@dataclass(slots=True)
class _Mean:
    """The mean cost of the latest probes of one target."""

    usd: float
    probes: int = 0

    def add(self, usd: float) -> None:
        self.probes = min(self.probes + 1, _MEMORY_PROBES)
        self.usd += (usd - self.usd) / self.probes


class Purse:
    """Follows what the probes of these settings cost. Not thread-safe.

    `spent` is what each target has cost this month so far, `usual` what a probe of each is thought to cost (None: not
    known) until one has been paid for; both by target id. `pace` is that of the service before. Where the settings hold
    no cap, everything is affordable.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        now: datetime,
        spent: Mapping[str, float],
        usual: Mapping[str, float | None],
        pace: Pace | None = None,
    ) -> None:
        self._settings = settings
        self._cap = settings.budget_usd_per_month
        self._paid = {target.id for target in settings.targets if costs_money(target)}
        free = {target.id for target in settings.targets} - self._paid
        self._month = month_of(now)
        # Targets that were configured earlier in the month have cost money as well.
        self._spent = math.fsum(usd for target, usd in spent.items() if target not in free)
        self._means = {name: _Mean(usd=usual.get(name) or 0.0) for name in self._paid}
        self._unknown = {name for name in self._paid if usual.get(name) is None}
        self._dearest = self._dearest_now()
        self._under_way: dict[str, float] = {}
        self._pace = pace or Pace()
        self._refused = 0

    @property
    def pace(self) -> Pace:
        """How paid targets are probed now."""
        return self._pace

    @property
    def spent_usd(self) -> float:
        """What this month's probes have cost so far, as far as is known."""
        return self._spent

    @property
    def paid(self) -> frozenset[str]:
        """The targets that count against the budget, by id."""
        return frozenset(self._paid)

    @property
    def unknown(self) -> frozenset[str]:
        """Those of them whose price is not known: they count nothing."""
        return frozenset(self._unknown)

    @property
    def month(self) -> Month:
        """The month that the money is counted for."""
        return self._month

    @property
    def short(self) -> bool:
        """Whether what is left does not pay for another probe of the dearest target."""
        if self._cap is None or not self._paid:
            return False
        return self._cap - self._spent < max(self._dearest, self._cap * _NOTHING)

    def settings(self) -> Settings:
        """The settings with the intervals as they are stretched now."""
        return budget.stretched(self._settings, self._paid, self._pace.stretch)

    def affordable(self, target: str, now: datetime) -> bool:
        """Whether a probe of this target may begin; what it may cost is then set aside until `seen` or `given_up`."""
        if self._cap is None or target not in self._paid:
            return True
        mean = self._means[target].usd
        if self._pace.empty and self._month.holds(now):
            return False
        if self._month.holds(now) and self._spent + math.fsum(self._under_way.values()) + mean > self._cap:
            return False
        self._under_way[target] = mean
        return True

    def given_up(self, target: str) -> None:
        """The probe did not happen, or nobody knows what it cost."""
        self._under_way.pop(target, None)

    def spare(self, targets: Sequence[str], now: datetime) -> tuple[str, ...]:
        """Those of the targets that an extra probe may ask: all while the reserve lasts, else those that are free."""
        if self._cap is None or not self._month.holds(now):
            return tuple(targets)
        left = self._cap - self._spent - math.fsum(self._under_way.values())
        reserve = budget.reserve_usd(self._cap, left, self._month, now)
        granted = tuple(one for one in targets if one not in self._paid or self._means[one].usd <= reserve)
        self._refused += len(granted) < len(targets)
        return granted

    def seen(self, observation: Observation) -> None:
        """Take in what a probe has cost."""
        target = observation.target
        self._under_way.pop(target, None)
        if observation.cost_usd is None or target not in self._paid:
            return
        self._unknown.discard(target)
        self._means[target].add(observation.cost_usd)
        self._dearest = max(self._dearest, self._means[target].usd)
        if self._month.holds(observation.started_at):
            self._spent += observation.cost_usd

    def review(self, now: datetime) -> list[News]:
        """Once a minute: the pace for the time that is left, and what has changed about it."""
        if now >= self._month.ends:
            self._month, self._spent = month_of(now), 0.0
        self._dearest = self._dearest_now()
        before = self._pace
        self._pace = Pace() if self._cap is None else self._now(self._cap, before, now)
        self._refused = 0
        return [] if self._cap is None else self._news(self._cap, before, now)

    def reason(self) -> str:
        """Why paid targets are not probed once the budget is spent."""
        return f"not probed until {self._month.ends:%Y-%m-%d}: the budget of {budget.money(self._cap or 0.0)} is spent"

    def _now(self, cap: float, before: Pace, now: datetime) -> Pace:
        left = cap - self._spent
        allowed = min(
            budget.all_month_usd_per_s(cap, self._month),
            budget.rest_usd_per_s(left, self._month, now),
        )
        same = before.month == self._month.begins and before.cap_usd == cap
        return Pace(
            month=self._month.begins,
            cap_usd=cap,
            stretch=budget.stretch_for(self._known(), allowed, present=before.stretch),
            empty=(same and before.empty) or self.short,
            bare=(same and before.bare) or self._refused > 0,
        )

    def _dearest_now(self) -> float:
        return max((mean.usd for mean in self._means.values()), default=0.0)

    def _known(self) -> list[Paid]:
        means = {name: mean.usd for name, mean in self._means.items()}
        return budget.paid_targets(self._settings.targets, self._paid, means)

    def _news(self, cap: float, before: Pace, now: datetime) -> list[News]:
        pace, found = self._pace, []
        if pace.stretch != before.stretch:
            kind = "interval_stretched" if pace.stretch > 1 else "interval_restored"
            # That it began and ended is news for everybody; a change between two stretches is not.
            told = 1 in {before.stretch, pace.stretch}
            found.append(News(kind=kind, text=self._stretched(cap, now), tell=told))
        if pace.empty and not before.empty:
            text = (
                f"the budget of {budget.money(cap)} is spent: {plural(len(self._paid), 'target')} will not be probed"
                f" until {self._month.ends:%Y-%m-%d}, and no route moves on their account"
            )
            found.append(News(kind="probing_stopped", text=text, tell=True))
        if before.empty and not pace.empty:
            text = f"what costs money is probed again: {self._so_far(cap, now)}"
            found.append(News(kind="probing_resumed", text=text, tell=True))
        if pace.bare and not before.bare and not pace.empty:
            text = (
                f"no extra probes of what costs money until {self._month.ends:%Y-%m-%d}: the reserve of the budget of"
                f" {budget.money(cap)} is used up, and outages are found at the regular intervals alone"
            )
            found.append(News(kind="reserve_used_up", text=text, tell=True))
        return found

    def _stretched(self, cap: float, now: datetime) -> str:
        so_far, paid = self._so_far(cap, now), self._known()
        if self._pace.stretch == 1:
            return f"what costs money is probed at its configured intervals again: {so_far}"
        wants_usd = budget.usd_per_s(paid) * self._month.seconds
        longer = budget.longer_intervals(paid, self._pace.stretch)
        return (
            f"what costs money is probed less often ({longer}), and outages of it are found later:"
            f" at the configured intervals it costs {budget.money(wants_usd)} a month; {so_far}"
        )

    def _so_far(self, cap: float, now: datetime) -> str:
        left = span(self._month.left_s(now))
        return f"{budget.money(self._spent)} of the budget of {budget.money(cap)} spent, {left} of the month left"


_ADAPTER = TypeAdapter(Pace)


def to_json(pace: Pace) -> str:
    """The pace as JSON; `from_json` gives it back exactly."""
    return _ADAPTER.dump_json(pace).decode()


def from_json(text: str) -> Pace | None:
    """The pace, or None when the text is not one (another version's): it is then found anew."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None
