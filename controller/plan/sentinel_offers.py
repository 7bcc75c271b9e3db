"""Sentinels that a configuration could have for no more money, or within its budget, and what each brings (pure)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controller.plan.intervals import as_probed
from controller.plan.trials import DAY_S, TrialSubject, trial_subjects
from controller.simulation.results import summarize
from monitor.budget.allocation import RESERVE
from monitor.budget.usual_month import MONTH_DAYS
from monitor.config.sentinel import interval_beside_sentinel
from monitor.config.settings import Settings
from probes.target import Target

#: The failure rate that an offer is tried at, and how often at the most.
OFFER_RATE = 0.5
OFFER_SEEDS = 40


@dataclass(slots=True, kw_only=True)
class SentinelOffer:
    """The cheapest model of a provider as its sentinel."""

    subject: TrialSubject
    """The provider, with the intervals that the sentinel would bring."""
    probed: Settings
    """All targets, with the intervals that it would bring."""
    sentinel: str
    """The model."""
    usd_per_month: float
    """What regular probes of all targets would cost."""
    usd_per_month_without: float
    """The same as configured."""
    times: list[float | None] = field(default_factory=list)
    """Seconds to the flip at half of all requests failing; None for a trial in which a route did not move."""

    def document(self) -> dict[str, Any]:
        """The offer in `plan --json`."""
        return {
            "provider": self.subject.name,
            "sentinel": self.sentinel,
            "usd_per_month": round(self.usd_per_month, 2),
            "usd_per_month_without": round(self.usd_per_month_without, 2),
            "runs": len(self.times),
            "time_to_flip_s": summarize(at_s for at_s in self.times if at_s is not None),
        }


def sentinel_offers(
    configured: Settings, prices: Mapping[str, float | None], subjects: Sequence[TrialSubject]
) -> Iterator[SentinelOffer]:
    """Yield the sentinels that would cost no more than now, or than regular probes may cost by the budget.

    They are for those of the providers that have none and equal intervals. `prices` are those of a good probe by
    target id; where one of a provider is unknown, or all are free, none is offered.
    """
    now_usd = usd_per_month(as_probed(configured, prices)[0], prices)
    for subject in subjects:
        models = [target for target in configured.targets if target.provider.name == subject.name]
        known = {target.model: prices[target.id] for target in models}
        costs = {model: usd for model, usd in known.items() if usd is not None}
        if len(models) < 2 or len(costs) < len(models) or not any(costs.values()):
            continue
        if models[0].provider.sentinel or len({target.interval_s for target in models}) > 1:
            continue
        sentinel = min(costs, key=costs.__getitem__)
        probed, _ = as_probed(with_sentinel(configured, subject.name, sentinel), prices)
        usd = usd_per_month(probed, prices)
        if usd <= max(now_usd, (1 - RESERVE) * (configured.budget.usd_per_month or 0.0)):
            tried = next(each for each in trial_subjects(probed) if each.name == subject.name)
            yield SentinelOffer(
                subject=tried, probed=probed, sentinel=sentinel, usd_per_month=usd, usd_per_month_without=now_usd
            )


def with_sentinel(configured: Settings, provider: str, sentinel: str) -> Settings:
    """Return the settings with this model of the provider as its sentinel, and the intervals that follow from it."""

    def changed(target: Target) -> Target:
        if target.provider.name != provider:
            return target
        interval_s = interval_beside_sentinel(target.interval_s, is_sentinel=target.model == sentinel)
        return replace(target, interval_s=interval_s, provider=replace(target.provider, sentinel=sentinel))

    return replace(configured, targets=tuple(map(changed, configured.targets)))


def usd_per_month(probed: Settings, prices: Mapping[str, float | None]) -> float:
    """The dollars of regular probes in a usual month, as far as prices are known."""
    return math.fsum((prices[target.id] or 0.0) / target.interval_s for target in probed.targets) * MONTH_DAYS * DAY_S
