"""Serves the API on a thread and an event loop of its own, beside the service that probes and decides."""

import asyncio
import logging
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import uvicorn
from sqlalchemy import Engine
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.api.access import AccessRules
from controller.api.app import Sources, build_app
from controller.api.bounds import PATIENCE, BoundedListener, Patience, RefusedClients
from controller.api.control import OperatorDesk
from controller.api.protocol import BoundedProtocol, bounded
from controller.api.reader import ReadModel
from controller.api.routing_feed import RoutingFeed
from controller.open_files import most_connections, raise_open_files
from controller.status.overview import Overview, read
from monitor.config.loader import mark_of
from monitor.config.settings import Settings
from monitor.storage.database import open_reader

log = logging.getLogger(__name__)

_RETRY_S: Final = 5.0
_SWITCH_S: Final = 0.000_5
_BACKLOG: Final = 1024
_STOP_S: Final = 2.0


@dataclass(kw_only=True)
class ApiServer:
    """Listens as long as the service runs. Where it cannot, the service goes on without, and it is tried again.

    Another configuration only changes the answers: connections and long polls go on, unless the address or the files
    of the certificate are others. A certificate that was renewed in its file is used by itself.
    """

    settings: Settings
    content: Callable[[], bytes]
    """The bytes of the last published routing file."""
    stuck: Callable[[], str | None]
    trouble: Callable[[], str | None]
    """As `ServiceHealth` has them."""
    clock: Callable[[], datetime]
    notify: Callable[[str, str], None]
    """Is told on the service's event loop what people should know: an event and a text."""
    patience: Patience = PATIENCE
    url: str = ""
    """Where it listens, once it does."""
    _thread: threading.Thread | None = None
    _server: uvicorn.Server | None = None
    _failed: str = ""
    _place: tuple[object, ...] | None = None
    """Where it listens, or was to listen, and by which files."""
    _certificate: tuple[object, ...] = ()
    """What shows that the files of the certificate have changed."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._sources = self._make_sources()
        self._application = self._make_application()

    def reconfigure(self, settings: Settings) -> None:
        """Answer by other settings from now on; on the service's event loop, returns at once."""
        self.settings = settings
        self._application = self._make_application()
        self._changed.set()

    async def run(self) -> None:
        """For ever."""
        try:
            while True:
                self._changed.clear()
                await self._listen_as_configured()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY_S):
                        await self._changed.wait()
        finally:
            await asyncio.to_thread(self.stop)

    async def _listen_as_configured(self) -> None:
        api = self.settings.api
        place = (api.listen, api.certificate, api.private_key)
        if place != self._place and self._thread:
            await asyncio.to_thread(self.stop)
        self._place = place
        if api.address is None:
            return
        if self._thread is None or not self._thread.is_alive():
            self._start()
        elif api.certificate and api.private_key:
            await asyncio.to_thread(self._renew, api.certificate, api.private_key)

    def stop(self) -> None:
        """Close every connection; answers under way have a second."""
        if self._server:
            self._server.should_exit = True
        if self._thread:
            self._thread.join(_STOP_S)
        self._server = self._thread = None

    def _renew(self, certificate: Path, key: Path) -> None:
        """Use what the files hold by now, once they fit each other: one may be written before the other."""
        marks = (mark_of(certificate), mark_of(key))
        if marks == self._certificate or self._server is None or self._server.config.ssl is None:
            return
        with suppress(OSError):  # what ssl raises is one, too
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
            self._server.config.ssl.load_cert_chain(certificate, key)
            self._certificate = marks
            log.info("api_certificate_renewed file=%s", certificate)

    @cached_property
    def refused(self) -> RefusedClients:
        """Who was refused, since the start."""
        return RefusedClients(tell=lambda event, text: log.warning("%s: %s", event, text))

    def _start(self) -> None:
        # A thread that wants to go on waits so long for one that computes; a probe waits some twenty times.
        sys.setswitchinterval(_SWITCH_S)
        api = self.settings.api
        try:
            if api.certificate and api.private_key:
                self._certificate = (mark_of(api.certificate), mark_of(api.private_key))
            protocol = bounded(self.refused, self.patience)
            config = self._configuration(protocol)
            listener = self._listen(protocol)
        except OSError as error:
            self._tell_failure(error.strerror or str(error))
            return
        self._failed = ""
        host, port = listener.getsockname()[:2]
        scheme, shown = "https" if api.certificate else "http", f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{shown}:{port}"
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, args=(self._server, listener), name="api", daemon=True)
        self._thread.start()
        reach = "for this machine alone" if api.is_local else "for others than this machine, too"
        reads = "reading takes no token" if api.reads_openly else "reading takes a token"
        log.info("api_listening at=%s: %s, %s", self.url, reach, reads)

    def _configuration(self, protocol: type[BoundedProtocol]) -> uvicorn.Config:
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=protocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(self.patience.idle_s),
            timeout_graceful_shutdown=1,
            backlog=_BACKLOG,
            ssl_certfile=self.settings.api.certificate,
            ssl_keyfile=self.settings.api.private_key,
        )
        config.load()
        return config

    def _listen(self, protocol: type[BoundedProtocol]) -> BoundedListener:
        host, port = self.settings.api.address or ("", 0)
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
        listener = BoundedListener(family, most=most_connections(raise_open_files()), make_room=protocol.make_room)
        protocol.ready = listener.ready
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    def _tell_failure(self, reason: str) -> None:
        text = f"{self.settings.api.listen}: {reason}; it is tried again, and all else goes on: see api.listen"
        if text != self._failed:
            self._failed = text
            self.notify("api_not_listening", text)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By the configuration that is in force when the request comes."""
        await self._application(scope, receive, send)

    def _make_application(self) -> ASGIApp:
        rules = AccessRules(self.settings.api, is_public=self.settings.ui.public)
        return build_app(replace(self._sources, page=self.settings.ui), rules)

    def _make_sources(self) -> Sources:
        engine = _KeptReader(self.settings.database)

        def read_now() -> Overview:
            return read(self.settings, engine.get(), self.clock())

        return Sources(
            model=ReadModel(read_now, self.content),
            feed=RoutingFeed(self.content),
            engine=engine.get,
            clock=self.clock,
            stuck=self.stuck,
            trouble=self.trouble,
            refused=self.refused,
            page=self.settings.ui,
            desk=OperatorDesk(lambda: self.settings, self.clock, time.monotonic),
        )

    def _serve(self, server: uvicorn.Server, listener: BoundedListener) -> None:
        """The thread: until it is stopped; whatever ends it sooner is logged, and it is started again."""
        try:
            with asyncio.Runner() as runner:
                runner.get_loop().set_exception_handler(_log_loop_error)
                runner.run(server.serve(sockets=[listener]))
        except Exception:  # whatever it is: the service goes on
            log.exception("api_ended: it is started again")
        finally:
            with suppress(OSError):
                listener.close()


@dataclass
class _KeptReader:
    """The database for reading, opened when it is first needed."""

    url: str
    _engine: Engine | None = None

    def get(self) -> Engine:
        """The engine; raises DatabaseError while there is none."""
        if self._engine is None:
            self._engine = open_reader(self.url)
        return self._engine


def _log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    log.warning("api_connection_failed: %s: %r", context.get("message"), context.get("exception"))
