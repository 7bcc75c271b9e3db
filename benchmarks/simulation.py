"""How fast one core simulates a quiet world, and how long a threshold takes; CPU time, beside a loop of pure Python."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from controller.simulation.runner import simulate_seed
from controller.simulation.scenario import BlipStream, Scenario
from monitor.config.settings import ControllerSettings, Route
from monitor.detection import threshold
from monitor.detection.parameters import target_parameters
from tests.support.builders import settings, target

_DAYS = 10
_INTERVALS_S = (0.5, 1.0, 5.0, 30.0, 300.0, 3600.0)


def main() -> None:
    """Print probes a second and core, the cost of one, and the time for thresholds that nobody has found yet."""
    scenario = _quiet_world(_DAYS)
    simulate_seed(scenario, 0)  # finds the thresholds
    result, took_s = _timed(partial(simulate_seed, scenario, 0))
    _, loop_s = _timed(lambda: sum(number * number for number in range(10_000_000)))
    per_probe_s = took_s / result.probes
    print("|what|measured|\n|---|---|")
    print(f"|probes a second and core, ten quiet targets every 30 s for {_DAYS} days|{1 / per_probe_s:,.0f}|")
    print(f"|one probe|{per_probe_s * 1e6:.1f} µs, {per_probe_s / loop_s * 1e7:.0f} steps of a Python loop|")
    for interval_s in _INTERVALS_S:
        _, took_s = _timed(partial(_find_threshold, interval_s))
        print(f"|the threshold of one target every {interval_s:g} s|{took_s:.3f} s|")


def _quiet_world(days: float) -> Scenario:
    names = (*(f"a/m{number}" for number in range(10)), "b/m1")
    made_up = settings(Path("/nowhere"), *names, routes=[Route(name="r", candidates=("a/m1", "b/m1"))])
    return Scenario(path=Path("quiet"), settings=made_up, duration_s=days * 86400, blips=BlipStream())


def _find_threshold(interval_s: float) -> float:
    threshold.keep_in({})
    threshold.threshold.cache_clear()
    return target_parameters(target("a/m1", interval_s=interval_s), ControllerSettings()).threshold(0.005)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began_s = time.process_time()
    result = work()
    return result, time.process_time() - began_s
