"""Tries a configuration in the simulation on all cores and returns the document of `plan --json`."""

import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice, product
from operator import call
from types import MappingProxyType
from typing import Any

from controller.plan import forecast_document
from controller.plan.forecast_document import ForecastInput
from controller.plan.intervals import as_probed
from controller.plan.promise_checks import expected_false_failovers
from controller.plan.sentinel_offers import OFFER_RATE, OFFER_SEEDS, sentinel_offers
from controller.plan.trials import (
    RATES,
    AssumedTraffic,
    TrialSubject,
    probes_per_s,
    run_quiet_period,
    run_trial,
    trial_subjects,
)
from controller.simulation.runner import probe_prices
from controller.simulation.workers import ProgressCallback, process_map
from monitor.config.settings import Settings
from monitor.formatting import format_duration, format_elapsed

#: By default a plan simulates about so many probes for the outages.
_PROBES = 250_000.0
#: And so many of quiet time, which shows what probes cost. False failovers are calculated: hardly any would come in a
#: time that somebody waits for.
_QUIET_PROBES = 100_000.0
_FEWEST_SEEDS, _USUAL_SEEDS = 10, 160
_QUIET_PERIODS = 8
_SHORTEST_QUIET_S = 1800.0


class ThresholdTimeoutError(Exception):
    """The detector's thresholds were not found in time; the text says which settings make that slow."""


def find_thresholds(settings: Settings, *, timeout_s: float) -> None:
    """Calculate the detector's thresholds, which are cached; usually it takes a tenth of a second.

    Raises ThresholdTimeoutError after `timeout_s`. To be called from the main thread, for it uses an alarm signal.
    """

    def on_alarm(*_: object) -> None:
        raise TimeoutError

    probed, _ = as_probed(settings, probe_prices(settings))
    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        expected_false_failovers(probed)
    except TimeoutError:
        blips, min_outage = settings.controller.blips, format_duration(settings.controller.min_outage_s)
        text = (
            f"the evidence that keeps controller.false_failovers was not found within {format_elapsed(timeout_s)},"
            f" and the service would look for it as long: {blips.per_day:g} blips a day"
            f" of up to {format_duration(blips.longest_s)} (controller.blips)"
            f" or controller.min_outage ({min_outage}) are too much for these intervals"
        )
        raise ThresholdTimeoutError(text) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def plan(
    settings: Settings,
    *,
    seeds: int | None = None,
    jobs: int | None = None,
    on_progress: ProgressCallback | None = None,
    learned_blips: Mapping[str, float] = MappingProxyType({}),
    traffic: AssumedTraffic | None = None,
) -> dict[str, Any]:
    """Return the document of `plan --json`.

    `seeds` outages of each kind are tried; None: as many as take a few seconds, 10 to 160. `jobs` processes do the
    work (None: one per core); the answer does not depend on their number. `learned_blips` are only said;
    `traffic` is what applications report, where `settings.traffic` listens.
    """
    began_s = time.perf_counter()
    configured, prices = settings, probe_prices(settings)
    settings, budget_forecast = as_probed(configured, prices)
    every = trial_subjects(settings, traffic)
    tried = limit_subjects(every)
    usual = _seeds(tried)
    inputs = ForecastInput(
        settings=settings,
        configured=configured,
        budget=budget_forecast,
        subjects=tried,
        left_out=len(every) - len(tried),
        seeds=seeds or usual,
        false_failovers=expected_false_failovers(settings),
        learned_blips=learned_blips,
        traffic=traffic,
        prices=prices,
    )
    quiet_s = inputs.seeds / usual * _QUIET_PROBES / probes_per_s(settings.targets) / _QUIET_PERIODS
    quiet_s = max(_SHORTEST_QUIET_S, quiet_s)
    trials = list(product(range(inputs.seeds), tried, RATES))
    work: list[Callable[[], Any]] = [
        partial(run_quiet_period, settings, quiet_s, seed, traffic) for seed in range(_QUIET_PERIODS)
    ]
    work += [partial(run_trial, subject, rate, seed) for seed, subject, rate in trials]
    offers = list(sentinel_offers(configured, prices, [subject for subject in tried if not subject.alone]))
    offered = list(product(range(min(OFFER_SEEDS, inputs.seeds)), offers))
    work += [partial(run_trial, offer.subject, OFFER_RATE, seed) for seed, offer in offered]
    with process_map(call, work, jobs, on_progress) as results:
        for probes, moved in islice(results, _QUIET_PERIODS):
            inputs.quiet_probes += probes
            inputs.quiet_s += quiet_s
            inputs.moved.update(moved)
        for (_, subject, rate), moves in zip(trials, islice(results, len(trials)), strict=True):
            for route, after_s in moves.items():
                inputs.times.setdefault((subject.name, rate, route), []).append(after_s)
        for (_, offer), moves in zip(offered, results, strict=True):
            offer.times += moves.values()
    document = forecast_document.plan_document(inputs, wall_s=time.perf_counter() - began_s)
    return {**document, "sentinel_offers": [offer.document() for offer in offers]}


def limit_subjects(every: Sequence[TrialSubject]) -> list[TrialSubject]:
    """Return all providers, and as many single models as fit ten times into twice the usual time, at least one."""
    tried = [subject for subject in every if not subject.alone]
    left = 2 * _PROBES - _cost(tried) * _FEWEST_SEEDS
    for subject in (subject for subject in every if subject.alone):
        left -= _cost([subject]) * _FEWEST_SEEDS
        if left < 0 and any(known.alone for known in tried):
            break
        tried.append(subject)
    return tried


def _cost(tried: Sequence[TrialSubject]) -> float:
    """About how many probes one seed of all of them takes."""
    return len(RATES) * math.fsum(subject.probes for subject in tried)


def _seeds(tried: Sequence[TrialSubject]) -> int:
    cost = _cost(tried)
    return int(min(_USUAL_SEEDS, max(_FEWEST_SEEDS, _PROBES / cost))) if cost else _FEWEST_SEEDS
