"""The settings of traces; see `monitor.config.settings`."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, ClassVar

from monitor.config.document import Node
from monitor.config.reading import ReadContext
from monitor.config.section import Key, Section
from monitor.config.values import address


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings(Section):
    """Probes and decisions as traces for a collector of OpenTelemetry; needs `pip install 'hotspare[otel]'`."""

    empty_is_absent: ClassVar[bool] = True
    endpoint: Annotated[str, address("the address of a collector …/v1/traces"), Key(required=True)] = (
        "http://127.0.0.1:4318/v1/traces"
    )
    """Where it takes traces by OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`. What it asks for besides stands in
    `OTEL_EXPORTER_OTLP_HEADERS`."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """The extra is installed."""
        if context.keys and find_spec("opentelemetry") and find_spec("opentelemetry.exporter") is None:
            context.report(node.place, "needs OpenTelemetry: pip install 'hotspare[otel]'")
