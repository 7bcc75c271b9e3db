"""What strangers may see of a route or target in detail: when and what, not why, nor whose words."""

from dataclasses import replace
from datetime import timedelta

from controller.routing.overrides import Override, OverrideKind
from controller.status.details.public import public_route_detail, public_target_detail
from controller.status.details.target import FailedProbe
from monitor.health import Health, Transition
from probes.outcome import Outcome
from tests.support.builders import T0
from tests.support.details import route_detail, target_detail

SECRET = "said by somebody"


def test_a_route() -> None:
    """Its path stays, reasons and authors go."""
    until = T0 + timedelta(hours=1)
    pin = Override(kind=OverrideKind.PIN, subject="chat", author=SECRET, reason=SECRET, at=T0, until=until)
    detail = route_detail()
    move = replace(detail.moves[0], reason=SECRET)
    period = replace(detail.health[0], reason=SECRET)
    shown = public_route_detail(replace(detail, moves=(move,), would_have=(move,), health=(period,), overrides=(pin,)))
    assert SECRET not in repr(shown)
    assert (shown.path, len(shown.moves), len(shown.overrides)) == (detail.path, 1, 1)


def test_a_target() -> None:
    """Its outcomes and times stay, evidence and words go."""
    failure = FailedProbe(
        at=T0,
        check="chat",
        outcome=Outcome.TIMEOUT,
        detail=SECRET,
        http_status=500,
        request_id=SECRET,
        failed_here=False,
    )
    change = Transition(
        target="openai/a",
        at=T0,
        before=Health.UP,
        after=Health.DOWN,
        reason=SECRET,
        evidence=10.4,
        threshold=9.8,
        trail=(),
    )
    shown = public_target_detail(replace(target_detail(), transitions=(change,), failures=(failure,)))
    assert SECRET not in repr(shown)
    assert [each.outcome for each in shown.failures] == [Outcome.TIMEOUT]
    assert [(each.after, each.evidence) for each in shown.transitions] == [(Health.DOWN, 0.0)]
