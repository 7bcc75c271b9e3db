"""How soon a target that has become slower is noticed, and how often ordinary slowness is taken for it.

One target, probed every 30 s and a quarter of that once the evidence is worth it, judged by the service's own baseline
and evidence (`monitor.detection.latency`): degraded from the threshold until the recovery test is passed.
"""

import math
import random
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitor.detection import latency
from monitor.detection.latency import LatencyEvidence
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check

_T0 = datetime(2026, 1, 1, tzinfo=UTC)
_DAY_S, _HOUR_S = 86_400.0, 3600.0
_INTERVAL_S, _QUICK_S, _BURST = 30.0, 7.5, 24
_SLOW_S, _DEADLINE_S = 10.0, 30.0
_THRESHOLD = latency.threshold(_INTERVAL_S, per_day=1 / 90)

_QUARTERS, _SEEDS = 4, 8
_LEARNING_S, _SPELL_S, _SPELLS_APART_S, _SPELLS = 10 * _DAY_S, 2 * _HOUR_S, 25 * _HOUR_S, 12

_PASSED = math.log((1 - latency.NORMAL_SHARE) / (1 - latency.STILL_LATE_SHARE))
_FAILED = math.log(latency.STILL_LATE_SHARE / latency.NORMAL_SHARE)
_RECOVERED = math.log(20)

#: Seconds that an answer takes, each.
_ANSWERS: dict[str, Callable[[random.Random], float]] = {
    "log-normal, median 0.9 s, p99 4 s": lambda dice: 0.9 * dice.lognormvariate(0, 0.641),
    "gamma, mean 1 s, p99 2.5 s": lambda dice: dice.gammavariate(4, 0.25),
    "median 0.9 s, and one in twenty five times as long": lambda dice: (
        0.9 * dice.lognormvariate(0, 0.3) * (5 if dice.random() < 0.05 else 1)
    ),
    "time to first token: median 0.3 s, p99 0.8 s": lambda dice: 0.3 * dice.lognormvariate(0, 0.4),
}
_FIRST = next(iter(_ANSWERS))
#: What happens to an answer so many seconds into a slow spell.
_SPELL: dict[str, Callable[[float, float], float]] = {
    "× 2": lambda took_s, _: 2 * took_s,
    "× 3": lambda took_s, _: 3 * took_s,
    "× 4": lambda took_s, _: 4 * took_s,
    "× 5": lambda took_s, _: 5 * took_s,
    "× 10": lambda took_s, _: 10 * took_s,
    "+ 2 s": lambda took_s, _: took_s + 2,
    "rising to × 5 over two hours": lambda took_s, into_s: took_s * (1 + 4 * into_s / _SPELL_S),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How long answers take in ordinary times."""

    answers: str = _FIRST
    day: float = 1.0
    """The slowest hour of the day against the fastest."""
    office: float = 1.0
    """From 9 to 17 o'clock against the rest of the day."""
    wander: float = 0.0
    """Standard deviation of a random level that is forgotten in half an hour."""
    per_day: float = 0.0
    """The drift: the share by which answers grow slower each day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was made of it."""

    degraded_s: list[float]
    """When it was called degraded."""
    probes: int


def main() -> None:
    """Print verdicts in quiet quarters of a year for several worlds, and the time to the verdict for several spells."""
    print(f"Quiet: {_QUARTERS} × 90 days each, promised is one verdict in 90 days.\n")
    print("|answers|verdicts per 90 days|probes against a fixed interval|\n|---|---|---|")
    quiet = {
        **{name: World(answers=name) for name in _ANSWERS},
        "the first, twice as slow at noon as at midnight": World(day=2),
        "the first, twice as slow from 9 to 17 o'clock": World(office=2),
        "the first, under a level that wanders by 20 %": World(wander=0.2),
        "the first, twice as slow at noon, and wandering": World(day=2, wander=0.2),
        "the first, 1 % slower every day": World(per_day=0.01),
    }
    with ProcessPoolExecutor() as workers:
        for name, world in quiet.items():
            print(_quiet_row(name, list(workers.map(_quarter, [world] * _QUARTERS, range(_QUARTERS)))), flush=True)
        print(f"\nSlow for two hours: {_SEEDS * _SPELLS} spells each, answers of {_FIRST} before.\n")
        print("|spell|noticed|seconds to the verdict: mean, p95|verdicts per spell|\n|---|---|---|---|")
        for spell in _SPELL:
            print(_spell_row(spell, list(workers.map(_spells, [spell] * _SEEDS, range(_SEEDS)))), flush=True)


def _quiet_row(name: str, quarters: list[Watched]) -> str:
    verdicts = sum(len(watched.degraded_s) for watched in quarters) / len(quarters)
    probes = sum(watched.probes for watched in quarters) / len(quarters) / (90 * _DAY_S / _INTERVAL_S)
    return f"|{name}|{verdicts:.2f}|{probes:.3f} ×|"


def _spell_row(spell: str, runs: list[Watched]) -> str:
    delays, verdicts = [], 0
    for run in runs:
        for number in range(_SPELLS):
            began_s = _LEARNING_S + number * _SPELLS_APART_S
            within = [at_s - began_s for at_s in run.degraded_s if 0 <= at_s - began_s < _SPELL_S]
            verdicts += len(within)
            delays += within[:1]
    p95 = statistics.quantiles(delays, n=20, method="inclusive")[-1]
    spells = len(runs) * _SPELLS
    times = f"{statistics.fmean(delays):,.0f}, {p95:,.0f}"
    return f"|{spell}|{len(delays)} of {spells}|{times}|{verdicts / spells:.2f}|"


def _quarter(world: World, seed: int) -> Watched:
    return _watched(world, None, 90 * _DAY_S, random.Random(f"quiet {seed}"))


def _spells(spell: str, seed: int) -> Watched:
    return _watched(World(), spell, _LEARNING_S + _SPELLS * _SPELLS_APART_S, random.Random(f"{spell} {seed}"))


def _watched(world: World, spell: str | None, length_s: float, dice: random.Random) -> Watched:
    """The world as the service would see it: learn, weigh, call degraded, and back."""
    known, took = LatencyEvidence(), _times(world, spell, dice)
    degraded_s: list[float] = []
    degraded, clean, probes, at_s = False, 0.0, 0, dice.random() * _INTERVAL_S
    while at_s < length_s:
        observation = _observation(at_s, took(at_s))
        late = known.late_measure(observation)
        known = known.add_observation(observation, no_evidence=not degraded)
        probes += 1
        if degraded:
            clean = max(0.0, clean - _FAILED) if late else clean + _PASSED
            if clean >= _RECOVERED:
                known, degraded = known.clear(), False
        elif known.lateness.value >= _THRESHOLD:
            degraded_s.append(at_s + observation.duration_s)
            degraded, clean = True, 0.0
        hurry = not degraded and known.is_suspicious(_THRESHOLD) and known.lateness.answers <= _BURST
        at_s += _QUICK_S if hurry else _INTERVAL_S
    return Watched(degraded_s=degraded_s, probes=probes)


def _observation(at_s: float, took_s: float) -> Observation:
    return Observation(
        target="one/a",
        check=Check.CHAT,
        started_at=_T0 + timedelta(seconds=at_s),
        outcome=Outcome.SLOW if took_s > _SLOW_S else Outcome.OK,
        duration_s=took_s,
    )


def _times(world: World, spell: str | None, dice: random.Random) -> Callable[[float], float]:
    """How long an answer takes that is asked for at so many seconds."""
    answer, last_s, level = _ANSWERS[world.answers], 0.0, 0.0

    def took_s(at_s: float) -> float:
        nonlocal last_s, level
        took_s = answer(dice) * math.exp(world.per_day * at_s / _DAY_S)
        if world.day != 1:
            took_s *= world.day ** (-0.5 * math.cos(2 * math.pi * at_s / _DAY_S))
        if world.office != 1 and 9 * _HOUR_S <= at_s % _DAY_S < 17 * _HOUR_S:
            took_s *= world.office
        if world.wander:
            kept = math.exp((last_s - at_s) / 1800)
            level, last_s = kept * level + math.sqrt(1 - kept * kept) * dice.gauss(0, 1), at_s
            took_s *= math.exp(world.wander * level)
        into_s = (at_s - _LEARNING_S) % _SPELLS_APART_S
        if spell and at_s >= _LEARNING_S and into_s < _SPELL_S:
            took_s = _SPELL[spell](took_s, into_s)
        return min(took_s, _DEADLINE_S)

    return took_s
