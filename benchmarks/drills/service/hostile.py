"""Everything hostile at once: providers, Slack, status pages, the webhook, and clients of the API.

Beside them is one good provider, to which the route must go and whose probes must stay on time. What the service wrote
is searched for its keys afterwards.
"""

import base64
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

from benchmarks.drills.service.hostile_server import HostileServer
from benchmarks.probing.processes import memory_mb
from benchmarks.reliability.lab import BrokenPromiseError, read_table

KEYS: Final = {
    **{f"KEY_{number}": f"sk-made-up-{number}-Zx81mQp4vTe7LrW2{number}" for number in range(6)},
    "SLACK_TOKEN": "xoxb-made-up-Qp4vTe7LrW2Zx81m",
    "WEBHOOK_SECRET": "whsec-made-up-LrW2Zx81mQp4vTe7",
}
MOST_MIB, MOST_FILES, MOST_LATE_S, MOST_STOP_S = 500, 700, 0.1, 10.0
_INTERVAL_S: Final = 0.5
_ECHOES_SLOWER: Final = 4
_CLIENTS: Final = 8
_PATIENCE_S: Final = 30.0
_CONFIGURATION: Final = """\
database: sqlite:///{folder}/data/hotspare.db
routing_file: {folder}/routes/routing.json
defaults: {{interval: {interval_ms}ms, timeout: {{connect: 400ms, total: 2s}}, slow: 1s, checks: [chat, stream]}}
providers:
{hostile}
  good: {{dialect: openai-chat, base_url: "{url}/good/v1", api_key: "${{KEY_0}}", models: {{a: {{checks: [chat]}}}}}}
routes: {{chat: {{candidates: [p0/a, p1/a, good/a]}}}}
controller:
  {{min_outage: 1s, dwell: 1s, failback: {{hold: 2s}}, blips: {{per_day: 5, length: [50ms, 130ms], failure_rate: 90%}}}}
alerts:
  slack: {{token: "${{SLACK_TOKEN}}", channel: "#llm-status", api_url: "{url}/slack/"}}
  webhook_url: "{url}/webhook"
  webhook_secret: "${{WEBHOOK_SECRET}}"
  heartbeat_url: "{url}/heartbeat"
  heartbeat_every: 10s
connectivity: {{endpoints: ["{url}/good"]}}
api: {{listen: "127.0.0.1:{port}"}}
ui: {{static: "{folder}/static"}}
"""
_DIALECTS: Final = ("openai-chat", "anthropic", "gemini", "cohere", "openai-responses")


@dataclass(kw_only=True)
class HostileReport:
    """What the service made of it."""

    seconds: float = 0.0
    answers: int = 0
    """Hostile answers."""
    most_mib: float = 0.0
    most_files: int = 0
    late_p99_s: float = 0.0
    """By how much the good provider was asked later than an interval after the time before."""
    stopped_s: float = 0.0
    """From SIGTERM to the end."""
    searched_bytes: int = 0
    wrong: list[str] = field(default_factory=list)


def endure_hostility(seconds: float, seed: int, *, only_echoes: bool = False) -> HostileReport:
    """Run the service for so long among all of them.

    `only_echoes`: at a quarter of the pace, without clients of the API, and whether it is late is not looked at.
    """
    report, interval_s = HostileReport(seconds=seconds), _INTERVAL_S * (_ECHOES_SLOWER if only_echoes else 1)
    with TemporaryDirectory() as name, HostileServer(seed, only_echoes=only_echoes) as server:
        folder, port = Path(name), _free_port()
        config = folder / "hotspare.yaml"
        hostile = "\n".join(
            f'  p{number}: {{dialect: {dialect}, base_url: "{server.url}/p{number}", api_key: "${{KEY_{number + 1}}}",'
            f' status_page: "{server.url}/status", models: {{a: {{}}, b: {{}}}}}}'
            for number, dialect in enumerate(_DIALECTS)
        )
        config.write_text(
            _CONFIGURATION.format(
                folder=folder, url=server.url, port=port, hostile=hostile, interval_ms=int(1000 * interval_s)
            ),
            encoding="utf-8",
        )
        (folder / "data").mkdir()
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)]
            service = subprocess.Popen(command, stdout=log, stderr=log, env=_environment())
        clients = _Clients(port, seed, 0 if only_echoes else _CLIENTS)
        try:
            _watch(service, report, seconds)
            if not _reaches_good(folder):
                report.wrong.append(f"the route is on {_target(folder)}, not on the only good target")
            _back_up(config, report)
        except BrokenPromiseError as error:
            report.wrong.append(str(error))
        finally:
            report.stopped_s = _stop(service, report)
            clients.close()
            server.closing = True
            server.shutdown()
        report.answers = server.answers
        report.late_p99_s = 0.0 if only_echoes else _late_p99_s(server.good_at)
        report.wrong += [*found_keys(folder, server.told, report), *_wrong_modes(folder), *_beyond_bounds(report)]
    return report


def _environment() -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return plain | KEYS


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _target(folder: Path) -> str | None:
    table: dict[str, Any] = read_table(folder / "routes" / "routing.json")
    return str(table["routes"]["chat"]["target"]) if table else None


def _reaches_good(folder: Path) -> bool:
    """Whether the route is on the only good target, or goes there soon: after a short run it may just be deciding."""
    ends = time.monotonic() + _PATIENCE_S
    while _target(folder) != "good/a":
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True


def _watch(service: "subprocess.Popen[bytes]", report: HostileReport, seconds: float) -> None:
    ends, files = time.monotonic() + seconds, Path(f"/proc/{service.pid}/fd")
    while time.monotonic() < ends:
        if service.poll() is not None:
            raise BrokenPromiseError(f"the service ended by itself: exit code {service.returncode}")
        report.most_mib = max(report.most_mib, memory_mb(service.pid))
        with suppress(OSError):
            report.most_files = max(report.most_files, len(list(files.iterdir())))
        time.sleep(0.2)


def _back_up(config: Path, report: HostileReport) -> None:
    copy = config.with_name("backup-of-hotspare.db")
    command = [sys.executable, "-m", "controller.cli.main", "db", "backup", str(copy), "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    if done.returncode:
        report.wrong.append(f"the backup failed: {done.stderr}")


def _stop(service: "subprocess.Popen[bytes]", report: HostileReport) -> float:
    began = time.monotonic()
    service.send_signal(signal.SIGTERM)
    try:
        service.wait(60)
    except subprocess.TimeoutExpired:
        report.wrong.append("SIGTERM did not end it within a minute")
        service.kill()
        service.wait()
    return time.monotonic() - began


def _late_p99_s(asked_at: list[float]) -> float:
    """Of regular probes: what came sooner was an extra one, so that the next regular one counts from it."""
    late = [max(0.0, after - before - _INTERVAL_S) for before, after in pairwise(asked_at)]
    return quantiles(late, n=100)[98] if len(late) > 1 else float("inf")


def _beyond_bounds(report: HostileReport) -> Iterator[str]:
    for what, measured, most in (
        ("MiB of memory", report.most_mib, MOST_MIB),
        ("open files", report.most_files, MOST_FILES),
        ("s late (p99)", report.late_p99_s, MOST_LATE_S),
        ("s to end after SIGTERM", report.stopped_s, MOST_STOP_S),
    ):
        if measured > most:
            yield f"{measured:.2f} {what}, at most {most:g} are allowed"


def found_keys(folder: Path, told: list[bytes], report: HostileReport) -> Iterator[str]:
    """Where a key stands in what the service wrote or sent to others than its provider."""
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".yaml"}
    everything = {str(path.relative_to(folder)): text for path, text in written.items()} | {
        "what Slack and the webhook got": b"\n".join(told)
    }
    forms = {form for key in KEYS.values() for form in _forms(key)}
    pattern = re.compile(b"|".join(re.escape(form) for form in forms))
    for name, text in everything.items():
        report.searched_bytes += len(text)
        if found := pattern.search(text):
            around = text[max(0, found.start() - 60) : found.end() + 20]
            yield f"a key stands in {name}: {around!r}"


def _forms(key: str) -> Iterator[bytes]:
    """As it is, quoted, in base64 at each of its three offsets, and all but its first characters."""
    yield key.encode()
    yield quote(key, safe="").encode()
    yield key[4:].encode()
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + key.encode())
        yield encoded[4 if offset else 0 : -4]


def _wrong_modes(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if not path.is_file() or path.suffix in {".yaml", ".lock"}:
            continue
        mode, private = stat.S_IMODE(path.stat().st_mode), "hotspare.db" in path.name
        if private and mode != 0o600:
            yield f"{path.name} has the mode {mode:o}, expected 600"
        if path.name == "routing.json" and mode != 0o644:
            yield f"routing.json has the mode {mode:o}, expected 644"


class _Clients:
    """Those who ask the API, each in a way of its own, over and over."""

    def __init__(self, port: int, seed: int, count: int) -> None:
        self._port, self._closing = port, threading.Event()
        dice = random.Random(seed)
        self._threads = [
            threading.Thread(target=self._ask_on, args=[random.Random(dice.random())], daemon=True)
            for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._closing.set()
        for thread in self._threads:
            thread.join(30)

    def _ask_on(self, dice: random.Random) -> None:
        while not self._closing.wait(0.02):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
                for piece in dice.choice(_REQUESTS):
                    connection.sendall(piece)
                    self._closing.wait(dice.choice((0.0, 0.01, 0.3)))
                if dice.random() < 0.7:
                    connection.recv(65536)


def _get(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n".encode()


_REQUESTS: Final = (
    [_get("/v1/status")],
    [_get("/v1/routing?wait=30")],
    [_get("/v1/routing", 'if-none-match: "x"\r\n')] * 20,
    [_get("/metrics")] * 5,
    [_get("/v1/" + "%00../" * 900)],
    [_get("/healthz", "x: " + "y" * 40_000 + "\r\n")],
    [b"POST /v1/overrides HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n" + b"x" * 100_000],
    [b"POST /v1/overrides HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 40],
    [bytes([byte]) for byte in _get("/healthz")],
    [os.urandom(4000)],
    [b"\x16\x03\x01" + os.urandom(500)],
)
