"""The README's example for instructor, which has retries of its own and wraps what goes wrong."""

import pytest
from benchmarks.client_faults.faults import ANSWER, Reply
from conftest import REFUSED_KEY, World
from pydantic import BaseModel


class Answer(BaseModel):
    """What the model is asked for."""

    text: str


class Impossible(BaseModel):
    """What no model gives."""

    number: int


def test_example(world: World) -> None:
    """The first provider refuses the key, and the second answers."""
    world.fail(REFUSED_KEY)
    assert world.example("instructor", Reply=Answer)["reply"].text == ANSWER
    assert (len(world.first.asked), len(world.second.asked)) == (1, 1)


def test_nothing_is_lost_in_half_an_outage(world: World) -> None:
    """With new readers, so that none remembers what has failed."""
    world.half()
    for _ in range(10):
        assert world.example("instructor", Reply=Answer)["reply"].text == ANSWER
    assert len(world.first.asked) >= 10


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=500, code="server_error", message="Internal error"), "server_error"),
        (Reply(status=429, code="rate_limit_exceeded", message="Rate limit reached"), "rate_limited"),
        (REFUSED_KEY, "auth"),
    ],
)
def test_what_it_wraps_is_read(world: World, reply: Reply, said: str) -> None:
    """It raises an exception of its own, with the SDK's behind it."""
    world.fail(reply)
    world.second._replies = (reply,)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - of instructor's own class, which it moves
        world.example("instructor", Reply=Answer)
    assert {each.outcome for each in raised.value.hotspare_attempts} == {said}  # type: ignore[attr-defined]


def test_an_answer_of_the_wrong_shape_is_no_outage(world: World) -> None:
    """The model has answered: another provider is not asked because of it."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - likewise
        world.example("instructor", Reply=Impossible)
    assert len(world.first.asked) >= 1
    assert world.second.asked == []
