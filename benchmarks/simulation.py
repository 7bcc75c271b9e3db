"""How fast one core simulates, what judging a probe costs, and how long a threshold takes.

CPU time, beside a loop of pure Python.
"""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

from controller.simulation.loop import EPOCH
from controller.simulation.runner import simulate_seed
from controller.simulation.scenario import BlipStream, Scenario
from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route
from monitor.detection import threshold
from monitor.detection.detector import Detector
from monitor.detection.parameters import known_thresholds, target_parameters
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.builders import settings, target

_DAYS = 10
#: So many good probes of each target come before what is judged, which is done so often.
_LEARNED, _ROUNDS = 150, 200
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
    for what, judged_s in _judging(scenario).items():
        print(f"|judging {what}|{judged_s * 1e6:.1f} µs, {judged_s / loop_s * 1e7:.0f} steps|")
    together_s = 0.0
    for interval_s in _INTERVALS_S:
        _, took_s = _timed(partial(_find_threshold, interval_s))
        together_s += took_s
        print(f"|the threshold of one target every {interval_s:g} s|{took_s:.3f} s|")
    print(f"|these together|{together_s:.3f} s|")


def _quiet_world(days: float) -> Scenario:
    names = (*(f"a/m{number}" for number in range(10)), "b/m1")
    made_up = settings(Path("/nowhere"), *names, routes=[Route(name="r", candidates=("a/m1", "b/m1"))])
    return Scenario(path=Path("quiet"), settings=made_up, duration_s=days * 86400, blips=BlipStream())


def _judging(scenario: Scenario) -> dict[str, float]:
    """Seconds for one probe of each kind, with the extra probes that follow from it, in the best of many runs."""
    detector = Detector(scenario.settings, EPOCH)
    names = [target.id for target in scenario.settings.targets]

    def judge(name: str, at_s: float, outcome: Outcome = Outcome.OK) -> None:
        started_at = EPOCH + timedelta(seconds=at_s)
        detector.observe(Observation(target=name, check="chat", started_at=started_at, outcome=outcome, duration_s=0.9))
        detector.burst_probes(name)

    for place in range(_LEARNED * len(names)):
        judge(names[place % len(names)], place * 3.0)
    known, now_s = detector.snapshot(), _LEARNED * len(names) * 3.0
    kinds: dict[str, tuple[str | None, Sequence[str]]] = {
        "a good probe": (None, names[:-1]),
        "a failed probe": (None, ()),
        "a good probe of a provider of which one failed": (names[0], names[1:-1]),
        "a good probe of a target alone that failed": (names[-1], names[-1:] * 9),
    }
    best = dict.fromkeys(kinds, inf)
    for _, (what, (failed, then)) in product(range(_ROUNDS), kinds.items()):
        detector.restore(known)
        if failed:
            judge(failed, now_s, Outcome.SERVER_ERROR)
        outcome = Outcome.OK if then else Outcome.SERVER_ERROR
        began_s = time.perf_counter()
        for place, name in enumerate(then or names[:1], 1):
            judge(name, now_s + place * 2.0, outcome)
        best[what] = min(best[what], (time.perf_counter() - began_s) / len(then or names[:1]))
    return best


def _find_threshold(interval_s: float) -> float:
    threshold.keep_in({})
    threshold.threshold.cache_clear()
    known_thresholds.cache_clear()
    return target_parameters(target("a/m1", interval_s=interval_s), ControllerSettings()).threshold(0.005)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began_s = time.process_time()
    result = work()
    return result, time.process_time() - began_s
