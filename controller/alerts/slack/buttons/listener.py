"""Listens for presses of buttons through Slack's Socket Mode, in threads of its own, as long as the service runs."""

import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from controller.alerts.slack import errors as slack_errors
from controller.alerts.slack.blocks import safe
from controller.alerts.slack.buttons.press import Press, place_of, read_press
from controller.alerts.slack.buttons.socket_mode import SlackSocket
from controller.alerts.slack.socket_errors import NotListeningError, refused, translated
from monitor.settings import NetworkSettings, SlackSettings
from monitor.storage.database import DatabaseError
from probes.redaction import one_line
from probes.target import Secret

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 5.0
#: Slack calls a press failed when it is not acknowledged within three seconds.
_ACKNOWLEDGE_WITHIN_S: Final = 2.0
_HELLO_WITHIN_S: Final = 10.0
_LOOK_S: Final = 0.5
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 60.0
#: A connection that has lasted for so long was a good one: the next failure is a new one.
_GOOD_AFTER_S: Final = 30.0
#: Trouble that passes is nobody's business until it has lasted for so long.
_SAID_AFTER_S: Final = 60.0
_LONGEST_ANSWER: Final = 1_000


class SocketListener:
    """Connects, again and again, and hands every press to `take`; nothing that happens to it ends the service.

    `take` answers a press (`Presses.take`) and may raise DatabaseError. `failed` and `works` are told, from a thread of
    this one, why presses have not come in for a minute (or will not, until a person acts), and that they do again; it
    is their business to be quick and to raise nothing.
    """

    def __init__(
        self,
        slack: SlackSettings,
        take: Callable[[Press], str | None],
        *,
        failed: Callable[[str], None],
        works: Callable[[], None],
        network: NetworkSettings | None = None,
        first_wait_s: float = _FIRST_WAIT_S,
    ) -> None:
        network = network or NetworkSettings()
        self._slack = slack
        self._take = take
        self._failed = failed
        self._works = works
        self._proxy = network.proxy
        self._first_wait_s = first_wait_s
        # Its errors reach the log through ours; below that it would log whole messages.
        self._quiet = logging.getLogger(f"{__name__}.sdk")
        self._quiet.setLevel(logging.CRITICAL)
        self._tls = ssl.create_default_context(cafile=str(network.ca_bundle)) if network.ca_bundle else None
        self._app = self._web(slack.app_token or Secret(""))
        self._bot = self._web(slack.token)
        self._stop = threading.Event()
        self._client: SlackSocket | None = None
        self._hopeless = False
        self._said: str | None = None
        self._doing = ThreadPoolExecutor(1, thread_name_prefix="pressed")
        self._thread = threading.Thread(target=self._run, name="slack-buttons", daemon=True)

    @property
    def hopeful(self) -> bool:
        """Whether a button that is drawn now is likely to work: not while a person must repair something first."""
        return not self._hopeless

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more; what is being done is done first. Takes some seconds at the most."""
        self._stop.set()
        if self._client:
            self._client.changed.set()
        if self._thread.is_alive():
            self._thread.join(2 * _TIMEOUT_S)
        self._doing.shutdown(cancel_futures=True)

    def _web(self, token: Secret) -> WebClient:
        return WebClient(
            token=token.reveal(),
            base_url=self._slack.api_url,
            timeout=int(_TIMEOUT_S),
            ssl=self._tls,
            proxy=self._proxy,
            retry_handlers=[],
            logger=self._quiet,
        )

    def _run(self) -> None:
        """Connection after connection until it is stopped; 1, 2, 4, … 60 s apart while they fail."""
        token = self._slack.app_token or Secret("")
        client = SlackSocket(app_token=token.reveal(), web=self._app, proxy=self._proxy, quiet=self._quiet)
        self._client = client
        client.socket_mode_request_listeners.append(lambda _client, request: self._heard(client, request))
        failures, since_s = 0, time.monotonic()
        try:
            while not self._stop.is_set():
                try:
                    began_s = time.monotonic()
                    self._connect(client)
                    self._well()
                    self._watch(client)
                except NotListeningError as error:
                    if time.monotonic() - began_s > _GOOD_AFTER_S:
                        failures, since_s = 0, time.monotonic()
                    self._wait(error, failures, time.monotonic() - since_s)
                    failures = min(failures + 1, 10)
                else:
                    failures, since_s = 0, time.monotonic()
        except Exception:  # whatever it is: buttons must not end the service
            log.exception("buttons_failed: presses are not heard until the service is restarted")
            self._hopeless = True
            self._failed("presses are not heard until the service is restarted; its log says why")
        finally:
            with suppress(Exception):
                client.close()

    def _connect(self, client: SlackSocket) -> None:
        """A connection on which Slack has said hello; raises NotListeningError."""
        client.changed.clear()
        try:
            client.connect_to(self._address())
        except (SlackClientError, OSError, HTTPException, ValueError, LookupError, AttributeError) as error:
            # Without the cause: it may quote the request, and that holds the token.
            raise translated(error) from None
        deadline_s = time.monotonic() + _HELLO_WITHIN_S
        while not client.ready and not self._stop.is_set():
            if client.reason == "link_disabled":
                raise refused("link_disabled")
            if not client.is_connected():
                raise translated(client.error or ConnectionError("the connection ended"))
            if time.monotonic() > deadline_s:
                raise NotListeningError(f"Slack did not say hello within {_HELLO_WITHIN_S:g} s")
            client.changed.wait(_LOOK_S)
            client.changed.clear()

    def _address(self) -> str:
        """Where to connect to; it holds a ticket and works once."""
        given = self._app.api_call("apps.connections.open")["url"]
        parts = urlsplit(given if isinstance(given, str) else "")
        # To any other port the library would go without TLS.
        secure = parts.scheme == "wss" and (parts.port or 443) == 443
        if not secure and not (parts.scheme == "ws" and self._slack.api_url.startswith("http:")):
            raise NotListeningError("Slack names an address that is not encrypted: check alerts.slack.api_url")
        return str(given)

    def _watch(self, client: SlackSocket) -> None:
        """Until the connection should be replaced, or has ended (NotListeningError), or nobody listens any more."""
        while not self._stop.is_set() and client.reason is None:
            if not client.is_connected():
                raise translated(client.error or ConnectionError("the connection ended"))
            client.changed.wait(_LOOK_S)
            client.changed.clear()
        if client.reason == "link_disabled":
            raise refused("link_disabled")
        if client.reason == "too_many_websockets":
            raise NotListeningError("Slack has too many connections of this app: is another program using its token?")

    def _well(self) -> None:
        if self._stop.is_set():
            return
        self._hopeless = False
        log.info("buttons_connected: presses come in")
        self._said = None
        self._works()

    def _wait(self, error: NotListeningError, failures: int, lasted_s: float) -> None:
        wait_s = max(min(_LONGEST_WAIT_S, self._first_wait_s * 2.0**failures), error.retry_after_s)
        wait_s = _LONGEST_WAIT_S if error.permanent else wait_s
        log.warning("buttons_not_connected retry_in_s=%g: %s", wait_s, error)
        self._hopeless = self._hopeless or error.permanent
        if (error.permanent or lasted_s >= _SAID_AFTER_S) and str(error) != self._said:
            self._said = str(error)
            self._failed(str(error))
        self._stop.wait(wait_s)

    def _heard(self, client: SlackSocket, request: SocketModeRequest) -> None:
        """One envelope: do what it asks for, tell Slack that it came, and the person what was done."""
        press = read_press(request.payload, request.envelope_id) if request.type == "interactive" else None
        doing = self._doing.submit(self._take, press) if press else None
        if doing:
            with suppress(FutureTimeoutError, Exception):
                doing.result(_ACKNOWLEDGE_WITHIN_S)
        try:
            client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        except (SlackClientError, OSError) as error:
            # Slack will tell of it again; it is known not to be done twice.
            log.warning("press_not_acknowledged: %s", type(error).__name__)
        if press and doing:
            self._answer(request.payload, press, _said(doing, press))

    def _answer(self, payload: Mapping[str, Any], press: Press, said: str | None) -> None:
        """Tell the person, and nobody else; once, and if it fails not again."""
        if not said:
            return
        channel, thread = place_of(payload)
        words: dict[str, Any] = {"channel": channel, "user": press.user, "text": safe(said, _LONGEST_ANSWER)}
        if thread:
            words["thread_ts"] = thread
        try:
            self._bot.api_call("chat.postEphemeral", json={**words, "parse": "none", "link_names": False})
        except (SlackClientError, OSError, HTTPException, ValueError, LookupError, AttributeError) as error:
            log.warning("press_not_answered user=%s: %s", one_line(press.user, 30), slack_errors.translated(error))


def _said(doing: "Future[str | None]", press: Press) -> str | None:
    try:
        return doing.result()
    except DatabaseError as error:
        log.error("press_failed user=%s: %s", one_line(press.user, 30), error)
    except Exception:
        log.exception("press_failed user=%s", one_line(press.user, 30))
    return "It is not certain that this was done: the database cannot be used. Look at hotspare status."
