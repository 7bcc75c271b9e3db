"""The purse: what the month's budget still allows, one observation and one minute at a time, without any IO."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from monitor.budget import allocation as budget
from monitor.budget.allocation import Allocation, CalendarMonth, PaidTarget, month_of
from monitor.formatting import listed, span
from monitor.settings import Settings
from probes.observation import Observation
from probes.pricing import believable_usd, costs_money

#: The mean cost of a probe is that of about the last so many.
_MEMORY_PROBES = 50
#: So small a share of a budget is nothing.
_NOTHING = 1e-9
#: With one target that cannot be paid any more, those stop too that could be for fewer probes than this: told at once.
_LAST_PROBES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """How paid targets are probed now; survives a restart as JSON."""

    month: datetime | None = None
    """When the month began that `stopped` and `bare` are about."""
    cap_usd: float | None = None
    """The budget that they are about."""
    stretches: Mapping[str, float] = field(default_factory=dict)
    """By which factor the interval of each target is longer; without those that keep theirs."""
    beyond: tuple[str, ...] = ()
    """Those whose share of the money does not pay for one probe an hour: they have what the others leave."""
    stopped: tuple[str, ...] = ()
    """Those that cannot be paid any more: not probed until the month is over."""
    bare: bool = False
    """The reserve was used up this month, and extra probes were refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetEvent:
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


class BudgetTracker:
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
        pace: Throttling | None = None,
    ) -> None:
        self._settings = settings
        self._cap = settings.budget_usd_per_month
        self._paid = {target.id for target in settings.targets if costs_money(target)}
        self._targets = {target.id: target for target in settings.targets}
        free = self._targets.keys() - self._paid
        self._month = month_of(now)
        # Targets that were configured earlier in the month have cost money as well. By month: clocks are set back.
        self._spent_in = {self._month.begins: math.fsum(usd for target, usd in spent.items() if target not in free)}
        self._means = {name: _Mean(usd=usual.get(name) or 0.0) for name in self._paid}
        self._unknown = {name for name in self._paid if usual.get(name) is None}
        self._under_way: dict[str, float] = {}
        self._pace = pace or Throttling()
        self._kept = 0.0
        self._refused = 0

    @property
    def pace(self) -> Throttling:
        """How paid targets are probed now."""
        return self._pace

    @property
    def spent_usd(self) -> float:
        """What this month's probes have cost so far, as far as is known."""
        return self._spent_in.get(self._month.begins, 0.0)

    @property
    def paid(self) -> frozenset[str]:
        """The targets that count against the budget, by id."""
        return frozenset(self._paid)

    @property
    def unknown(self) -> frozenset[str]:
        """Those of them whose price is not known: they count nothing."""
        return frozenset(self._unknown)

    @property
    def month(self) -> CalendarMonth:
        """The month that the money is counted for."""
        return self._month

    def short(self, target: str) -> bool:
        """Whether what is left does not pay for another probe of this target, and nobody has been told yet."""
        if self._cap is None or target not in self._paid or target in self._pace.stopped:
            return False
        return self._lacking(self._cap, target, self._pace.beyond)

    def settings(self) -> Settings:
        """The settings with the intervals as they are stretched now."""
        return budget.stretched(self._settings, self._pace.stretches)

    def affordable(self, target: str, now: datetime) -> bool:
        """Whether a probe of this target may begin; what it may cost is then set aside until `seen` or `given_up`."""
        if self._cap is None or target not in self._paid:
            return True
        mean = self._means[target].usd
        if self._month.holds(now):
            left = self._left(self._cap, target, self._pace.beyond) - math.fsum(self._under_way.values())
            if target in self._pace.stopped or mean > left:
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
        left = self._cap - self.spent_usd - math.fsum(self._under_way.values())
        reserve = budget.reserve_usd(self._cap, left, self._month, now)
        asked = [one for one in targets if one not in self._pace.stopped]
        granted = tuple(one for one in asked if one not in self._paid or self._means[one].usd <= reserve)
        self._refused += any(one not in granted and one not in self._pace.beyond for one in asked)
        return granted

    def seen(self, observation: Observation) -> None:
        """Take in what a probe has cost; what no probe of the target can cost is not believed."""
        target = observation.target
        self._under_way.pop(target, None)
        if target not in self._paid or observation.cost_usd is None:
            return
        usd = believable_usd(self._targets[target], observation.cost_usd)
        if usd is None:
            return
        self._unknown.discard(target)
        self._means[target].add(usd)
        begins = month_of(observation.started_at).begins
        self._spent_in[begins] = self._spent_in.get(begins, 0.0) + usd

    def review(self, now: datetime) -> list[BudgetEvent]:
        """Once a minute: the pace for the time that is left, and what has changed about it."""
        self._month = month_of(now)
        before = self._pace
        self._pace = Throttling() if self._cap is None else self._now(self._cap, before, now)
        self._refused = 0
        return [] if self._cap is None else self._news(self._cap, before, now)

    def reason(self) -> str:
        """Why the stopped targets are not probed."""
        return f"not probed until {self._month.ends:%Y-%m-%d}: {self._lack(self._cap or 0.0)}"

    def _lack(self, cap: float) -> str:
        if len(self._pace.stopped) == len(self._paid) and self.spent_usd > 0:
            return f"the budget of {budget.money(cap)} is spent"
        return f"what the budget of {budget.money(cap)} has left does not pay for that"

    def _now(self, cap: float, before: Throttling, now: datetime) -> Throttling:
        # One that the whole budget does not pay for takes nothing from the others.
        possible = [one for one in self._known() if one.usd <= cap]
        present = Allocation(stretches=before.stretches, beyond=frozenset(before.beyond))
        shares = budget.shares_of(
            possible,
            budget.all_month_usd_per_s(cap, self._month),
            left_usd_per_s=budget.rest_usd_per_s(cap - self.spent_usd, self._month, now),
            present=present,
        )
        self._kept = budget.kept_usd(possible, shares, cap, self._month, now)
        same = before.month == self._month.begins and before.cap_usd == cap
        return Throttling(
            month=self._month.begins,
            cap_usd=cap,
            stretches=shares.stretches,
            beyond=tuple(sorted(shares.beyond)),
            stopped=self._stopped(cap, shares.beyond, before.stopped if same else ()),
            bare=(same and before.bare) or self._refused > 0,
        )

    def _left(self, cap: float, target: str, beyond: Iterable[str]) -> float:
        """What there is for this target."""
        return cap - self.spent_usd - (self._kept if target in beyond else 0.0)

    def _lacking(self, cap: float, target: str, beyond: Iterable[str], probes: int = 1) -> bool:
        return self._left(cap, target, beyond) < max(probes * self._means[target].usd, cap * _NOTHING)

    def _stopped(self, cap: float, beyond: frozenset[str], before: Iterable[str]) -> tuple[str, ...]:
        """Who cannot be paid; one that could not be stays stopped until its share pays for every hour."""
        out = {one for one in self._paid if self._lacking(cap, one, beyond)}
        held = {one for one in before if one in self._paid and (one in beyond or one in out)}
        if out - held:
            out |= {one for one in beyond if self._lacking(cap, one, beyond, _LAST_PROBES)}
        out |= held
        priced = {one for one in self._paid if self._means[one].usd > 0}
        # What costs an unknown sum does not go on once all the known ones have used up the money.
        spent = self.spent_usd > (1 - budget.RESERVE) * cap and bool(priced)
        return tuple(sorted(self._paid if spent and priced <= out else out))

    def _known(self) -> list[PaidTarget]:
        means = {name: mean.usd for name, mean in self._means.items()}
        return budget.paid_targets(self._settings.targets, self._paid, means)

    def _news(self, cap: float, before: Throttling, now: datetime) -> list[BudgetEvent]:
        pace, found = self._pace, []
        if pace.stretches != before.stretches:
            kind = "interval_stretched" if pace.stretches else "interval_restored"
            # That it began and ended is news for everybody; a change between two stretches is not.
            told = not (pace.stretches and before.stretches)
            found.append(BudgetEvent(kind=kind, text=self._stretched(cap, now), tell=told))
        stops = [one for one in pace.stopped if one not in before.stopped]
        if stops:
            text = (
                f"{listed(stops)} will not be probed until {self._month.ends:%Y-%m-%d}: {self._lack(cap)},"
                " and no route moves on that account"
            )
            found.append(BudgetEvent(kind="probing_stopped", text=text, tell=True))
        goes_on = [one for one in before.stopped if one in self._paid and one not in pace.stopped]
        if goes_on:
            text = f"probed again: {listed(goes_on)}; {self._so_far(cap, now)}"
            found.append(BudgetEvent(kind="probing_resumed", text=text, tell=True))
        if pace.bare and not before.bare and len(pace.stopped) < len(self._paid):
            text = (
                f"no extra probes of what costs money until {self._month.ends:%Y-%m-%d}: the reserve of the budget of"
                f" {budget.money(cap)} is used up, and outages are found at the regular intervals alone"
            )
            found.append(BudgetEvent(kind="reserve_used_up", text=text, tell=True))
        return found

    def _stretched(self, cap: float, now: datetime) -> str:
        so_far, paid = self._so_far(cap, now), self._known()
        if not self._pace.stretches:
            return f"what costs money is probed at its configured intervals again: {so_far}"
        wants_usd = budget.usd_per_s(paid) * self._month.seconds
        return (
            f"{budget.slower(paid, self._pace.stretches)}, and outages there are found later: at the configured"
            f" intervals probing costs {budget.money(wants_usd)} a month; {so_far}"
        )

    def _so_far(self, cap: float, now: datetime) -> str:
        left = span(self._month.left_s(now))
        return f"{budget.money(self.spent_usd)} of the budget of {budget.money(cap)} spent, {left} of the month left"


_ADAPTER = TypeAdapter(Throttling)


def to_json(pace: Throttling) -> str:
    """The pace as JSON; `from_json` gives it back exactly."""
    return _ADAPTER.dump_json(pace).decode()


def from_json(text: str) -> Throttling | None:
    """The pace, or None when the text is not one (another version's): it is then found anew."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None
