"""Listens for presses of buttons through Slack's Socket Mode, in threads of its own, as long as the service runs."""

import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Final

from controller.alerts.channel import DeliveryError
from controller.alerts.slack.blocks import safe
from controller.alerts.slack.bounded_http import BoundedWebClient
from controller.alerts.slack.buttons.buttons import Press, read_press
from controller.alerts.slack.buttons.socket_mode import SlackConnection
from controller.alerts.slack.channel import sdk_options
from controller.alerts.slack.errors import SlackRefusal, as_delivery_errors
from monitor.config.alert_settings import SlackSettings
from monitor.config.settings import NetworkSettings
from monitor.storage.database import DatabaseError
from probes.target import Secret

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 5.0
_LONGEST_WAIT_S: Final = 60.0
#: The next failure of a connection that has lasted for so long counts as a first one.
_GOOD_AFTER_S: Final = 30.0
#: A failure that can pass is reported once it has lasted for so long.
_REPORTED_AFTER_S: Final = 60.0
_UNCERTAIN: Final = "It is not certain that this was done: the database cannot be used. Look at hotspare status."


class SocketListener:
    """Connects, again and again, and hands every press to `handle`; no failure of it ends the service.

    `handle` answers a press (`handle_press`) and may raise DatabaseError. From a thread of this one, `report`
    is told why presses have not come in for a minute (or will not, until a person acts), and None when they do again;
    it must be quick and raise nothing.
    """

    def __init__(
        self,
        slack: SlackSettings,
        handle: Callable[[Press], str | None],
        report: Callable[[str | None], None],
        *,
        network: NetworkSettings | None = None,
        first_wait_s: float = 1.0,
    ) -> None:
        self._slack = slack
        self._handle_press = handle
        self._report = report
        self._first_wait_s = first_wait_s
        options = sdk_options(network, _TIMEOUT_S)
        self._proxy, self._tls = options["proxy"], options["ssl"] or ssl.create_default_context()
        self._app = BoundedWebClient((slack.app_token or Secret("")).reveal(), slack.api_url, **options)
        self._bot = BoundedWebClient(slack.token.reveal(), slack.api_url, **options)
        self._stopping = threading.Event()
        self._connection: SlackConnection | None = None
        self._opening: SlackConnection | None = None
        self.is_usable = True
        """A button that is drawn now is likely to work: no person must repair something first."""
        self._reported: str | None = None
        self._envelopes = ThreadPoolExecutor(4, thread_name_prefix="slack-envelope")
        self._presses = ThreadPoolExecutor(1, thread_name_prefix="slack-press")
        self._thread = threading.Thread(target=self._run, name="slack-buttons", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, after the press that is being handled; takes some seconds at the most."""
        self._stopping.set()
        self._close_connections()
        if self._thread.is_alive():
            self._thread.join(2 * _TIMEOUT_S)
        self._envelopes.shutdown(cancel_futures=True)
        self._presses.shutdown(cancel_futures=True)

    def _run(self) -> None:
        """Connection after connection until it is stopped; 1, 2, 4, … 60 s apart while they fail."""
        failures, since_s = 0, time.monotonic()
        try:
            while not self._stopping.is_set():
                began_s = time.monotonic()
                try:
                    connection = self._connect()
                    log.info("buttons_connected: presses are received")
                    self.is_usable, self._reported = True, None
                    self._report(None)
                    connection.wait_for("disconnect")
                    failures, since_s = 0, time.monotonic()
                except DeliveryError as error:
                    if time.monotonic() - began_s > _GOOD_AFTER_S:
                        failures, since_s = 0, time.monotonic()
                    self._back_off(error, failures, time.monotonic() - since_s)
                    failures = min(failures + 1, 10)
        except Exception:  # whatever it is: buttons must not end the service
            log.exception("buttons_failed: presses are not received until the service is restarted")
            self.is_usable = False
            self._report("presses are not received until the service is restarted; its log says why")
        finally:
            self._close_connections()

    def _connect(self) -> SlackConnection:
        """Put a connection on which Slack has said hello in place of the present one; raises DeliveryError."""
        with as_delivery_errors(SlackRefusal.SOCKET_MODE):
            url = self._request_address()
        opening = SlackConnection(
            url,
            proxy=self._proxy,
            tls=self._tls,
            on_envelope=lambda *envelope: self._envelopes.submit(self._handle, *envelope),
        )
        self._opening = opening
        try:
            if self._stopping.is_set():
                raise DeliveryError("the service stops")
            opening.wait_for("hello", 10.0)
        except DeliveryError:
            opening.close()
            raise
        replaced, self._connection = self._connection, opening
        if replaced:
            replaced.close()
        return opening

    def _request_address(self) -> str:
        """Where to connect to; the address holds a ticket and works once."""
        given = self._app.api_call("apps.connections.open")["url"]
        address = given if isinstance(given, str) else ""
        schemes = ("wss:", "ws:") if self._slack.api_url.startswith("http:") else "wss:"
        if not address.startswith(schemes):
            raise DeliveryError("Slack names an address that is not encrypted: check alerts.slack.api_url")
        return address

    def _close_connections(self) -> None:
        for connection in (self._opening, self._connection):
            if connection:
                connection.close()

    def _back_off(self, error: DeliveryError, failures: int, lasted_s: float) -> None:
        if self._stopping.is_set():
            return
        wait_s = max(min(_LONGEST_WAIT_S, self._first_wait_s * 2.0**failures), error.retry_after_s or 0.0)
        wait_s = _LONGEST_WAIT_S if error.permanent else wait_s
        log.warning("buttons_not_connected retry_in_s=%g: %s", wait_s, error)
        self.is_usable = self.is_usable and not error.permanent
        if (error.permanent or lasted_s >= _REPORTED_AFTER_S) and str(error) != self._reported:
            self._reported = str(error)
            self._report(str(error))
        self._stopping.wait(wait_s)

    def _handle(self, connection: SlackConnection, envelope: Mapping[str, Any]) -> None:
        """Do what it asks for, acknowledge it, and tell the person what was done."""
        envelope_id = envelope["envelope_id"]
        press = read_press(envelope.get("payload"), envelope_id) if envelope.get("type") == "interactive" else None
        if press is None:
            self._acknowledge(connection, envelope_id)
            return
        handling = self._presses.submit(self._handle_press, press)
        wait([handling], 2.0)  # Slack calls a press failed that is not acknowledged within three seconds
        self._acknowledge(connection, envelope_id)
        answer: str | None = _UNCERTAIN
        try:
            answer = handling.result()
        except DatabaseError as error:
            log.error("press_failed user=%s: %s", press.user, error)
        except Exception:
            log.exception("press_failed user=%s", press.user)
        if answer:
            self._answer(press, answer)

    def _acknowledge(self, connection: SlackConnection, envelope_id: str) -> None:
        for each in (connection, self._connection or connection):  # by which it came; what has replaced that since
            try:
                each.acknowledge(envelope_id)
                return
            except OSError as error:
                failure = type(error).__name__
        # Slack will send it again; it is known not to be done twice.
        log.warning("press_not_acknowledged: %s", failure)

    def _answer(self, press: Press, answer: str) -> None:
        """Tell the person who pressed, and nobody else; if it fails, it is not tried again."""
        message = {"channel": press.channel, "user": press.user, "text": safe(answer, 1_000)}
        if press.thread:
            message["thread_ts"] = press.thread
        try:
            with as_delivery_errors():
                self._bot.api_call("chat.postEphemeral", json={**message, "parse": "none", "link_names": False})
        except DeliveryError as error:
            log.warning("press_not_answered user=%s: %s", press.user, error)
