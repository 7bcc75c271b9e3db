"""Routes and health in, decisions out: pure, so that the same input gives the same answer anywhere.

The invariants, each held by a test over all combinations of health:

- A route never leaves a healthy target for a worse one, and never moves to one that is no better.
- It never chooses a target that fails while an eligible one exists; where none is eligible it holds.
- A standby is eligible only with a recent good observation of its own.
- No second move inside `dwell`, unless the present target's health is in the route's `fail_over_on`.
- When the provider failed rather than the model, a candidate at another provider is preferred.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.decision import Decision, Move, RouteState
from monitor.health import Health, TargetHealth
from monitor.settings import Route

#: Health that a route may move to, the best first.
_ELIGIBLE = (Health.UP, Health.SUSPECT, Health.DEGRADED)
_RECENT_INTERVALS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What the policy must know of one target."""

    id: str
    provider: str
    health: TargetHealth
    recent_s: float
    """How old its last good observation may be at the most."""

    def eligible(self, now: datetime) -> bool:
        """Whether a route may move to it: good enough, and proven so lately."""
        ok_at = self.health.last_ok_at
        if self.health.health not in _ELIGIBLE or ok_at is None:
            return False
        # As far in the future as in the past: a clock that was set back must not make old news recent for long.
        return abs((now - ok_at).total_seconds()) <= self.recent_s


def recent_s(interval_s: float, longest_probe_s: float) -> float:
    """How old the last good observation of an eligible target may be: three intervals and one probe, in seconds."""
    return _RECENT_INTERVALS * interval_s + longest_probe_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the policy says about one route."""

    decision: Decision | None
    """None: it stays where it is."""
    stuck: bool = False
    """The present target fails and nothing else is eligible."""


def decide(
    route: Route,
    current: RouteState | None,
    targets: Mapping[str, Candidate],
    *,
    now: datetime,
    generation: int,
    dwell_s: float,
) -> Verdict:
    """What to do about a route.

    1. Without a known target, or with one that is no candidate any more: the best eligible candidate, else the first.
    2. While the present target's health is in `fail_over_on`: the best eligible one that is better, else hold.
    3. Otherwise back to the most preferred candidate that is up, once `dwell_s` has passed since the last move.

    `generation` is the one that a decision would be published under.
    """
    candidates = [targets[target] for target in route.candidates]
    choice: tuple[Move, Candidate, str] | None
    stuck = False
    present = next((candidate for candidate in candidates if current and candidate.id == current.target), None)
    if current is None:
        failing = candidates[0].health.health in route.fail_over_on
        start = (_best(candidates, None, now) if failing else None) or candidates[0]
        choice = Move.FIRST, start, candidates[0].health.reason if failing else "no observations yet"
    elif present is None:
        start = _best(candidates, None, now) or candidates[0]
        choice = Move.CONFIGURED, start, f"{current.target} is no candidate of {route.name} any more"
    elif present.health.health in route.fail_over_on:
        refuge = _refuge(present, candidates, targets, now)
        stuck = refuge is None
        choice = (Move.FAILOVER, refuge, present.health.reason) if refuge and _better(refuge, present) else None
    else:
        # Pointed there in the future: the clock was set back, and must not hold the route for the difference.
        rested = not 0 <= (now - current.since).total_seconds() < dwell_s
        home = next((c for c in candidates[: candidates.index(present)] if _proven(c, now)), None)
        choice = (Move.FAILBACK, home, home.health.reason) if home and rested else None
    if choice is None:
        return Verdict(decision=None, stuck=stuck)
    move, to, reason = choice
    before = current.target if current else None
    decision = Decision(
        route=route.name, at=now, move=move, before=before, target=to.id, reason=reason, generation=generation
    )
    return Verdict(decision=decision)


def _proven(candidate: Candidate, now: datetime) -> bool:
    return candidate.health.health is Health.UP and candidate.eligible(now)


def _refuge(
    present: Candidate, candidates: Sequence[Candidate], targets: Mapping[str, Candidate], now: datetime
) -> Candidate | None:
    """Where users are best off instead of the present target; None when nothing is eligible."""
    shun = present.provider if _provider_failed(present, targets) else None
    return _best([candidate for candidate in candidates if candidate is not present], shun, now)


def _best(candidates: Sequence[Candidate], shun: str | None, now: datetime) -> Candidate | None:
    """The healthiest eligible candidate; among equals one that is not at the shunned provider, then as configured."""
    eligible = [candidate for candidate in candidates if candidate.eligible(now)]
    return min(eligible, key=lambda c: (_ELIGIBLE.index(c.health.health), c.provider == shun), default=None)


def _provider_failed(failed: Candidate, targets: Mapping[str, Candidate]) -> bool:
    """Whether the provider failed rather than the one model: at least half of its other targets are not up either.

    A fault of ours (`misconfigured`) says nothing about the provider.
    """
    if failed.health.health is Health.MISCONFIGURED:
        return False
    siblings = [c for c in targets.values() if c.provider == failed.provider and c.id != failed.id]
    return sum(sibling.health.health is not Health.UP for sibling in siblings) * 2 >= len(siblings)


def _better(one: Candidate, other: Candidate) -> bool:
    """Whether moving from `other` to `one` is a gain: an eligible health against a failing one, or a better one."""
    if other.health.health not in _ELIGIBLE:
        return True
    return _ELIGIBLE.index(one.health.health) < _ELIGIBLE.index(other.health.health)
