"""How soon one target's outage is noticed, and how often nothing is taken for one: detector and pacing in virtual time.

The world is that of the design: 30 s interval, 0.5 % background failures, five blips a day of 3–8 s at 90 % failing,
outages of HTTP errors that answer at once. The detector and the pacing are the service's own.
"""

import random
import statistics
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitor import detector
from monitor.health import Health
from monitor.pacing import quick_s
from monitor.record import Record
from monitor.rule import Rule, rule_for
from monitor.settings import Blips, Controller
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check, Provider, Secret, Target

_T0 = datetime(2026, 1, 1, tzinfo=UTC)
_INTERVAL_S, _PROBE_S, _BACKGROUND = 30.0, 1.0, 0.005
_QUIET_S, _OUTAGE_S = 3600.0, 3600.0
_SEEDS, _QUARTERS, _DAY_S = 400, 20, 86_400.0
_TARGET = Target(provider=Provider(name="p", dialect="openai-chat", base_url="", api_key=Secret("")), model="m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run saw."""

    downs_s: list[float]
    """When the target was called down."""
    returns_s: list[float]
    """When it was called up again."""
    probes: int


def main() -> None:
    """Print the time to the verdict and back at 20, 50 and 100 % failing, and the false verdicts of quiet quarters."""
    print(f"One target, {_SEEDS} seeds.\n")
    print("| outage | noticed | time to verdict: mean, p50, p95 | back after the end: mean, p95 | verdicts |")
    print("| --- | --- | --- | --- | --- |")
    with ProcessPoolExecutor() as workers:
        for share in (0.2, 0.5, 1.0):
            runs = list(workers.map(_outage, [share] * _SEEDS, range(_SEEDS), chunksize=20))
            print(_outage_row(share, runs))
        quarters = list(workers.map(_quarter, range(_QUARTERS)))
    false = sum(len(run.downs_s) for run in quarters)
    probes = sum(run.probes for run in quarters) / (_QUARTERS * 90 * _DAY_S / _INTERVAL_S)
    print(
        f"\nQuiet: {false} false verdicts in {_QUARTERS} × 90 days ({false / _QUARTERS:.2f} per 90 days; promised: 1);"
    )
    print(f"probes sent against a fixed interval: {probes:.3f} ×.")


def _outage_row(share: float, runs: list[Run]) -> str:
    found = sorted(run.downs_s[0] - _QUIET_S for run in runs if run.downs_s)
    back = sorted(run.returns_s[-1] - _QUIET_S - _OUTAGE_S for run in runs if run.returns_s)
    verdicts = statistics.fmean(len(run.downs_s) for run in runs)
    return (
        f"| {share:.0%} HTTP 500 for an hour | {len(found)} of {len(runs)} "
        f"| {statistics.fmean(found):.0f} s, {_quantile(found, 0.5):.0f} s, {_quantile(found, 0.95):.0f} s "
        f"| {statistics.fmean(back) / 60:.1f} min, {_quantile(back, 0.95) / 60:.1f} min | {verdicts:.2f} |"
    )


def _quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


def _outage(share: float, seed: int) -> Run:
    return _run(seed, until_s=_QUIET_S + _OUTAGE_S + 3600, outage_rate=share, blips=Blips(per_day=0))


def _quarter(seed: int) -> Run:
    return _run(seed, until_s=90 * _DAY_S, outage_rate=_BACKGROUND, blips=Blips())


def _run(seed: int, *, until_s: float, outage_rate: float, blips: Blips) -> Run:
    """One target from start to end; an outage begins after an hour and lasts one."""
    dice = random.Random(seed)
    rule = rule_for(_TARGET, Controller())
    record = Record(target=_TARGET.id, since=_T0)
    troubles = _blips(blips, dice)
    trouble_from, trouble_until = next(troubles)
    run = Run(downs_s=[], returns_s=[], probes=0)
    regular_s, extra_s, probes = dice.uniform(0, _INTERVAL_S), float("inf"), 0
    while min(regular_s, extra_s) < until_s:
        now_s = min(regular_s, extra_s)
        regular_s += _INTERVAL_S if now_s == regular_s else 0
        while now_s >= trouble_until:
            trouble_from, trouble_until = next(troubles)
        rate = outage_rate if _QUIET_S <= now_s < _QUIET_S + _OUTAGE_S else _BACKGROUND
        rate = blips.failure_rate if now_s >= trouble_from else rate
        record, extra_s = _probed(record, rule, now_s, failed=dice.random() < rate, run=run)
        probes += 1
    return Run(downs_s=run.downs_s, returns_s=run.returns_s, probes=probes)


def _probed(record: Record, rule: Rule, now_s: float, *, failed: bool, run: Run) -> tuple[Record, float]:
    """The record after one probe, and when an extra one is due."""
    seen = Observation(
        target=record.target,
        check=Check.CHAT,
        started_at=_T0 + timedelta(seconds=now_s),
        outcome=Outcome.SERVER_ERROR if failed else Outcome.OK,
        duration_s=_PROBE_S,
    )
    after = detector.observe(record, seen, rule)
    if after.health is not record.health:
        if after.health is Health.DOWN and record.health is not Health.RECOVERING:
            run.downs_s.append(now_s + _PROBE_S)
        if after.health is Health.UP and record.health is Health.RECOVERING:
            run.returns_s.append(now_s + _PROBE_S)
    quick = quick_s(after, rule)
    return after, now_s + _PROBE_S + quick if quick is not None else float("inf")


def _blips(blips: Blips, dice: random.Random) -> Iterator[tuple[float, float]]:
    end_s = 0.0
    while blips.per_day:
        begin_s = end_s + dice.expovariate(blips.per_day / _DAY_S)
        end_s = begin_s + dice.uniform(blips.shortest_s, blips.longest_s)
        yield begin_s, end_s
    yield float("inf"), float("inf")
