"""Routes, health and an operator's overrides in, decisions out: pure, so that the same input gives the same choice.

The invariants, each held by a test over all combinations of health, overrides and failback modes:

- A route never leaves a healthy target for a worse one, and never moves to one that is no better.
- It never chooses a target that fails while an eligible one exists. Where none is eligible it holds, or goes to the
  candidate that measurably fails less, once `dwell` has passed since the last move.
- A standby is eligible only with a recent good observation of its own; where it is `unknown`, not while our own network
  is down. One that was never proven comes after all others, and no route comes back to it.
- No second move inside `dwell`, unless the present target's health is in the route's `fail_over_on`.
- When the provider failed rather than the model, a candidate at another provider is preferred. Among equals one is
  that does not say that a limit is nearly used up; it refuses nobody a standby.
- Operators go before the policy: a pin beats a drain, a drain beats a pause, a pause beats the rest. A drill moves a
  route that is at rest on its first candidate to a standby that is `up`, and not for a moment longer.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from controller.routing.candidates import Candidate, best_alternative, best_eligible, build_candidates, passed_over
from controller.routing.decision import Decision, MoveKind
from controller.routing.failback import fail_back, home_fails, why_home_is_gone
from controller.routing.least_bad import can_be_least_bad, find_least_bad, least_failing
from controller.routing.override_text import with_author
from controller.routing.overrides import NO_OVERRIDES, Override, Overrides
from controller.routing.route_case import RouteCase, RouteVerdict
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import UNHEALTHY, Health, TargetHealth

#: A control cycle decides at least this often (seconds), so long after observations begin to come in, and so long after
#: a verdict is due that needs no further observation.
TICK_S, GATHER_S, AFTER_DUE_S = 0.5, 0.1, 0.02


_STAY = RouteVerdict(settled=True)


def decide_all(
    settings: Settings,
    states: Mapping[str, Decision],
    health: Mapping[str, TargetHealth],
    *,
    now: datetime,
    generation: int,
    epoch: int = 0,
    overrides: Overrides = NO_OVERRIDES,
    blind: Collection[str] = (),
) -> dict[str, RouteVerdict]:
    """The verdict on every route, by name, in the order of the configuration.

    `states` are the latest decisions by route, `health` the targets' by id, `overrides` those in force at `now`;
    `blind` are the regions whose own network is down, of which empty text is the only one where there are none;
    `generation` and `epoch` are those that a decision would be published under. Costs next to nothing for a route that
    is on its first candidate and may stay there.
    """
    verdicts = dict.fromkeys((route.name for route in settings.routes), _STAY)
    to_decide = [route for route in settings.routes if not may_stay(route, states.get(route.name), health, overrides)]
    targets = build_candidates(settings, to_decide, health, overrides, now, blind=blind) if to_decide else {}
    for route in to_decide:
        verdicts[route.name] = decide(
            RouteCase(
                route=route,
                current=states.get(route.name),
                targets=targets,
                now=now,
                generation=generation,
                epoch=epoch,
                controller=settings.controller,
                overrides=overrides,
            )
        )
    return verdicts


def may_stay(
    route: Route,
    state: Decision | None,
    health: Mapping[str, TargetHealth],
    overrides: Overrides = NO_OVERRIDES,
) -> bool:
    """Whether it is on its first candidate, and nothing moves it elsewhere."""
    first = route.candidates[0]
    if state is None or state.target != first or state.weights:
        return False
    if overrides.active and (
        overrides.pin(route.name) or overrides.drill(route.name) or overrides.drained(first, first.partition("/")[0])
    ):
        return False
    state_of_first = health.get(first)
    return state_of_first is None or state_of_first.health not in route.fail_over_on


def decide(case: RouteCase) -> RouteVerdict:
    """What to do about a route, and whether its drill goes on."""
    verdict, drill = _decide(case), case.overrides.drill(case.route.name)
    if drill is None or verdict.drill_over:
        return verdict
    at, name = verdict.decision or case.current, case.route.name
    other = case.overrides.pin(name) or case.overrides.paused(name)
    goes_on = at and at.move is MoveKind.DRILL and at.target == drill.target and not case.targets[at.target].drain
    if goes_on and not other:
        return verdict
    return replace(verdict, drill_over="a pin, a drain or a pause goes first")


def _decide(case: RouteCase) -> RouteVerdict:
    """The course of things.

    1. Pinned to a candidate: there, whatever its health.
    2. Without a known target, or with one that is no candidate any more: the best eligible candidate, else the one that
       failed least of late.
    3. While the present target is drained: the best eligible one, else as in 5 where it fails, else hold. Home drained
       or gone: no more steps.
    4. Paused: hold. On a drill: to the standby, and there as long as it is up.
    5. While the present target's health is in `fail_over_on`: the best eligible one that is better; else, where all
       fail, the one that measurably fails less, after `dwell` and with no failback in steps under way; else hold.
    6. With a failback in steps under way: the next step, or its end.
    7. Off a degraded standby to a less preferred candidate that is up, once `dwell` has passed since the last move.
    8. Otherwise back to the most preferred candidate that is up, once `dwell` has passed since the last move, and not
       while a limit of it is nearly used up (for an hour after the move at the most), in the way of
       `controller.failback.mode`. A route that was pinned goes back in every mode: a person set the end; after a
       drill at once, with all requests.
    """
    pin = case.overrides.pin(case.route.name)
    pinned = case.candidate(pin.target) if pin else None
    if pin and pinned:
        return _pin(case, pin, pinned)
    present = case.candidate(case.current.target) if case.current else None
    if case.current is None or present is None:
        return _start(case)
    if case.current.weights and (gone := why_home_is_gone(case, case.current)):
        return case.move(MoveKind.ABORT, present, gone)
    if present.drain:
        return _leave_drained(case, present, present.drain)
    home = case.candidate(case.current.home)
    free = _fail_over(case, present, home) if case.fails(present) else _improve(case, case.current, present, home)
    pause = case.overrides.paused(case.route.name)
    if pause:
        return _hold(case, pause, present, free)
    drill = case.overrides.drill(case.route.name)
    return _drill(case, drill, case.current, present, free) if drill else free


def _drill(case: RouteCase, drill: Override, current: Decision, present: Candidate, free: RouteVerdict) -> RouteVerdict:
    """To the standby, and hold there; `free` is the verdict without the drill, which counts once it is over."""
    standby, first = case.candidate(drill.target), case.candidates[0]
    over = None
    if standby is None:
        over = f"{drill.target} is no candidate of {case.route.name} any more"
    elif standby.health.health is not Health.UP or standby.drain:
        over = standby.why_not(case.now) if standby.drain else standby.health.sentence
    elif first.drain:
        over = with_author(first.drain, f"{first.drain.subject} is drained")
    elif present is standby and current.move is MoveKind.DRILL:
        return RouteVerdict()
    elif present is not first or current.weights or first.health.health is not Health.UP:
        over = f"{case.route.name} is not at rest on its first choice"
    elif not standby.is_eligible(case.now) or case.controller.dry_run:
        over = f"{standby.id}: {standby.why_not(case.now)}"
    if standby is None or over:
        return replace(free, drill_over=over)
    return case.move(MoveKind.DRILL, standby, with_author(drill, f"drilled on {standby.id}"))


def _hold(case: RouteCase, pause: Override, present: Candidate, free: RouteVerdict) -> RouteVerdict:
    """Stay, and say what is held back: `free` is the verdict without the pause."""
    held = f"route {case.route.name} is {with_author(pause, f'paused on {present.id}')}"
    move = free.decision
    would = f"; it would move to {move.target}" if move and move.target != present.id else ""
    settled = free.settled or move is not None
    if case.fails(present):
        warning = f"{held}; {present.id} is {present.health.health}{would}"
        return RouteVerdict(settled=settled, warning=warning)
    return RouteVerdict(settled=settled, held=f"{held}{would}: {move.reason}" if move and would else None)


def _pin(case: RouteCase, pin: Override, to: Candidate) -> RouteVerdict:
    held = with_author(pin, f"pinned to {to.id}")
    bad = case.fails(to) or to.health.health in UNHEALTHY
    warning = f"route {case.route.name} is {held}; {to.id} is {to.health.health}" if bad else None
    if case.current is not None and case.current.target == to.id and not case.current.weights:
        return RouteVerdict(settled=True, warning=warning)
    return replace(case.move(MoveKind.PIN, to, held), warning=warning)


def _start(case: RouteCase) -> RouteVerdict:
    first = case.candidates[0]
    if case.current is not None:
        to = best_eligible(case.candidates, case.now) or least_failing(case.candidates, case.route.fail_over_on)
        reason = f"{case.current.target} is no candidate of {case.route.name} any more"
        return case.move(MoveKind.CONFIGURED, to, reason)
    if not first.drain and not case.fails(first):
        unknown = first.health.health is Health.UNKNOWN
        return case.move(MoveKind.FIRST, first, "it is the first candidate" if unknown else first.health.reason)
    to = best_eligible(case.candidates, case.now) or least_failing(case.candidates, case.route.fail_over_on)
    reason = with_author(first.drain, f"{first.drain.subject} is drained") if first.drain else first.health.reason
    return case.move(MoveKind.FIRST, to, reason)


def _leave_drained(case: RouteCase, present: Candidate, drain: Override) -> RouteVerdict:
    """Off a drained target, even to one that is worse."""
    reason = with_author(drain, f"{drain.subject} is drained")
    to = best_alternative(present, case.candidates, case.targets, case.now)
    if to:
        unpinned = case.current is not None and case.current.move is MoveKind.PIN
        return case.move(MoveKind.DRAIN, to, f"no longer pinned: {reason}" if unpinned else reason)
    stay = _stay_or_lesser_evil(case, present) if case.fails(present) else _stay_by_health(case, present)
    warning = f"route {case.route.name} stays on {present.id}, because no other candidate is eligible: {reason}"
    return replace(stay, stuck=case.fails(present), warning=None if stay.decision else warning)


def _fail_over(case: RouteCase, present: Candidate, home: Candidate | None) -> RouteVerdict:
    better = [other for other in case.candidates if other.rank < present.rank]
    to = best_alternative(present, better, case.targets, case.now) or best_alternative(
        present, case.candidates, case.targets, case.now
    )
    if to and to.rank < present.rank:
        limits = passed_over(present, to, case.candidates, case.targets, case.now)
        return case.move(MoveKind.FAILOVER, to, f"{present.health.reason}{limits}")
    if home and home_fails(case, home):
        return case.move(MoveKind.ABORT, present, home.health.sentence)
    stay = _stay_or_lesser_evil(case, present) if to is None or case.fails(to) else _stay_by_health(case, present)
    return replace(stay, stuck=to is None)


def _stay_or_lesser_evil(case: RouteCase, present: Candidate) -> RouteVerdict:
    """Stay where it fails, or go where it measurably fails less, once `dwell` has passed."""
    if not any(other is not present and can_be_least_bad(other) for other in case.candidates):
        return _stay_by_health(case, present)
    if case.current is not None and not case.has_passed(case.current.at, case.controller.dwell_s):
        return RouteVerdict()
    return _least_bad(case, present) or _stay_by_health(case, present)


def _least_bad(case: RouteCase, present: Candidate) -> RouteVerdict | None:
    """To the candidate that measurably fails less than the present target; a failback in steps is aborted first."""
    moved_at = case.current.at if case.current else None
    since = moved_at if moved_at and moved_at <= case.now else None  # the clock may have been set back
    again = case.current is not None and case.current.move is MoveKind.LEAST_BAD
    found = find_least_bad(present, case.candidates, case.route.fail_over_on, since, again=again)
    if found is None:
        return None
    to, reason = found
    if case.current and case.current.weights:
        return case.move(MoveKind.ABORT, present, reason)
    return case.move(MoveKind.LEAST_BAD, to, reason)


def _improve(case: RouteCase, current: Decision, present: Candidate, home: Candidate | None) -> RouteVerdict:
    """To a better candidate than the present one, which serves its users: back, or off a standby that is degraded."""
    verdict = fail_back(case, current, present, home)
    place = case.candidates.index(present)
    up = [c for c in case.candidates[place + 1 :] if c.could_be_eligible and c.health.health is Health.UP]
    if verdict.decision or home or not place or present.health.health is not Health.DEGRADED or not up:
        return verdict
    free = (c for c in up if not c.is_held_back(case.now) and not c.unfit(case.now))
    to = next((c for c in free if c.is_eligible(case.now)), None)
    if to is None or not case.has_passed(current.at, case.controller.dwell_s):
        return replace(verdict, settled=False)
    return case.move(MoveKind.FAILOVER, to, present.health.sentence)


def _stay_by_health(case: RouteCase, present: Candidate) -> RouteVerdict:
    """Stay, settled where none of the others can become eligible by a good observation alone, without other health."""
    return RouteVerdict(settled=not any(other.could_be_eligible for other in case.candidates if other is not present))
