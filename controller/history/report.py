"""The report of a period: how well targets and routes served users, what it cost, and what went wrong (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.history import request_costs
from controller.history.request_costs import RequestCosts
from controller.history.route_rollup import RouteRollup
from controller.incidents.failed_requests import total
from controller.incidents.incident import Incident
from controller.incidents.post_mortem import code, escaped
from controller.incidents.text import affected_summary, title
from monitor.budget.allocation import format_usd
from monitor.formatting import capitalized, format_elapsed, format_percent, instant, plural
from monitor.history.rollup import Rollup

_NONE = "–"
_MOST_INCIDENTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReport:
    """One route in that time."""

    route: str
    history: RouteRollup
    slo: float | None = None
    """The share of the time in which users are to be served, as configured."""
    first: str = ""
    """The first candidate."""
    drill: str | None = None
    """What the last fire drill came to: `standby b/y proven 3 d ago`."""
    usual_usd: Mapping[str, float | None] = field(default_factory=dict)
    """What the same small request costs at each target; None where the price is not known."""

    @property
    def away_s(self) -> float:
        """How long users were elsewhere than on the first candidate."""
        return sum(s for target, s in self.history.on_target_s.items() if target != self.first)

    @property
    def away_price(self) -> float | None:
        """What requests cost meanwhile, as a multiple of the first candidate's price; None where it is not known."""
        home_usd, costs = self.usual_usd.get(self.first), []
        for target, s in self.history.on_target_s.items():
            usd = self.usual_usd.get(target)
            if usd is None and target != self.first:
                return None
            costs += [s * (usd or 0.0)] if target != self.first else []
        return sum(costs) / (self.away_s * home_usd) if home_usd and self.away_s else None

    @property
    def allowed_s(self) -> float | None:
        """The error budget: the seconds of the observed time in which users may be failed; None without objective."""
        return None if self.slo is None else self.history.error_budget_s(self.slo)

    @property
    def misses(self) -> bool:
        """Whether users were failed for longer than the objective allows."""
        return self.allowed_s is not None and self.history.felt_s > self.allowed_s


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetReport:
    """One target in that time."""

    target: str
    history: Rollup


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of a period."""

    since: datetime
    until: datetime
    routes: Sequence[RouteReport]
    """In the order of the configuration, like the targets."""
    targets: Sequence[TargetReport]
    incidents: Sequence[Incident]
    """Those that lay in it, in whole or in part, the newest first."""
    incident_s: float
    """How long they lasted together, as far as it lies in the period."""
    still_open: int
    requests: RequestCosts | None = None
    """What applications' requests of this month cost; None where none are reported."""

    @property
    def probed(self) -> Rollup:
        """The sum of all targets."""
        return sum((target.history for target in self.targets), start=Rollup())


ROUTE_COLUMNS = (
    *("route", "served", "users failed", "without us", "moved", "away, and at what price"),
    *("error budget", "where it pointed"),
)
TARGET_COLUMNS = ("target", "served", "available", "p50", "p95", "first token p50", "p95", "probes", "cost")


def headline(report: Report) -> str:
    """The period, and what went wrong in it."""
    period = f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC"
    lasted = f", {format_elapsed(report.incident_s)} in all" if report.incidents else ""
    still = f", {report.still_open} still open" if report.still_open else ""
    return f"{period}: {plural(len(report.incidents), 'incident')}{lasted}{still}"


def totals(report: Report) -> str:
    """Probes and cost of all targets together."""
    probed = report.probed
    unpriced = f"; the cost of {probed.unpriced:,} of them is not known" if probed.unpriced else ""
    return f"{probed.counts.total:,} probes for {format_usd(probed.cost_usd)}{unpriced}"


def route_cells(route: RouteReport) -> tuple[str, ...]:
    """What stands in a row of the table of routes."""
    history, served = route.history, format_percent(route.history.served)
    felt, without = (format_elapsed(s) if history.observed_s else _NONE for s in (history.felt_s, history.without_s))
    flips = (f"{history.flips} ×", _away(route))
    return (route.route, served, felt, without, *flips, _error_budget(route), _where(history))


def target_cells(target: TargetReport) -> tuple[str, ...]:
    """What stands in a row of the table of targets."""
    history, counts = target.history, target.history.counts
    quantiles = [_seconds(h.quantile(q)) for h in (history.duration, history.first_token) for q in (0.5, 0.95)]
    priced = counts.total > history.unpriced
    cost = format_usd(history.cost_usd) if priced else _NONE
    shares = format_percent(counts.served), format_percent(counts.availability)
    return (target.target, *shares, *quantiles, f"{counts.total:,}", cost)


def incident_lines(report: Report) -> list[str]:
    """A line for each of the newest incidents: when, how long, what."""
    lines = [
        f"{incident.opened_at:%Y-%m-%d %H:%M}, {format_elapsed(incident.lasted_s(report.until))}: {title(incident)}"
        + (f" ({summary})" if (summary := affected_summary(incident)) else "")
        + (f"; {total(incident.failed_requests):,} requests failed" if incident.failed_requests else "")
        for incident in report.incidents[:_MOST_INCIDENTS]
    ]
    more = len(report.incidents) - len(lines)
    return [*lines, f"… and {plural(more, 'more incident')}"] if more > 0 else lines


def drill_lines(report: Report) -> list[str]:
    """What the last drill of each route came to."""
    return [f"{route.route}: {route.drill}" for route in report.routes if route.drill]


def markdown(report: Report) -> str:
    """The report as Markdown, to be pasted into a ticket or a wiki."""
    routes = [(code(name), *cells) for name, *cells in map(route_cells, report.routes)]
    targets = [(code(name), *cells) for name, *cells in map(target_cells, report.targets)]
    listed = incident_lines(report)
    parts = [
        f"# {headline(report)}",
        "## Routes",
        "\n".join(_table(ROUTE_COLUMNS, routes)),
        *[f"- {escaped(line)}" for line in drill_lines(report)],
        "## Targets",
        "\n".join(_table(TARGET_COLUMNS, targets)),
        *(
            ["## Incidents", "\n".join(f"- {escaped(line)}" for line in listed)]
            if (listed := incident_lines(report))
            else []
        ),
        totals(report),
        *(_requests_markdown(report.requests) if report.requests else []),
    ]
    return "\n\n".join(parts) + "\n"


def _requests_markdown(costs: RequestCosts) -> Iterator[str]:
    yield "## Requests"
    yield f"{capitalized(costs.sentence)}."
    yield "\n".join(_table(("", *request_costs.COLUMNS), [(code(n), *c) for n, *c in request_costs.rows(costs)]))
    if costs.candidates:
        candidates = [(code(r), code(c), *rest) for r, c, *rest in request_costs.candidate_rows(costs)]
        yield "\n".join(_table(request_costs.CANDIDATE_COLUMNS, candidates))


def document(report: Report) -> dict[str, Any]:
    """The report for scripts: shares from 0 to 1, times in seconds, null where nothing is known."""
    return {
        "since": instant(report.since),
        "until": instant(report.until),
        "incidents": {
            "count": len(report.incidents),
            "lasted_s": report.incident_s,
            "open": report.still_open,
            "list": [
                {"id": each.id, "opened_at": instant(each.opened_at), "lasted_s": each.lasted_s(report.until)}
                | {"title": title(each), "failed_requests": total(each.failed_requests)}
                for each in report.incidents
            ],
        },
        "routes": [_route_document(route) for route in report.routes],
        "targets": [_target_document(target) for target in report.targets],
        "requests": request_costs.document(report.requests) if report.requests else None,
    }


def _route_document(route: RouteReport) -> dict[str, Any]:
    history = route.history
    return {
        "route": route.route,
        "served": history.served,
        "felt_s": history.felt_s,
        "felt_without_failover_s": history.without_s,
        "observed_s": history.observed_s,
        "flips": history.flips,
        "away_s": route.away_s,
        "away_price_factor": route.away_price,
        "on_target_s": dict(history.on_target_s),
        "drill": route.drill,
        "slo": None if route.slo is None else round(route.slo, 9),
        "error_budget_s": route.allowed_s,
    }


def _target_document(target: TargetReport) -> dict[str, Any]:
    history, counts = target.history, target.history.counts
    return {
        "target": target.target,
        "served": counts.served,
        "availability": counts.availability,
        "probes": counts.total,
        "failed_here": counts.failed_here,
        "outcomes": dict(history.asked),
        "duration_p50_s": history.duration.quantile(0.5),
        "duration_p95_s": history.duration.quantile(0.95),
        "first_token_p50_s": history.first_token.quantile(0.5),
        "first_token_p95_s": history.first_token.quantile(0.95),
        "input_tokens": history.input_tokens,
        "output_tokens": history.output_tokens,
        "cost_usd": history.cost_usd,
        "unpriced_probes": history.unpriced,
    }


def _where(history: RouteRollup) -> str:
    """The targets, the longest first, each with its share of the time."""
    total_s = sum(history.on_target_s.values())
    longest_first = sorted(history.on_target_s.items(), key=lambda item: -item[1])
    return ", ".join(f"{target} {format_percent(s / total_s)}" for target, s in longest_first) if total_s else _NONE


def _away(route: RouteReport) -> str:
    """What the moves cost: how long users were elsewhere, and what a request cost there."""
    if not route.away_s:
        return _NONE
    price = "price unknown" if route.away_price is None else f"{route.away_price:.2g} ×"
    return f"{format_elapsed(route.away_s)}, {price}"


def _error_budget(route: RouteReport) -> str:
    """What the objective allows, and how much of it is used."""
    if route.slo is None or not route.allowed_s:
        return _NONE
    used = route.history.felt_s / route.allowed_s
    return f"{used * 100:,.0f} % of {format_elapsed(route.allowed_s)} ({route.slo * 100:g} %)"


def _seconds(seconds: float | None) -> str:
    return _NONE if seconds is None else format_elapsed(round(seconds, 2))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
