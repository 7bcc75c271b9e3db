"""A dry run: every route stays at its first candidate, and says where it would be (pure)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from controller.routing.decision import RouteState
from monitor.settings import Settings


def as_configured(settings: Settings, decided: Mapping[str, RouteState], since: datetime) -> dict[str, RouteState]:
    """What is published instead of what was decided: all requests to the first candidate, since `since`."""
    first = {route.name: route.candidates[0] for route in settings.routes}
    return {
        name: replace(state, target=first[name], since=since, weights=(), reason=_reason(state, first[name]))
        for name, state in decided.items()
        if name in first
    }


def whereabouts(state: RouteState) -> str:
    """Where the requests go, or would go: `b/y`, or `b/y, 10 % to a/x`."""
    return f"{state.target}, {state.home_share:g} % to {state.home}" if state.home else state.target


def _reason(state: RouteState, first: str) -> str:
    if state.target == first:
        return "dry run: as configured"
    return f"dry run: as configured; it would be on {whereabouts(state)}: {state.reason}"
