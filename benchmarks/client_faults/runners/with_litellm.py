"""LiteLLM's Router: two models, the second as fallback of the first for every reason, its own two retries."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version

import litellm

from benchmarks.client_faults.job import Answer, Job, run, take_piece


def ask(job: Job) -> Callable[[Answer], None]:
    """Stream from the first, with the second as its fallback."""
    litellm.suppress_debug_info = True
    loop = asyncio.new_event_loop()
    names = ("first", "second")
    router = litellm.Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{model}", "api_base": url, "api_key": "nobody"},
            }
            for name, url, model in zip(names, job.urls, job.models, strict=True)
        ],
        fallbacks=[{"first": ["second"]}],
        context_window_fallbacks=[{"first": ["second"]}],
        timeout=job.timeout_s,
        stream_timeout=job.timeout_s,
    )

    async def stream(answer: Answer) -> None:
        chunks = await router.acompletion(
            model="first",
            messages=[{"role": "user", "content": job.question}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in chunks:
            take_piece(answer, chunk)

    def once(answer: Answer) -> None:
        loop.run_until_complete(stream(answer))

    return once


if __name__ == "__main__":
    run(f"litellm {version('litellm')}", ask)
