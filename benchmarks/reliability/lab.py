"""One service as a process, with its files where faults can be provoked, and an eye on every file that it publishes."""

import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from benchmarks.drills.service.link import ShapedLink
from benchmarks.reliability.file_watch import FileWatch
from benchmarks.reliability.preload import build_library
from benchmarks.reliability.servers import Servers

PATIENCE_S: Final = 60.0
FIRST, SECOND = "one/a", "two/a"
FAILBACK_HOLD_S: Final = 2.0
"""As `CONFIGURATION` says."""
CLOCK_SOURCE: Final = Path(__file__).with_name("clock.c")
_LOOP_SOURCE: Final = Path(__file__).with_name("loop.c")
_DISK_SIZE: Final = "12m"
_VERDICTS: Final = "SELECT target, after, reason FROM transitions WHERE after NOT IN ('up', 'unknown') ORDER BY id"
_MOVES: Final = "SELECT target, reason FROM decisions ORDER BY generation"
CONFIGURATION: Final = """\
database: {database}
routing_file: {routing}
defaults: {{interval: 500ms, timeout: {{connect: 400ms, first_token: 500ms, total: 500ms}}, slow: 450ms}}
providers:
  one: {{dialect: openai-chat, base_url: "{one}/one/v1", api_key: "${{LAB_KEY}}", models: {{a: {{}}{more}}}}}
  two: {{dialect: openai-chat, base_url: "{two}/two/v1", api_key: "${{LAB_KEY}}", models: {{a: {{}}}}}}
routes: {{chat: {{candidates: [one/a, two/a]}}}}
controller:
  {{min_outage: 1s, dwell: 1s, failback: {{hold: 2s}}, blips: {{per_day: 5, length: [50ms, 130ms], failure_rate: 90%}}}}
alerts: {{slack: {{token: xoxb-nobody, channel: "#llm-status", api_url: "{slack}"}}}}
connectivity: {{endpoints: ["{well}/well"]}}
"""


class BrokenPromiseError(Exception):
    """What must never be, or has not come about in time."""


class CannotProvokeError(Exception):
    """What this machine lacks for a fault, for people."""


def read_table(path: Path) -> dict[str, Any]:
    """A routing file as a reader finds it; empty while there is none."""
    with suppress(OSError, ValueError):
        table: dict[str, Any] = json.loads(path.read_bytes())
        return table
    return {}


def wait_until(holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> float:
    """Wait until it holds; how many seconds that took. Raises BrokenPromiseError once patience is over."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > patience_s:
            raise BrokenPromiseError(f"not within {patience_s:g} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - began


class Lab:
    """Two folders (each a small disk of its own where that can be mounted), two providers, and one service."""

    def __init__(
        self,
        folder: Path,
        *,
        disks: bool,
        faked_time: bool,
        can_hang: bool = False,
        can_block: bool = False,
        more: int = 0,
        slack_url: str | None = None,
        may_vanish: bool = True,
        link: ShapedLink | None = None,
        patience_s: float = PATIENCE_S,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`more`: so many further models of the first provider; `slack_url`: of a Slack that checks what it is told.

        Raises CannotProvokeError.

        `can_hang`: the database's disk can be frozen. `can_block`: the service's event loop can be blocked.
        `may_vanish`: as of `FileWatch`. `link`: the service runs behind it, and finds its servers as `one.test`,
        `two.test`, `well.test`. `patience_s`: what is waited for may take so long. `environment`: further variables of
        the services.
        """
        plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._environment = {**plain, **environment}
        self._link = link
        self._patience_s = patience_s
        self.database = folder / "data" / "hotspare.db"
        self.routing = folder / "routes" / "routing.json"
        self.config = folder / "hotspare.yaml"
        self._clock = folder / "clock" if faked_time else None
        self._block = folder / "block" if can_block else None
        if self._clock:
            self._environment |= {"LD_PRELOAD": _built(CLOCK_SOURCE, folder), "CLOCK_OFFSET": str(self._clock)}
        if self._block:
            self._environment |= {"LD_PRELOAD": _built(_LOOP_SOURCE, folder), "LOOP_BLOCKED": str(self._block)}
        self.set_clock(0)
        self.block_loop(blocked=False)
        self.processes: list[subprocess.Popen[bytes]] = []
        self._numbers = count(1)
        """Of the processes: the servers tell them apart by their keys."""
        for path in (self.database.parent, self.routing.parent):
            path.mkdir()
        self._disks, self._can_hang = list[Path](), can_hang
        if disks:
            self.mount_disk(self.database.parent)
            self.mount_disk(self.routing.parent)
        if can_hang:
            self._mount("-o", "loop", str(_made_image(folder / "image")), folder=self.database.parent)
        self.servers = Servers("0.0.0.0" if link else "127.0.0.1")  # noqa: S104 - for the addresses of the link
        self._log = (folder / "log").open("ab")
        self.config.write_text(
            CONFIGURATION.format(
                database=f"sqlite:///{self.database}",
                routing=self.routing,
                **{name: self._url(name) for name in ("one", "two", "well")},
                slack=slack_url or f"{self._url('well')}/slack/",
                more="".join(f", m{number}: {{}}" for number in range(more)),
            ),
            encoding="utf-8",
        )
        self.watch = FileWatch(self.routing, may_vanish=may_vanish)

    def close(self) -> None:
        """End all of it."""
        self.watch.close()
        if self._can_hang:
            subprocess.run(["/sbin/fsfreeze", "-u", str(self.database.parent)], check=False, capture_output=True)
        for process in self.processes:
            process.kill()
            process.wait()
        for path in self._disks:
            subprocess.run(["/bin/umount", "-l", str(path)], check=False)
        self.servers.slack = "well"
        self.servers.shutdown()
        self.servers.server_close()
        self._log.close()

    def start(self, config: Path | None = None) -> "subprocess.Popen[bytes]":
        """Start a service, with another configuration if need be."""
        return self.command("run", config=config)

    def command(self, *words: str, config: Path | None = None) -> "subprocess.Popen[bytes]":
        """Start a command of `hotspare` in the service's place; it is the last of `processes`."""
        prefix = self._link.command if self._link else []
        command = [*prefix, sys.executable, "-m", "controller.cli.main", *words, "-c", str(config or self.config)]
        environment = {**self._environment, "LAB_KEY": f"nobody-{next(self._numbers)}"}
        # In a process group of its own: Ctrl-C is for the drill.
        process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=environment, process_group=0)
        self.processes.append(process)
        return process

    def ask(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of `hotspare` to its end, as people do beside the service."""
        command = [sys.executable, "-m", "controller.cli.main", *words, "-c", str(self.config)]
        environment = {**self._environment, "LAB_KEY": "nobody"}
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """End it at once, if it has not ended."""
        process.kill()
        process.wait()
        self.processes.remove(process)

    def _mount(self, *what: str, folder: Path) -> None:
        if os.geteuid():
            raise CannotProvokeError("it needs root, to mount a small disk")
        mounting = subprocess.run(["/bin/mount", *what, str(folder)], check=False, capture_output=True, text=True)
        if mounting.returncode:
            raise CannotProvokeError(f"no disk can be mounted: {mounting.stderr.strip()}")
        self._disks.append(folder)

    def _url(self, name: str) -> str:
        port = self.servers.server_address[1]
        return f"http://{name}.test:{port}" if self._link else f"http://127.0.0.1:{port}"

    def stop(self, process: "subprocess.Popen[bytes]", thaw: Callable[[], None] | None = None) -> float:
        """Ask it to stop; how many seconds that took.

        The kernel ends no process before its disk answers: with `thaw`, that is called once the service has stopped.
        """
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        if thaw:
            log = Path(self._log.name)
            self.until(lambda: b"service_stopped" in log.read_bytes(), "the service has stopped")
            stopped_s = time.monotonic() - began
            thaw()
            process.wait(self._patience_s)
            self.processes.remove(process)
            return stopped_s
        try:
            process.wait(self._patience_s)
        except subprocess.TimeoutExpired:
            raise BrokenPromiseError("SIGTERM did not end it") from None
        self.processes.remove(process)
        return time.monotonic() - began

    def set_clock(self, offset_s: int) -> None:
        """Let the service's wall clock be off by so much, from now on."""
        if self._clock:
            _write_word(self._clock, offset_s)

    def block_loop(self, *, blocked: bool) -> None:
        """Let the service's event loop stand still, or go on; its other threads go on."""
        if self._block:
            _write_word(self._block, int(blocked))

    def mount_disk(self, folder: Path, size: str = _DISK_SIZE) -> None:
        """Make the folder a small disk of its own; raises CannotProvokeError."""
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder=folder)

    def table(self) -> dict[str, Any]:
        """The routing file as a reader finds it; empty while there is none."""
        return read_table(self.routing)

    def target(self) -> str | None:
        """Where the route points."""
        return str(self.table()["routes"]["chat"]["target"]) if self.table() else None

    def health(self, target: str) -> str | None:
        """The health of a target by the routing file."""
        found = self.table().get("targets", {}).get(target)
        return str(found["health"]) if found else None

    def both_up(self) -> bool:
        """Whether both targets are known to be up, and the route is where it should be."""
        health = {name: target["health"] for name, target in self.table().get("targets", {}).items()}
        return health == {FIRST: "up", SECOND: "up"} and self.target() == FIRST

    def journalled(self) -> int:
        """The highest generation in the database; 0 when there is none that can be read."""
        rows = self.rows("SELECT max(generation) FROM decisions")
        return int(rows[0][0] or 0) if rows else 0

    def changes(self, known: Iterable[str] = ()) -> list[str]:
        """Who was not only up, or unknown, and what was decided, besides what is known: each as a sentence."""
        verdicts = (f"{target} became {health}: {reason}" for target, health, reason in self.rows(_VERDICTS))
        return list((Counter([*verdicts, *self.moves()]) - Counter(known)).elements())

    def moves(self) -> list[str]:
        """What was decided since the database began, each as a sentence."""
        return [f"the route moved to {target}: {reason}" for target, reason in self.rows(_MOVES)]

    def until_told(self, text: str) -> float:
        """Wait until Slack is told this; how many seconds that took."""
        return self.until(lambda: any(text in each for each in self.servers.told), f"Slack is told: {text}")

    def rows(self, question: str, *values: object) -> list[Any]:
        """What the database answers; nothing while it cannot be read."""
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=0.2)) as connection,
        ):
            return connection.execute(question, values).fetchall()
        return []

    def until(self, holds: Callable[[], bool], what: str) -> float:
        """As `wait_until`, with the patience of this one."""
        return wait_until(holds, what, self._patience_s)

    def freeze(self, *, frozen: bool) -> None:
        """Let what writes to the database's disk hang, or go on."""
        subprocess.run(["/sbin/fsfreeze", "-f" if frozen else "-u", str(self.database.parent)], check=True)


def _write_word(path: Path, word: int) -> None:
    with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
        file.write(struct.pack("=q", word))


def _built(source: Path, folder: Path) -> str:
    try:
        return str(build_library(source, folder))
    except FileNotFoundError as error:
        raise CannotProvokeError(str(error)) from error


def _made_image(image: Path) -> Path:
    if not all(Path(tool).exists() for tool in ("/sbin/mkfs.ext4", "/sbin/fsfreeze")):
        raise CannotProvokeError("it needs mkfs.ext4 and fsfreeze: apt install e2fsprogs util-linux")
    with image.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    subprocess.run(["/sbin/mkfs.ext4", "-q", str(image)], check=True)
    return image
