"""What an hour or a day was like for a route's users: *felt*, and what they would have felt without a failover (pure).

*Felt* is the failing share of the probes, times the time, of the target that the route pointed at. An observation
stands for the time until the next one of its target, so that the probes of a burst, seconds apart, count for seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Self

from controller.incidents.impact import RoutePeriod

#: When a target was asked, oldest first, and whether its users would have been failed.
Probes = Sequence[tuple[datetime, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRollup:
    """The sum of some time of a route; all times in seconds."""

    on_target_s: Mapping[str, float] = field(default_factory=dict)
    """How long it pointed at each target."""
    observed_s: float = 0.0
    """For how long of that time it is known how the target was."""
    felt_s: float = 0.0
    """How long users were failed, as far as it is known: a minute at a failing share of 50 % is half a minute."""
    without_s: float = 0.0
    """The same, had the route stayed on its first candidate."""
    flips: int = 0
    """How often it was moved, back included."""

    @property
    def served(self) -> float | None:
        """The share of the observed time in which users were not failed, 0 to 1; None where nothing was observed."""
        return 1.0 - self.felt_s / self.observed_s if self.observed_s else None

    def error_budget_s(self, slo: float) -> float:
        """For how long of the observed time users may be failed under this objective."""
        return (1.0 - slo) * self.observed_s

    def __add__(self, other: Self) -> Self:
        """Both together."""
        targets = dict.fromkeys((*self.on_target_s, *other.on_target_s))
        return type(self)(
            on_target_s={t: self.on_target_s.get(t, 0.0) + other.on_target_s.get(t, 0.0) for t in targets},
            observed_s=self.observed_s + other.observed_s,
            felt_s=self.felt_s + other.felt_s,
            without_s=self.without_s + other.without_s,
            flips=self.flips + other.flips,
        )


def sum_up_route(
    periods: Iterable[RoutePeriod], first: str, probes: Mapping[str, Probes], stands_for: Mapping[str, timedelta]
) -> RouteRollup:
    """The sum over `periods`, where the route pointed, without flips; `first` is its first candidate.

    `probes` are, by target, those of this time and the last one before; `stands_for` is for how long one of a target
    says how that is, where no other follows.
    """
    on_target_s: dict[str, float] = {}
    observed_s = felt_s = without_s = 0.0
    for period in periods:
        target, span = period.target, (period.since, period.until)
        on_target_s[target] = on_target_s.get(target, 0.0) + period.lasted_s
        observed, failing = failing_seconds(probes.get(target, ()), *span, stands_for=stands_for[target])
        observed_s, felt_s = observed_s + observed, felt_s + failing
        without_s += failing_seconds(probes.get(first, ()), *span, stands_for=stands_for[first])[1]
    return RouteRollup(on_target_s=on_target_s, observed_s=observed_s, felt_s=felt_s, without_s=without_s)


def failing_seconds(probes: Probes, since: datetime, until: datetime, *, stands_for: timedelta) -> tuple[float, float]:
    """For how long in this time it is known how the target was, and for how much of that it failed; in seconds."""
    observed = failing = timedelta()
    for (at, failed), (following, _) in pairwise([*probes, (until, False)]):
        lasted = min(following, at + stands_for, until) - max(at, since)
        if lasted > timedelta():
            observed += lasted
            failing += lasted if failed else timedelta()
    return observed.total_seconds(), failing.total_seconds()
