"""The routing table of one region, of the table of all: with the plain names by which its applications ask (pure)."""

from collections.abc import Mapping
from typing import Any


class UnknownRegionError(ValueError):
    """There is no such region; the message says which there are."""


def table_of_region(table: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The routes and targets of this region, `chat@eu` as `chat`; a table without regions stays as it is.

    Raises UnknownRegionError where the table has regions, and this one is not among them.
    """
    regions = table.get("regions")
    if not regions:
        return dict(table)
    if region not in regions:
        raise UnknownRegionError(f"{region!r} is not a region of this table; known: {', '.join(regions)}")
    end = f"@{region}"
    kept = {name: value for name, value in table.items() if name not in {"regions", "routes", "targets"}}
    routes = {
        name.removesuffix(end): _route(route, end) for name, route in table["routes"].items() if name.endswith(end)
    }
    targets = {name.removesuffix(end): target for name, target in table["targets"].items() if name.endswith(end)}
    return {**kept, "region": region, "routes": routes, "targets": targets}


def _route(route: Mapping[str, Any], end: str) -> dict[str, Any]:
    return {
        **route,
        "target": route["target"].removesuffix(end),
        "candidates": [name.removesuffix(end) for name in route["candidates"]],
        "weights": {name.removesuffix(end): share for name, share in route["weights"].items()},
    }
