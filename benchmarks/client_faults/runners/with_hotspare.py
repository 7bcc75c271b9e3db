"""Hotspare's client around the openai SDK, whose own retries are off."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version

import openai
from hotspare_client import Routing

from benchmarks.client_faults.job import Answer, Job, run, take_piece

_DEADLINE_S = 40.0


def ask(job: Job) -> Callable[[Answer], None]:
    """Ask as the README of the client shows it: a stream, which is begun anew where it breaks off, or a plain call."""
    routing = Routing(job.routing_file)

    clients = {
        target.id: openai.OpenAI(base_url=target.base_url, api_key="nobody", max_retries=0)
        for target in routing.candidates("chat")
    }

    def stream(answer: Answer) -> None:
        for attempt in routing.attempts("chat", deadline_s=_DEADLINE_S, on_cut="restart"):
            with attempt:
                answer.text = ""
                chunks = clients[attempt.target.id].chat.completions.create(
                    model=attempt.target.model,
                    messages=[{"role": "user", "content": job.question}],
                    stream=True,
                    stream_options={"include_usage": True},
                    timeout=attempt.stream_timeout_s,
                )
                for chunk in attempt.watch(chunks):
                    take_piece(answer, chunk)

    def call(answer: Answer) -> None:
        for attempt in routing.attempts("chat", deadline_s=_DEADLINE_S):
            with attempt:
                reply = clients[attempt.target.id].chat.completions.create(
                    model=attempt.target.model,
                    messages=[{"role": "user", "content": job.question}],
                    timeout=attempt.timeout_s,
                )
                answer.text, answer.model = reply.choices[0].message.content or "", reply.model
                answer.usage = bool(reply.usage)

    if not job.stream:
        return call
    return _ask_in_asyncio(job, routing) if job.in_asyncio else stream


def _ask_in_asyncio(job: Job, routing: Routing) -> Callable[[Answer], None]:
    """The same streams in coroutines."""
    loop = asyncio.new_event_loop()
    clients = {
        target.id: openai.AsyncOpenAI(base_url=target.base_url, api_key="nobody", max_retries=0)
        for target in routing.candidates("chat")
    }

    async def stream(answer: Answer) -> None:
        async for attempt in routing.attempts("chat", deadline_s=_DEADLINE_S, on_cut="restart"):
            async with attempt:
                answer.text = ""
                chunks = await clients[attempt.target.id].chat.completions.create(
                    model=attempt.target.model,
                    messages=[{"role": "user", "content": job.question}],
                    stream=True,
                    stream_options={"include_usage": True},
                    timeout=attempt.stream_timeout_s,
                )
                async for chunk in attempt.watch(chunks):
                    take_piece(answer, chunk)

    return lambda answer: loop.run_until_complete(stream(answer))


if __name__ == "__main__":
    run(f"hotspare-client {version('hotspare-client')}, openai {openai.__version__}", ask)
