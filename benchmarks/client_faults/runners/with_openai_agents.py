"""The OpenAI Agents SDK with the provider that follows a route: a stream, which is begun anew where it breaks off."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version

from agents import Agent, ModelSettings, RunConfig, Runner
from hotspare_client import Routing
from hotspare_client.openai_agents import RouteProvider

from benchmarks.client_faults.job import Answer, Job, run


def ask(job: Job) -> Callable[[Answer], None]:
    """Ask as the README of the client shows it."""
    loop = asyncio.new_event_loop()
    provider = RouteProvider(Routing(job.routing_file), deadline_s=40, on_cut="restart")
    config = RunConfig(model_provider=provider, tracing_disabled=True)
    agent = Agent("helper", model="chat", model_settings=ModelSettings(include_usage=True))

    async def stream(answer: Answer) -> None:
        result = Runner.run_streamed(agent, job.question, run_config=config)
        async for event in result.stream_events():
            if event.type != "raw_response_event":
                continue
            if event.data.type == "response.created":
                answer.text, answer.model = "", event.data.response.model
            if event.data.type == "response.output_text.delta":
                answer.text += event.data.delta
            if event.data.type == "response.completed":
                answer.usage = bool(event.data.response.usage)

    return lambda answer: loop.run_until_complete(stream(answer))


if __name__ == "__main__":
    run(f"openai-agents {version('openai-agents')}", ask)
