"""What a route waits for is read from what the service has stored, with the time."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.routing.decision import Decision
from controller.routing.overrides import Override, OverrideKind, Overrides
from controller.status.route_views import route_view
from controller.status.route_waits import describe_route_wait
from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route
from monitor.detection import target_state
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.target_state import TargetState
from monitor.health import Health, TargetHealth
from monitor.storage.row_conversions import SavedTargetState
from tests.support.builders import T0, observation, parameters, settings

A, B = "a/x", "b/x"
NOW = T0 + timedelta(seconds=5)
ROUTE = Route(name="chat", candidates=(A, B))


def saved(
    target: str, health: Health, *, down: EvidenceTrack | None = None, threshold: float = 9.8
) -> SavedTargetState:
    """A target that has this health since T0."""
    track = down or EvidenceTrack()
    state = TargetState(target=target, since=T0, health=health, last_started_at=T0, last_seen_at=T0, down=track)
    known = TargetHealth(target=target, health=health, since=T0, reason="r", evidence=track.value, threshold=threshold)
    return SavedTargetState(health=known, at=T0, record=target_state.to_json(state))


def drain_of(target: str) -> Override:
    """A drain of this target for the hour from T0 on."""
    return Override(
        kind=OverrideKind.DRAIN, subject=target, author="ana", reason="r", at=T0, until=T0 + timedelta(hours=1)
    )


FAILING = EvidenceTrack()
for second in range(3):
    FAILING = FAILING.add_failure(observation("x", at_s=second, name=A), p1=parameters().p1)


@pytest.mark.parametrize(
    ("first", "second", "at", "text"),
    [
        pytest.param(
            saved(A, Health.DOWN),
            saved(B, Health.DOWN),
            A,
            "it moves once b/x (down, next probe by 18:00:30 UTC) answers well, or one fails less"
            " (from 18:01:00 UTC on)",
            id="stuck",
        ),
        pytest.param(
            saved(A, Health.RECOVERING),
            saved(B, Health.UP),
            B,
            "it goes back to a/x (recovering, up at 18:05:00 UTC if every probe until then is clean), not before"
            " 18:01:00 UTC",
            id="on its way back",
        ),
        pytest.param(
            saved(A, Health.SUSPECT, down=FAILING, threshold=FAILING.value),
            saved(B, Health.UP),
            A,
            "it moves at 18:00:10 UTC unless a/x answers before (min_outage)",
            id="about to move",
        ),
        pytest.param(
            saved(A, Health.SUSPECT, down=FAILING, threshold=FAILING.value + 1),
            saved(B, Health.UP),
            A,
            "it moves at the next failed probe, due by 18:00:30 UTC",
            id="one more failure makes the verdict",
        ),
        pytest.param(
            saved(A, Health.SUSPECT, down=FAILING, threshold=FAILING.value + 10),
            saved(B, Health.UP),
            A,
            "it moves after 3 more failed probes at most, the next due by 18:00:30 UTC",
            id="as many again make the verdict",
        ),
        pytest.param(
            saved(A, Health.SUSPECT, down=FAILING, threshold=FAILING.value + 1),
            saved(B, Health.DOWN),
            A,
            None,
            id="there is nowhere to move to",
        ),
        pytest.param(saved(A, Health.UP), saved(B, Health.DOWN), A, None, id="nothing"),
        pytest.param(saved(A, Health.DOWN), saved(B, Health.UP), B, None, id="the first does not answer yet"),
    ],
)
def test_what_a_route_waits_for(
    tmp_path: Path, first: SavedTargetState, second: SavedTargetState, at: str, text: str | None
) -> None:
    """The next thing that can move it."""
    stored = {A: first, B: second}
    pointed = Decision(route="chat", target=at, at=T0, reason="r")
    view = route_view(ROUTE, pointed, {name: each.health for name, each in stored.items()}, frozenset())
    wanted = settings(tmp_path, A, B, controller=ControllerSettings(min_outage_s=10))
    assert describe_route_wait(view, pointed, stored, wanted, NOW) == text
    assert describe_route_wait(replace(view, dry_run=True), pointed, stored, wanted, NOW) is None


@pytest.mark.parametrize(("second", "stays"), [(Health.UP, False), (Health.DOWN, True)])
def test_a_route_says_why_it_stays_on_a_drained_target(tmp_path: Path, second: Health, *, stays: bool) -> None:
    """All is well, but the other candidate is drained, too, or may not be chosen: nobody finds that in a table."""
    stored = {A: saved(A, Health.UP), B: saved(B, second)}
    pointed, health = Decision(route="chat", target=A, at=T0, reason="r"), {A: stored[A].health, B: stored[B].health}
    wanted = settings(tmp_path, A, B)
    text = "it stays on a/x, which is drained until 19:00:00 UTC: no other candidate is eligible"

    for drained in ((A,), (A, B)):
        overrides = Overrides(active=tuple(drain_of(name) for name in drained))
        view = route_view(ROUTE, pointed, health, frozenset(), overrides)
        others = [replace(each, why_not="it is down" if stays else None) for each in view.candidates]
        view = replace(view, candidates=tuple(others))
        expected = text if stays or drained == (A, B) else None
        assert describe_route_wait(view, pointed, stored, wanted, NOW) == expected
