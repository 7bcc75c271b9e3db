"""What strangers may see of one route or target in detail: as `controller.status.public_view` has it (pure)."""

from dataclasses import replace

from controller.status.details.route import RouteDetail
from controller.status.details.target import TargetDetail
from controller.status.public_view import public_override


def public_route_detail(detail: RouteDetail) -> RouteDetail:
    """The route without reasons, and without who did what."""
    return replace(
        detail,
        moves=tuple(replace(move, reason="") for move in detail.moves),
        would_have=tuple(replace(move, reason="") for move in detail.would_have),
        health=tuple(replace(period, reason="") for period in detail.health),
        overrides=tuple(map(public_override, detail.overrides)),
    )


def public_target_detail(detail: TargetDetail) -> TargetDetail:
    """The target without reasons and evidence, and without what its provider wrote."""
    return replace(
        detail,
        state=replace(detail.state, reason="", evidence=0.0),
        transitions=tuple(replace(each, reason="", evidence=0.0, trail=()) for each in detail.transitions),
        trails=(),
        failures=tuple(replace(each, detail="", request_id=None, http_status=None) for each in detail.failures),
    )
