"""Traces, as a collector receives them: built from `opentelemetry-proto`, over HTTP."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from controller.routing.decision import Decision, MoveKind
from controller.tracing.exporter import Traces
from monitor.config.settings import NetworkSettings
from probes.observation import Observation
from probes.outcome import Outcome
from tests.support import builders
from tests.support.builders import T0

pytestmark = pytest.mark.slow

LUNA = builders.target("openai/gpt-6-luna", base_url="https://api.openai.com/v1")


class Collector(ThreadingHTTPServer):
    """Takes traces, and keeps them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.status = 200

    @property
    def url(self) -> str:
        """Where it takes them."""
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    def spans(self) -> list[Any]:
        """Every span that came, with its attributes as a dictionary."""
        return [
            (span, {each.key: _value(each.value) for each in span.attributes})
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            raise AssertionError("not asked for")
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that runs."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def seen(outcome: Outcome, **more: Any) -> Observation:
    """A probe of 18:00 UTC that took 1.5 s."""
    return Observation(target=LUNA.id, check="chat", started_at=T0, outcome=outcome, duration_s=1.5, **more)


def test_a_collector_gets_probes_and_decisions(collector: Collector) -> None:
    """With the names of the conventions, the times of the probe, and the same sentence as everywhere."""
    traces = Traces(collector.url, {LUNA.id: LUNA}, NetworkSettings())
    traces.probe(seen(Outcome.OK, input_tokens=17, output_tokens=3, model="gpt-6-luna-2026"))
    traces.probe(seen(Outcome.SERVER_ERROR, http_status=500, detail="HTTP 500: internal error"))
    traces.probe(Observation(target="gone/m", check="chat", started_at=T0, outcome=Outcome.OK, duration_s=1.0))
    reason = "openai/gpt-6-luna is down: 4 of 4 probes failed"
    traces.decision(Decision(route="chat", target="b/m", before=LUNA.id, at=T0, reason=reason, move=MoveKind.FAILOVER))
    traces.close()
    (good, about), (bad, fault), (move, moved) = collector.spans()
    assert good.name == "chat gpt-6-luna"
    assert (
        about.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-6-luna",
            "gen_ai.response.model": "gpt-6-luna-2026",
            "gen_ai.usage.input_tokens": 17,
            "gen_ai.usage.output_tokens": 3,
            "server.address": "api.openai.com",
            "server.port": 443,
        }.items()
    )
    assert "error.type" not in about
    assert good.end_time_unix_nano - good.start_time_unix_nano == 1_500_000_000
    assert good.start_time_unix_nano == int(T0.timestamp()) * 10**9
    assert (fault["error.type"], bad.status.message, bad.status.code) == ("500", "HTTP 500: internal error", 2)
    assert move.name == "route chat"
    assert (moved["hotspare.move"], moved["hotspare.target"], moved["hotspare.reason"]) == ("failover", "b/m", reason)


def test_a_collector_that_takes_nothing_is_told_once(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """Probes go on, whatever becomes of their traces."""
    collector.status = 400
    traces = Traces(collector.url, {LUNA.id: LUNA}, NetworkSettings())
    with caplog.at_level(logging.INFO):
        for second in range(3):
            traces.probe(builders_later(second))
            traces.flush()
        collector.status = 200
        traces.probe(builders_later(4))
        traces.close()
    told = [record.getMessage().partition(" ")[0] for record in caplog.records]
    assert told == ["traces_not_taken", "traces_taken_again"]


def builders_later(second: int) -> Observation:
    """A good probe so many seconds later."""
    return Observation(
        target=LUNA.id, check="chat", started_at=T0 + timedelta(seconds=second), outcome=Outcome.OK, duration_s=0.5
    )


def test_an_answer_without_an_end_is_not_read() -> None:
    """Of what a collector says the status is enough."""
    sent, closed = [0], threading.Event()

    def flood(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
                sent[0] += 65_536
        closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=flood, args=(listener,), daemon=True).start()
        traces = Traces(f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces", {LUNA.id: LUNA}, NetworkSettings())
        traces.probe(seen(Outcome.OK))
        traces.flush()
        assert closed.wait(10)
        traces.close()
    assert sent[0] < 16 * 2**20


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_head_without_an_end_holds_nothing(begin: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A byte now and then does not buy more time; the reason is told."""
    ended = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(begin)
            while not ended.wait(0.2):
                connection.sendall(b"x" if begin else b"")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        traces = Traces(f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces", {LUNA.id: LUNA}, NetworkSettings())
        traces.probe(seen(Outcome.OK))
        flushing = threading.Thread(target=traces.flush, daemon=True)
        flushing.start()
        flushing.join(20)
        assert not flushing.is_alive()
        ended.set()
        traces.close()
    assert "no answer within 5 s" in caplog.text
