"""Hotspare, the real LiteLLM proxy and no failover side by side, live: the same providers, outage and probe interval.

`make bench ARGS=litellm` makes an environment of its own for LiteLLM in `var/`, the first time.
"""

import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import httpx
from hotspare_client import Routing

from benchmarks.client_faults.service import end
from benchmarks.detection.tables import table

_VERSION = "1.108.7"
_INTERVAL_S, _QUIET_S, _OUTAGE_S, _REQUESTS_PER_S = 5, 25.0, 120.0, 2.0
_FAILING = 0.5
#: At 3 dollars per million tokens in and 15 out. A failed request costs nothing.
_TOKENS_IN, _TOKENS_OUT = 20, 10
_USD_PER_ANSWER = (3 * _TOKENS_IN + 15 * _TOKENS_OUT) / 1e6
#: The proxy does not start without one.
_MASTER_KEY = f"sk-{secrets.token_hex(32)}"
#: By this word in the question the provider knows an application's request from a probe.
_QUESTION = "application"

_HOTSPARE = """\
database: "sqlite:///{folder}/hotspare.db"
routing_file: "{folder}/routing.json"
defaults: {{interval: {interval}s, checks: [chat]}}
connectivity: {{endpoints: []}}
providers:
  bad: {{dialect: openai-chat, base_url: "{url}/hotspare/bad/v1", api_key: key, models: {{m: {{}}}}}}
  good: {{dialect: openai-chat, base_url: "{url}/hotspare/good/v1", api_key: key, models: {{m: {{}}}}}}
routes: {{chat: {{candidates: [bad/m, good/m]}}}}
"""
_DEPLOYMENTS = """\
model_list:
  - {{model_name: chat, litellm_params: {{model: openai/m, api_base: "{url}/{who}/bad/v1", api_key: key, order: 1}}}}
  - {{model_name: chat, litellm_params: {{model: openai/m, api_base: "{url}/{who}/good/v1", api_key: key, order: 2}}}}
"""
_CHECKED = """\
router_settings: {{num_retries: 0}}
general_settings:
  {{background_health_checks: true, health_check_interval: {interval}, enable_health_check_routing: true}}
"""
_NAMES = {
    "hotspare": "Hotspare, `attempts`",
    "defaults": "LiteLLM, its defaults",
    "checked": "LiteLLM, health-check routing",
    "plain": "no failover",
}
_Ask = Callable[[httpx.Client], bool]
"""Sends one request; whether it was answered."""
Asked = tuple[float, bool]
"""When a request began, and whether it was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request that came to a provider."""

    at_s: float
    who: str
    provider: str
    probe: bool
    answered: bool


class _Providers(ThreadingHTTPServer):
    """Both providers of everybody, at `/WHO/PROVIDER/v1/chat/completions`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Provider)
        self.arrivals: list[Arrival] = []
        self.sick = False
        self.dice = random.Random("live")
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Repeat the question, or fail."""
        assert isinstance(self.server, _Providers)
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"][-1]["content"]
        _, who, provider, *_ = self.path.split("/")
        probe = _QUESTION not in question
        fails = self.server.sick and provider == "bad" and self.server.dice.random() < _FAILING
        arrival = Arrival(at_s=time.monotonic(), who=who, provider=provider, probe=probe, answered=not fails)
        self.server.arrivals.append(arrival)
        time.sleep(0.05)
        choice = {"index": 0, "message": {"role": "assistant", "content": question}, "finish_reason": "stop"}
        tokens = {"prompt_tokens": _TOKENS_IN, "completion_tokens": _TOKENS_OUT}
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": tokens | {"total_tokens": _TOKENS_IN + _TOKENS_OUT},
        }
        body = json.dumps({"error": {"message": "internal error"}} if fails else answer).encode()
        self.send_response(500 if fails else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


def main() -> None:
    """Run everybody beside each other, and print what came of it; three minutes, and one more the first time."""
    litellm = _environment(Path("var") / f"litellm-{_VERSION}")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        server = _Providers()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        urls = {}
        running.enter_context(_hotspare(Path(folder), server.url))
        for who, extra in (("defaults", ""), ("checked", _CHECKED)):
            text = (_DEPLOYMENTS + extra).format(url=server.url, who=who, interval=_INTERVAL_S)
            urls[who] = running.enter_context(_litellm(litellm, Path(folder), who, text))
        _wait(urls, Path(folder))
        routing = Routing(Path(folder) / "routing.json")
        proxies = {who: partial(_one, base=f"{url}/v1", model="chat") for who, url in urls.items()}
        plain = partial(_one, base=f"{server.url}/plain/bad/v1", model="m")
        _print(server, _ask(server, {"hotspare": partial(_ours, routing=routing)} | proxies | {"plain": plain}))


def _environment(folder: Path) -> Path:
    """The proxy's program, installed where it is missing."""
    program = folder / "bin" / "litellm"
    if not program.exists():
        print(f"installing LiteLLM {_VERSION} into {folder} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, f"litellm[proxy]=={_VERSION}"], check=True)
    return program.absolute()


@contextmanager
def _hotspare(folder: Path, url: str) -> Iterator[None]:
    config = folder / "hotspare.yaml"
    config.write_text(_HOTSPARE.format(folder=folder, url=url, interval=_INTERVAL_S), encoding="utf-8")
    with _process([sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)], folder / "hotspare.log"):
        yield


@contextmanager
def _litellm(program: Path, folder: Path, who: str, text: str) -> Iterator[str]:
    config = folder / f"{who}.yaml"
    config.write_text(text, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with _process(command, folder / f"{who}.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    """A process and its children, ended at the end; without a proxy in its environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = inherited | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": _MASTER_KEY}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        yield
    finally:
        end(process)


def _wait(urls: dict[str, str], folder: Path) -> None:
    """Until everybody answers; raises TimeoutError with the log's end after two minutes."""
    until_s = time.monotonic() + 120
    ready = {"hotspare": (folder / "routing.json").exists} | {who: partial(_answers, url) for who, url in urls.items()}
    for who, is_ready in ready.items():
        while not is_ready():
            if time.monotonic() > until_s:
                raise TimeoutError(f"{who} does not start:\n" + (folder / f"{who}.log").read_text()[-2000:])
            time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/liveliness", timeout=5).is_success
    except httpx.HTTPError:
        return False


def _ask(server: _Providers, everybody: Mapping[str, _Ask]) -> dict[str, list[Asked]]:
    """Ask everybody at a steady rate: when each request began during the outage, and whether it was answered."""
    asked: dict[str, list[tuple[float, Future[bool]]]] = {who: [] for who in everybody}
    began_s = time.monotonic()
    with httpx.Client(timeout=60, trust_env=False) as client, ThreadPoolExecutor(64) as pool:
        for number in range(int((_QUIET_S + _OUTAGE_S) * _REQUESTS_PER_S)):
            due_s = began_s + number / _REQUESTS_PER_S
            time.sleep(max(0.0, due_s - time.monotonic()))
            server.sick = server.sick or number / _REQUESTS_PER_S >= _QUIET_S
            for who, ask in everybody.items():
                future = pool.submit(ask, client)
                if server.sick:
                    asked[who].append((time.monotonic(), future))
    return {who: [(at_s, future.result()) for at_s, future in own] for who, own in asked.items()}


def _ours(client: httpx.Client, routing: Routing) -> bool:
    try:
        for attempt in routing.attempts("chat", deadline_s=30):
            with attempt:
                _post(client, attempt.target.base_url, attempt.target.model).raise_for_status()
    except httpx.HTTPError:
        return False
    return True


def _one(client: httpx.Client, base: str, model: str) -> bool:
    try:
        return _post(client, base, model).is_success
    except httpx.HTTPError:
        return False


def _post(client: httpx.Client, base: str, model: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": f"{_QUESTION}: {random.random()}"}]}
    headers = {"authorization": f"Bearer {_MASTER_KEY}"}
    return client.post(f"{base}/chat/completions", json=body, headers=headers)


def _print(server: _Providers, asked: Mapping[str, Sequence[Asked]]) -> None:
    header = ["live", "first request to the other", "requests there", "flips", "failed", "tries per request", "probes"]
    rows = [row(_NAMES[who], [one for one in server.arrivals if one.who == who], own) for who, own in asked.items()]
    print(table([*header, "dollars in the outage: requests + probes"], rows))


def row(name: str, arrivals: Sequence[Arrival], asked: Sequence[Asked]) -> list[str]:
    """What came of one way of asking: all that came to its providers, and what was asked during the outage."""
    onset_s, _ = asked[0]
    since = [one for one in arrivals if one.at_s >= onset_s]
    users = [one for one in since if not one.probe]
    first_s = next((one.at_s - onset_s for one in users if one.provider == "good"), None)
    requests_usd, probes_usd = (
        _USD_PER_ANSWER * sum(one.answered and one.probe is probe for one in since) for probe in (False, True)
    )
    return [
        name,
        "never" if first_s is None else f"{first_s:.0f} s",
        f"{sum(one.provider == 'good' for one in users) / len(users):.0%}",
        f"{sum(before.provider != after.provider for before, after in pairwise(users))}",
        f"{sum(not answered for _, answered in asked) / len(asked):.1%}",
        f"{len(users) / len(asked):.2f}",
        f"{sum(one.probe for one in arrivals)}",
        f"{requests_usd:.4f} + {probes_usd:.4f}",
    ]
