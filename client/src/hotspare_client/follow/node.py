"""One node, asked for its routing table."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import SplitResult, urlencode, urlsplit

from hotspare_client.follow.connection import Connection, TooLargeError
from hotspare_client.follow.rules import LONGEST_WAIT_S, next_longest_wait_s, printable, tag_of

#: What a proxy says when a long poll takes too long for it.
_CUT_STATUS = (502, 504)
_CUT_ERRORS = (ConnectionError, ssl.SSLEOFError)


class NodeError(Exception):
    """The node gave no table; the message is a clause, and may quote the node."""

    def __init__(self, text: str, *, cut: bool = False) -> None:
        """`cut`: the connection ended, or a proxy says that one behind it did."""
        super().__init__(printable(text))
        self.cut = cut


class TokenError(Exception):
    """There is no token to ask with; the message is a clause."""


class AddressError(ValueError):
    """The address of a node is none; the message is a sentence."""


@dataclass(frozen=True)
class Answer:
    """What a node said."""

    content: bytes | None
    """The table; None: it is still that of the tag."""
    tag: str = ""
    """To ask for the next one with; empty where there is none."""
    written_at: str = ""
    """The heartbeat of a table that is still the same."""


class Node:
    """A node, over one connection that is kept."""

    def __init__(
        self,
        address: str,
        *,
        token: Callable[[], str] = str,
        tls: ssl.SSLContext | None = None,
        answer_s: float = 5.0,
        region: str = "",
    ) -> None:
        """`token` gives the bearer token of each request, empty for none; it may raise TokenError.

        `answer_s`: for a whole answer, beyond what it may wait; `region`: whose table to ask for. Raises AddressError.
        """
        parts = _parts(address)
        self.address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._place, self._path = parts.netloc, f"{parts.path.rstrip('/')}/v1/routing"
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._token = token
        self._region = region
        self._answer_s = answer_s
        self._connection: Connection | None = None
        self._longest_wait_s = LONGEST_WAIT_S

    def ask(self, tag: str, wait_s: float, tick: Callable[[], None]) -> Answer:
        """Its table, or that it is still that of `tag`: once it is another, after so many seconds at the latest.

        What was cut off while it waited, by a proxy or by the end of the node, is asked again at once without waiting,
        and the next waits are shorter. `tick` is called once a second meanwhile. Raises NodeError.
        """
        wait_s = min(wait_s, self._longest_wait_s) if tag else 0.0
        may_be_cut, began = bool(self._connection or wait_s), time.monotonic()
        try:
            answer = self._exchange(tag, wait_s, tick)
        except NodeError as error:
            if not (error.cut and may_be_cut):
                raise
            waited_s = time.monotonic() - began
            self._longest_wait_s = next_longest_wait_s(self._longest_wait_s, waited_s, cut=wait_s > 0)
            return self._exchange(tag, 0.0, tick)
        self._longest_wait_s = next_longest_wait_s(self._longest_wait_s, wait_s, cut=False)
        return answer

    def close(self) -> None:
        """Let go of its connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _exchange(self, tag: str, wait_s: float, tick: Callable[[], None]) -> Answer:
        try:
            return self._request(tag, wait_s, tick)
        except BaseException as error:
            self.close()
            if isinstance(error, (OSError, http.client.HTTPException, ValueError, TooLargeError, TokenError)):
                raise NodeError(_told(error), cut=isinstance(error, _CUT_ERRORS)) from None
            raise

    def _request(self, tag: str, wait_s: float, tick: Callable[[], None]) -> Answer:
        headers = {"Host": self._place, "Accept": "application/json", "Accept-Encoding": "identity"}
        headers |= {"Cache-Control": "no-cache", "User-Agent": "hotspare-follow"}
        if token := self._token():
            headers["Authorization"] = f"Bearer {token}"
        if tag:
            headers["If-None-Match"] = tag
        if self._connection is None:
            self._connection = Connection(self._host, self._port, self._tls, tick)
        wanted = {"wait": f"{wait_s:.1f}s" if wait_s else "", "region": self._region}
        query = urlencode({name: value for name, value in wanted.items() if value})
        path = f"{self._path}?{query}" if query else self._path
        response, body = self._connection.get(path, headers, within_s=wait_s + self._answer_s, tick=tick)
        if response.will_close:
            self.close()
        if response.status == http.client.NOT_MODIFIED and tag:
            return Answer(None, tag, response.getheader("hotspare-written-at", ""))
        if response.status != http.client.OK:
            _refuse(response, body)
        kind = response.getheader("content-type", "none").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise NodeError(f"it answers {kind}, not application/json: is a portal or a proxy in its place?")
        return Answer(body, tag_of(response.getheader("etag", "")))


def _refuse(response: http.client.HTTPResponse, body: bytes) -> NoReturn:
    status, place = response.status, response.getheader("location", "")
    if 300 <= status < 400 and place:
        raise NodeError(f"it answers {status} and points to {place}: redirections are not followed, give that address")
    try:
        said = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = response.reason
    hint = {401: ": is the token one of its own?", 403: ": may this token read?", 404: ": is it the API of Hotspare?"}
    raise NodeError(f"it answers {status} ({said}){hint.get(status, '')}", cut=status in _CUT_STATUS)


def _told(error: BaseException) -> str:
    """An error as a clause about the node."""
    if isinstance(error, TokenError):
        return str(error)
    if isinstance(error, TooLargeError):
        return "it sent more than any node would"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message} (see --ca-file)"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError):
        return f"it cannot be asked: {error.strerror or printable(str(error)) or type(error).__name__}"
    return f"it does not speak HTTP as it should: {type(error).__name__}: {error}"


def _parts(address: str) -> SplitResult:
    example = "such as https://hotspare.example or http://127.0.0.1:8500"
    try:
        parts = urlsplit(address)
        well_formed = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        well_formed = None
    if not well_formed or not address.isascii() or not address.isprintable() or " " in address:
        raise AddressError(f"{printable(address)!r} is no address of a node: expected one {example}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise AddressError(
            f"the address of {parts.hostname} holds more than host, port and path: tokens go into a file"
        )
    return parts
