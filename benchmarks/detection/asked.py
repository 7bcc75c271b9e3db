"""`make bench ARGS=asked`: what was asked of our rule in worlds of its own, and what was measured there.

What was asked of it beside the rules of others is in `benchmarks.detection.demands`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.detection import scenarios, study
from benchmarks.detection.measure import Figures
from benchmarks.detection.scenarios import DAY_S, HOUR_S, INTERVAL_S, LOWEST, MINUTE_S, Case, breath, trouble
from benchmarks.detection.study import OURS, Cell, Results
from benchmarks.detection.tables import height, percent, table
from controller.plan.sentinel_offers import with_sentinel
from controller.simulation.scenario import BlipStream, Outage
from probes.outcome import Outcome

_SEEDS, _QUARTERS, _DAYS = 200, 4, 90
_QUICK_SEEDS, _QUICK_QUARTERS, _QUICK_DAYS = 2, 1, 2
#: So many seeds make one job.
_CHUNK = 10
#: How long two candidates fail alike.
_ALIKE_H = 12
_WRONG, _THROTTLED, _TIMEOUT = Outcome.BAD_ANSWER, Outcome.RATE_LIMITED, Outcome.TIMEOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is measured in a world."""

    what: str
    asked: str
    """The bound, as a row has it."""
    answer: Callable[[Figures], tuple[str, bool]]
    """What was measured, and whether it keeps the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One row: a world, and what is measured in it."""

    case: Case
    measure: Measure
    seeds: int

    @property
    def cell(self) -> Cell:
        """Where its figures are."""
        return Cell(rule=OURS, case=self.case.name, models=self.case.models)


def main(*, quick: bool = False) -> None:
    """Print one row for each question; quickly: from two seeds, to see it work."""
    effort = (_QUICK_SEEDS, _QUICK_QUARTERS, _QUICK_DAYS) if quick else (_SEEDS, _QUARTERS, _DAYS)
    asked = list(questions(*effort))
    print(text(asked, study.lived((one.cell, one.case, one.seeds, _CHUNK) for one in asked)))


def questions(seeds: int, quarters: int, days: int) -> Iterator[Question]:
    """All of them: so many seeds of each trouble, and so many quiet quarters of so many days."""
    for case, measure in (*_siblings(), *_throttled(), *_timeouts(), _sentinel(), *_several()):
        yield Question(case=case, measure=measure, seeds=seeds)
    case, measure = _alike()
    yield Question(case=case, measure=measure, seeds=math.ceil(seeds / _ALIKE_H))
    for case, measure in _quiet(days):
        yield Question(case=case, measure=measure, seeds=quarters)


def text(asked: Sequence[Question], results: Results) -> str:
    """The table of them."""
    rows = []
    for one in asked:
        figures = results[one.cell]
        measured, kept = one.measure.answer(figures)
        shown = measured if kept else f"**{measured}: not kept**"
        rows.append([one.case.says, one.measure.what, one.measure.asked, shown, f"{figures.seeds}"])
    return table(["what happens", "what is measured", "asked", "measured", "seeds"], rows)


def _siblings() -> Iterator[tuple[Case, Measure]]:
    for models, share in {6: 0.10, 10: 0.06}.items():
        for rate in (0.5, 1.0):
            sick = [trouble(f"a/m{number}", rate) for number in (1, 3, 5)]
            yield (
                _case(f"three of {models} models of a provider fail {height(rate)}", sick, models=models),
                _bystanders(share),
            )


def _throttled() -> Iterator[tuple[Case, Measure]]:
    # The first refusal comes after half an interval, the second after its Retry-After two intervals later. An answer
    # takes a second, and the onsets of the seeds are no better than that.
    second_s = 2.5 * INTERVAL_S + 2
    for says, hit, measure in (
        ("100 % throttled", _hit(1.0), _mean(45)),
        ("100 % throttled, Retry-After 10 s", replace(_hit(1.0), retry_after_s=10.0), _mean(45)),
        ("100 % throttled, Retry-After 20 s", replace(_hit(1.0), retry_after_s=20.0), _mean(second_s)),
        ("60 % throttled", _hit(0.6), _mean(180)),
        ("50 % throttled", _hit(0.5), _mean(240)),
        ("30 % throttled", _hit(0.3), _at_least(0.75, within_min=15)),
        ("15 % throttled", _hit(0.15), _at_most(0.05)),
        ("60 % wrong answers", _hit(0.6, _WRONG), _mean(180)),
    ):
        yield _case(says, [hit]), measure


def _timeouts() -> Iterator[tuple[Case, Measure]]:
    for targets, models, limits_s in (("one target", 1, (95, 50)), ("four targets", 4, (48, 28))):
        for rate, limit_s in zip((0.5, 1.0), limits_s, strict=True):
            says = f"{height(rate)} hang until the deadline of 30 s, {targets}"
            yield _case(says, [_hit(rate, _TIMEOUT)], models=models), _mean(limit_s)


def _sentinel() -> tuple[Case, Measure]:
    plain = _case("50 % fail, four targets, one of them the sentinel", [trouble("a/*", 0.5)], models=4)
    settings = with_sentinel(plain.scenario.settings, "a", "m1")
    return replace(plain, scenario=replace(plain.scenario, settings=settings)), _mean(19)


def _several() -> Iterator[tuple[Case, Measure]]:
    for percents in ((60, 40, 20), (50, 30, 12)):
        fail = [trouble(f"{name}/*", percent / 100) for name, percent in zip("abc", percents, strict=True)]
        yield _case("three candidates fail {}, {} and {} %".format(*percents), fail, providers=3), _flips(3.5)


def _alike() -> tuple[Case, Measure]:
    alike = [trouble(f"{name}/*", 0.4, for_s=_ALIKE_H * HOUR_S) for name in "ab"]
    return _case(f"both candidates fail 40 % for {_ALIKE_H} h", alike), _moves_an_hour(0.3)


def _quiet(days: int) -> Iterator[tuple[Case, Measure]]:
    breathing = scenarios.case(
        "breathing",
        "the background breathes, 0.2 to 4 % over the day, and blips as in the defaults",
        models=1,
        outages=(),
        background=LOWEST,
        breaths=[*breath("a/m1", 12, days=days), *breath("b/m1", 18, days=days)],
        blips=BlipStream(),
        duration_s=days * DAY_S,
    )
    longer = scenarios.case(
        "longer-blips",
        "six blips a day of 20 to 60 s",
        models=1,
        outages=(),
        blips=BlipStream(per_day=6, length=(20, 60)),
        duration_s=days * DAY_S,
    )
    yield breathing, _false(1)
    yield longer, _false(None)


def _case(says: str, troubles: Iterable[Outage], *, models: int = 1, providers: int = 2) -> Case:
    return scenarios.case(says, says, models=models, providers=providers, outages=troubles)


def _hit(rate: float, outcome: Outcome = _THROTTLED) -> Outage:
    return replace(trouble("a/*", rate), outcome=outcome)


def _mean(limit_s: float) -> Measure:
    def answer(figures: Figures) -> tuple[str, bool]:
        kept = figures.mean_s <= limit_s and figures.flipped == figures.runs
        return f"{figures.mean_s:.1f} ± {figures.error_s:.1f} s", kept

    return Measure(what="mean time to flip", asked=f"≤ {limit_s:g} s", answer=answer)


def _at_least(least: float, *, within_min: float) -> Measure:
    def answer(figures: Figures) -> tuple[str, bool]:
        share = sum(flip_s <= within_min * MINUTE_S for flip_s in figures.flip_s) / figures.runs
        return f"{percent(share)} %", share >= least

    what = f"routes that move within {within_min:g} min"
    return Measure(what=what, asked=f"≥ {height(least)}", answer=answer)


def _at_most(most: float) -> Measure:
    def answer(figures: Figures) -> tuple[str, bool]:
        share = figures.flipped / figures.runs
        return f"{percent(share)} %", share <= most

    return Measure(what="routes that move within the hour", asked=f"≤ {height(most)}", answer=answer)


def _bystanders(most: float) -> Measure:
    def answer(figures: Figures) -> tuple[str, bool]:
        share, error = percent(figures.others_left), percent(figures.others_left_error)
        return f"{share} ± {error} %", figures.others_left <= most

    return Measure(what="routes of the healthy models that move", asked=f"≤ {height(most)}", answer=answer)


def _flips(most: float) -> Measure:
    def answer(figures: Figures) -> tuple[str, bool]:
        return f"{figures.flips:.2f} (at most {figures.most_flips} in one)", figures.flips <= most

    return Measure(what="flips per outage", asked=f"≤ {most:g}", answer=answer)


def _moves_an_hour(most: float) -> Measure:
    def answer(figures: Figures) -> tuple[str, bool]:
        return f"{figures.flips / _ALIKE_H:.2f}", figures.flips / _ALIKE_H <= most

    return Measure(what="moves an hour", asked=f"≤ {most:g}", answer=answer)


def _false(most: float | None) -> Measure:
    """None where nothing was asked."""

    def answer(figures: Figures) -> tuple[str, bool]:
        rate = figures.false_per_quarter
        kept = most is None or rate <= most
        return f"{rate:.2f} ({figures.false_seen} in {figures.quarters:.0f} route quarters)", kept

    asked = "–" if most is None else f"≤ {most:g}"
    return Measure(what="false failovers per route and 90 days", asked=asked, answer=answer)
