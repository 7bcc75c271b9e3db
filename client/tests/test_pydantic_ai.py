"""A model of Pydantic AI that follows a route, in agents: plain runs and streams, across dialects."""

import asyncio
from typing import Any

import pytest
from benchmarks.client_faults.faults import ANSWER, QUESTION, Reply
from conftest import CUT, CUT_AT_ONCE, QUIETLY_CUT, REFUSED_KEY, World
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from tests.support.routes import FIRST, SECOND

from hotspare_client import NoTargetError, Routing
from hotspare_client.pydantic_ai import RouteModel

DIALECTS = [("openai-chat", "openai-chat"), ("openai-chat", "anthropic"), ("anthropic", "openai-chat")]
BROKEN = Reply(status=500, code="server_error", message="Internal error")
#: What fails before the first word.
EARLY = [REFUSED_KEY, BROKEN, Reply(status=429, code="rate_limit_exceeded"), Reply(resets=True), Reply(silent=True)]


async def streamed(agent: Agent[Any, Any]) -> tuple[list[str], Any]:
    """What a reader saw, piece by piece, and the run."""
    async with agent.run_stream(QUESTION) as run:
        return [text async for text in run.stream_text(debounce_by=None)], run


@pytest.mark.parametrize("dialects", DIALECTS)
@pytest.mark.parametrize("reply", EARLY)
async def test_example(world: World, dialects: tuple[str, str], reply: Reply) -> None:
    """The first provider fails; the agent has its answer, by a run and by a stream."""
    world.fail(reply)
    example = world.example("Pydantic AI", routing=world.routing(*dialects))["agent"]
    agent = Agent(RouteModel(world.routing(*dialects), "chat", answer_s=1)) if reply.silent else example
    result = await agent.run(QUESTION)
    assert result.output == ANSWER
    assert result.response.model_name == "two"
    assert len(world.second.asked) == 1
    pieces, run = await streamed(Agent(RouteModel(world.routing(*dialects), "chat", first_token_s=1)))
    assert pieces[-1].split() == ANSWER.split()
    assert (run.response.model_name, run.response.state) == ("two", "complete")
    assert run.usage.output_tokens == 80


async def test_nothing_is_lost_in_half_an_outage(world: World) -> None:
    """Twenty at once, and streams one after another."""
    agent = Agent(RouteModel(world.routing("openai-chat", "anthropic"), "chat"))
    world.half()
    results = await asyncio.gather(*(agent.run(QUESTION) for _ in range(20)))
    assert {result.output for result in results} == {ANSWER}
    for _ in range(10):
        pieces, _ = await streamed(agent)
        assert pieces[-1].split() == ANSWER.split()


@pytest.mark.parametrize("dialects", DIALECTS)
@pytest.mark.parametrize("reply", [CUT, QUIETLY_CUT], ids=["cut", "ended"])
async def test_a_cut_stream_is_never_passed_off_as_whole(world: World, dialects: tuple[str, str], reply: Reply) -> None:
    """It raises; with `on_cut="restart"` the answer begins anew at the next, for readers of the answer so far."""
    world.fail(reply)
    routing = world.routing(*dialects)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - what Pydantic AI makes of it
        await streamed(Agent(RouteModel(routing, "chat")))
    assert [each.outcome for each in raised.value.hotspare_attempts] == ["broken_stream"]  # type: ignore[attr-defined]
    assert world.second.asked == []
    agent = Agent(RouteModel(world.routing(*dialects), "chat", on_cut="restart"))
    async with agent.run_stream(QUESTION) as run:
        texts = [text.split() async for text in run.stream_output(debounce_by=None)]
    assert ANSWER.split()[:20] in texts
    assert all(text == ANSWER.split()[: len(text)] for text in texts)
    assert texts[-1] == ANSWER.split()
    assert run.response.model_name == "two"
    assert run.all_messages()[-1].parts[0].content.split() == ANSWER.split()


async def test_a_stream_that_is_cut_at_once_moves_on(world: World) -> None:
    """Nothing of it was seen."""
    world.fail(CUT_AT_ONCE)
    pieces, _ = await streamed(Agent(RouteModel(world.routing(), "chat")))
    assert pieces[-1].split() == ANSWER.split()


async def test_an_answer_is_whole_although_its_stream_hangs(world: World) -> None:
    """The connection stays open after the end of the answer."""
    world.fail(Reply(then="silent"))
    pieces, _ = await asyncio.wait_for(streamed(Agent(RouteModel(world.routing(), "chat"))), 5)
    assert pieces[-1].split() == ANSWER.split()
    assert world.second.asked == []


async def test_it_follows_the_route(world: World) -> None:
    """From one request to the next, and in a file that comes late."""
    model = RouteModel(Routing(world.path, check_every_s=0), "chat")
    agent = Agent(model)
    with pytest.raises(NoTargetError, match="is missing"):
        await agent.run(QUESTION)
    for target, answered in ((FIRST, "one"), (SECOND, "two"), (FIRST, "one")):
        world.write(target)
        assert (await agent.run(QUESTION)).response.model_name == answered
    assert model.model_name == "route:chat"


async def test_a_reader_may_stop(world: World) -> None:
    """A stream that nobody reads to its end is let go, and is nobody's failure."""
    routing = world.routing()
    agent = Agent(RouteModel(routing, "chat"))
    async with agent.run_stream(QUESTION) as run:
        async for _ in run.stream_text(debounce_by=None):
            break
    async with agent.run_stream(QUESTION) as run:
        async for _ in run.stream_text(debounce_by=None):
            await run.cancel()
            break
    assert (await agent.run(QUESTION)).response.model_name == "one"
    assert not routing.memory.is_failing(FIRST, routing.monotonic())
    assert world.second.asked == []


async def test_tools_and_their_errors_are_the_applications(world: World) -> None:
    """An exception of a tool asks no other provider; what a tool gives does."""
    agent = Agent(RouteModel(world.routing(), "chat"))

    @agent.tool_plain
    def look_up(text: str) -> str:
        """Look something up."""
        raise RuntimeError("the application's own")

    with pytest.raises(RuntimeError, match="the application's own"):
        await agent.run(QUESTION)
    assert (len(world.first.asked), len(world.second.asked)) == (1, 0)


async def test_a_wrong_request_goes_nowhere_else(world: World) -> None:
    """And is raised as Pydantic AI raises it."""
    world.fail(Reply(status=400, code="invalid_request_error", message="Unknown parameter"))
    with pytest.raises(ModelHTTPError) as raised:
        await Agent(RouteModel(world.routing(), "chat")).run(QUESTION)
    assert [each.target for each in raised.value.hotspare_attempts] == [FIRST]  # type: ignore[attr-defined]
    assert world.second.asked == []


def test_what_cannot_work_is_told_at_the_start(world: World) -> None:
    """Not in the outage: a dialect that needs a `build` of one's own, a wrong term."""
    routing = world.routing("openai-chat", "gemini")
    with pytest.raises(ValueError, match="beta/two speaks gemini"):
        RouteModel(routing, "chat")
    with pytest.raises(ValueError, match="on_cut"):
        RouteModel(world.routing("openai-chat", "openai-chat"), "chat", on_cut="ignore")


def test_it_serves_one_loop_after_another(world: World) -> None:
    """`run_sync` in threads, each with a loop of its own."""
    agent = Agent(RouteModel(world.routing("openai-chat", "anthropic"), "chat"))
    world.half()
    for _ in range(6):
        assert asyncio.run(agent.run(QUESTION)).output == ANSWER
