"""Routing files with one route, for the client."""

import json
from pathlib import Path
from typing import Any

from hotspare_client import Routing

FIRST, SECOND, THIRD = "alpha/one", "beta/two", "gamma/three"


def write_route(
    path: Path, *, target: str = FIRST, targets: dict[str, dict[str, Any]] | None = None, **route: Any
) -> None:
    """Write a file whose route `chat` has three candidates that are `up`, or the `targets` with their fields."""
    described = {FIRST: {}, SECOND: {}, THIRD: {}} if targets is None else targets
    table = {
        "format": "hotspare.routing/1",
        "generation": 1,
        "written_at": "2026-11-21T18:00:00.000Z",
        "valid_for_s": 90,
        "routes": {
            "chat": {
                "target": target,
                "since": "2026-11-21T17:58:41.120Z",
                "move": "first",
                "reason": "configured",
                "candidates": list(described),
                "weights": {target: 100},
                **route,
            }
        },
        "targets": {name: _describe(name, fields) for name, fields in described.items()},
    }
    temporary = path.with_name("next.json")
    temporary.write_text(json.dumps(table))
    temporary.replace(path)


def open_route(folder: Path, **file: Any) -> Routing:
    """A reader of such a file, which looks at it on every read."""
    write_route(folder / "routing.json", **file)
    return Routing(folder / "routing.json", check_every_s=0)


def _describe(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    provider, _, model = name.partition("/")
    return {
        "provider": provider,
        "model": model,
        "dialect": "openai-chat",
        "base_url": f"https://{provider}.example/v1",
        "api_key_env": None,
        "health": "up",
        **fields,
    }
