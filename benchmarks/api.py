"""The API under many clients: what they get, and how late probes begin meanwhile."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.probing.processes import BESIDE, MEASURED, cpu_s, memory_mb, read_line, start_process

_PROVIDERS, _INTERVAL_S = 50, 2.0
_HEAD = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
defaults: {{interval: {interval:g}s}}
connectivity: {{endpoints: []}}
controller: {{blips: {{per_day: 5, length: [100ms, 500ms]}}}}
api: {{listen: 127.0.0.1:{api}}}
routes: {{chat: {{candidates: [p0/m, p1/m]}}}}
providers:
"""
_PROVIDER = """\
  p{n}: {{dialect: openai-chat, base_url: "http://127.0.0.1:{port}/{n}/300/30/v1", api_key: k, models: {{m: {{}}}}}}
"""
_PATHS = ("/v1/status", "/v1/routing", "/metrics", "/api/v2/summary.json", "/badge/status.svg")
_PORT = 18500
_CONNECTIONS = 40
_WARM_S = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Who asks."""

    requests_per_s: int = 0
    idle: int = 0
    long_polls: int = 0
    seconds: float = 20.0

    @property
    def label(self) -> str:
        """For the table."""
        return f"{self.requests_per_s:,} requests/s, {self.idle:,} idle, {self.long_polls:,} long polls"


CROWDS = (
    Crowd(),
    Crowd(requests_per_s=2_000),
    Crowd(idle=5_000),
    Crowd(long_polls=1_000),
    Crowd(requests_per_s=2_000, idle=5_000, long_polls=1_000),
    Crowd(long_polls=9_900),
)


def main(crowds: tuple[Crowd, ...] = CROWDS) -> None:
    """Run and print all crowds, in four minutes."""
    os.sched_setaffinity(0, BESIDE)
    print(f"{_PROVIDERS} targets every {_INTERVAL_S:g} s; milliseconds as median, 99th percentile, worst.\n")
    print("|who asks|answered/s, not 2xx or 3xx|an answer takes|a probe begins late by|CPU|memory, MB|")
    print("|---|---|---|---|---|---|")
    for crowd in crowds:
        with running_service() as (pid, folder):
            time.sleep(_WARM_S)
            began_ms, used_s = time.time() * 1000, cpu_s(pid)
            command = [sys.executable, "-m", "benchmarks.api", json.dumps(asdict(crowd))]
            with start_process(command, BESIDE) as clients:
                got = json.loads(read_line(clients))
            used, memory = (cpu_s(pid) - used_s) / crowd.seconds, memory_mb(pid)
            late_ms = _late_ms(folder / "hotspare.db", began_ms)
        answered = f"{len(got['took_ms']) / crowd.seconds:,.0f}, {got['refused']}"
        print(
            f"|{crowd.label}|{answered}|{spread(got['took_ms'])}|{spread(late_ms)}|{used:.0%}|{memory:.0f}|",
            flush=True,
        )


def quick() -> None:
    """One small crowd, to see that it works."""
    main((Crowd(requests_per_s=200, idle=100, long_polls=100, seconds=5.0),))


@contextmanager
def running_service(providers: int = _PROVIDERS, api_port: int = _PORT) -> Iterator[tuple[int, Path]]:
    """A service that watches so many targets; its process, and the folder of its configuration and its files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with start_process([sys.executable, "-m", "benchmarks.probing.server"], BESIDE) as server:
            port = read_line(server).strip()
            config = folder / "hotspare.yaml"
            targets = (_PROVIDER.format(n=n, port=port) for n in range(providers))
            head = _HEAD.format(folder=folder, interval=_INTERVAL_S, api=api_port)
            config.write_text(head + "".join(targets))
            command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)]
            with start_process(command, MEASURED) as service:
                try:
                    _until_it_listens(api_port)
                    yield service.pid, folder
                finally:
                    os.kill(service.pid, signal.SIGTERM)
                    service.wait()
                    server.terminate()


def _until_it_listens(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise TimeoutError("the service does not listen within 30 s")


def _late_ms(database: Path, since_ms: float) -> list[float]:
    """How much later than its place in the plan, the soonest that its target ever was, each probe began."""
    with contextlib.closing(sqlite3.connect(database)) as store:
        rows = store.execute("SELECT target, started_ms FROM observations ORDER BY started_ms").fetchall()
    starts: dict[str, list[float]] = {}
    for target, started_ms in rows:
        starts.setdefault(target, []).append(started_ms)
    late = []
    for times in starts.values():
        places = [at - number * _INTERVAL_S * 1000 for number, at in enumerate(times)]
        late += [place - min(places) for place, at in zip(places, times, strict=True) if at >= since_ms]
    return late


def spread(values: list[float]) -> str:
    """Median, 99th percentile and worst."""
    if not values:
        return "–"
    ordered = sorted(values)
    return " / ".join(f"{ordered[min(len(ordered) - 1, int(len(ordered) * share))]:.1f}" for share in (0.5, 0.99, 1.0))


async def _ask(crowd: Crowd) -> dict[str, object]:
    """Be the crowd; returns how long each answer took, and how many were refused."""
    took_ms: list[float] = []
    refused = 0
    idle = [await asyncio.open_connection("127.0.0.1", _PORT) for _ in range(crowd.idle)]
    polls = [asyncio.create_task(_poll(crowd.seconds)) for _ in range(crowd.long_polls)]
    ends_at = time.monotonic() + crowd.seconds

    async def ask(number: int) -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
        apart_s, due = _CONNECTIONS / crowd.requests_per_s, time.monotonic() + number / crowd.requests_per_s
        while due < ends_at:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            began, due, number = time.monotonic(), due + apart_s, number + 1
            status = await _get(reader, writer, _PATHS[number % len(_PATHS)])
            took_ms.append((time.monotonic() - began) * 1000)
            refused += not status.startswith(("2", "3"))
        writer.close()

    await asyncio.gather(*(ask(number) for number in range(_CONNECTIONS if crowd.requests_per_s else 0)))
    await asyncio.sleep(max(0.0, ends_at - time.monotonic()))
    await asyncio.gather(*polls)
    for _, writer in idle:
        writer.close()
    return {"took_ms": took_ms, "refused": refused}


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, *headers: str) -> str:
    """Ask for a path and read the answer; returns its status."""
    writer.write("\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
    status = head.split()[1]
    await reader.readexactly(0 if status == "304" else length)
    return status


async def _poll(seconds: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
    writer.write(b"HEAD /v1/routing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    tag = head.partition("etag: ")[2].partition("\r\n")[0]
    await _get(reader, writer, f"/v1/routing?wait={int(seconds)}", f"If-None-Match: {tag}")
    writer.close()


if __name__ == "__main__":
    _soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_hard, 20_000), _hard))
    print(json.dumps(asyncio.run(_ask(Crowd(**json.loads(sys.argv[1]))))), flush=True)
