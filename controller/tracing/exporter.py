"""Hands spans to a collector, on a thread of the SDK's: nothing waits for it, and what does not fit is left out."""

import asyncio
import io
import logging
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode

from controller.routing.decision import Decision
from controller.tracing import conventions
from monitor.config.settings import NetworkSettings
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Target
from probes.transport.fetch import fetch
from probes.transport.http_transport import tls_context

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 5.0
_MOST_WAITING: Final = 4_096
_EVERY_S: Final = 2.0
_CLOSE_S: Final = 2.0


class Traces:
    """Records probes and decisions as spans; from any thread, returns at once."""

    def __init__(self, endpoint: str, targets: Mapping[str, Target], network: NetworkSettings) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it says everything once more for each batch
        self._targets = targets
        session = _BoundedSession(network)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_S, session=session)
        self._processor = BatchSpanProcessor(
            _ToldExporter(exporter, endpoint, lambda: session.trouble),
            max_queue_size=_MOST_WAITING,
            schedule_delay_millis=_EVERY_S * 1000,
        )
        resource = Resource.create({"service.name": "hotspare", "service.version": version("hotspare")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("hotspare", version("hotspare"))

    def probe(self, observation: Observation) -> None:
        """One span as long as the probe; what a probe of no configured target is, is left out."""
        target = self._targets.get(observation.target)
        if target is None or observation.under_way:
            return
        attributes = conventions.probe_attributes(observation, target)
        began, took = observation.started_at, timedelta(seconds=observation.duration_s)
        name, error = conventions.probe_name(observation), observation.outcome is not Outcome.OK
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=dict(attributes), start_time=_ns(began))
        if error:
            span.set_status(Status(StatusCode.ERROR, observation.detail))
        span.end(_ns(began + took))

    def decision(self, decision: Decision) -> None:
        """One span without a length."""
        attributes, at = conventions.decision_attributes(decision), _ns(decision.at)
        name = conventions.decision_name(decision)
        self._tracer.start_span(name, kind=SpanKind.INTERNAL, attributes=dict(attributes), start_time=at).end(at)

    def flush(self) -> None:
        """Send what waits."""
        self._processor.force_flush()

    def close(self) -> None:
        """Send what waits, within two seconds; a collector that hangs holds up nothing longer."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)


class _BoundedSession(requests.Session):
    """Sends by `fetch`, whose deadline is for the whole answer, whatever drips; its head is all that is read."""

    def __init__(self, network: NetworkSettings) -> None:
        super().__init__()
        self._network = network
        self._contexts: dict[tuple[object, object], ssl.SSLContext] = {}
        self.trouble = ""
        """Why the last request was not taken."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """The status and the headers; raises RequestException."""
        body = request.body
        sending = fetch(
            request.method or "POST",
            request.url or "",
            content=body if isinstance(body, bytes) else b"",
            headers={name.lower(): str(value) for name, value in request.headers.items()} | {"connection": "close"},
            timeout_s=round(options["timeout"], 1),
            tls=self._context(options["verify"], options["cert"]),
            proxy=self._network.proxy,
        )
        result = asyncio.run(sending)
        self.trouble = result.error or ("" if result.ok else f"HTTP {result.status}")
        if result.status is None:
            raise requests.ConnectionError(result.error)
        if 300 <= result.status < 400:
            raise requests.TooManyRedirects(self.trouble)  # the SDK would call it taken
        response = requests.Response()
        response.status_code, response.raw = result.status, io.BytesIO()
        response.headers.update(result.headers)
        return response

    def _context(self, verify: object, cert: object) -> ssl.SSLContext:
        """What is trusted: `network.ca_bundle`, else a bundle that the environment names, else the system's."""
        key = verify, cert
        if key not in self._contexts:
            named = Path(verify) if isinstance(verify, str) else None
            context = tls_context(self._network.ca_bundle or named)
            if cert:
                context.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))  # type: ignore[misc] # a pair
            self._contexts[key] = context
        return self._contexts[key]


class _ToldExporter(SpanExporter):
    """Says once that a collector takes nothing, and once that it does again."""

    def __init__(self, inner: SpanExporter, endpoint: str, trouble: Callable[[], str]) -> None:
        """`trouble` says why the last request was not taken."""
        self._inner, self._endpoint, self._trouble, self._failed = inner, endpoint, trouble, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._inner.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next batch is tried
            result, why = SpanExportResult.FAILURE, type(error).__name__
        else:
            why = self._trouble() or "it does not take them"
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failed:
            log.warning("traces_not_taken at=%s: %s; what waits meanwhile is left out", self._endpoint, why)
        elif self._failed and not failed:
            log.info("traces_taken_again at=%s", self._endpoint)
        self._failed = failed
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
