"""Regions: each target and route is there once for each region whose machines probe it and whose applications use it.

So `openai/gpt` is `openai/gpt@eu` and `openai/gpt@us`, and each is judged, moved and reported by its own name.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from monitor.config.document import Node
from monitor.config.reading import ReadContext, Text
from monitor.config.requirements import REGION
from monitor.config.route import Route
from monitor.config.values import items, must, text
from probes.target import Target

_EXPECTED: Final = "a list such as [eu, us]"
#: With so many, the leader's routing tables are some megabytes.
MOST_REGIONS: Final = 50
SOME_REGIONS: Final = items(
    text("one of the file's regions", placed=True), _EXPECTED, must(len, f"is empty; expected {_EXPECTED}")
)


def _regions_problem(regions: tuple[str, ...]) -> str | None:
    if len(set(regions)) < len(regions):
        twice = next(region for region in regions if regions.count(region) > 1)
        return f"{twice} is here twice"
    if len(regions) > MOST_REGIONS:
        return f"has {len(regions)} regions; at most {MOST_REGIONS} can be served"
    return None


REGIONS: Final = items(REGION, _EXPECTED, _regions_problem)


def regions_named(names: Sequence[Text], known: Sequence[str], context: ReadContext) -> tuple[str, ...]:
    """Those of these names that are regions of the file, in its order; others are reported."""
    broken = not known and context.root.has("regions")  # which has been reported
    for name in () if broken else names:
        if not known:
            context.refuse(name, "is no region, because the file has none; expected them under regions, as [eu, us]")
        elif name not in known:
            context.unknown(name.place, name.written, "a region of this file", known)
    return tuple(region for region in known if region in names)


def target_in(region: str, target: Target) -> Target:
    """The target as it is seen from this region."""
    return replace(target, monitored_from=region)


def routes_in_regions(
    routes: Mapping[str, Route], regions: Sequence[str], targets: Sequence[Target], context: ReadContext
) -> Iterator[Route]:
    """Each route by its name, with regions once for each, with the candidates that are there."""
    there = {target.id for target in targets}
    for name, route in routes.items():
        node = context.root.child("routes").child(name)
        for region, _ in route.orders:
            if region not in regions and not (not regions and context.root.has("regions")):
                known = regions or ("none, because the file has no regions",)
                context.unknown(node.child("regions").at(region), region, "a region of this file", known)
        if not regions:
            yield replace(route, name=name)
        for region in regions:
            candidates = _candidates_in(region, route, there, node, context) if there else ()
            yield replace(route, name=f"{name}@{region}", region=region, candidates=candidates, orders=())


def _candidates_in(
    region: str, route: Route, there: Container[str], node: Node, context: ReadContext
) -> tuple[str, ...]:
    """The candidates of the route in this region, by their ids; what is wrong with them is reported."""
    own = dict(route.orders).get(region)
    place = node.at("candidates") if own is None else node.child("regions").at(region)
    wanted = route.candidates if own is None else own
    found = tuple(f"{name}@{region}" for name in wanted if f"{name}@{region}" in there)
    missing = [name for name in wanted if f"{name}@{region}" not in there]
    if own and missing:
        context.report(place, f"{missing[0]} is not in {region}: see its regions")
    elif wanted and not found:
        context.report(place, f"none of these is in {region}: name others under regions, as {{{region}: […]}}")
    elif len(found) == 1 < len(wanted):
        context.problems.warn(place, f"{found[0]} is alone in {region}: there is nothing to fail over to")
    return found


def targets_meant(name: str, targets: Iterable[Target]) -> tuple[str, ...]:
    """The ids that a name without a region, or a provider in one region (`openai@eu`), stands for; none for others."""
    regional = [target for target in targets if target.monitored_from]
    return tuple(
        target.id
        for target in regional
        if name in {target.plain_name, f"{target.provider.name}@{target.monitored_from}"}
    )


def routes_meant(name: str, routes: Iterable[Route]) -> tuple[str, ...]:
    """The routes that a name without a region stands for; none for others."""
    return tuple(route.name for route in routes if route.region and route.plain_name == name)
