"""Every kind of fault that users feel moves its route: the service as a process, providers that turn bad over HTTP."""

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PATIENCE_S = 90
SENTENCE = {"error": {"message": "Unknown field: max_tokens", "type": "invalid_request_error"}}
#: By provider: its dialect, and how it answers once it has turned bad. One of each dialect refuses everything.
FAULTS: dict[str, tuple[str, int, Any]] = {
    "refuses": ("openai-chat", 404, {"error": {"message": "Invalid URL (POST /v1/chat/completions)", "code": None}}),
    "rejects": ("anthropic", 400, SENTENCE),
    "alien": ("openai-chat", 404, "404 page not found\n"),
    "gone": ("openai-chat", 410, {"title": "Gone", "detail": "The model has reached its end of life"}),
    "aborts": ("openai-chat", 200, "abort"),
    "full": ("openai-chat", 429, {"detail": "Infrastructure is at maximum capacity"}),
    "half": ("openai-chat", 429, {"error": {"message": "Model busy, retry later"}}),
    "broke": ("openai-chat", 403, {"code": "INSUFFICIENT_BALANCE", "message": "Insufficient account balance"}),
}
HEALTH = {"refuses": "unusable", "rejects": "unusable", "gone": "misconfigured", "broke": "misconfigured"}


class World(ThreadingHTTPServer):
    """All providers, told apart by the first part of the path; `well` answers well for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bad = False
        self.turns = itertools.count()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, provider: str, nonce: str) -> tuple[int, str]:
        """Status and body."""
        dialect, status, body = FAULTS.get(provider, ("openai-chat", 200, None))
        well = not self.bad or body is None or (provider == "half" and next(self.turns) % 2)
        if not well and body != "abort":
            return status, body if isinstance(body, str) else json.dumps(body)
        if dialect == "anthropic":
            return 200, json.dumps({"content": [{"type": "text", "text": nonce}], "stop_reason": "end_turn"})
        finish = "stop" if well else "abort"
        return 200, json.dumps({"choices": [{"message": {"content": nonce}, "finish_reason": finish}]})


class _Handler(BaseHTTPRequestHandler):
    server: World

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["content-length"])).decode()
        nonce = re.search(r"word: (\w{8})", sent)
        status, body = self.server.answer(self.path.split("/")[1], nonce[1] if nonce else "")
        with suppress(OSError):
            self.send_response(status)
            self.send_header("content-type", "application/json" if body.startswith("{") else "text/plain")
            self.end_headers()
            self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def configuration(folder: Path, url: str) -> dict[str, Any]:
    """A route for each provider, with the one that is always well behind it."""
    dialects = {name: dialect for name, (dialect, *_) in FAULTS.items()} | {"well": "openai-chat"}
    return {
        "database": f"sqlite:///{folder}/hotspare.db",
        "routing_file": f"{folder}/routing.json",
        "connectivity": {"endpoints": []},
        "defaults": {"interval": "500ms", "timeout": {"connect": "400ms", "first_token": "500ms", "total": "500ms"}}
        | {"slow": "450ms"},
        "controller": {"min_outage": "2s", "dwell": "1s", "blips": {"per_day": 5, "length": ["50ms", "130ms"]}},
        "providers": {
            name: {"dialect": dialect, "base_url": f"{url}/{name}", "api_key": "sk-made-up", "models": {"m": {}}}
            for name, dialect in dialects.items()
        },
        "routes": {name: {"candidates": [f"{name}/m", "well/m"]} for name in FAULTS},
    }


@pytest.fixture
def world() -> Iterator[World]:
    """The providers, all well."""
    with World() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_every_fault_that_users_feel_moves_its_route(tmp_path: Path, world: World) -> None:
    """Each provider answers well at first; then each shows its own fault, and all routes end at the healthy one."""
    config = tmp_path / "hotspare.yaml"
    config.write_text(json.dumps(configuration(tmp_path, world.url)), encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environ) as service:
        try:
            assert until(tmp_path, lambda table: states(table) == {name: ("up", f"{name}/m") for name in FAULTS})
            world.bad = True
            wanted = {name: (HEALTH.get(name, "down"), "well/m") for name in FAULTS}
            assert until(tmp_path, lambda table: states(table) == wanted), (tmp_path / "log").read_text()
        finally:
            service.terminate()


def states(table: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """By provider, the health of its target and where its route is."""
    return {
        name: (table["targets"][f"{name}/m"]["health"], route["target"])
        for name, route in table.get("routes", {}).items()
    }


def until(folder: Path, holds: Any) -> bool:
    """Whether it holds of the routing file within a while."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        path = folder / "routing.json"
        if path.exists() and holds(json.loads(path.read_text(encoding="utf-8"))):
            return True
        time.sleep(0.1)
    return False
