"""Pydantic AI with the model that follows a route: a stream, which is begun anew where it breaks off."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version

from hotspare_client import Routing
from hotspare_client.pydantic_ai import RouteModel
from pydantic_ai import Agent

from benchmarks.client_faults.job import Answer, Job, run


def ask(job: Job) -> Callable[[Answer], None]:
    """Ask as the README of the client shows it."""
    loop = asyncio.new_event_loop()
    agent = Agent(RouteModel(Routing(job.routing_file), "chat", deadline_s=40, on_cut="restart"))

    async def stream(answer: Answer) -> None:
        async with agent.run_stream(job.question) as stream:
            async for text in stream.stream_output(debounce_by=None):
                answer.text = text
        answer.model, answer.usage = stream.response.model_name, stream.usage.output_tokens > 0

    return lambda answer: loop.run_until_complete(stream(answer))


if __name__ == "__main__":
    run(f"pydantic-ai-slim {version('pydantic-ai-slim')}", ask)
