"""What keeps a deployment waiting: incidents, moves and health of a route within some time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.incidents.incident import IncidentKind
from controller.routing.decision import Decision, MoveKind
from controller.status.gate import troubles
from monitor.config.route import Route
from monitor.health import Health, TargetHealth
from tests.support.builders import T0
from tests.support.incident_builders import incident

OPEN = incident(id=7, opened_at=T0 - timedelta(hours=3))
NETWORK = replace(OPEN, kind=IncidentKind.BLINDNESS, affected=(), routes=())
CHAT = Route(name="chat", candidates=(OPEN.affected[0].target, "other/b"))
MOVE = Decision(route="chat", target="other/b", at=T0 - timedelta(minutes=30), reason="why", move=MoveKind.FAILOVER)
WELL = TargetHealth(target="other/b", health=Health.UP, since=T0, reason="it answers")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("facts", "count"),
    [
        pytest.param({}, 0, id="nothing"),
        pytest.param({"incidents": [OPEN]}, 1, id="an open incident, however old"),
        pytest.param({"incidents": [replace(OPEN, resolved_at=T0 - HOUR / 2)]}, 1, id="resolved half an hour ago"),
        pytest.param({"incidents": [replace(OPEN, resolved_at=T0 - 2 * HOUR)]}, 0, id="resolved two hours ago"),
        pytest.param({"incidents": [NETWORK]}, 1, id="our own network, while nobody sees anything"),
        pytest.param({"decisions": [MOVE]}, 1, id="a move off a target that failed"),
        pytest.param({"decisions": [replace(MOVE, move=MoveKind.DRILL)]}, 0, id="a drill is no trouble"),
        pytest.param({"decisions": [replace(MOVE, at=T0 - 2 * HOUR)]}, 0, id="an old move"),
        pytest.param({"decisions": [replace(MOVE, route="other")]}, 0, id="a move of another route"),
        pytest.param({"state": replace(WELL, health=Health.DEGRADED)}, 1, id="an unhealthy target"),
        pytest.param({"state": None}, 1, id="nothing known"),
    ],
)
def test_what_is_trouble(facts: dict[str, object], count: int) -> None:
    """Each as a sentence of its own."""
    given = {"incidents": [], "decisions": [], "state": WELL, **facts}
    found = troubles(CHAT, within=HOUR, now=T0, **given)  # type: ignore[arg-type] # facts by name
    assert len(found) == count, found
