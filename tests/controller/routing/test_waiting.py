"""A stuck route says what moves it, and a route on its way back when it goes."""

from datetime import timedelta

from controller.routing import waiting
from controller.routing.decision import Decision
from controller.routing.overrides import Override, OverrideKind
from monitor.config.controller_settings import ControllerSettings
from tests.support.builders import T0

WAITS = {"b/x": "down, next probe by 18:00:30 UTC", "c/x": "recovering, up at 18:02:00 UTC"}


def test_a_stuck_route_names_the_candidate_that_will_move_it() -> None:
    """That which is coming back, else the most preferred, with the time; one that is drained says so."""
    drain = Override(
        kind=OverrideKind.DRAIN, subject="b", author="ana", reason="r", at=T0, until=T0 + timedelta(minutes=5)
    )
    both = waiting.stuck_until("down", WAITS, {}, least_bad_from=None, now=T0)
    assert both == (
        "it moves once c/x (recovering, up at 18:02:00 UTC) or the other candidate answers well, or one fails less"
    )
    one = {"b/x": WAITS["b/x"]}
    held = waiting.stuck_until("down", one, {"b/x": drain}, least_bad_from=T0 + timedelta(seconds=9), now=T0)
    assert "once b/x (drained until 18:05:00 UTC) answers well, or one" in held
    assert held.endswith("fails less (from 18:00:09 UTC on)")
    alone = waiting.stuck_until("down, next probe due now", {}, {}, least_bad_from=None, now=T0)
    assert alone == "it has no other candidate and stays until this one is well (down, next probe due now)"


def test_of_many_candidates_one_is_named() -> None:
    """Forty of them are a wall that nobody reads."""
    waits = {f"b/{number}": "down" for number in range(40)}
    text = waiting.stuck_until("down", waits, {}, least_bad_from=None, now=T0)
    assert text.startswith("it moves once b/0 (down) or one of 39 others answers well, or one")


def test_dwell_ends_so_long_after_the_last_move() -> None:
    """None before the first decision, after its end, and when the clock was set back behind the move."""
    controller, moved = ControllerSettings(dwell_s=60), Decision(route="chat", target="a/x", at=T0, reason="r")
    end = T0 + timedelta(seconds=60)
    assert waiting.dwell_end(moved, controller, T0 + timedelta(seconds=59)) == end
    assert waiting.dwell_end(moved, controller, end) is None
    assert waiting.dwell_end(moved, controller, T0 - timedelta(seconds=1)) is None
    assert waiting.dwell_end(None, controller, T0) is None
    back = waiting.goes_back("a/x", "up, next probe due now", end, T0)
    assert back == "it goes back to a/x (up, next probe due now), not before 18:01:00 UTC"
