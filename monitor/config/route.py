"""A route: the name that applications ask for, its candidates and its owner."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Final

from monitor.config.document import Mapping as YamlMapping
from monitor.config.document import Node, Place, Sequence
from monitor.config.owner import OwnerSection
from monitor.config.reading import ReadContext, ReportedError
from monitor.config.requirements import Requirements
from monitor.config.section import Key, Section
from monitor.config.values import (
    Value,
    choices,
    share,
)
from monitor.formatting import format_share
from monitor.health import FAILING, WORST_FIRST, Health
from probes.target import Target

_FAIL_OVER_ON: Final = tuple(map(str, (Health.DEGRADED, Health.UNUSABLE, Health.DOWN, Health.MISCONFIGURED)))


def _slo_problem(value: float) -> str | None:
    return None if 0 < value < 1 else f"{format_share(value)} is not between 0% and 100%"


def _read_candidates(node: Node, context: ReadContext) -> tuple[str, ...]:
    if not isinstance(node, Sequence) or not node.items:
        raise context.reject(node, _CANDIDATES)
    good: dict[str, Target] = {}
    for name in context.texts(node, "a target"):
        if name in good:
            context.refuse(name, "is here twice")
        elif name not in context.targets:
            hint = context.problems.did_you_mean(name, context.targets) or "; expected provider/model from providers"
            context.refuse(name, f"is not a target{hint}")
        else:
            good[name] = context.targets[name]
    if len(good) == len(node.items):
        _warn_about_redundancy(node.place, list(good.values()), context)
    return tuple(map(str, good))


def _warn_about_redundancy(place: Place, candidates: list[Target], context: ReadContext) -> None:
    providers = {target.provider.name for target in candidates}
    if len(candidates) == 1:
        context.problems.warn(place, "a single candidate: there is nothing to fail over to")
    elif len(providers) == 1:
        name = context.problems.shown(providers.pop())
        context.problems.warn(place, f"all candidates are at {name}: an outage of that provider takes the route down")


_CANDIDATES: Final = "a list of targets such as [openai/gpt-6-luna]"
_TARGETS: Final = Value(
    expected=_CANDIDATES, read=_read_candidates, schema={"type": "array", "items": {"type": "string"}}
)


_BY_REGION: Final = "a mapping such as {eu: [openai/gpt-6-luna]}"


def _read_by_region(node: Node, context: ReadContext) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(node, YamlMapping):
        raise context.reject(node, _BY_REGION)
    orders: list[tuple[str, tuple[str, ...]]] = []
    for region, candidates in node.values.items():
        with suppress(ReportedError):
            orders.append((region, _read_candidates(candidates, context)))
    return tuple(orders)


_ORDERS: Final = Value(
    expected=_BY_REGION, read=_read_by_region, schema={"type": "object", "additionalProperties": dict(_TARGETS.schema)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Section):
    """A name that applications ask for."""

    name: str = ""
    """With regions `route@region`."""
    region: str = ""
    """Whose applications it serves; empty where the configuration has no regions."""
    candidates: Annotated[tuple[str, ...], _TARGETS]
    """Models in order of preference, as `provider/model`. A single one, or one provider's alone, brings a warning."""
    fail_over_on: Annotated[
        frozenset[Health],
        choices(_FAIL_OVER_ON, "a health that can move a route"),
        Key(shown=("down", "unusable", "misconfigured")),
    ] = FAILING
    """The health of the current target that moves the route. Leaving one out brings a warning. Change it when slow or
    partly wrong answers hurt more than a change of model: add `degraded`."""
    slo: Annotated[float | None, share(_slo_problem), Key(default_text="none")] = None
    """The share of the time in which users are to be served, such as `99.9%`: the [report](commands.md#report) counts
    against it. Change it when an objective was agreed on."""

    orders: Annotated[
        tuple[tuple[str, tuple[str, ...]], ...],
        _ORDERS,
        Key(name="regions", default_text="`candidates`, in each region"),
    ] = ()
    """Other candidates where applications run in a certain region: `{eu: [openai/gpt-6-luna]}`. Change it when a region
    should prefer a provider nearby."""
    requires: Requirements = field(default_factory=Requirements)
    owner: OwnerSection | None = None

    @property
    def plain_name(self) -> str:
        """The name without the region, by which applications ask for it."""
        return self.name.removesuffix(f"@{self.region}") if self.region else self.name

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """A target that serves nobody should move the route; every candidate has what the route requires."""
        orders = node.child("regions")
        for place, candidates in (
            (node.at("candidates"), self.candidates),
            *((orders.at(region), candidates) for region, candidates in self.orders),
        ):
            for target in (context.targets[name] for name in candidates if name in context.targets):
                if lack := self.requires.lacks(target):
                    context.report(place, lack)
        left_out = [health for health in WORST_FIRST if health in FAILING - self.fail_over_on]
        if left_out:
            problem = f"leaves out {', '.join(left_out)}: the route stays on a target that is {' or '.join(left_out)}"
            context.problems.warn(node.at("fail_over_on"), problem)
