"""`hotspare plan`: tries a configuration in the simulation on all cores, and says what it will do."""

import math
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from controller.cli import output as answers
from controller.cli.terminal import terminal
from controller.plan import forecast
from controller.plan.alarms import expected_false_failovers
from controller.plan.forecast import ForecastInput, outage_at_rate
from controller.plan.promises import stranded_warnings
from controller.plan.trials import RATES, Trial, TrialSubject, probes_per_s, run_quiet_period, run_trial, trial_subjects
from controller.simulation.runner import prices
from controller.simulation.workers import spread
from monitor.budget.allocation import money
from monitor.formatting import format_duration, plural, span
from monitor.settings import Settings

#: What a plan may take by default: about so many probes for the outages, and as many for the quiet time.
_PROBES = 250_000.0
_FEWEST_SEEDS, _USUAL_SEEDS = 10, 250
_QUIET_PIECES = 8
_SHORTEST_QUIET_S = 1800.0
_HALF = 0.5
#: Usually it takes a tenth of a second.
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietMetrics:
    """A piece of time without outages."""

    settings: Settings
    duration_s: float
    seed: int


Moves = Mapping[str, float | None]
Quiet = tuple[int, Mapping[str, int]]


def run(
    settings: Settings, *, seeds: int | None, jobs: int | None, as_json: bool, patience_s: float = _PATIENCE_S
) -> int:
    """Print the plan; 1 when it warns that the configuration cannot keep a promise.

    `seeds` outages of each kind are tried; None: as many as take a few seconds, 10 to 250. `jobs` processes do the
    work, one per core by default; the answer does not depend on their number. Call it from the main thread: where the
    detector's thresholds are not found within `patience_s`, that is said in place of a plan, with 1.
    """
    try:
        with _within(patience_s):
            expected_false_failovers(forecast.apply_budget(settings, prices(settings))[0])  # it is remembered
    except TimeoutError:
        answers.complain(f"no plan: {_too_slow(settings, patience_s)}")
        return answers.BAD_NEWS
    document = plan(settings, seeds=seeds, jobs=jobs, progress=True)
    if as_json:
        answers.print_document(document)
    else:
        show(document, settings)
    return answers.OK if document["keeps_promises"] else answers.BAD_NEWS


def plan(
    settings: Settings, *, seeds: int | None = None, jobs: int | None = None, progress: bool = False
) -> dict[str, Any]:
    """The document of `plan --json`; progress on a terminal."""
    began_s = time.perf_counter()
    configured, known = settings, prices(settings)
    settings, foreseen = forecast.apply_budget(configured, known)
    every = trial_subjects(settings)
    tried = affordable(every)
    usual = _seeds(tried)
    found = ForecastInput(
        settings=settings,
        configured=configured,
        budget=foreseen,
        subjects=tried,
        left_out=len(every) - len(tried),
        seeds=seeds or usual,
        false_failovers=expected_false_failovers(settings),
        prices=known,
    )
    work: list[QuietMetrics | Trial] = [*_calms(settings, found.seeds / usual), *_trials(found)]
    errors = Console(stderr=True)
    # The processes begin before the progress does: a fork and its thread do not go together.
    with (
        spread(_do, work, jobs) as results,
        Progress(console=errors, transient=True, disable=not (progress and errors.is_terminal)) as bar,
    ):
        for piece, answer in zip(work, bar.track(results, total=len(work), description="planning"), strict=True):
            _take_in(found, piece, answer)
    return forecast.plan_document(found, wall_s=time.perf_counter() - began_s)


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError when what is done takes longer; only in the main thread."""

    def over(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _too_slow(settings: Settings, seconds: float) -> str:
    controller = settings.controller
    blips = controller.blips
    return (
        f"the evidence that keeps controller.false_failovers was not found within {span(seconds)},"
        f" and the service would look for it as long: {blips.per_day:g} blips a day"
        f" of up to {format_duration(blips.longest_s)} (controller.blips)"
        f" or controller.min_outage ({format_duration(controller.min_outage_s)})"
        " are too much for these intervals"
    )


def affordable(every: Sequence[TrialSubject]) -> list[TrialSubject]:
    """All providers, and as many models alone as can be tried ten times in twice the usual time, at least one."""
    tried = [one for one in every if not one.alone]
    left = 2 * _PROBES - _cost(tried) * _FEWEST_SEEDS
    for one in (one for one in every if one.alone):
        left -= _cost([one]) * _FEWEST_SEEDS
        if left < 0 and any(known.alone for known in tried):
            break
        tried.append(one)
    return tried


def _cost(tried: Sequence[TrialSubject]) -> float:
    """About how many probes one seed of all of them takes."""
    return len(RATES) * math.fsum(one.probes for one in tried)


def _seeds(tried: Sequence[TrialSubject]) -> int:
    cost = _cost(tried)
    return int(min(_USUAL_SEEDS, max(_FEWEST_SEEDS, _PROBES / cost))) if cost else _FEWEST_SEEDS


def _calms(settings: Settings, share: float) -> Iterator[QuietMetrics]:
    duration_s = share * _PROBES / probes_per_s(settings.targets) / _QUIET_PIECES
    for seed in range(_QUIET_PIECES):
        yield QuietMetrics(settings=settings, duration_s=max(_SHORTEST_QUIET_S, duration_s), seed=seed)


def _trials(found: ForecastInput) -> Iterator[Trial]:
    for seed in range(found.seeds):
        for subject in found.subjects:
            for rate in RATES:
                yield Trial(subject=subject, rate=rate, seed=seed)


def _do(piece: QuietMetrics | Trial) -> Quiet | Moves:
    return (
        run_trial(piece) if isinstance(piece, Trial) else run_quiet_period(piece.settings, piece.duration_s, piece.seed)
    )


def _take_in(found: ForecastInput, piece: QuietMetrics | Trial, answer: Quiet | Moves) -> None:
    if isinstance(piece, Trial) and not isinstance(answer, tuple):
        found.flipped(piece.subject, piece.rate, answer)
    elif isinstance(piece, QuietMetrics) and isinstance(answer, tuple):
        probes, moved = answer
        found.quiet_probes += probes
        found.quiet_s += piece.duration_s
        found.moved.update(moved)


def show(document: dict[str, Any], settings: Settings, console: Console | None = None) -> None:
    """The plan for people."""
    console = console or terminal()
    if any(route["outages"] for route in document["routes"]):
        console.print(_outages(document))
        console.print()
    console.print(_targets(document))
    console.print()
    known = [text for route in settings.routes for text in stranded_warnings(route)]
    for line in (*_verdicts(document), *known, *_costs(document), *_small_print(document)):
        console.print(line, markup=False)
    if settings.controller.dry_run:
        console.print("controller.dry_run is true: all this is decided and told, but no route moves", markup=False)
    answers.warn(text for text in document["warnings"] if text not in known)


def _outages(document: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("route", overflow="fold")
    table.add_column("outage", overflow="fold")
    for name in ("moved", "after, mean", "p95", "at worst"):
        table.add_column(name, justify="right")
    for route in document["routes"]:
        for one in route["outages"]:
            times = one["time_to_flip_s"]
            within = "" if one["mean_within_s"] is None else f" ± {_short(one['mean_within_s'])}"
            table.add_row(
                Text(route["route"]),
                Text(f"{_what(one)}{' alone' if one['alone'] else ''}"),
                f"{one['flipped']} of {one['runs']}",
                _short(times["mean"]) + within,
                _short(times["p95"]),
                _short(times["max"]),
            )
    return table


def _targets(document: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("target", overflow="fold")
    for name in ("interval", "probes a month", "$ a month"):
        table.add_column(name, justify="right")
    for target in document["targets"]:
        usd = target["usd_per_month"]
        table.add_row(
            Text(target["target"]),
            _interval(target),
            f"{target['probes_per_month']:,}",
            "price unknown" if usd is None else _money(usd),
        )
    return table


def _interval(target: Mapping[str, Any]) -> str:
    """As configured, and what the budget makes of it."""
    configured, stretched = target["interval_s"], target["stretched_interval_s"]
    shown = format_duration(configured)
    return shown if stretched <= configured else f"{shown} → {format_duration(round(stretched, 1))} by the budget"


def _verdicts(document: dict[str, Any]) -> Iterator[str]:
    """One sentence for each route that can be moved."""
    for route in document["routes"]:
        half = outage_at_rate(route["outages"], _HALF)
        if half is None or half["time_to_flip_s"]["mean"] is None:
            continue
        times = half["time_to_flip_s"]
        text = (
            f"a {_what(half)} moves `{route['route']}` after {span(round(times['mean']))} on average,"
            f" {span(round(times['p95']))} at worst in 19 of 20"
        )
        false = route["false_failovers"]
        if false and false["days_each"] is not None:
            text += f"; expect one false failover in {_days(false['days_each'])}"
        yield text


def _costs(document: dict[str, Any]) -> Iterator[str]:
    probes = f"{document['probes_per_month']:,} probes a month"
    unknown = document["price_unknown"]
    if document["usd_per_month"] is None:
        yield f"{probes}, at prices that are not known"
    else:
        less = f", without {plural(len(unknown), 'target')} whose price is not known" if unknown else ""
        yield f"{_money(document['usd_per_month'])} a month for {probes}{less}"
    said = document["budget"]
    if said is not None and all(target["stretch"] <= 1 for target in document["targets"]):
        yield f"the budget of {money(document['budget_usd_per_month'])} a month pays for the configured intervals"


def _small_print(document: dict[str, Any]) -> Iterator[str]:
    """What the figures rest on."""
    assumed = document["assumptions"]
    blips = assumed["blips"]
    shortest, longest = (format_duration(end) for end in blips["length_s"])
    yield (
        f"assumed: {assumed['background_failure_rate'] * 100:g} % of quiet probes fail,"
        f" {blips['per_day']:g} blips a day of {shortest} to {longest}, outages answer HTTP 500 at once;"
        f" {plural(document['seeds'], 'trial')} of each"
    )
    simulated = [route["false_failovers"]["simulated"] for route in document["routes"] if route["false_failovers"]]
    if simulated:
        count, days = sum(one["count"] for one in simulated), sum(one["days"] for one in simulated)
        yield (
            f"false failovers are calculated; {plural(count, 'move')} for nothing came"
            f" in {_days(days)} of routes in quiet simulation"
        )
    if document["models_alone_not_tried"]:
        yield f"not tried: {plural(document['models_alone_not_tried'], 'other model')} failing alone"


def _what(outage: Mapping[str, Any]) -> str:
    return f"{outage['failure_rate'] * 100:.3g} % outage of {outage['of']}"


def _short(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.1f} min"


def _days(days: float) -> str:
    if days > 3650:
        return "more than ten years"
    return f"{days:,.0f} days" if days >= 9.5 else f"{days:.1f} days"


def _money(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 0.005 or usd == 0 else "less than $0.01"
