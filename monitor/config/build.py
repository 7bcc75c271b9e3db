"""The configuration of routes and of the controller that moves them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from monitor.config.config_targets import check_name
from monitor.config.document import Place
from monitor.config.schema import Section
from monitor.detection.evidence import LARGEST_BACKGROUND
from monitor.formatting import format_duration, format_share, plural
from monitor.health import Health
from monitor.settings import Blips, ControllerSettings, Failback, Route
from probes.target import Target

_DAY_S = 86400.0
#: Of the time that blips may take: more of it could not be told from an outage that comes and goes.
_MOST_IN_BLIPS = 0.05
_FAIL_OVER_ON = tuple(str(health) for health in (Health.DEGRADED, Health.UNUSABLE, Health.DOWN, Health.MISCONFIGURED))
#: A target with such health serves nobody, so that to stay on it is hardly ever meant.
_ALWAYS_LEFT = (Health.DOWN, Health.UNUSABLE, Health.MISCONFIGURED)
_LONG_OUTAGE_S, _LONG_OUTAGE_INTERVALS = 300.0, 10
_MODES: tuple[Literal["auto", "manual", "steps"], ...] = ("auto", "manual", "steps")
_MOST_STEPS = 10


def read_routes(root: Section, targets: Mapping[str, Target]) -> tuple[Route, ...]:
    """Every route, in the order of the file; its candidates are ids of these targets."""
    routes: list[Route] = []
    for name, section in root.named("routes", "route"):
        check_name(section, name, "a route")
        route = Route(name=name.text, candidates=_candidates(section, targets))
        moves = section.choices("fail_over_on", _FAIL_OVER_ON, "a health that can move a route")
        routes.append(replace(route, fail_over_on=frozenset(map(Health, moves))) if moves else route)
        _warn_about_staying(section, routes[-1])
    return tuple(routes)


def read_controller(section: Section) -> ControllerSettings:
    """How evidence becomes a decision."""
    default = ControllerSettings()
    promise = section.rate("false_failovers")
    if promise is not None and promise <= 0:
        section.findings.problem(section.at("false_failovers"), "is not more than zero; no detector is never wrong")
    return ControllerSettings(
        detect=_detect(section, default.detect),
        false_failovers_per_day=default.false_failovers_per_day if promise is None else promise,
        min_outage_s=section.duration("min_outage", default.min_outage_s, zero=True),
        dwell_s=section.duration("dwell", default.dwell_s),
        failback=_failback(section.section("failback"), default.failback),
        blips=_blips(section.section("blips"), default.blips),
        dry_run=section.flag("dry_run", default.dry_run),
    )


def _candidates(section: Section, targets: Mapping[str, Target]) -> tuple[str, ...]:
    expected = "a list of targets such as [openai/gpt-6-luna]"
    if not section.has("candidates"):
        section.missing("candidates", expected)
    texts = section.words("candidates", expected, "a target")
    if texts == () and section.is_empty("candidates"):
        section.findings.problem(section.at("candidates"), f"is empty; expected {expected}")
    good: dict[str, Target] = {}
    for text in texts or ():
        if text.value in good:
            section.refuse(text, "is here twice")
        elif text.value not in targets:
            hint = section.findings.did_you_mean(text.value, targets) or "; expected provider/model from providers"
            section.refuse(text, f"is not a target{hint}")
        else:
            good[text.value] = targets[text.value]
    if texts and len(good) == len(texts):
        _warn_about_redundancy(section, section.at("candidates"), list(good.values()))
    return tuple(good)


def _warn_about_redundancy(section: Section, place: Place, candidates: list[Target]) -> None:
    providers = {target.provider.name for target in candidates}
    if len(candidates) == 1:
        section.findings.warn(place, "a single candidate: there is nothing to fail over to")
    elif len(providers) == 1:
        name = section.findings.shown(providers.pop())
        section.findings.warn(place, f"all candidates are at {name}: an outage of that provider takes the route down")


def _warn_about_staying(section: Section, route: Route) -> None:
    left_out = [health for health in _ALWAYS_LEFT if health not in route.fail_over_on]
    if left_out:
        text = f"leaves out {', '.join(left_out)}: the route stays on a target that is {' or '.join(left_out)}"
        section.findings.warn(section.at("fail_over_on"), text)


def _detect(section: Section, fallback: float) -> float:
    detect = section.share("detect")
    if detect is None:
        return fallback
    if detect <= LARGEST_BACKGROUND:
        background = f"the background rate a target may have (up to {format_share(LARGEST_BACKGROUND)})"
        section.findings.problem(section.at("detect"), f"{format_share(detect)} is not above {background}")
    elif detect >= 1:
        text = "is not below 100%: only outages that fail every single request would be found"
        section.findings.problem(section.at("detect"), f"{format_share(detect)} {text}")
    return detect


def _failback(section: Section, default: Failback) -> Failback:
    mode = section.text("mode", "auto, manual or steps")
    chosen = next((known for known in _MODES if mode and mode.value == known), None)
    if mode and chosen is None:
        hint = section.findings.did_you_mean(mode.value, _MODES) or f"; known: {', '.join(_MODES)}"
        section.refuse(mode, f"is not a mode of failback{hint}")
    return Failback(
        mode=chosen or default.mode,
        hold_s=section.duration("hold", default.hold_s),
        steps=_steps(section, default.steps),
        step_s=section.duration("step", default.step_s),
    )


def _steps(section: Section, fallback: tuple[float, ...]) -> tuple[float, ...]:
    shares = section.shares("steps", "a list of shares such as [10%, 50%, 100%]")
    if shares is None:
        return fallback
    problem = _steps_problem(shares)
    if problem:
        section.findings.problem(section.at("steps"), problem)
    return fallback if problem else shares


def _steps_problem(shares: tuple[float, ...]) -> str | None:
    if not 1 <= len(shares) <= _MOST_STEPS:
        return f"has {plural(len(shares), 'step')}; expected 1 to {_MOST_STEPS} of them, the last one 100%"
    if any(share <= before for before, share in pairwise((0.0, *shares))):
        return "does not rise; expected shares above 0%, each larger than the one before: [10%, 50%, 100%]"
    if shares[-1] != 1:
        return f"ends at {format_share(shares[-1])}; the last step is 100%, or the failback would never be complete"
    return None


def _blips(section: Section, default: Blips) -> Blips:
    shortest_s, longest_s = section.durations("length", (default.shortest_s, default.longest_s))
    per_day, failing = section.number("per_day"), section.share("failure_rate")
    if per_day is not None and per_day < 0:
        section.findings.problem(section.at("per_day"), f"{per_day:g} is not zero or more")
    if failing is not None and not 0 < failing <= 1:
        text = f"{format_share(failing)} is not more than 0% and at most 100%"
        section.findings.problem(section.at("failure_rate"), text)
    blips = Blips(
        per_day=default.per_day if per_day is None else per_day,
        shortest_s=shortest_s,
        longest_s=longest_s,
        failure_rate=default.failure_rate if failing is None else failing,
    )
    share = blips.per_day * (shortest_s + longest_s) / 2 / _DAY_S
    if share > _MOST_IN_BLIPS:
        text = (
            f"takes {format_share(round(share, 3))} of the day, which is an outage and no blip;"
            f" expected per_day × length to come to {format_share(_MOST_IN_BLIPS)} at the most"
        )
        section.findings.problem(section.place, text)
    return blips


def warn_of_long_outages(root: Section, targets: Iterable[Target], controller: ControllerSettings) -> None:
    """Say so where `min_outage` was made so long that real outages are over before anything moves."""
    slowest_s = max((target.interval_s for target in targets), default=_LONG_OUTAGE_S)
    longest_s = min(_LONG_OUTAGE_S, _LONG_OUTAGE_INTERVALS * slowest_s)
    chosen_s = controller.min_outage_s
    if chosen_s > longest_s and chosen_s != ControllerSettings().min_outage_s:
        text = f"{format_duration(chosen_s)} is long: an outage shorter than that moves nothing"
        root.findings.warn(root.section("controller").at("min_outage"), text)


def warn_of_blips(root: Section, targets: Iterable[Target], blips: Blips) -> None:
    """Say so where several probes in a row can fall into one blip."""
    fastest = min((target.interval_s for target in targets), default=blips.longest_s)
    if blips.per_day and fastest < blips.longest_s:
        text = (
            f"several probes that are {format_duration(fastest)} apart can fall into one blip of up to"
            f" {format_duration(blips.longest_s)} (blips.length): a verdict then needs more evidence, and time"
        )
        root.findings.warn(root.section("controller").section("blips").place, text)
