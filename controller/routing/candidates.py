"""The candidates of a route as the policy sees them, and which of them users are best off with (pure)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.routing.override_text import with_author
from controller.routing.overrides import Override, Overrides
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.formatting import clock, format_elapsed
from monitor.health import ELIGIBLE, Health, RecentProbe, TargetHealth, not_observed

#: An eligible target has a good observation within this many intervals and one probe.
_RECENT_INTERVALS = 3
#: Older probes do not tell how often a target fails now.
_OLDEST_PROBE_INTERVALS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What the policy knows of one target."""

    id: str
    provider: str
    health: TargetHealth
    longest_ok_age_s: float
    """How old its last good observation may be at the most."""
    drain: Override | None = None
    """An operator keeps routes off it."""
    recent: tuple[RecentProbe, ...] = ()
    """Its last probes, as far as they are recent."""
    blind: bool = False
    """Our own network is down, so that nothing is known of a target that is `unknown`."""

    def is_eligible(self, now: datetime) -> bool:
        """Whether a route may move to it: good enough, proven so lately, and not drained."""
        ok_at = self.health.last_ok_at
        if not self.could_be_eligible or ok_at is None:
            return False
        # As far in the future as in the past: a clock that was set back must not make old news recent for long.
        return abs((now - ok_at).total_seconds()) <= self.longest_ok_age_s

    @property
    def could_be_eligible(self) -> bool:
        """Whether it is eligible but for, perhaps, a recent good observation."""
        unknown = self.health.health is Health.UNKNOWN and not self.blind
        return self.drain is None and (unknown or self.health.health in ELIGIBLE)

    def why_not(self, now: datetime) -> str | None:
        """Why no route may move to it, or come back to it, as a clause; None where one may."""
        if self.drain:
            return with_author(self.drain, f"{self.drain.subject} is drained")
        if self.health.health is Health.UNKNOWN and self.blind:
            return "our own network is down, so that nothing is known of it"
        if not self.could_be_eligible:
            return f"it is {self.health.health}"
        if not self.is_eligible(now):
            return f"no probe of it has ended well within {format_elapsed(round(self.longest_ok_age_s))}"
        if self.health.failing_context:
            return f"a route moves to it only where nothing else is left, and does not come back: {self.unfit(now)}"
        return self._why_not_back(now) if self.is_held_back(now) else None

    def _why_not_back(self, now: datetime) -> str:
        held = self.health.held_until
        until = f"before {clock(held, now)}" if held and now < held else "before it has proven itself"
        return f"a route may move to it, but none comes back {until}"

    def is_held_back(self, now: datetime) -> bool:
        """Whether a route may not come back to it yet: it was never proven, or was degraded or unusable of late."""
        until = self.health.held_until
        return not self.health.proven or (until is not None and now < until)

    def low_limit(self, now: datetime) -> str | None:
        """What little is left of a limit, by the headers of its last answer; None where that is not said, or over."""
        low = self.health.low_limit
        return low.text(now) if low else None

    def unfit(self, now: datetime) -> str | None:
        """Why it is the last choice although it is healthy; None where it is not."""
        return self.low_limit(now) or self.health.failing_context

    @property
    def rank(self) -> int:
        """How well its users are served: 0 for `up`, higher is worse; the same for all health that is not eligible."""
        health = self.health.health
        if health is Health.UNKNOWN:
            return len(ELIGIBLE)
        return ELIGIBLE.index(health) if health in ELIGIBLE else len(ELIGIBLE) + 1


def build_candidates(
    settings: Settings,
    routes: Sequence[Route],
    health: Mapping[str, TargetHealth],
    overrides: Overrides,
    now: datetime,
    *,
    blind: Collection[str] = (),
) -> dict[str, Candidate]:
    """The candidates of these routes and all other targets of their providers, by id; `unknown` without a health."""
    named = {target for route in routes for target in route.candidates}
    providers = {target.provider.name for target in settings.targets if target.id in named}
    known = {
        target.id: health.get(target.id) or not_observed(target.id, now)
        for target in settings.targets
        if target.provider.name in providers
    }
    return {
        target.id: Candidate(
            id=target.id,
            provider=target.provider.name,
            health=known[target.id],
            recent=_recent_probes(known[target.id], target.interval_s, now),
            longest_ok_age_s=_RECENT_INTERVALS * target.interval_s + target.timeouts.total_s,
            drain=overrides.drained(target.id, target.provider.name),
            blind=target.monitored_from in blind,
        )
        for target in settings.targets
        if target.provider.name in providers
    }


def _recent_probes(state: TargetHealth, interval_s: float, now: datetime) -> tuple[RecentProbe, ...]:
    oldest = now - timedelta(seconds=_OLDEST_PROBE_INTERVALS * interval_s)
    return tuple(probe for probe in state.recent if oldest <= probe.at <= now)


def best_alternative(
    present: Candidate, candidates: Sequence[Candidate], targets: Mapping[str, Candidate], now: datetime
) -> Candidate | None:
    """Where users are best off instead of the present target; None when nothing is eligible."""
    others = [candidate for candidate in candidates if candidate is not present]
    return best_eligible(others, now, avoid=_provider_to_avoid(present, targets))


def best_eligible(candidates: Sequence[Candidate], now: datetime, *, avoid: str | None = None) -> Candidate | None:
    """The healthiest eligible candidate, of those that were ever proven where there are any.

    Among equals one that is not at the provider `avoid`, then as configured. One that is unfit comes last: what a route
    brings it would be refused.
    """
    eligible = [candidate for candidate in candidates if candidate.is_eligible(now)]
    return min(eligible, key=lambda c: (bool(c.unfit(now)), *_merit(c, avoid)), default=None)


def passed_over(
    present: Candidate,
    chosen: Candidate,
    candidates: Sequence[Candidate],
    targets: Mapping[str, Candidate],
    now: datetime,
) -> str:
    """A clause on each candidate that would be the best alternative were it not unfit; empty where there is none."""
    avoid = _provider_to_avoid(present, targets)
    places = {c.id: (_merit(c, avoid), place) for place, c in enumerate(candidates)}
    eligible = (c for c in candidates if c is not present and c.is_eligible(now))
    better = (c for c in eligible if places[c.id] < places[chosen.id])
    return "".join(f"; {c.id} is passed over: {c.unfit(now)}" for c in better)


def _merit(candidate: Candidate, avoid: str | None) -> tuple[bool, int, bool]:
    return not candidate.health.proven, candidate.rank, candidate.provider == avoid


def _provider_to_avoid(failed: Candidate, targets: Mapping[str, Candidate]) -> str | None:
    """The provider of the target that failed, if that failed rather than the one model."""
    return failed.provider if _provider_failed(failed, targets) else None


def _provider_failed(failed: Candidate, targets: Mapping[str, Candidate]) -> bool:
    """Whether the provider failed rather than the one model: at least half of its other targets are not up either.

    A fault of ours (`misconfigured`) says nothing about the provider.
    """
    if failed.health.health is Health.MISCONFIGURED:
        return False
    siblings = [c for c in targets.values() if c.provider == failed.provider and c.id != failed.id]
    return sum(sibling.health.health is not Health.UP for sibling in siblings) * 2 >= len(siblings)
