"""What other intervals or a sentinel would cost, and how soon they would notice an outage, by a plan's trials."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.plan.intervals import as_probed
from controller.plan.sentinel_offers import OFFER_RATE, sentinel_offers, usd_per_month
from controller.plan.trials import TrialSubject, run_trial, trial_subjects
from controller.simulation.results import summarize
from monitor.config.settings import Settings

_FACTORS = {"every interval doubled": 2.0, "every interval halved": 0.5}
_SEEDS = 20
_MOST_SUBJECTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One way to probe."""

    name: str
    usd_per_month: float
    """For regular probes, as far as prices are known."""
    mean_s: float | None
    """From the onset of an outage of a provider at 50 % to the move of a route; None where none moved."""
    p95_s: float | None


def alternatives(configured: Settings, prices: Mapping[str, float | None], *, seeds: int = _SEEDS) -> list[Alternative]:
    """As configured, then the others; `prices` are those of a good probe by target id, None where unknown."""
    return [
        _tried(name, usd_per_month(probed, prices), subjects, seeds)
        for name, probed, subjects in _ways(configured, prices)
    ]


def _ways(
    configured: Settings, prices: Mapping[str, float | None]
) -> Iterator[tuple[str, Settings, Sequence[TrialSubject]]]:
    probed, _ = as_probed(configured, prices)
    subjects = _providers(probed)
    yield "as configured", probed, subjects
    for name, factor in _FACTORS.items():
        scaled = tuple(replace(target, interval_s=target.interval_s * factor) for target in configured.targets)
        other, _ = as_probed(replace(configured, targets=scaled), prices)
        yield name, other, _providers(other)
    for offer in sentinel_offers(configured, prices, subjects):
        yield f"sentinel {offer.subject.name}/{offer.sentinel}", offer.probed, [offer.subject]


def _providers(probed: Settings) -> list[TrialSubject]:
    return [subject for subject in trial_subjects(probed) if not subject.alone][:_MOST_SUBJECTS]


def _tried(name: str, usd: float, subjects: Sequence[TrialSubject], seeds: int) -> Alternative:
    moves = (run_trial(subject, OFFER_RATE, seed) for subject in subjects for seed in range(seeds))
    times = summarize(after_s for of_trial in moves for after_s in of_trial.values() if after_s is not None)
    return Alternative(name=name, usd_per_month=round(usd, 4), mean_s=times["mean"], p95_s=times["p95"])
