"""A provider that speaks Chat Completions and answers each prompt as a function says."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

#: The status and the body of the answer to a request's body.
Script = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


def said(text: str, *, finish: str = "stop") -> tuple[int, dict[str, Any]]:
    """A reply with this text."""
    return _completion({"content": text}, finish)


def called(name: str, arguments: object) -> tuple[int, dict[str, Any]]:
    """A reply that calls a function."""
    return _completion({"tool_calls": [{"function": {"name": name, "arguments": json.dumps(arguments)}}]}, "tool_calls")


def failed(status: int, code: str, message: str = "no") -> tuple[int, dict[str, Any]]:
    """An error."""
    return status, {"error": {"code": code, "message": message}}


def _completion(message: dict[str, Any], finish: str) -> tuple[int, dict[str, Any]]:
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return 200, {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def prompt_of(request: dict[str, Any]) -> str:
    """What was asked last."""
    return str(request["messages"][-1]["content"])


@contextmanager
def scripted_provider(script: Script, *, keyed: bool = False) -> Iterator[str]:
    """Runs it in threads; gives its base URL. The script of one that is `keyed` finds the key beside the rest."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer by the script."""
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, body = script({**request, "key": self.headers["authorization"]} if keyed else request)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
