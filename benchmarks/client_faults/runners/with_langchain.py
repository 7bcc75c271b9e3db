"""LangChain: a chat model of each target, `with_fallbacks`, their own two retries."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version

from langchain_openai import ChatOpenAI

from benchmarks.client_faults.job import Answer, Job, run


def ask(job: Job) -> Callable[[Answer], None]:
    """Stream from the first, with the second as its fallback."""
    loop = asyncio.new_event_loop()
    first, *others = (
        ChatOpenAI(model=model, base_url=url, api_key="nobody", timeout=job.timeout_s, stream_usage=True)
        for url, model in zip(job.urls, job.models, strict=True)
    )
    chain = first.with_fallbacks(others)

    async def stream(answer: Answer) -> None:
        async for chunk in chain.astream(job.question):
            answer.text += chunk.text
            answer.model = chunk.response_metadata.get("model_name") or answer.model
            answer.usage = answer.usage or bool(chunk.usage_metadata)

    def once(answer: Answer) -> None:
        loop.run_until_complete(stream(answer))

    return once


if __name__ == "__main__":
    run(f"langchain-core {version('langchain-core')}", ask)
