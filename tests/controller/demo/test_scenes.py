"""The scenes of the demo: what each step waits for."""

import pytest

from controller.demo.providers import CANDIDATES, PROVIDERS
from controller.demo.scenes import SCENES, Awaited, Scene

_OUTAGE = SCENES[0]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_ends_with_all_well_and_the_route_at_home(scene: Scene) -> None:
    """So that it can begin again; and it names only providers that there are."""
    assert not scene.steps[-1].faults
    assert scene.steps[-1].awaited is Awaited.HOME
    assert scene.steps[0].faults
    assert {name for step in scene.steps for name in step.faults} <= {provider.name for provider in PROVIDERS}


@pytest.mark.parametrize(
    ("number", "serving", "over"),
    [
        pytest.param(0, CANDIDATES[0], False, id="it is still on the failing provider"),
        pytest.param(0, "openai/gpt-5.6-luna", False, id="another model of the failing provider is no escape"),
        pytest.param(0, CANDIDATES[1], True, id="it has left"),
        pytest.param(0, None, False, id="there is no routing file"),
        pytest.param(1, CANDIDATES[1], False, id="well again is not home yet"),
        pytest.param(1, CANDIDATES[0], True, id="home"),
    ],
)
def test_a_step_ends_where_the_route_points(number: int, serving: str | None, over: bool) -> None:
    """An outage ends when the route has left what fails, the recovery when it is back."""
    assert _OUTAGE.steps[number].is_over(serving, stuck=False) is over


def test_where_nothing_is_left_the_incident_must_say_so() -> None:
    """The route cannot move: what is waited for is that people are told."""
    (everything, *_) = next(scene for scene in SCENES if scene.name == "all-down").steps
    assert not everything.is_over(CANDIDATES[0], stuck=False)
    assert everything.is_over(CANDIDATES[0], stuck=True)


def test_users_are_served_once_no_incident_calls_the_route_stuck() -> None:
    """The route may stand on the provider that has come back, which is known to be well only later."""
    (_, first_back, _) = next(scene for scene in SCENES if scene.name == "all-down").steps
    assert not first_back.is_over(CANDIDATES[1], stuck=True)
    assert first_back.is_over(CANDIDATES[1], stuck=False)
