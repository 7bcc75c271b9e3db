"""The README's examples for LangChain: today's model as a runnable, and an agent that fails over within a run."""

from typing import Any

import pytest
from benchmarks.client_faults.faults import ANSWER, QUESTION, Reply
from conftest import KEYS, REFUSED_KEY, World
from langchain.agents import create_agent
from langchain_core.tools import tool
from openai import BadRequestError
from tests.support.routes import FIRST, SECOND


@pytest.fixture(autouse=True)
def _no_ambient(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain builds its own clients, which take what the environment says."""
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    for name in ("OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def agent_of(world: World, **names: Any) -> Any:
    """An agent with the README's middleware."""
    names = world.example("LangChain agents", **world.example("LangChain", **names))
    return create_agent(names["model"](names["routing"].route("chat")), middleware=[names["follow_route"]])


async def test_a_runnable_follows_the_route(world: World) -> None:
    """Invoked, streamed and in asyncio: the next request goes where the route points by then."""
    today = world.example("LangChain")["today"]
    assert today.invoke(QUESTION).text == ANSWER
    assert world.first.last
    assert world.first.last.headers["authorization"] == f"Bearer {KEYS[FIRST]}"
    world.write(SECOND)
    assert (await today.ainvoke(QUESTION)).text == ANSWER
    assert "".join(piece.text for piece in today.stream(QUESTION)).split() == ANSWER.split()
    assert [len(world.first.asked), len(world.second.asked)] == [1, 2]


@pytest.mark.parametrize(
    "replies", [[REFUSED_KEY], [Reply(status=500, code="server_error", message="Internal error")], [Reply(resets=True)]]
)
def test_an_agent_moves_on(world: World, replies: list[Reply]) -> None:
    """Within the run: the application sees an answer."""
    world.fail(*replies)
    result = agent_of(world).invoke({"messages": [("user", QUESTION)]})
    assert result["messages"][-1].text == ANSWER
    assert len(world.second.asked) == 1


def test_an_agent_loses_nothing_in_half_an_outage(world: World) -> None:
    """One reader for all runs, as in an application."""
    world.half()
    agent = agent_of(world)
    for _ in range(15):
        assert agent.invoke({"messages": [("user", QUESTION)]})["messages"][-1].text == ANSWER


def test_a_wrong_request_goes_nowhere_else(world: World) -> None:
    """And is raised as it is."""
    world.fail(Reply(status=400, code="invalid_request_error", message="Unknown parameter"))
    with pytest.raises(BadRequestError):
        agent_of(world).invoke({"messages": [("user", QUESTION)]})
    assert world.second.asked == []


def test_an_error_of_a_tool_is_the_applications(world: World) -> None:
    """No provider has failed: none is asked again."""

    @tool
    def look_up(text: str) -> str:
        """Look something up."""
        raise RuntimeError("the application's own")

    names = world.example("LangChain agents", **world.example("LangChain"))
    model = names["model"](names["routing"].route("chat"))
    with pytest.raises(RuntimeError, match="the application's own"):
        create_agent(model, [look_up], middleware=[names["follow_route"]]).invoke({"messages": [("user", QUESTION)]})
    assert [len(world.first.asked), len(world.second.asked)] == [1, 0]
