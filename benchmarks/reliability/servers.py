"""Two providers and a Slack on this machine, each of which can be made to fail."""

import json
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

_FLOOD = b"x" * 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a provider answered, noted before the first byte is sent."""

    request_id: str
    key: str
    """That it was asked with: each service has one of its own."""
    target: str
    status: int
    at_s: float
    """By the monotonic clock."""
    at_ms: int
    """By the wall clock."""


class Servers(ThreadingHTTPServer):
    """All of them on one port, told apart by the first part of the path: `one`, `two`, `slack`, `well`."""

    daemon_threads = True

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Handler)
        self.failing: set[str] = set()
        """The providers that answer HTTP 500."""
        self.slack = "well"
        """`well`, `drip` (a byte now and then, for ever) or `flood` (without an end)."""
        self.takes_s = 0.0
        """How long a provider takes to answer."""
        self.answers: list[Answer] = []
        """Of the providers, in order."""
        self.numbers = count(1)
        self.told: list[str] = []
        """What Slack was told, in order."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Servers

    def do_GET(self) -> None:
        self._answer(200, {"ok": True})

    def do_POST(self) -> None:
        who = self.path.split("/")[1]
        sent = self.rfile.read(int(self.headers["content-length"])).decode()
        if who == "slack":
            self._slack(sent)
            return
        time.sleep(self.server.takes_s)
        if who in self.server.failing:
            self._answer_probe(who, sent, 500, {"error": {"message": "overloaded"}})
        else:
            nonce = re.search(r"word: (\w{8})", sent)
            choice = {"message": {"content": nonce[1] if nonce else ""}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 17, "completion_tokens": 6}
            self._answer_probe(who, sent, 200, {"choices": [choice], "usage": usage})

    def _answer_probe(self, who: str, sent: str, status: int, body: dict[str, Any]) -> None:
        answer = Answer(
            request_id=f"answer-{next(self.server.numbers)}",
            key=self.headers["authorization"].removeprefix("Bearer "),
            target=f"{who}/{json.loads(sent)['model']}",
            status=status,
            at_s=time.monotonic(),
            at_ms=int(time.time() * 1000),
        )
        self.server.answers.append(answer)
        self._answer(status, body, answer.request_id)

    def _slack(self, sent: str) -> None:
        if self.server.slack == "well":
            self.server.told.append(sent)
            self._answer(200, {"ok": True, "channel": "C1", "ts": f"{time.time():.6f}", "messages": []})
            return
        with suppress(OSError):
            self.send_response(200)
            self.end_headers()
            while self.server.slack != "well":
                self.wfile.write(b" " if self.server.slack == "drip" else _FLOOD)
                time.sleep(0.3 if self.server.slack == "drip" else 0)

    def _answer(self, status: int, body: dict[str, Any], request_id: str | None = None) -> None:
        with suppress(OSError):
            self.send_response(status)
            if request_id:
                self.send_header("x-request-id", request_id)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""
