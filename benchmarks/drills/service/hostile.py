"""Everything hostile at once: providers, Slack, status pages, the webhook, and clients of the API.

Beside them is one good provider, to which the route must go and whose probes must stay on time. What the service wrote
is searched for its keys afterwards.
"""

import os
import random
import signal
import socket
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.drills.service.hostile_server import HostileServer
from benchmarks.drills.service.hostile_traces import files_of_service, found_keys, wrong_modes
from benchmarks.probing.processes import memory_mb
from benchmarks.reliability.lab import BrokenPromiseError, read_table, wait_until
from probes.dialects.registry import DIALECTS


def _made_up(length: int, number: int) -> str:
    """It looks like no vendor's key, so that only who knows it masks it."""
    return "".join(random.Random(number).choices(string.ascii_letters + string.digits, k=length))


_GOOD_KEY: Final = {"KEY_GOOD": _made_up(40, 0)}
_KEYS_BY_DIALECT: Final = {f"KEY_{number}": _made_up(40, number + 1) for number in range(len(DIALECTS))}
_SENT_WITH_SIGNATURE: Final = {
    "AWS_ACCESS_KEY_ID": "AKIAU2VN7QW4M5XH3ZKD",
    "AWS_SESSION_TOKEN": f"{_made_up(90, 101)}/{_made_up(90, 102)}+{_made_up(30, 103)}==",
}
_SLACK_TOKEN: Final = {"SLACK_TOKEN": f"xoxb-{_made_up(24, 104)}"}
_ECHOED: Final = {**_KEYS_BY_DIALECT, **_SENT_WITH_SIGNATURE, **_SLACK_TOKEN}
KEYS: Final = {
    **_GOOD_KEY,
    **_ECHOED,
    "AWS_SECRET_ACCESS_KEY": f"{_made_up(19, 105)}/{_made_up(20, 106)}",
    "WEBHOOK_SECRET": _made_up(30, 107),
}
"""By the variables that the service has them from."""
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
  good: {{dialect: openai-chat, base_url: "{url}/good/v1", api_key: "${{KEY_GOOD}}", models: {{a: {{checks: [chat]}}}}}}
routes: {{chat: {{candidates: [p0/a, p1/a, good/a]}}}}
controller:
  {{min_outage: 1s, dwell: 1s, failback: {{hold: 2s}}, blips: {{per_day: 5, length: [50ms, 130ms], failure_rate: 90%}}}}
alerts:
  slack: {{token: "${{SLACK_TOKEN}}", channel: "#llm-status", api_url: "{url}/slack/"}}
  webhook_url: "{url}/webhook"
  webhook_secret: "${{WEBHOOK_SECRET}}"
  heartbeat_url: "{url}/heartbeat"
  heartbeat_every: 10s
connectivity: {{endpoints: ["{url}/neutral"]}}
api: {{listen: "127.0.0.1:{port}"}}
ui: {{static: "{folder}/static"}}
"""
#: Everything on the server besides the hostile providers, which are told apart by their keys.
_REACHED: Final = ("good", "neutral", "status", "slack", "webhook", "heartbeat")


@dataclass(kw_only=True)
class HostileReport:
    """What the service made of it."""

    seconds: float = 0.0
    answers: int = 0
    """Hostile answers."""
    asked: dict[str, int] = field(default_factory=dict)
    """How often each was reached: the providers by the variable of their key, everything else by its path; `api`: how
    many answers its clients got."""
    most_mib: float = 0.0
    most_files: int = 0
    late_p99_s: float = 0.0
    """By how much the good provider was asked later than an interval after the time before."""
    stopped_s: float = 0.0
    """From SIGTERM to the end."""
    searched_bytes: int = 0
    wrong: list[str] = field(default_factory=list)


def endure_hostility(seconds: float, seed: int, *, only_echoes: bool = False) -> HostileReport:
    """Run the service for so long among all of them; longer, where one of them was not reached by then.

    `only_echoes`: at a quarter of the pace, without clients of the API, and whether it is late is not looked at.
    """
    report, interval_s = HostileReport(seconds=seconds), _INTERVAL_S * (_ECHOES_SLOWER if only_echoes else 1)
    with TemporaryDirectory() as name, HostileServer(seed, _ECHOED.values(), only_echoes=only_echoes) as server:
        folder, port = Path(name), _free_port()
        config = _configure(folder, server.url, port, interval_s)
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)]
            service = subprocess.Popen(command, stdout=log, stderr=log, env=_environment())
        clients = _Clients(port, seed, 0 if only_echoes else _CLIENTS)

        def asked() -> dict[str, int]:
            by_key = {name: server.carried[key.encode()] for name, key in _ECHOED.items()}
            api = {} if only_echoes else {"api": clients.answers}
            return by_key | {name: server.asked[name] for name in _REACHED} | api

        try:
            _watch(service, folder, report, seconds)
            if not _waits_for(lambda: _target(folder) == "good/a"):
                report.wrong.append(f"the route is on {_target(folder)}, not on the only good target")
            _waits_for(lambda: all(asked().values()))
            _call(report, "db", "backup", str(folder / "backup-of-hotspare.db"), "-c", str(config))
            _call(report, "page", "--static", str(folder / "static"), "-c", str(config))
            report.wrong += wrong_modes(folder)
        except BrokenPromiseError as error:
            report.wrong.append(str(error))
        finally:
            report.stopped_s = _stop(service, report)
            clients.close()
            server.closing = True
            server.shutdown()
        report.answers, report.asked = server.answers, asked()
        report.late_p99_s = 0.0 if only_echoes else _late_p99_s(server.good_at)
        report.wrong += [*_leaks(folder, server.told, report), *_unreached(report.asked), *_beyond_bounds(report)]
        report.wrong = list(dict.fromkeys(report.wrong))
    return report


def _configure(folder: Path, url: str, port: int, interval_s: float) -> Path:
    """A hostile provider of each dialect, and one whose requests are signed; each of the former with a key of its own.

    Azure's address is a host alone.
    """
    more = {"bedrock": ", region: us-east-1"}
    providers = [
        f'dialect: {dialect}, base_url: "{url}{"" if dialect == "azure-openai" else f"/p{number}"}",'
        f' api_key: "${{KEY_{number}}}"{more.get(dialect, "")}'
        for number, dialect in enumerate(DIALECTS)
    ]
    providers.append(f'dialect: bedrock, base_url: "{url}/signed", signing: true, region: us-east-1')
    hostile = "\n".join(
        f'  p{number}: {{{keys}, status_page: "{url}/status", models: {{a: {{}}, b: {{}}}}}}'
        for number, keys in enumerate(providers)
    )
    config = folder / "hotspare.yaml"
    config.write_text(
        _CONFIGURATION.format(folder=folder, url=url, port=port, hostile=hostile, interval_ms=int(1000 * interval_s)),
        encoding="utf-8",
    )
    (folder / "data").mkdir()
    return config


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


def _waits_for(holds: Callable[[], bool]) -> bool:
    """Whether it holds, or does so soon: after a short run the service may just be about to do it."""
    with suppress(BrokenPromiseError):
        wait_until(holds, "what is waited for", _PATIENCE_S)
        return True
    return False


def _watch(service: "subprocess.Popen[bytes]", folder: Path, report: HostileReport, seconds: float) -> None:
    ends, files = time.monotonic() + seconds, Path(f"/proc/{service.pid}/fd")
    while time.monotonic() < ends:
        if service.poll() is not None:
            raise BrokenPromiseError(f"the service ended by itself: exit code {service.returncode}")
        report.most_mib = max(report.most_mib, memory_mb(service.pid))
        report.wrong += wrong_modes(folder)
        with suppress(OSError):
            report.most_files = max(report.most_files, len(list(files.iterdir())))
        time.sleep(0.2)


def _call(report: HostileReport, *words: str) -> None:
    command = [sys.executable, "-m", "controller.cli.main", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    if done.returncode:
        report.wrong.append(f"{' '.join(words[:2])} failed: {done.stderr}")


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


def _leaks(folder: Path, told: list[bytes], report: HostileReport) -> Iterator[str]:
    """Keys in what the service wrote, or sent to others than its providers."""
    paths = [folder / "log", *files_of_service(folder)]
    texts = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    texts["what Slack and the webhook got"] = b"\n".join(told)
    report.searched_bytes = sum(map(len, texts.values()))
    yield from found_keys(texts, KEYS.values())


def _unreached(asked: Mapping[str, int]) -> Iterator[str]:
    return (f"{name} was never reached" for name, times in asked.items() if not times)


class _Clients:
    """Those who ask the API, each in a way of its own, over and over."""

    def __init__(self, port: int, seed: int, count: int) -> None:
        self._port, self._closing = port, threading.Event()
        self.answers = 0
        """How many of them were answered."""
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
                    self.answers += bool(connection.recv(65536))


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
