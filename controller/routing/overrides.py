"""Overrides of the policy by operators and by the schedule, and which of them count at an instant (pure)."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import TargetHealth

#: The subject of a pause that holds every route.
ALL = "all"
#: The author of what the configuration schedules.
SCHEDULE = "the schedule"
#: In characters.
LONGEST_REASON, LONGEST_AUTHOR = 500, 80
#: How often people are warned of a pin to a failing target; and the shortest time between two warnings.
WARN_EVERY = timedelta(minutes=30)
_WARN_AGAIN = timedelta(minutes=1)


class OverrideKind(StrEnum):
    """How an operator can overrule the policy."""

    PIN = "pin"
    """The route points at this target, whatever its health."""
    DRAIN = "drain"
    """No route points at this target, or at any target of this provider, as long as it has another candidate."""
    PAUSE = "pause"
    """The route stays where it is."""
    MAINTENANCE = "maintenance"
    """Messages and availability leave this target, or all targets of this provider, out; it is judged as ever."""
    DRILL = "drill"
    """The route goes to its standby and back, to prove it: as long as that is up and nothing else is asked for."""

    @property
    def participle(self) -> str:
        """What its subject is meanwhile: `pinned`, `drained`, `paused`, `in maintenance`, `drilled`."""
        return {"pin": "pinned", "pause": "paused", "maintenance": "in maintenance"}.get(self.value, f"{self}ed")

    @property
    def command(self) -> str:
        """The command that begins it."""
        return "maintain" if self is OverrideKind.MAINTENANCE else self.value

    @property
    def end_command(self) -> str:
        """The command that ends it."""
        return "resume" if self is OverrideKind.PAUSE else f"un{self.command}"

    @property
    def is_of_targets(self) -> bool:
        """Whether it is about a target or a provider, rather than a route."""
        return self in {OverrideKind.DRAIN, OverrideKind.MAINTENANCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One of them; texts in it were typed by a person and must be escaped where they are shown."""

    id: int = 0
    """0 until it is stored."""
    kind: OverrideKind
    subject: str
    """A route (pin, pause, drill), a target or a provider (drain, maintenance), or `all` (pause)."""
    target: str | None = None
    """Of a pin and of a drill."""
    author: str
    reason: str
    forced: bool = False
    """The author knew that the target was failing."""
    at: datetime
    until: datetime
    ended_at: datetime | None = None
    """When somebody ended it, it was replaced, or it expired; None while it is in force."""
    ended_by: str | None = None
    """None while it is in force, and when it expired by itself; `SCHEDULE` where Hotspare ended it."""
    ended_reason: str | None = None

    def active(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.ended_at is None and now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The overrides in force at one instant; of several on the same route or target the newest counts."""

    active: tuple[Override, ...] = ()
    """Oldest first."""

    @classmethod
    def at(cls, overrides: Iterable[Override], now: datetime) -> "Overrides":
        """Those of `overrides` that are in force at `now`."""
        return cls(active=tuple(sorted((o for o in overrides if o.active(now)), key=lambda o: (o.at, o.id))))

    def pin(self, route: str) -> Override | None:
        """The pin of this route."""
        return self._newest(OverrideKind.PIN, {route})

    def drained(self, target: str, provider: str) -> Override | None:
        """The drain of this target: its own, or its provider's."""
        return self._newest(OverrideKind.DRAIN, {target, provider})

    def paused(self, route: str) -> Override | None:
        """The pause of this route: its own, or that of all routes."""
        return self._newest(OverrideKind.PAUSE, {route, ALL})

    def maintained(self, target: str) -> Override | None:
        """The maintenance of this target: its own, or its provider's."""
        return self._newest(OverrideKind.MAINTENANCE, {target, target.partition("/")[0]})

    def drill(self, route: str) -> Override | None:
        """The fire drill of this route."""
        return self._newest(OverrideKind.DRILL, {route})

    def applicable(self, settings: Settings) -> "Overrides":
        """Without those that have no effect in this configuration."""
        return Overrides(active=tuple(o for o in self.active if explain_no_effect(o, settings) is None))

    def _newest(self, kind: OverrideKind, subjects: AbstractSet[str]) -> Override | None:
        return next((o for o in reversed(self.active) if o.kind is kind and o.subject in subjects), None)


NO_OVERRIDES = Overrides()


def explain_no_effect(override: Override, settings: Settings) -> str | None:
    """Why it has no effect in this configuration, which may have changed since, as a clause; None when it has one."""
    if override.kind.is_of_targets:
        return None if drained_targets(override.subject, settings) else f"there is no {override.subject} any more"
    if override.kind is OverrideKind.PAUSE and override.subject == ALL:
        return None
    routes = touched_routes(override.kind, override.subject, settings)
    if not routes:
        return f"there is no route {override.subject} any more"
    if override.target and override.target not in routes[0].candidates:
        return f"{override.target} is no candidate of {override.subject} any more"
    return None


def drained_targets(subject: str, settings: Settings) -> tuple[str, ...]:
    """The targets that an override of `subject` (a target or a provider) covers; none when it is neither."""
    return tuple(target.id for target in settings.targets if subject in {target.id, target.provider.name})


def touched_routes(kind: OverrideKind, subject: str, settings: Settings) -> tuple[Route, ...]:
    """The routes that an override of this kind and subject can move or hold, in the order of the configuration."""
    if kind.is_of_targets:
        drained = set(drained_targets(subject, settings))
        return tuple(route for route in settings.routes if not drained.isdisjoint(route.candidates))
    every = kind is OverrideKind.PAUSE and subject == ALL
    return tuple(route for route in settings.routes if every or route.name == subject)


def routes_without_candidate(overrides: Overrides, settings: Settings) -> tuple[str, ...]:
    """The routes whose candidates are all drained; such a route holds."""
    drained = {t.id for t in settings.targets if overrides.drained(t.id, t.provider.name)}
    return tuple(route.name for route in settings.routes if drained.issuperset(route.candidates))


def warning_due(state: TargetHealth, warned_at: datetime | None, now: datetime) -> bool:
    """Whether a warning of a pin to this failing target is due: when it begins to fail, then every half hour."""
    if warned_at is None or now < warned_at:
        return True
    passed = now - warned_at
    return passed >= WARN_EVERY or (state.since > warned_at and passed >= _WARN_AGAIN)
