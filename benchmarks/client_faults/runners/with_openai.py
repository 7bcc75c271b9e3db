"""The openai SDK by itself: the first target alone, its own two retries."""

from collections.abc import Callable

import openai

from benchmarks.client_faults.job import Answer, Job, run, take_piece


def ask(job: Job) -> Callable[[Answer], None]:
    """Stream from the first target."""
    client = openai.OpenAI(base_url=job.urls[0], api_key="nobody", timeout=job.timeout_s)

    def once(answer: Answer) -> None:
        stream = client.chat.completions.create(
            model=job.models[0],
            messages=[{"role": "user", "content": job.question}],
            stream=True,
            stream_options={"include_usage": True},
        )
        for chunk in stream:
            take_piece(answer, chunk)

    return once


if __name__ == "__main__":
    run(f"openai {openai.__version__}", ask)
