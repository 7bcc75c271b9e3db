"""The loads, the same for every client: a number of requests, and how many are in flight."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from probes.target import Provider, Secret, Target

#: The answer's second half comes this long after its first.
_REST_MS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many requests, how many at a time, and whether they all begin at the same moment."""

    in_flight: int
    requests: int
    together: bool = False

    @property
    def label(self) -> str:
        """Its name in the tables."""
        return f"{self.in_flight} at once" if self.together else str(self.in_flight)


#: Answers take 0.1 to 1 s. The last load is what the schedule's spreading prevents.
LOADS = (
    Load(in_flight=1, requests=20),
    Load(in_flight=10, requests=300),
    Load(in_flight=50, requests=800),
    Load(in_flight=200, requests=3000),
    Load(in_flight=200, requests=1000, together=True),
)

#: By the id of a request: seconds to the first byte, and to the last.
Times = dict[str, tuple[float, float]]


async def carried_out(load: Load, port: int, ask: Callable[[str, Target], Awaitable[tuple[float, float]]]) -> Times:
    """Puts the load on the server, through `ask`, which is given the address of a provider and a target there."""
    dice = random.Random(f"{load}")
    urls = [f"http://127.0.0.1:{port}/{n}/{dice.randint(100, 1000)}/{_REST_MS}/v1" for n in range(load.requests)]
    times: Times = {}

    async def request(url: str) -> None:
        times[url.split("/")[3]] = await ask(url, target_at(url))

    if load.together:
        for start in range(0, len(urls), load.in_flight):
            await asyncio.gather(*(request(url) for url in urls[start : start + load.in_flight]))
        return times

    waiting = iter(urls)

    async def worker(number: int) -> None:
        await asyncio.sleep(number / load.in_flight)
        for url in waiting:
            await request(url)

    await asyncio.gather(*(worker(number) for number in range(load.in_flight)))
    return times


def target_at(url: str) -> Target:
    """A target of the provider at this address."""
    provider = Provider(name="p", dialect="openai-chat", base_url=url, api_key=Secret("key"))
    return Target(provider=provider, model="gpt-4o-mini")
