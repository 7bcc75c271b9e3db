"""The published routing file as evidence: what a new, restored or unreadable database does not know (pure).

Users are on what the file says. A service that knows less than its file goes on from it: no route moves back to a
target that the file calls failing because a database was deleted, restored, or cannot be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from controller.routing.decision import Decision, MoveKind
from controller.routing.unjournalled import LARGEST_GENERATION
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import UNHEALTHY, Health
from probes.redaction import one_line

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_REASON: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedState:
    """What the file says of the routes and targets of this configuration."""

    epoch: int = 0
    generation: int = 0
    written_at: datetime = _EPOCH
    routes: Mapping[str, Decision] = field(default_factory=dict)
    """Where each route points, of those whose target is still a candidate; none in a dry run."""
    unhealthy: Mapping[str, Health] = field(default_factory=dict)
    """The targets that it calls unhealthy, by id."""
    key_variables: Mapping[str, str] = field(default_factory=dict)
    """The variable of the key that applications use, by provider that has several."""


NOTHING_PUBLISHED: Final = PublishedState()


def read_published(table: Mapping[str, Any], settings: Settings, now: datetime) -> PublishedState:
    """What a routing file says, however it came about: what has the wrong shape is left out. Never raises.

    No instant is later than `now`: a clock that was set back must not make anything wait.
    """
    epoch, generation = order_of(table)
    if not generation:
        return PublishedState(epoch=epoch)
    entries, targets = table.get("routes"), table.get("targets")
    routes: dict[str, Decision] = {}
    if isinstance(entries, Mapping) and not table.get("dry_run"):
        for route in settings.routes:
            decision = _decision(route, entries.get(route.name), generation, now)
            if decision:
                routes[route.name] = decision
    unhealthy: dict[str, Health] = {}
    key_variables: dict[str, str] = {}
    for target in settings.targets:
        entry = targets.get(target.id) if isinstance(targets, Mapping) else None
        if not isinstance(entry, Mapping):
            continue
        health, variable = entry.get("health"), entry.get("api_key_env")
        if health in {each.value for each in UNHEALTHY}:
            unhealthy[target.id] = Health(health)
        if isinstance(variable, str) and target.provider.other_keys:
            key_variables[target.provider.name] = variable
    written_at = min(_instant(table.get("written_at")) or _EPOCH, now)
    return PublishedState(
        epoch=epoch,
        generation=generation,
        written_at=written_at,
        routes=routes,
        unhealthy=unhealthy,
        key_variables=key_variables,
    )


def order_of(table: Mapping[str, Any]) -> tuple[int, int]:
    """The (epoch, generation) of a routing table, in whose order tables follow each other; 0 for what has none."""
    return _count(table.get("epoch")), _count(table.get("generation"))


def newer_routes(
    published: PublishedState, journalled: Mapping[str, Decision], journal_generation: int
) -> dict[str, Decision]:
    """The routes of the file that the journal does not know: it is new, or an older one that was restored."""
    return {
        name: decision
        for name, decision in published.routes.items()
        if name not in journalled
        or (published.generation > journal_generation and decision.target != journalled[name].target)
    }


def _decision(route: Route, entry: Any, generation: int, now: datetime) -> Decision | None:
    if not isinstance(entry, Mapping) or entry.get("target") not in route.candidates:
        return None
    target, first, reason = str(entry["target"]), route.candidates[0], entry.get("reason")
    return Decision(
        route=route.name,
        target=target,
        at=min(_instant(entry.get("since")) or now, now),
        reason=one_line(reason, _LONGEST_REASON) if isinstance(reason, str) else "as the routing file says",
        move=MoveKind.FIRST if target == first else MoveKind.FAILOVER,
        before=None if target == first else first,
        generation=generation,
        weights=_weights(route, entry.get("weights")),
    )


def _weights(route: Route, entry: Any) -> tuple[tuple[str, float], ...]:
    """The shares of a failback in steps; none where all requests go to one target."""
    if not isinstance(entry, Mapping) or len(entry) < 2 or not set(entry) <= set(route.candidates):
        return ()
    if not all(type(share) in {int, float} and 0 <= share <= 100 for share in entry.values()):
        return ()
    return tuple((str(target), float(share)) for target, share in entry.items())


def _count(value: Any) -> int:
    return value if type(value) is int and 0 < value <= LARGEST_GENERATION else 0


def _instant(text: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return instant if instant.tzinfo else None
