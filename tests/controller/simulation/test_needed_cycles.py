"""A cycle is left out only where it would find every route where it belongs."""

import pytest

from controller.routing.decision import Decision, MoveKind
from controller.simulation.needed_cycles import NeededCycles
from monitor.config.route import Route
from monitor.health import Health, TargetHealth, Transition
from tests.support.builders import T0

A, B = "openai/a", "anthropic/b"
ROUTE = Route(name="chat", candidates=(A, B))


def standing_on(target: str, health: Health = Health.UP, *, every: bool = False) -> NeededCycles:
    """After a cycle with the route on this target, and A in this health."""
    decision = Decision(route="chat", at=T0, move=MoveKind.FAILOVER, before=A, target=target, reason="", generation=1)
    cycles = NeededCycles([ROUTE], every=every)
    cycles.look({"chat": decision}, {A: TargetHealth(target=A, health=health, since=T0, reason="")})
    return cycles


def becomes(health: Health) -> tuple[Transition]:
    """A changes to this health."""
    return (Transition(target=A, at=T0, before=Health.UP, after=health, reason=""),)


def test_at_rest_only_what_moves_a_route_calls_for_a_cycle() -> None:
    """By default that is down, unusable and misconfigured."""
    cycles = standing_on(A)
    assert not cycles.may_move(becomes(Health.SUSPECT))
    assert not cycles.may_move(becomes(Health.UNKNOWN))
    assert cycles.may_move(becomes(Health.DOWN))
    assert not cycles.may_move(())


@pytest.mark.parametrize(
    "cycles",
    [
        pytest.param(NeededCycles([ROUTE], every=False), id="before the first cycle"),
        pytest.param(standing_on(B), id="on the standby"),
        pytest.param(standing_on(A, Health.DOWN), id="on a target that fails"),
        pytest.param(standing_on(A, every=True), id="one by one"),
    ],
)
def test_else_every_change_of_health_does(cycles: NeededCycles) -> None:
    """A route that is not at rest may move by any."""
    assert cycles.may_move(becomes(Health.SUSPECT))
    assert not cycles.may_move(())


def test_every_change_does_while_any_target_is_late() -> None:
    """Time alone may then change the health of others."""
    cycles = standing_on(A)
    cycles.any_late = True
    assert cycles.may_move(becomes(Health.SUSPECT))


def test_what_a_cycle_was_left_out_for_is_gathered_with_what_follows() -> None:
    """The service would have decided on both at once, a tenth of a second after the first."""
    cycles = standing_on(A)
    cycles.leave_out(10.0)
    cycles.leave_out(10.05)
    assert cycles.gathered_s(10.08) == pytest.approx(10.1)
    assert cycles.gathered_s(10.2) == pytest.approx(10.3)
