"""LiteLLM's Router in step with the routing file, its own two retries."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version

import litellm
from hotspare_client import Routing
from hotspare_client.litellm_router import follow_routes

from benchmarks.client_faults.job import Answer, Job, run, take_piece


def ask(job: Job) -> Callable[[Answer], None]:
    """Ask as the README of the client shows it."""
    litellm.suppress_debug_info = True
    loop = asyncio.new_event_loop()
    router = litellm.Router(model_list=[], timeout=job.timeout_s, stream_timeout=job.timeout_s)
    follow_routes(router, Routing(job.routing_file))

    async def stream(answer: Answer) -> None:
        chunks = await router.acompletion(
            model="chat",
            messages=[{"role": "user", "content": job.question}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in chunks:
            take_piece(answer, chunk)

    return lambda answer: loop.run_until_complete(stream(answer))


if __name__ == "__main__":
    run(f"litellm {version('litellm')}", ask)
