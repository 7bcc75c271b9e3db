"""The promises about the routing file: never torn, never stale, soon visible, cheap to read."""

import itertools
import json
import multiprocessing
import os
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from hotspare_client import Routing

from controller.routing.decision import Decision
from controller.routing.routing_file import RoutingFile, build_table
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import Health
from probes.target import Provider, Secret, Target

#: Spawned, not forked: readers share nothing with the writer but the file and two numbers.
_SPAWN = multiprocessing.get_context("spawn")

_DONE = -1
_CANDIDATES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one reading process saw."""

    reads: int
    generations: int
    """How many different ones."""
    torn: int
    """Reads of bytes that are no table, or whose first and last part carry different generations."""
    stale: int
    """Reads of a generation older than one read before, or than one whose publishing had ended before the read."""
    last: int | None
    """The generation of its last read, which began when all publishing had ended; None when that was torn."""


def main() -> None:
    """Measure and print everything; one to two minutes, and both cores of a small machine are busy meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        _print_torn_reads(Path(folder) / "torn" / "routing.json", publishes=10_000, readers=8)
        _print_latency(Path(folder) / "latency" / "routing.json", publishes=1_000)
        _print_read_cost(Path(folder) / "cost" / "routing.json")


def watch_publishes(path: Path, *, publishes: int, readers: int) -> list[Seen]:
    """What each of `readers` processes saw while generations 1 to `publishes` were published as fast as possible.

    Each reads the bytes of the file and through the client in turn, all the time. The table has 20 targets.
    """
    file = RoutingFile(path)
    file.publish(table(1))
    published = _SPAWN.Value("q", 1)
    with _processes(_watch, readers, path, published) as connections:
        for generation in range(2, publishes + 1):
            file.publish(table(generation))
            published.value = generation
        for connection in connections:
            connection.send(_DONE)
        return [connection.recv() for connection in connections]


def table(generation: int) -> dict[str, Any]:
    """A routing table that carries its generation in its first line, in its route and in its last target."""
    targets = tuple(
        Target(
            provider=Provider(
                name=f"provider-{number:02d}",
                dialect="openai-chat",
                base_url=f"http://127.0.0.1/{generation}",
                api_key=Secret("none"),
                api_key_env="PROVIDER_API_KEY",
            ),
            model="model",
        )
        for number in range(_CANDIDATES)
    )
    route = Route(name="chat", candidates=tuple(target.id for target in targets))
    now = datetime.now(UTC)
    return build_table(
        Settings(path=Path("hotspare.yaml"), targets=targets, routes=(route,)),
        {"chat": Decision(route="chat", target=route.candidates[-1], at=now, reason=str(generation))},
        {target.id: Health.UP for target in targets},
        generation=generation,
        written_at=now,
        valid_for_s=90,
    )


@contextmanager
def _processes(work: Callable[..., None], count: int, *arguments: Any) -> Iterator[list[Connection]]:
    """`count` processes at `work(connection, *arguments)`, all of them ready."""
    pairs = [_SPAWN.Pipe() for _ in range(count)]
    processes = [_SPAWN.Process(target=work, args=(theirs, *arguments), daemon=True) for _, theirs in pairs]
    connections = [ours for ours, _ in pairs]
    for process, (_, theirs) in zip(processes, pairs, strict=True):
        process.start()
        theirs.close()
    try:
        for connection in connections:
            connection.recv()
        yield connections
    finally:
        # A closed connection ends a process that is still at work.
        for process, connection in zip(processes, connections, strict=True):
            connection.close()
            process.join(timeout=10)
            process.kill()


def _watch(connection: Connection, path: Path, published: "Synchronized[int]") -> None:
    routing = Routing(path, check_every_s=0)
    ways = itertools.cycle((partial(_generation_of_bytes, path), partial(_generation_of_client, routing)))
    generations = []
    torn = stale = highest = 0
    connection.send("ready")
    while True:
        last_read = connection.poll()
        at_least = max(highest, published.value)
        generation = next(ways)()
        generations.append(generation)
        torn += generation is None
        stale += generation is not None and generation < at_least
        highest = max(highest, generation or 0)
        if last_read:
            break
    different = len(set(generations) - {None})
    connection.send(Seen(reads=len(generations), generations=different, torn=torn, stale=stale, last=generation))


def _generation_of_bytes(path: Path) -> int | None:
    """The generation in the file; None when it is not one whole table."""
    try:
        table = json.loads(path.read_bytes())
    except ValueError:
        return None
    ends = (table["routes"]["chat"]["reason"], list(table["targets"].values())[-1]["base_url"].rpartition("/")[2])
    return table["generation"] if ends == (str(table["generation"]),) * 2 else None


def _generation_of_client(routing: Routing) -> int | None:
    target = routing.route("chat")
    if target is None or routing.status.problem is not None or not target.base_url.endswith(f"/{target.reason}"):
        return None
    return int(target.reason)


def _print_torn_reads(path: Path, *, publishes: int, readers: int) -> None:
    started = time.monotonic()
    reports = watch_publishes(path, publishes=publishes, readers=readers)
    elapsed_s = time.monotonic() - started
    print(
        f"{publishes:,} publishes under {readers} reading processes ({path.stat().st_size:,} bytes, {elapsed_s:.0f} s)"
    )
    _row("reads", f"{sum(report.reads for report in reports):,}")
    _row("generations seen per reader", f"{min(report.generations for report in reports):,} or more")
    _row("torn reads", f"{sum(report.torn for report in reports)}", "bound 0")
    _row("stale reads", f"{sum(report.stale for report in reports)}", "bound 0")
    _row(
        "readers that ended on the last generation",
        f"{sum(report.last == publishes for report in reports)} of {readers}",
    )


def _print_latency(path: Path, *, publishes: int) -> None:
    print(f"\nDecision to visible in another process, fsync included, {publishes:,} publishes")
    for name, check_every_s in (("the file itself", 0.0), ("through the client as it comes", 0.01)):
        publish_s, visible_s = _latencies(path, publishes=publishes, check_every_s=check_every_s)
        _row("publish() returns", *_quantiles(publish_s))
        _row(f"visible: {name}", *_quantiles(visible_s), "bound 20 ms at p99")
    _row("for comparison: write and fsync one file", *_quantiles(_fsyncs(path, publishes)))


def _latencies(path: Path, *, publishes: int, check_every_s: float) -> tuple[list[float], list[float]]:
    """Seconds from the start of each publish to its return, and to the sight of it by another process, sorted."""
    file = RoutingFile(path)
    file.publish(table(0))
    publish_s, visible_s = [], []
    with _processes(_report, 1, path, check_every_s) as (connection,):
        for generation in range(1, publishes + 1):
            content = table(generation)
            started = time.monotonic()
            file.publish(content)
            publish_s.append(time.monotonic() - started)
            visible, at = connection.recv()
            assert visible == generation, f"the reader saw generation {visible}, expected {generation}"
            visible_s.append(at - started)
        connection.send(_DONE)
    return sorted(publish_s), sorted(visible_s)


def _fsyncs(path: Path, times: int) -> list[float]:
    """Seconds that the disk alone takes for a file of the same size, sorted: much of the above, on a busy disk."""
    content, taken_s = path.read_bytes(), []
    for _ in range(times):
        started = time.monotonic()
        with path.with_name("scratch").open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        taken_s.append(time.monotonic() - started)
    return sorted(taken_s)


def _report(connection: Connection, path: Path, check_every_s: float) -> None:
    """Say when each new generation came into sight; the monotonic clock is the same for all processes of a machine."""
    routing = Routing(path, check_every_s=check_every_s)
    last = 0
    connection.send("ready")
    while not connection.poll():
        time.sleep(0.0002)
        target = routing.route("chat")
        generation = int(target.reason) if target else 0
        if generation != last:
            last = generation
            connection.send((generation, time.monotonic()))


def _print_read_cost(path: Path) -> None:
    RoutingFile(path).publish(table(1))
    routing, looking, lookup = Routing(path), Routing(path, check_every_s=0), {"chat": object()}
    # A file that has just changed is read once more for a while, in case the filesystem's clock is coarse.
    time.sleep(2.1)
    plain = _seconds_per_call(lambda: lookup.get("chat"))
    print(f"\nRead of a route, file unchanged ({path.stat().st_size:,} bytes)")
    _cost_row("a plain dictionary lookup", plain, plain)
    _cost_row("hotspare_client", _seconds_per_call(lambda: routing.route("chat")), plain, "bound 0.2 µs")
    _cost_row("hotspare_client, with a session's key", _seconds_per_call(lambda: routing.route("chat", "k")), plain)
    _cost_row("attempts of a good request", _seconds_per_call(partial(_ask, routing)), plain, "bound 10 µs")
    _cost_row("hotspare_client, a look each time", _seconds_per_call(lambda: looking.route("chat")), plain)
    _cost_row("json.load each time", _seconds_per_call(lambda: json.loads(path.read_bytes())), plain)


def _ask(routing: Routing) -> None:
    """All that `attempts` adds to a request that ends well."""
    for attempt in routing.attempts("chat", deadline_s=30):
        with attempt:
            assert attempt.timeout_s


def _seconds_per_call(call: Callable[[], object]) -> float:
    """The best of many short rounds: noise only ever adds, and a busy machine leaves a few of them alone."""
    timer = timeit.Timer(call)
    count, _ = timer.autorange()
    number = max(1, count // 100)
    return min(timer.repeat(repeat=700, number=number)) / number


def _quantiles(sorted_s: list[float]) -> tuple[str, str]:
    p50, p99 = (sorted_s[int(len(sorted_s) * share)] * 1000 for share in (0.5, 0.99))
    return f"p50 {p50:.2f} ms", f"p99 {p99:.2f} ms"


def _cost_row(name: str, seconds: float, plain: float, bound: str = "") -> None:
    _row(name, f"{seconds * 1e6:.3f} µs", f"{seconds / plain:,.1f} ×", bound)


def _row(name: str, *values: str) -> None:
    print(f"  {name:<42}" + "  ".join(f"{value:>14}" for value in values).rstrip())
