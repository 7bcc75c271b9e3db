"""What a person can do for a route whose users are harmed: who holds it there, and the command that helps (pure)."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from controller.routing.override_text import format_end
from controller.routing.overrides import Override, Overrides
from monitor.health import ELIGIBLE, FAILING, HEALTHY, Health


class Remedy(NamedTuple):
    """What a person can do for a route."""

    held: str = ""
    """`pinned by ana until 14:30:00 UTC` where an operator holds it on its target; else empty."""
    command: str = ""
    """The whole command that lets it move, or moves it, to a better target; empty where there is none."""


def end_command(override: Override) -> str:
    """The whole command that ends an override: `hotspare unpin chat`."""
    return f"hotspare {override.kind.end_command} {override.subject}"


def held_by(override: Override, now: datetime) -> str:
    """`pinned by ana until 14:30:00 UTC`."""
    return f"{override.kind.participle} by {override.author} {format_end(override, now)}"


def find_remedy(
    route: str, target: str, candidates: Mapping[str, Health], overrides: Overrides, now: datetime
) -> Remedy:
    """What helps a route that is on a target of bad health; nothing where its target is well.

    `candidates` have the health of the route's candidates, in order of preference.
    """
    present = candidates.get(target, Health.UNKNOWN)
    if present not in FAILING and present is not Health.DEGRADED:
        return Remedy()
    override = overrides.pin(route) or overrides.paused(route)
    if override:
        return Remedy(held_by(override, now), end_command(override))
    others = [candidate for candidate in candidates if candidate != target]
    drains = {candidate: overrides.drained(candidate, candidate.partition("/")[0]) for candidate in others}
    well = [candidate for candidate in others if candidates[candidate] in HEALTHY]
    if present is Health.DEGRADED:
        free = next((candidate for candidate in well if not drains[candidate]), None)
        return Remedy(command=f"hotspare pin {route} {free} --for 1h --reason …") if free else Remedy()
    eligible = [candidate for candidate in others if candidates[candidate] in ELIGIBLE]
    drain = next((drains[candidate] for candidate in eligible), None)
    return Remedy(command=end_command(drain)) if drain and all(drains[each] for each in eligible) else Remedy()
