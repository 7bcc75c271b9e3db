"""The answers of the API: an ASGI application over the read model, the routing feed and the service's health."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Final

from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.api import badge, control, statuspage
from controller.api.access import Access, AccessRules, AskedBy, Refusal, refuse_head
from controller.api.bounds import RefusedClients
from controller.api.metrics import MEDIA_TYPE, metrics_text
from controller.api.openapi import openapi_document
from controller.api.reader import BusyError, ReadModel
from controller.api.routing_feed import KnownTags, RoutingFeed
from controller.api.snapshot import to_json
from controller.incidents import json_document
from controller.routing.operator_requests import RefusedError
from controller.routing.regional_table import UnknownRegionError
from controller.status.document import status_document
from controller.status.incident_view import read_incident, read_incidents_since
from controller.status.overview import Overview
from monitor.config.page_settings import PageSettings
from monitor.config.units import parse_duration
from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

_JSON: Final = "application/json"
_MONTH_S: Final = 30 * 86_400.0
_LONGEST_S: Final = 10_000 * 86_400.0
_LONGEST_REGION: Final = 100
_LARGEST_ID: Final = 2**53 - 1
_HEADERS: Final = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}

Endpoint = Callable[[Request], Awaitable[Response]]


class RefusedRequestError(Exception):
    """The request is wrong; the text says how."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(kw_only=True)
class Sources:
    """What the answers are made of."""

    model: ReadModel
    feed: RoutingFeed
    engine: Callable[[], Engine]
    """Of a reader; raises DatabaseError."""
    clock: Callable[[], datetime]
    stuck: Callable[[], str | None]
    """Why the service does not decide any more; None while it does."""
    trouble: Callable[[], str | None]
    """Why it is not well; None while it is."""
    refused: RefusedClients
    page: PageSettings
    desk: control.OperatorDesk


def reply(body: bytes, status: int = 200, media_type: str = _JSON, **headers: str) -> Response:
    """An answer that no cache keeps without asking."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, status, {**_HEADERS, **named}, media_type)


def problem(text: str, status: int, **headers: str) -> Response:
    """What went wrong, as a sentence."""
    return reply(to_json({"error": text}), status, **headers)


class Endpoints:
    """One method for each address."""

    def __init__(self, sources: Sources, access: AccessRules) -> None:
        self._sources = sources
        self._access = access

    async def healthz(self, _: Request) -> Response:
        """Whether the process still decides."""
        return _condition(self._sources.stuck())

    async def readyz(self, _: Request) -> Response:
        """Whether all is well: it probes, stores and publishes."""
        return _condition(self._sources.trouble())

    async def metrics(self, _: Request) -> Response:
        """For Prometheus."""
        table = self._sources.feed.current()
        snapshot = await self._sources.model.current()
        counts = self._sources.refused.counts
        body = snapshot.answer("metrics", lambda overview: metrics_text(overview, table, counts), sees_all=True)
        return reply(body, media_type=MEDIA_TYPE)

    async def status(self, _: Request) -> Response:
        """As `hotspare status --json`."""
        return await self._view("status", lambda overview: to_json(status_document(overview)))

    async def routing(self, request: Request) -> Response:
        """The routing file; with `wait`, once it is another than the one of If-None-Match."""
        known = KnownTags.of(request.headers.getlist("if-none-match"))
        wait_s = _seconds_of(request, "wait", 0.0)
        table = await self._feed_of(request).next_after(known, wait_s, request.state.left)
        if table is None:
            return problem("there is no routing file yet", 503)
        headers = {"etag": table.tag, "hotspare_written_at": table.written_at}
        if table in known:
            return reply(b"", 304, _JSON, **headers)
        return reply(table.content, 200, _JSON, **headers)

    def _feed_of(self, request: Request) -> RoutingFeed:
        region = request.query_params.get("region")
        try:
            return self._sources.feed if region is None else self._sources.feed.of_region(region[:_LONGEST_REGION])
        except UnknownRegionError as error:
            raise RefusedRequestError(f"region: {error}", 404) from None

    async def incidents(self, request: Request) -> Response:
        """As `hotspare incidents --json`."""
        now = self._sources.clock()
        since_s, only_open = _seconds_of(request, "since", _MONTH_S), _flag_of(request, "open")
        since = None if only_open else now - timedelta(seconds=since_s)
        found = await self._sources.model.run(lambda: read_incidents_since(self._sources.engine(), since))
        return reply(to_json(json_document.incident_list(found, now)))

    async def incident(self, request: Request) -> Response:
        """As `hotspare incidents show --json`."""
        number, now = _incident_number(request), self._sources.clock()
        view = await self._sources.model.run(lambda: read_incident(self._sources.engine(), number, now))
        if view is None:
            raise RefusedRequestError(f"there is no incident {number}", 404)
        return reply(to_json(json_document.incident_document(view.incident, view.periods, now)))

    async def openapi(self, _: Request) -> Response:
        """What can be asked."""
        return reply(to_json(openapi_document(version("hotspare"))))

    def statuspage(self, name: str) -> Endpoint:
        """One document of Statuspage's."""

        async def document(request: Request) -> Response:
            make, page = statuspage.DOCUMENTS[name], self._sources.page
            sees_all = self._access.sees_all(request.state.asked_by)
            return await self._view(
                name,
                lambda overview: to_json(make(overview, title=page.title, url=page.url or "")),
                sees_all=sees_all,
            )

        return document

    async def badge(self, request: Request) -> Response:
        """One fact as a picture."""
        given = request.path_params
        sees_all = self._access.sees_all(request.state.asked_by)
        view = (await self._sources.model.current()).view(sees_all=sees_all)
        if "route" in given:
            body = badge.route_badge(view, given["route"])
        elif "target" in given:
            body = badge.target_badge(view, given["target"])
        else:
            body = badge.status_badge(view, self._sources.page.title)
        if body is None:
            raise RefusedRequestError("there is no such badge", 404)
        return reply(
            body, 200, "image/svg+xml", content_security_policy="default-src 'none'; style-src 'unsafe-inline'"
        )

    def command(self, name: str) -> Endpoint:
        """One of the operator's commands."""

        async def act(request: Request) -> Response:
            author = request.state.asked_by.name
            done = self._sources.desk.override(name, await _body_of(request), author)
            return reply(to_json(await done))

        return act

    def comment(self, name: str) -> Endpoint:
        """A note or an acknowledgement."""

        async def act(request: Request) -> Response:
            author, number = request.state.asked_by.name, _incident_number(request)
            done = self._sources.desk.comment(number, name, await _body_of(request), author)
            return reply(to_json(await done))

        return act

    async def _view(
        self, name: str, make: Callable[[Overview], bytes], *, sees_all: bool = True, media_type: str = _JSON
    ) -> Response:
        snapshot = await self._sources.model.current()
        return reply(snapshot.answer(name, make, sees_all=sees_all), media_type=media_type)


def _condition(trouble: str | None) -> Response:
    return reply(to_json({"status": trouble or "ok"}), 503 if trouble else 200)


def _seconds_of(request: Request, name: str, default_s: float) -> float:
    """A duration of the query, such as `30s` or a number of seconds."""
    given = request.query_params.get(name)
    if given is None:
        return default_s
    try:
        seconds = float(given) if given.isascii() and given.isdecimal() else parse_duration(given[:20])
    except ValueError as error:
        raise RefusedRequestError(f"{name}: {given[:20]!r} {error}") from None
    if not 0 <= seconds <= _LONGEST_S:
        raise RefusedRequestError(f"{name}: {given[:20]!r} is out of range")
    return seconds


def _incident_number(request: Request) -> int:
    written = request.path_params["id"]
    number = int(written) if written.isascii() and written.isdecimal() and len(written) <= 16 else 0
    if not 0 < number <= _LARGEST_ID:
        raise RefusedRequestError("there is no such incident", 404)
    return number


async def _body_of(request: Request) -> bytes:
    """The body, which the protocol bounds."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != _JSON:
        raise RefusedRequestError(f"expected Content-Type: {_JSON}", 415)
    return await request.body()


def _flag_of(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "false")
    if given not in {"true", "false"}:
        raise RefusedRequestError(f"{name}: expected true or false, found {given[:20]!r}")
    return given == "true"


def build_app(sources: Sources, access: AccessRules) -> ASGIApp:
    """The application with its guards; it raises nothing."""
    points = Endpoints(sources, access)
    routes = [
        _route("/healthz", points.healthz, Access.OPEN),
        _route("/readyz", points.readyz, Access.OPEN),
        _route("/metrics", points.metrics, Access.READ),
        _route("/v1/status", points.status, Access.READ),
        _route("/v1/routing", points.routing, Access.READ),
        _route("/v1/incidents", points.incidents, Access.READ),
        _route("/v1/incidents/{id}", points.incident, Access.READ),
        *(_route(f"/v1/{name}", points.command(name), Access.OPERATE, methods=("POST",)) for name in control.COMMANDS),
        *(
            _route(f"/v1/incidents/{{id}}/{name}", points.comment(name), Access.OPERATE, methods=("POST",))
            for name in ("ack", "note")
        ),
        _route("/openapi.json", points.openapi, Access.OPEN),
        *(_route(f"/api/v2/{name}.json", points.statuspage(name), Access.PUBLIC) for name in statuspage.DOCUMENTS),
        _route("/badge/status.svg", points.badge, Access.PUBLIC),
        _route("/badge/route/{route}.svg", points.badge, Access.PUBLIC),
        _route("/badge/target/{target:path}.svg", points.badge, Access.PUBLIC),
    ]
    application = Starlette(routes=routes, exception_handlers={HTTPException: _on_http_error, Exception: _on_error})
    application.router.redirect_slashes = False
    return Guard(application, access, sources.refused)


def _route(path: str, endpoint: Endpoint, access: Access, methods: tuple[str, ...] = ("GET",)) -> Route:
    """A route whose endpoint is asked once its access is granted."""

    async def guarded(request: Request) -> Response:
        rules: AccessRules = request.state.rules
        refusal = rules.refuse(access, request.state.asked_by)
        if refusal:
            return _refused(refusal, request.state.refused, request)
        try:
            return await endpoint(request)
        except _TOLD as error:
            return _problem_of(error)

    return Route(path, guarded, methods=list(methods))


#: What is told to the one who asks.
_TOLD: Final = (RefusedRequestError, RefusedError, control.TooManyError, BusyError, DatabaseError, ClientDisconnect)


def _problem_of(error: Exception) -> Response:
    if isinstance(error, RefusedRequestError):
        return problem(str(error), error.status)
    if isinstance(error, RefusedError):
        return problem(str(error), control.status_of(error))
    if isinstance(error, ClientDisconnect):
        return problem("the request ended early", 400)
    status = 429 if isinstance(error, control.TooManyError) else 503
    return problem(str(error), status, retry_after="2")


class Guard:
    """Refuses what is wrong whatever it asks for; hands the rest on with who asks."""

    def __init__(self, application: ASGIApp, rules: AccessRules, refused: RefusedClients) -> None:
        self._application = application
        self._rules = rules
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever fails, the connection and the service go on."""
        request = Request(scope)
        try:
            refusal, asked_by = self._check(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and nothing is handed on
            await (await _on_error(request, error))(scope, receive, send)
            return
        if refusal:
            await _refused(refusal, self._refused, request)(scope, receive, send)
            return
        scope["state"].update(rules=self._rules, asked_by=asked_by, refused=self._refused)
        await self._application(scope, receive, send)

    def _check(self, request: Request) -> tuple[Refusal | None, AskedBy]:
        headers, path = request.headers, request.scope["path"]
        query = request.scope["query_string"].decode("latin-1")
        target = request.scope["state"]["target"]
        if refusal := refuse_head(target, (name for name, _ in request.scope["headers"])):
            return refusal, AskedBy()
        if refusal := self._rules.refuse_address(path, query, headers):
            return refusal, AskedBy()
        identified = self._rules.identify(headers)
        return (identified, AskedBy()) if isinstance(identified, Refusal) else (None, identified)


def _refused(refusal: Refusal, refused: RefusedClients, request: Request) -> Response:
    client = request.client.host if request.client else "unknown"
    path = request.scope["path"].encode("ascii", "backslashreplace").decode()[:80]
    known = path if refusal.event != "api_token_in_address" else path.partition("/")[0]
    refused.refuse(refusal.event, f"{client} asked {request.method[:10]} {known!r}: {refusal.text}")
    headers = {"www_authenticate": "Bearer"} if refusal.status == 401 else {}
    return problem(refusal.text, refusal.status, **headers)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    text = {404: "there is nothing at this address", 405: f"{request.method[:10]} is not for this address"}
    headers: dict[str, Any] = {name.replace("-", "_"): value for name, value in (error.headers or {}).items()}
    return problem(text.get(error.status_code, error.detail), error.status_code, **headers)


async def _on_error(request: Request, error: Exception) -> Response:
    log.error("api_failed path=%r", request.scope["path"][:80], exc_info=error)
    return problem("this is a fault of Hotspare; its log has more", 500)
