"""What good answers change, apart from the rest of a state, and back together."""

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.config.controller_settings import ControllerSettings
from monitor.detection import state_machine, target_state
from monitor.detection.parameters import TargetParameters, target_parameters
from monitor.detection.quiet_progress import go_on, is_quiet, progress_of, read_state
from monitor.detection.target_state import TargetState
from tests.support.builders import T0, observation, target

A = "openai/a"


@pytest.fixture
def parameters() -> TargetParameters:
    """Of a target at its defaults."""
    return target_parameters(target(A), ControllerSettings())


def after(letters: str, parameters: TargetParameters, state: TargetState | None = None, begin: int = 0) -> TargetState:
    """The state after these outcomes, one every 30 s."""
    state = state or TargetState(target=A, since=T0)
    for place, letter in enumerate(letters, begin):
        state = state_machine.observe(state, observation(letter, at_s=30 * place, name=A), parameters)
    return state


def test_a_state_is_put_together_again(parameters: TargetParameters) -> None:
    """From what was stored whole, and what good answers have changed since."""
    before = after("." * 40, parameters)
    now = after("." * 300, parameters, before, 40)
    assert is_quiet(before, now)
    assert read_state(target_state.to_json(before), progress_of(now, T0)) == now
    assert read_state(target_state.to_json(before), None) == before


@pytest.mark.parametrize("letter", ["x", "t", "s", "q"])
def test_whatever_else_happens_is_stored_whole(parameters: TargetParameters, letter: str) -> None:
    """Also a good answer after it: that takes from the evidence."""
    before = after("." * 40, parameters)
    failed = after(letter, parameters, before, 40)
    assert not is_quiet(before, failed)
    assert not is_quiet(failed, after(".", parameters, failed, 41))


def test_a_state_out_of_order_is_stored_whole(parameters: TargetParameters) -> None:
    """A clock that was set back must not leave a state with the times of before."""
    before = after("." * 40, parameters)
    again = state_machine.observe(before, observation(".", at_s=0, name=A), parameters)
    assert not is_quiet(before, replace(again, last_started_at=T0 - timedelta(hours=1)))


def test_what_another_version_wrote_changes_nothing(parameters: TargetParameters) -> None:
    """The observations since the whole state are then read again."""
    before = after("." * 40, parameters)
    other = replace(progress_of(before, T0), latency='{"usual": 7}', clean_pending=99)
    assert go_on(before, other) == before
    assert read_state("no JSON", other) is None
