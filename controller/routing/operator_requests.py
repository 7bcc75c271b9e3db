"""What an operator asks for (an override, or its end), and the checks before anything is written (pure)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from controller.routing.overrides import ALL, LONGEST_AUTHOR, LONGEST_REASON, Override, OverrideKind
from monitor.config.problems import Problems
from monitor.config.regions import routes_meant, targets_meant
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.formatting import plural
from probes.redaction import one_line

LONGEST_OVERRIDE_S = 30 * 86400.0
"""An override that should last longer is a change of the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequest:
    """One request of an operator, as it was given."""

    kind: OverrideKind
    subject: str
    target: str | None = None
    reason: str
    author: str
    for_s: float = 0.0
    """How long the override shall last, in seconds."""
    force: bool = False
    """Pin also to a target that fails."""
    leave: bool = False
    """Of a maintenance: routes leave at once."""


class RefusalKind(StrEnum):
    """Why a request was refused: it is wrong itself, is about what is not there, would hurt, or has nothing to end."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    UNSAFE = "unsafe"
    NOTHING_TO_DO = "nothing_to_do"


class RefusedError(Exception):
    """Nothing was done; the text says why and what to do."""

    def __init__(self, text: str, kind: RefusalKind = RefusalKind.INVALID) -> None:
        super().__init__(text)
        self.kind = kind


def requests_meant(settings: Settings, request: OperatorRequest) -> tuple[OperatorRequest, ...]:
    """What it asks for by names of one region: a name without a region means all that have it."""
    if request.kind.is_of_targets:
        targets = targets_meant(request.subject, settings.targets)
        return tuple(replace(request, subject=target) for target in targets) or (request,)
    region_of = {target.id: target.monitored_from for target in settings.targets}
    named = request.subject, *routes_meant(request.subject, settings.routes)
    routes = [route for route in settings.routes if route.name in named]
    if region := region_of.get(request.target or ""):
        routes = [route for route in routes if route.region == region] or routes
    return tuple(
        replace(request, subject=route.name, target=_in_region(route, request.target)) for route in routes
    ) or (request,)


def _in_region(route: Route, target: str | None) -> str | None:
    """The candidate of the route that is meant; the name itself where there is none."""
    if not target or target in route.candidates:
        return target
    there = f"{target}@{route.region}"
    return there if there in route.candidates else target


def check_names(settings: Settings, request: OperatorRequest) -> None:
    """Raise RefusedError unless the configuration has what the request names."""
    _require(request.subject, *_known_subjects(settings, request.kind))
    if request.kind is not OverrideKind.PIN:
        return
    route = next(route for route in settings.routes if route.name == request.subject)
    _require(request.target or "", route.candidates, f"a candidate of {route.name}")


def _known_subjects(settings: Settings, kind: OverrideKind) -> tuple[list[str], str]:
    """The names that an override of this kind can be about, and what they are called."""
    routes = [name for route in settings.routes for name in (route.plain_name, route.name)]
    routes = [*dict.fromkeys(routes)]
    if kind.is_of_targets:
        targets = [name for target in settings.targets for name in (target.plain_name, target.id)]
        providers = [provider.name for provider in settings.providers]
        regional = [f"{each.provider.name}@{each.monitored_from}" for each in settings.targets if each.monitored_from]
        return [*dict.fromkeys((*targets, *providers, *regional))], "a target or a provider"
    return ([*routes, ALL], "a route or 'all'") if kind is OverrideKind.PAUSE else (routes, "a route")


def _require(name: str, known: Collection[str], what: str) -> None:
    if name in known:
        return
    problems = Problems(file="")
    hint = problems.did_you_mean(name, known)
    there = ", ".join(list(known)[:8]) + (", …" if len(known) > 8 else "")
    raise RefusedError(f"{problems.shown(name)} is not {what}{hint or f'; there are: {there}'}")


def nothing_to_end(settings: Settings, request: OperatorRequest, others: Sequence[Override]) -> RefusedError:
    """Why there was nothing to end, naming the others of its kind; raises RefusedError when the name is unknown."""
    _require(request.subject, *_known_subjects(settings, request.kind))
    verb = "nothing is" if request.subject == ALL else f"{request.subject} is not"
    there = ", ".join(other.subject for other in others[:8])
    hint = f"; {plural(len(others), 'other')} in force: {there}" if others else ""
    return RefusedError(f"{verb} {request.kind.participle}{hint}", RefusalKind.NOTHING_TO_DO)


def checked_reason(given: str) -> str:
    """The reason as one line; raises RefusedError when it is empty or too long."""
    if len(given) > LONGEST_REASON:
        raise RefusedError(f"--reason has {len(given):,} characters; at most {LONGEST_REASON} can be shown to people")
    reason = one_line(given, LONGEST_REASON)
    if not reason:
        raise RefusedError("--reason is empty: say why; everybody who sees the effect reads it")
    return reason


def checked_author(given: str) -> str:
    """The author as one line; raises RefusedError when it is empty or too long."""
    author = one_line(given, LONGEST_AUTHOR + 1)
    if not author:
        raise RefusedError("the author has no name: say who you are with --author NAME")
    if len(author) > LONGEST_AUTHOR:
        raise RefusedError(f"--author has more than {LONGEST_AUTHOR} characters: use a shorter name")
    return author
