"""Several keys of a provider on the real service: one that is refused moves nobody."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
KEYS = {"KEY_A": "sk-made-up-key-a-0123456789", "KEY_B": "sk-made-up-key-b-0123456789", "KEY_C": "sk-made-up-key-c"}
CONFIGURATION = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
defaults: {{interval: 500ms, timeout: {{total: 400ms}}, slow: 300ms}}
api: {{listen: none}}
connectivity: {{endpoints: []}}
controller: {{min_outage: 1s, blips: {{per_day: 5, length: [50ms, 130ms]}}}}
providers:
  openai: {{dialect: openai-chat, base_url: "{url}", api_keys: ["${{KEY_A}}", "${{KEY_B}}"], models: {{luna: {{}}}}}}
  other: {{dialect: openai-chat, base_url: "{url}", api_key: "${{KEY_C}}", models: {{luna: {{}}}}}}
routes: {{chat: {{candidates: [openai/luna, other/luna]}}}}
"""


class Vendor(ThreadingHTTPServer):
    """Repeats what it is asked, to those whose key it takes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken = set(KEYS.values())


class _Handler(BaseHTTPRequestHandler):
    server: Vendor
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Authorization"].removeprefix("Bearer ")
        good = key in self.server.taken
        message = {"role": "assistant", "content": asked["messages"][-1]["content"]}
        answer: dict[str, Any] = {"choices": [{"message": message, "finish_reason": "stop"}], "model": asked["model"]}
        refusal = {"error": {"message": f"Incorrect API key provided: {key}", "code": "invalid_api_key"}}
        body = json.dumps(answer if good else refusal).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """On loopback."""
    with Vendor() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Watch:
    """The service, its routing file and its log."""

    def __init__(self, folder: Path, vendor: Vendor) -> None:
        self.folder = folder
        config = folder / "hotspare.yaml"
        config.write_text(CONFIGURATION.format(folder=folder, url=f"http://127.0.0.1:{vendor.server_port}/v1"))
        self.command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)]
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Run it, its log into a file."""
        with (self.folder / "log").open("ab") as log:
            self.processes.append(subprocess.Popen(self.command, stderr=log, env=os.environ | KEYS))
        return self.processes[-1]

    def target(self) -> dict[str, Any]:
        """What the file says of the first candidate, and where the route is."""
        path = self.folder / "routing.json"
        table = json.loads(path.read_text()) if path.exists() else {}
        found: dict[str, Any] = table.get("targets", {}).get("openai/luna", {})
        return found | {"route": table.get("routes", {}).get("chat", {}).get("target")}

    def events(self) -> list[str]:
        """What the log has of keys and of the route."""
        lines = [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        return [line["event"] for line in lines if line["event"] in {"key_refused", "key_accepted", "route_moved"}]

    def until(self, **wanted: Any) -> None:
        """Wait for these fields of the target."""
        holds: Callable[[], bool] = lambda: wanted.items() <= self.target().items()  # noqa: E731
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, (wanted, self.target())
            time.sleep(0.05)


def test_a_refused_key_moves_nobody(tmp_path: Path, vendor: Vendor) -> None:
    """The file names the next one, over a kill -9 as well; only without any the route leaves, and it comes back."""
    watch = Watch(tmp_path, vendor)
    service = watch.start()
    try:
        watch.until(api_key_env="KEY_A", health="up")
        vendor.taken.remove(KEYS["KEY_A"])
        watch.until(api_key_env="KEY_B", health="up", route="openai/luna")
        assert watch.events() == ["route_moved", "key_refused"]
        service.send_signal(signal.SIGKILL)
        service.wait()
        service = watch.start()
        watch.until(api_key_env="KEY_B", health="up", route="openai/luna")
        vendor.taken.remove(KEYS["KEY_B"])
        watch.until(route="other/luna", health="misconfigured")
        vendor.taken.add(KEYS["KEY_A"])
        watch.until(api_key_env="KEY_A")
    finally:
        service.terminate()
        assert service.wait(PATIENCE_S) == 0
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert not any(key.encode() in written for key in KEYS.values())
