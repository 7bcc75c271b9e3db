"""One way of timing a request, under one load, in a process of its own: `python -m benchmarks.probing.client …`.

Prints `{"times": {id: [s to the first byte, s to the last byte]}, "cpu_s", "memory_mb"}`.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx

from benchmarks.probing.jobs import Load, carried_out, target_at
from benchmarks.probing.processes import memory_mb
from probes import loop_lag, pricing
from probes.outcome import Outcome
from probes.prober import Prober
from probes.target import Check, Target

Ask = Callable[[str, Target], Awaitable[tuple[float, float]]]
#: What every client sends.
HEADERS = {"content-type": "application/json", "authorization": "Bearer key"}
BODY = json.dumps(
    {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Reply with exactly this word: k7f3q9x2"}]}
)


def ours() -> Ask:
    """The prober of the service."""
    prober = Prober(clock=lambda: datetime.now(UTC))

    async def ask(_: str, target: Target) -> tuple[float, float]:
        seen = await prober.probe(target, Check.CHAT)
        assert seen.outcome is Outcome.OK, seen
        assert seen.first_byte_s is not None
        return seen.first_byte_s, seen.duration_s

    return ask


def httpx_each() -> Ask:
    """What one would write: a client for each request, and a watch around it."""
    tls = httpx.create_ssl_context()

    async def ask(url: str, _: Target) -> tuple[float, float]:
        began = time.monotonic()
        async with httpx.AsyncClient(verify=tls, timeout=30) as client:
            return await _timed(client, url, began)

    return ask


def httpx_shared() -> Ask:
    """The same with one client for all."""
    client = httpx.AsyncClient(timeout=30)

    async def ask(url: str, _: Target) -> tuple[float, float]:
        return await _timed(client, url, time.monotonic())

    return ask


async def _timed(client: httpx.AsyncClient, url: str, began: float) -> tuple[float, float]:
    async with client.stream("POST", f"{url}/chat/completions", headers=HEADERS, content=BODY) as response:
        first_s = time.monotonic() - began
        await response.aread()
        return first_s, time.monotonic() - began


CLIENTS: dict[str, Callable[[], Ask]] = {
    "hotspare": ours,
    "httpx, a client for each": httpx_each,
    "httpx, one client": httpx_shared,
}


async def _main(name: str, port: int, load: Load) -> None:
    await pricing.warm_up()
    ask = CLIENTS[name]()
    first = f"http://127.0.0.1:{port}/first/1/1/v1"
    await ask(first, target_at(first))  # which loads what is loaded late
    gc.collect()
    gc.freeze()  # as the service does
    cpu_s = time.process_time()
    times = await carried_out(load, port, ask)
    cpu_s = time.process_time() - cpu_s
    print(json.dumps({"times": times, "cpu_s": cpu_s, "memory_mb": memory_mb(os.getpid())}))


if __name__ == "__main__":
    loop_lag.run(_main(sys.argv[1], int(sys.argv[2]), Load(**json.loads(sys.argv[3]))))
