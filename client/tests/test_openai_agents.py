"""Agents of the OpenAI Agents SDK on a route: plain runs and streams."""

import asyncio
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.exceptions import UserError
from benchmarks.client_faults.faults import ANSWER, QUESTION, Reply
from conftest import CUT, CUT_AT_ONCE, QUIETLY_CUT, REFUSED_KEY, World
from openai import BadRequestError
from tests.support.routes import FIRST, SECOND

from hotspare_client import NoTargetError, Routing
from hotspare_client.openai_agents import RouteProvider

BROKEN = Reply(status=500, code="server_error", message="Internal error")
#: What fails before the first word.
EARLY = [REFUSED_KEY, BROKEN, Reply(status=429, code="rate_limit_exceeded"), Reply(resets=True), Reply(silent=True)]


def config(routing: Routing, **terms: Any) -> RunConfig:
    """Of a run whose agent has no model of its own; nothing is sent to OpenAI's traces."""
    return RunConfig(model_provider=RouteProvider(routing, "chat", **terms), tracing_disabled=True)


async def streamed(routing: Routing, **terms: Any) -> tuple[list[str], Any]:
    """What a reader saw since the last beginning, piece by piece, and the run."""
    run = Runner.run_streamed(Agent("helper"), QUESTION, run_config=config(routing, **terms))
    pieces: list[str] = []
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.created":
            pieces = []
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            pieces.append(event.data.delta)
    return pieces, run


@pytest.mark.parametrize("reply", EARLY)
async def test_example(world: World, reply: Reply) -> None:
    """The first provider fails; the agent has its answer, by a run and by a stream."""
    world.fail(reply)
    names = world.example("OpenAI Agents SDK")
    how = config(world.routing(), answer_s=1) if reply.silent else names["config"]
    how.tracing_disabled = True
    assert (await Runner.run(names["agent"], QUESTION, run_config=how)).final_output == ANSWER
    assert len(world.second.asked) == 1
    pieces, run = await streamed(world.routing(), first_token_s=1)
    assert "".join(pieces).split() == ANSWER.split()
    assert run.final_output.split() == ANSWER.split()


async def test_nothing_is_lost_in_half_an_outage(world: World) -> None:
    """Twenty at once, and streams one after another."""
    routing = world.routing()
    how = config(routing)
    world.half()
    runs = (Runner.run(Agent("helper"), QUESTION, run_config=how) for _ in range(20))
    assert {result.final_output for result in await asyncio.gather(*runs)} == {ANSWER}
    for _ in range(10):
        pieces, _ = await streamed(routing)
        assert "".join(pieces).split() == ANSWER.split()


@pytest.mark.parametrize("reply", [CUT, QUIETLY_CUT], ids=["cut", "ended"])
async def test_a_cut_stream_is_never_passed_off_as_whole(world: World, reply: Reply) -> None:
    """It raises; with `on_cut="restart"` the answer begins anew at the next."""
    world.fail(reply)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - what the SDK makes of it
        await streamed(world.routing())
    assert [each.outcome for each in raised.value.hotspare_attempts] == ["broken_stream"]  # type: ignore[attr-defined]
    assert world.second.asked == []
    pieces, run = await streamed(world.routing(), on_cut="restart")
    assert "".join(pieces).split() == ANSWER.split()
    assert run.final_output.split() == ANSWER.split()
    assert len(run.new_items) == 1


async def test_a_stream_that_is_cut_at_once_moves_on(world: World) -> None:
    """Nothing of it was seen."""
    world.fail(CUT_AT_ONCE)
    pieces, _ = await streamed(world.routing())
    assert "".join(pieces).split() == ANSWER.split()


async def test_an_answer_is_whole_although_its_stream_hangs(world: World) -> None:
    """The connection stays open after the end of the answer."""
    world.fail(Reply(then="silent"))
    pieces, _ = await asyncio.wait_for(streamed(world.routing()), 5)
    assert "".join(pieces).split() == ANSWER.split()
    assert world.second.asked == []


async def test_it_follows_the_route(world: World) -> None:
    """From one request to the next, by the name of a route, and in a file that comes late."""
    routing = Routing(world.path, check_every_s=0)
    how, agent = RunConfig(model_provider=RouteProvider(routing), tracing_disabled=True), Agent("helper", model="chat")
    with pytest.raises(NoTargetError, match="is missing"):
        await Runner.run(agent, QUESTION, run_config=how)
    for target in (FIRST, SECOND, FIRST):
        world.write(target)
        await Runner.run(agent, QUESTION, run_config=how)
    assert (len(world.first.asked), len(world.second.asked)) == (2, 1)
    with pytest.raises(ValueError, match="default route"):
        await Runner.run(Agent("helper"), QUESTION, run_config=how)


async def test_a_conversation_at_the_provider_is_not_moved(world: World) -> None:
    """It goes to one target, and the failure is the answer."""
    world.fail(BROKEN)
    with pytest.raises(Exception) as raised:  # noqa: PT011
        await Runner.run(Agent("helper"), QUESTION, run_config=config(world.routing()), conversation_id="conv_1")
    assert {each.target for each in raised.value.hotspare_attempts} == {FIRST}  # type: ignore[attr-defined]
    assert world.second.asked == []


async def test_tools_and_their_errors_are_the_applications(world: World) -> None:
    """An exception of a tool asks no other provider."""

    @function_tool(failure_error_function=None)
    def look_up(text: str) -> str:
        """Look something up."""
        raise RuntimeError("the application's own")

    with pytest.raises(UserError, match="the application's own"):
        await Runner.run(Agent("helper", tools=[look_up]), QUESTION, run_config=config(world.routing()))
    assert (len(world.first.asked), len(world.second.asked)) == (1, 0)


async def test_a_wrong_request_goes_nowhere_else(world: World) -> None:
    """And is raised as the SDK raises it."""
    world.fail(Reply(status=400, code="invalid_request_error", message="Unknown parameter"))
    with pytest.raises(BadRequestError) as raised:
        await Runner.run(Agent("helper"), QUESTION, run_config=config(world.routing()))
    assert [each.target for each in raised.value.hotspare_attempts] == [FIRST]  # type: ignore[attr-defined]
    assert world.second.asked == []


def test_what_cannot_work_is_told_at_the_start(world: World) -> None:
    """Not in the outage: a dialect that needs a `build` of one's own, a wrong term."""
    routing = world.routing("openai-chat", "anthropic")
    with pytest.raises(ValueError, match="beta/two speaks anthropic"):
        RouteProvider(routing)
    with pytest.raises(ValueError, match="on_cut"):
        RouteProvider(world.routing("openai-chat", "openai-chat"), on_cut="ignore")
