"""The way back to a more preferred target: at once, in steps, or on demand (pure).

A failback in steps gives the more preferred target, its *home*, a growing share of the requests; the route points at
the standby until the last step. A share is held until home has been `up` for the time of a step; `suspect` and
`unknown` hold it, everything worse aborts the steps.
"""

from controller.routing.candidates import Candidate
from controller.routing.decision import Decision, MoveKind
from controller.routing.override_text import with_author
from controller.routing.route_case import RouteCase, RouteVerdict
from monitor.formatting import format_elapsed
from monitor.health import UNHEALTHY, Health
from probes.limit_headers import LONGEST_LIMIT_S

_ALL = 100.0


def fail_back(case: RouteCase, current: Decision, present: Candidate, going_to: Candidate | None) -> RouteVerdict:
    """Further to where a failback in steps is going, or to the most preferred candidate that is up and eligible."""
    if going_to:
        return _continue(case, current, present, going_to)
    ahead = case.candidates[: case.candidates.index(present)]
    up = [preferred for preferred in ahead if preferred.could_be_eligible and preferred.health.health is Health.UP]
    drilled = current.move is MoveKind.DRILL
    unpinned = current.move is MoveKind.PIN or drilled
    if not up or (case.controller.failback.mode == "manual" and not unpinned):
        return RouteVerdict(settled=True, waiting=up[0].id if up else None)
    # As long as what a provider says of a limit is believed at all, so that a wrong figure holds nothing for ever.
    limits_count = not drilled and not case.has_passed(current.at, LONGEST_LIMIT_S)
    unfit = {c.id for c in up if (limits_count and c.low_limit(case.now)) or (not drilled and c.health.failing_context)}
    held = {c.id for c in up if c.is_held_back(case.now)} | unfit
    ready = (c for c in up if c.is_eligible(case.now) and (current.move is MoveKind.PIN or c.id not in held))
    home = next(ready, None)
    if home is None:
        return RouteVerdict()
    if not unpinned and not case.has_passed(current.at, case.controller.dwell_s):
        return RouteVerdict()
    if drilled:
        return case.move(MoveKind.DRILL, home, f"the drill is over: {home.health.sentence}")
    reason = f"no longer pinned: {home.health.sentence}" if unpinned else home.health.reason
    return _step(case, present, home, 0.0, reason)


def _continue(case: RouteCase, current: Decision, present: Candidate, home: Candidate) -> RouteVerdict:
    """A failback in steps is under way."""
    failback = case.controller.failback
    if home_fails(case, home):
        return case.move(MoveKind.ABORT, present, home.health.sentence)
    if failback.mode == "manual":
        return case.move(MoveKind.ABORT, present, "failback is manual from now on")
    # Not only since the last step, but also since it last was anything but up.
    held = case.has_passed(current.at, failback.step_s) and case.has_passed(home.health.since, failback.step_s)
    up = home.health.health is Health.UP
    if not (up and home.is_eligible(case.now)) or not (held or failback.mode == "auto"):
        return RouteVerdict(settled=not up)
    stayed = f"{home.id} has stayed up with {current.home_share:g} % of the requests"
    reason = f"{stayed} for {format_elapsed((case.now - current.at).total_seconds())}"
    return _step(case, present, home, current.home_share, reason)


def why_home_is_gone(case: RouteCase, current: Decision) -> str | None:
    """Why a failback in steps cannot go on, whatever the health of home; None when it can."""
    home = case.candidate(current.home)
    if home is None:
        return f"{current.home} is no candidate of {case.route.name} any more"
    return with_author(home.drain, f"{home.drain.subject} is drained") if home.drain else None


def home_fails(case: RouteCase, home: Candidate) -> bool:
    """Whether a failback to this target must be aborted."""
    return home.health.health in UNHEALTHY or case.fails(home)


def _step(case: RouteCase, present: Candidate, home: Candidate, share: float, reason: str) -> RouteVerdict:
    """The next larger share of the requests for home; at once all of them unless failback is in steps."""
    failback = case.controller.failback
    # Rounded, because 0.07 * 100 is a little more than 7.
    steps = [round(step * _ALL, 6) for step in failback.steps] if failback.mode == "steps" else []
    percent = next((step for step in steps if step > share), _ALL)
    if percent >= _ALL:
        return case.move(MoveKind.FAILBACK, home, reason)
    weights = ((home.id, percent), (present.id, round(_ALL - percent, 6)))
    return case.move(MoveKind.STEP, present, reason, weights)
