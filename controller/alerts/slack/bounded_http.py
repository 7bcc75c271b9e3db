"""Slack's clients with an end: slack_sdk bounds each wait for a byte, but neither the answer nor the time it takes."""

import errno
import io
import socket
import time
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.request import HTTPHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from slack_sdk import WebClient, WebhookClient
from slack_sdk.errors import SlackRequestError
from slack_sdk.webhook import WebhookResponse

#: A page of a thousand channels takes one or two mebibytes.
MOST_BYTES: Final = 8 * 1024 * 1024


class BoundedWebClient(WebClient):
    """A WebClient whose every call ends within `timeout` seconds of its connection, having read 8 MiB at the most."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        status, headers, body = _ask(self, url, req)
        return {"status": status, "headers": headers, "body": body}


class BoundedWebhookClient(WebhookClient):
    """The same for a WebhookClient."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        status, headers, body = _ask(self, url, req)
        return WebhookResponse(url=url, status_code=status, body=body, headers=headers)


def _ask(client: WebClient | WebhookClient, url: str, request: Request) -> tuple[int, Any, str]:
    """Status, headers and body; raises HTTPError, whose body is bounded as well, or another OSError."""
    if not url.lower().startswith(("http://", "https://")):
        raise SlackRequestError("Invalid URL")
    opener = build_opener(
        *([ProxyHandler({"http": client.proxy, "https": client.proxy})] if client.proxy else []),
        _PlainHandler(),
        _TlsHandler(context=client.ssl),
    )
    response: HTTPResponse
    with opener.open(request, timeout=client.timeout) as response:
        charset = response.headers.get_content_charset() or "utf-8"
        return response.status, response.headers, response.read().decode(charset)


class _PlainConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = _BoundedSocket(self.sock, self.timeout)


class _TlsConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = _BoundedSocket(self.sock, self.timeout)


class _PlainHandler(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_PlainConnection, req)


class _TlsHandler(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(partial(_TlsConnection, context=self._context), req)  # type: ignore[attr-defined]


class _BoundedSocket:
    """A connected socket of which so much is read, and until then, as the next request may take altogether."""

    def __init__(self, connected: socket.socket, timeout_s: float | None) -> None:
        self._socket = connected
        self._ends_s = time.monotonic() + (timeout_s or 0.0)
        self._left = MOST_BYTES

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def sendall(self, data: Any) -> None:
        self._bound_wait()
        self._socket.sendall(data)

    def makefile(self, mode: str, *_: object, **__: object) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError(mode)
        return io.BufferedReader(_BoundedFile(self, self._socket.makefile("rb", buffering=0)))

    def read_into(self, file: io.RawIOBase, buffer: Any) -> int | None:
        self._bound_wait()
        count = file.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise OSError(errno.EFBIG, "its answer does not end")
        return count

    def _bound_wait(self) -> None:
        left_s = self._ends_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("no answer in time")
        self._socket.settimeout(left_s)


class _BoundedFile(io.RawIOBase):
    def __init__(self, bounds: _BoundedSocket, file: io.RawIOBase) -> None:
        self._bounds = bounds
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        return self._bounds.read_into(self._file, buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
