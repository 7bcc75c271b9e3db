"""The page with 90 days of 50 targets, and with 200: first paint in Chromium, refreshes, viewers, memory, queries.

Beside a bare Streamlit page in the same run: what that takes is Streamlit's and the machine's.
"""

import asyncio
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

import httpx
from playwright.sync_api import sync_playwright
from sqlalchemy import Engine, Pool, event
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from controller.history.queries import read_costs, read_past
from controller.status.incident_view import read_incidents
from controller.status.overview import read
from monitor.config.settings import Settings
from monitor.history.rollup import DAY, HOUR
from monitor.liveness import ServiceBeat
from monitor.storage.database import open_reader, open_writer
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support.generated_history import Extent, generate, write_config
from ui import providers

_CHROMIUM: Final = "/usr/bin/chromium"
_BARE: Final = "import streamlit as st\nst.write('the bare page is here')\n"
_BARE_SERVER: Final = (
    "import sys, streamlit as st; from ui.server import _OPTIONS as o;"
    " st.App(sys.argv[1]).run(config={**o, 'server.address': '127.0.0.1', 'server.port': int(sys.argv[2])})"
)
"""With the same options as ours."""
_ALL_THERE: Final = "texts => texts.every(text => document.body?.textContent.includes(text))"
_HEAD: Final = (
    "|page|first paint, median|worst|a refresh, processor time|until it is shown, median|20 viewers"
    "|memory, a third into it → at the end|"
)
_PAINTS: Final = 5
_VIEWERS: Final = 20
_WATCHED_S: Final = 90.0
#: What the pages read; each is shared by all viewers for a while.
READS: Final[dict[str, Callable[[Settings, Engine, datetime], object]]] = {
    "Status": read,
    "90 days of all": lambda settings, engine, now: read_past(engine, settings, now),
    "incidents": lambda _, engine, __: read_incidents(engine),
    "a target's week by hour": lambda settings, engine, now: _rollups(settings, engine, now, 7 * DAY, HOUR),
    "a target's 90 days": lambda settings, engine, now: _rollups(settings, engine, now, 90 * DAY, DAY),
    "costs": lambda settings, engine, now: read_costs(engine, [t.id for t in settings.targets], since=now - 30 * DAY),
}
_QUARTER: Final = Extent(providers=10, models=5, routes=6, days=90, hour_days=90, raw_days=2)
_WIDE: Final = Extent(providers=20, models=10, routes=12, days=90, hour_days=8, raw_days=1)
_LONG: Final = Extent(providers=10, models=5, routes=6, days=730, hour_days=730, raw_days=14)


def main(*, quick: bool = False) -> None:
    """Print the table; `quick` with a little of everything."""
    extents = {"90 days × 50 targets": _QUARTER, "90 days × 200 targets": _WIDE}
    if quick:
        extents = {"a day × 4 targets": Extent(providers=2, models=2, routes=1, days=3, hour_days=2, raw_days=1)}
    watched_s = 6.0 if quick else _WATCHED_S
    print(_HEAD)
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        bare = Path(name) / "bare.py"
        bare.write_text(_BARE)
        with served([sys.executable, "-c", _BARE_SERVER, str(bare)]) as (url, _):
            paints = _paints(url, "the bare page is here")
            print(f"|a bare Streamlit page|{statistics.median(paints):.2f} s|{max(paints):.2f} s|–|–|–|–|", flush=True)
    for what, extent in extents.items():
        with tempfile.TemporaryDirectory() as name:
            _measure_page(what, Path(name), extent, watched_s)
    print("\n|what is read|history|statements|the longest read|the slowest statement|\n|---|---|---|---|---|")
    reads = _Reads()
    reads.attach()
    for what, extent in (extents if quick else {**extents, "two years of hours × 50 targets": _LONG}).items():
        with tempfile.TemporaryDirectory() as name:
            _measure_queries(what, Path(name), extent, reads)


def _rollups(settings: Settings, engine: Engine, now: datetime, length: timedelta, span: timedelta) -> object:
    return Store(engine).rollups([settings.targets[0].id], span, since=now - length, until=now)


def _measure_page(what: str, folder: Path, extent: Extent, watched_s: float) -> None:
    config = write_config(folder, extent)
    settings = generate(config, extent, datetime.now(UTC))
    command = [sys.executable, "-m", "ui.server", "-c", str(config), "--port"]
    with served(command) as (url, pid), _monitored(settings):
        last = settings.targets[: providers.AT_ONCE][-1]
        paints = _paints(url, last.model, last.provider.name)
        before_s = _processor_s(pid)
        refreshes = asyncio.run(_watch(url, min(30.0, watched_s)))
        each_s = (_processor_s(pid) - before_s) / len(refreshes)
        cpu_s, first_mb, last_mb = asyncio.run(_watch_many(url, pid, watched_s))
    print(
        f"|{what}|{statistics.median(paints):.2f} s|{max(paints):.2f} s"
        f"|{1000 * each_s:.0f} ms|{1000 * statistics.median(refreshes):.0f} ms"
        f"|{100 * cpu_s / watched_s:.0f} % of a core|{first_mb:.0f} → {last_mb:.0f} MB|",
        flush=True,
    )


@contextmanager
def served(command: list[str]) -> Iterator[tuple[str, int]]:
    """The command with a free port behind it; its address and process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _until_healthy(url)
        yield url, process.pid
    finally:
        process.kill()
        process.wait()


def _until_healthy(url: str) -> None:
    for _ in range(600):
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/_stcore/health").is_success:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing serves {url}")


@contextmanager
def _monitored(settings: Settings) -> Iterator[None]:
    """A monitor that probes every target each 30 s and gives signs of life, as far as the database sees it."""
    over = threading.Event()
    engine = open_writer(settings.database)
    store = Store(engine)
    each = Observation(
        target="", check="stream", started_at=datetime.now(UTC), outcome=Outcome.OK, duration_s=1.1, first_token_s=0.4
    )

    def monitor() -> None:
        for second in count():
            now, targets = datetime.now(UTC), settings.targets[second % 30 :: 30]
            store.record([replace(each, target=target.id, started_at=now) for target in targets])
            store.beat(ServiceBeat(pid=1, host="watch-1", version="0.1.0", started_at=now, beat_at=now))
            if over.wait(1.0):
                return

    thread = threading.Thread(target=monitor)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        engine.dispose()


def _paints(url: str, *texts: str) -> list[float]:
    """Seconds from going to the address until all of these texts are there, in a fresh browser window each time."""
    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(_PAINTS + 1):
            context = browser.new_context(viewport={"width": 1280, "height": 1000})
            page = context.new_page()
            started = time.perf_counter()
            page.goto(url, wait_until="commit")
            page.wait_for_function(
                "texts => texts.every(text => document.body?.textContent.includes(text))",
                arg=list(texts),
                timeout=60_000,
            )
            times.append(time.perf_counter() - started)
            context.close()
        browser.close()
    return times[1:]  # the first one fills the browser's cache and the page's


class Viewer:
    """A browser window as far as the server sees it: it asks for the fragments when they are due."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._fragments: dict[str, float] = {}
        self.refreshes_s: list[float] = []
        """From asking to the end of the run."""

    async def watch(self, for_s: float) -> None:
        """Open the page, and keep it open."""
        address = self._url.replace("http", "ws") + "/_stcore/stream"
        async with connect(
            address, origin=Origin(self._url), subprotocols=[Subprotocol("streamlit")], max_size=None
        ) as connection:
            await self._ask(connection, ClientState())
            end = time.monotonic() + for_s
            due: dict[str, float] = {}
            while (now := time.monotonic()) < end:
                for fragment, every_s in self._fragments.items():
                    if now >= due.setdefault(fragment, now + every_s):
                        due[fragment] = now + every_s
                        started = time.perf_counter()
                        await self._ask(connection, ClientState(fragment_id=fragment, is_auto_rerun=True))
                        self.refreshes_s.append(time.perf_counter() - started)
                await asyncio.sleep(0.02)

    async def _ask(self, connection: ClientConnection, state: ClientState) -> None:
        """Ask for a run, and wait for its end."""
        await connection.send(BackMsg(rerun_script=state).SerializeToString())
        while True:
            message = ForwardMsg.FromString(cast(bytes, await connection.recv()))
            kind = message.WhichOneof("type")
            if kind == "auto_rerun":
                self._fragments[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            if kind == "script_finished":
                return


async def _watch(url: str, for_s: float) -> list[float]:
    viewer = Viewer(url)
    await viewer.watch(for_s)
    return viewer.refreshes_s


async def _watch_many(url: str, pid: int, for_s: float) -> tuple[float, float, float]:
    """The processor time of 20 viewers in that time, and the memory in MB a third into it and at the end."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(_VIEWERS):
            tasks.create_task(Viewer(url).watch(1.3 * for_s))
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.15 * for_s)
        before_s = _processor_s(pid)
        await asyncio.sleep(for_s / 3)
        first = _memory_mb(pid)
        await asyncio.sleep(2 * for_s / 3)
        used_s, last = _processor_s(pid) - before_s, _memory_mb(pid)
    return used_s, first, last


def _processor_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1000


@dataclass
class _Reads:
    """How long the reads of the database take: from the opening of a connection to its end, and single statements."""

    reads_s: list[float] = field(default_factory=list)
    statements: list[tuple[float, str]] = field(default_factory=list)

    def attach(self) -> None:
        """Listen from now on."""
        event.listen(
            Pool, "checkout", lambda _connection, record, _proxy: record.info.update(since=time.perf_counter())
        )
        event.listen(Pool, "checkin", self._checkin)
        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)

    def _checkout(self, _connection: Any, record: Any, _proxy: Any) -> None:
        record.info["since"] = time.perf_counter()

    def _checkin(self, _connection: Any, record: Any) -> None:
        if since := record.info.pop("since", None):
            self.reads_s.append(time.perf_counter() - since)

    def _before(self, _c: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        context.began_s = time.perf_counter()

    def _after(self, _c: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        self.statements.append((time.perf_counter() - context.began_s, " ".join(statement.split())))


def _measure_queries(what: str, folder: Path, extent: Extent, reads: _Reads) -> None:
    settings = generate(write_config(folder, extent), extent, datetime.now(UTC))
    engine = open_reader(settings.database)
    beat = Store(engine).last_beat()
    assert beat
    now = beat.beat_at
    for name, read_it in READS.items():
        rounds = []
        for _ in range(3):
            reads.reads_s.clear()
            reads.statements.clear()
            read_it(settings, engine, now)
            rounds.append((max(reads.reads_s), *max(reads.statements), len(reads.statements)))
        read_s, statement_s, statement, number = sorted(rounds)[1]
        table = re.sub(r".*? FROM \"?(\w+).*", r"\1", statement)
        print(f"|{name}|{what}|{number}|{1000 * read_s:.0f} ms|{1000 * statement_s:.1f} ms ({table})|", flush=True)
