"""The overview as metrics for Prometheus (pure): https://prometheus.io/docs/practices/naming/."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from controller.alerts.next_action import Urgency
from controller.api.routing_feed import PublishedTable
from controller.incidents.incident import IncidentKind
from controller.routing.overrides import OverrideKind
from controller.status.headline import Level, RouteView
from controller.status.overview import Overview, TargetView
from monitor.connectivity.state import ConnectivityState
from monitor.health import Health
from monitor.liveness import Liveness
from monitor.status_pages.reading import VendorState

#: The media type of `metrics_text`.
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_HOUR, _DAY = "1h", "24h"

Labels = Mapping[str, str]
Sample = tuple[Labels, float | None]


class _Families:
    """What prometheus_client prints: a registry that holds these alone."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def metrics_text(overview: Overview, table: PublishedTable | None, refused: Counter[str]) -> bytes:
    """All metrics in the text format; a value that is not known has no sample.

    `refused` counts the requests that were refused, by event, since the service started.
    """
    families = [*_service(overview), *_targets(overview.targets), *_routes(overview.routes), *_people(overview)]
    if table:
        families += _routing_file(table)
    by_event = CounterMetricFamily("hotspare_api_refused", "Requests that the API refused.", labels=["reason"])
    for event, count in sorted(refused.items()):
        by_event.add_metric([event.removeprefix("api_")], count)
    return generate_latest(_Families([*families, by_event]))


def _gauge(name: str, text: str, samples: Iterable[Sample]) -> GaugeMetricFamily:
    family = None
    for labels, value in samples:
        family = family or GaugeMetricFamily(f"hotspare_{name}", text, labels=list(labels))
        if value is not None:
            family.add_metric(list(labels.values()), value)
    return family or GaugeMetricFamily(f"hotspare_{name}", text)


def _single(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    return _gauge(name, text, [({}, value)])


def _one_of(label: str, words: Iterable[str], now: str | None, labels: Labels) -> Iterator[Sample]:
    """1 for the word that holds now, and 0 for the others, so that a series never ends in between."""
    for word in words:
        yield {**labels, label: word}, float(word == now)


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def _service(overview: Overview) -> Iterator[Metric]:
    beat, network = overview.service.beat, overview.connectivity
    version = beat.version if beat else ""
    yield _gauge("build_info", "The version of the service.", [({"version": version}, 1.0)])
    is_running = overview.service.liveness is Liveness.RUNNING
    yield _single("service_running", "Whether the service is at work.", is_running)
    yield _single("service_start_time_seconds", "When it started.", _seconds(beat.started_at if beat else None))
    yield _single("service_beat_timestamp_seconds", "Its last sign of life.", _seconds(beat.beat_at if beat else None))
    levels = _one_of("level", Level, overview.level, {})
    yield _gauge("status", "How bad the headline of page and status is.", levels)
    urgencies = _one_of("urgency", Urgency, overview.action.urgency, {})
    yield _gauge("action", "Whether a person must act.", urgencies)
    states = _one_of("state", ConnectivityState, network.state if network else None, {})
    yield _gauge("network", "Whether our own network works, by neutral endpoints.", states if network else ())
    money = overview.money
    yield _single("budget_spent_dollars", "What probes have cost this month.", money.spent_usd if money else None)
    yield _single("budget_limit_dollars", "What they may cost in a month.", money.cap_usd if money else None)
    pages = [
        sample
        for view in overview.vendors
        for sample in _one_of(
            "state", VendorState, view.report.state if view.report else None, {"provider": view.provider}
        )
    ]
    yield _gauge("vendor_status", "What the vendor's own status page says.", pages)


def _targets(targets: Iterable[TargetView]) -> Iterator[Metric]:
    views = [({"target": view.state.target}, view) for view in targets]

    def each(name: str, text: str, value: Any) -> Metric:
        return _gauge(f"target_{name}", text, [(labels, value(view)) for labels, view in views])

    def windows(name: str, text: str, share: str) -> Metric:
        samples: list[Sample] = []
        for labels, view in views:
            samples.append(({**labels, "window": _HOUR}, getattr(view.history.last_hour, share)))
            samples.append(({**labels, "window": _DAY}, getattr(view.history.last_day, share)))
        return _gauge(f"target_{name}", text, samples)

    health = [sample for labels, view in views for sample in _one_of("health", Health, view.state.health, labels)]
    yield _gauge("target_health", "The health of the target.", health)
    yield each("health_since_timestamp_seconds", "Since when.", lambda view: _seconds(view.state.since))
    yield each("last_ok_timestamp_seconds", "Its last good answer.", lambda view: _seconds(view.state.last_ok_at))
    yield each("evidence", "Evidence that it fails; a verdict at the threshold.", lambda view: view.state.evidence)
    yield each("evidence_threshold", "The threshold of the evidence.", lambda view: view.state.threshold)
    yield windows("availability_ratio", "Good answers, without faults of our own.", "availability")
    yield windows("served_ratio", "Answers that users could use.", "served")
    yield each("latency_p50_seconds", "Half of the answers took no longer.", lambda view: view.history.p50_s)
    yield each("latency_p95_seconds", "95 % of the answers took no longer.", lambda view: view.history.p95_s)
    yield each("first_token_p50_seconds", "Likewise to the first token.", lambda view: view.history.first_token_p50_s)
    yield each("first_token_p95_seconds", "Likewise to the first token.", lambda view: view.history.first_token_p95_s)
    yield each("probe_cost_dollars", "What its probes cost in 24 hours.", lambda view: view.history.cost_day_usd)
    yield each("traffic_requests", "Requests of applications of late.", lambda v: v.traffic and v.traffic.requests)
    yield each("traffic_failed_requests", "Those of them that failed.", lambda v: v.traffic and v.traffic.failed)


def _routes(routes: Iterable[RouteView]) -> Iterator[Metric]:
    views = [({"route": view.name}, view) for view in routes]
    weights: list[Sample] = []
    for labels, view in views:
        shares = dict(view.weights) or {view.target: 100.0}
        weights += [({**labels, "target": c.target}, shares.get(c.target, 0.0) / 100) for c in view.candidates]
    yield _gauge("route_target_weight_ratio", "The share of the route's requests that the target gets.", weights)

    def each(name: str, text: str, value: Any) -> Metric:
        return _gauge(f"route_{name}", text, [(labels, value(view)) for labels, view in views])

    yield each("failed_over", "Whether it is on another target than its first.", lambda view: view.failed_over)
    yield each("stuck", "Whether its target fails and no other is eligible.", lambda view: view.stuck)
    yield each("unpublished", "Whether the routing file says otherwise.", lambda view: view.published is not None)
    yield each("since_timestamp_seconds", "Since when it is there.", lambda view: _seconds(view.since))


def _people(overview: Overview) -> Iterator[Metric]:
    open_now = Counter(incident.kind for incident in overview.open_incidents)
    kinds: list[Sample] = [({"kind": kind}, open_now[kind]) for kind in IncidentKind]
    yield _gauge("incidents_open", "Incidents that are open.", kinds)
    held = Counter(override.kind for override in overview.overrides)
    overrides: list[Sample] = [({"kind": kind}, held[kind]) for kind in OverrideKind]
    yield _gauge("overrides_active", "Overrides of operators that are in force.", overrides)
    failing = len(overview.failing_channels)
    yield _single("alert_channels_failing", "Channels that do not take alerts.", failing)


def _routing_file(table: PublishedTable) -> Iterator[Metric]:
    document = table.table
    written_at = datetime.fromisoformat(table.written_at) if table.written_at else None
    yield _single("routing_generation", "Counts the moves of all routes.", document.get("generation"))
    yield _single("routing_written_timestamp_seconds", "When the routing file was written.", _seconds(written_at))
    yield _single("routing_valid_seconds", "For how long after that readers rely on it.", document.get("valid_for_s"))
