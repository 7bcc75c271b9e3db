"""What the requests cost that applications report: by route, target and tag, and what candidates would cost (pure).

Tokens are priced as those of probes are, without discounts for what a provider had cached.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from monitor.budget.allocation import format_usd, month_of
from monitor.config.settings import Settings
from monitor.formatting import instant
from monitor.storage.traffic_store import RequestTotals
from monitor.traffic.traffic_sums import TrafficKey

TokenPrices = Mapping[str, tuple[float, float] | None]
"""What an input and an output token cost at each target; None where that is not known."""

_HOUR_S: Final = 3600.0
_WORTH_A_WORD_USD: Final = 0.005
_NO_ROUTE, _NO_TAG = "no route", "no tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePrice:
    """What the month's requests of a route would cost at one of its candidates, were they all sent there."""

    route: str
    candidate: str
    usd: float | None
    """By the end of the month; None where the price is not known."""
    more_usd: float | None
    """Against the first candidate; negative where it is cheaper."""
    hour_usd: float | None
    """The same for an hour: what a failover to it costs as long as it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCosts:
    """The requests of this month (UTC) until now."""

    until: datetime
    ends_at: datetime
    scale: float
    """By the end of the month it will be so many times as much, at the pace since the first request of the month."""
    total: RequestTotals
    routes: Mapping[str, RequestTotals]
    """The dearest first, like the others."""
    targets: Mapping[str, RequestTotals]
    tags: Mapping[str, RequestTotals]
    candidates: Sequence[CandidatePrice]
    moves_usd: float
    """What it has cost more that requests were sent elsewhere than to the first candidate of their route."""

    @property
    def sentence(self) -> str:
        """The whole in one sentence without its end."""
        unpriced = f"; the cost of {self.total.unpriced:,} of them is not known" if self.total.unpriced else ""
        spent, forecast = (format_usd(self.total.cost_usd * scale) for scale in (1.0, self.scale))
        moved = abs(self.moves_usd) >= _WORTH_A_WORD_USD
        more = "more" if self.moves_usd > 0 else "less"
        moves = f"; away from the first candidates they cost {format_usd(abs(self.moves_usd))} {more}" if moved else ""
        requests = f"{self.total.requests:,} request{'s' * (self.total.requests != 1)}"
        return f"{requests} of your applications cost {spent} this month{unpriced}{moves}; {forecast} by its end"


def request_costs(
    settings: Settings,
    totals: Mapping[TrafficKey, RequestTotals],
    first_at: datetime,
    now: datetime,
    prices: TokenPrices,
) -> RequestCosts | None:
    """The costs from what was summed up this month, whose first hour began then; None where nothing was reported."""
    if not totals:
        return None
    month = month_of(now)
    known_s = max(_HOUR_S, (now - first_at).total_seconds())
    scale = 1 + (month.ends - now).total_seconds() / known_s
    routes = _summed(totals, lambda key: key[1] or _NO_ROUTE)
    return RequestCosts(
        until=now,
        ends_at=month.ends,
        scale=scale,
        total=sum(totals.values(), start=RequestTotals()),
        routes=routes,
        targets=_summed(totals, lambda key: key[0]),
        tags=_summed(totals, lambda key: key[2] or _NO_TAG),
        candidates=list(_candidates(settings, routes, prices, scale=scale, hours=known_s / _HOUR_S)),
        moves_usd=_moves_usd(settings, totals, prices),
    )


def _summed(
    totals: Mapping[TrafficKey, RequestTotals], name: Callable[[TrafficKey], str]
) -> Mapping[str, RequestTotals]:
    sums: dict[str, RequestTotals] = {}
    for key, each in totals.items():
        sums[name(key)] = sums.get(name(key), RequestTotals()) + each
    return dict(sorted(sums.items(), key=lambda item: (-item[1].cost_usd, -item[1].requests, item[0])))


def _usd(totals: RequestTotals, prices: tuple[float, float] | None) -> float | None:
    return None if prices is None else totals.input_tokens * prices[0] + totals.output_tokens * prices[1]


def _candidates(
    settings: Settings, routes: Mapping[str, RequestTotals], prices: TokenPrices, *, scale: float, hours: float
) -> Iterator[CandidatePrice]:
    for route in settings.routes:
        requests = routes.get(route.name, RequestTotals())
        if not requests.input_tokens + requests.output_tokens:
            continue
        home_usd = _usd(requests, prices.get(route.candidates[0]))
        for candidate in route.candidates:
            usd = _usd(requests, prices.get(candidate))
            more_usd = None if usd is None or home_usd is None else usd - home_usd
            yield CandidatePrice(
                route=route.name,
                candidate=candidate,
                usd=None if usd is None else usd * scale,
                more_usd=None if more_usd is None else more_usd * scale,
                hour_usd=None if more_usd is None else more_usd / hours,
            )


def _moves_usd(settings: Settings, totals: Mapping[TrafficKey, RequestTotals], prices: TokenPrices) -> float:
    firsts = {route.name: route.candidates[0] for route in settings.routes}
    more_usd = 0.0
    for (target, route, _), requests in totals.items():
        there, home = _usd(requests, prices.get(target)), _usd(requests, prices.get(firsts.get(route, target)))
        if there is not None and home is not None:
            more_usd += there - home
    return more_usd


COLUMNS = ("requests", "this month", "a thousand requests", "by its end")
CANDIDATE_COLUMNS = ("route", "if all went to", "by the end of the month", "against the first", "an hour there")


def rows(costs: RequestCosts) -> list[tuple[str, ...]]:
    """A row of the table for each route, target and tag: what it is, then `COLUMNS`."""
    tags = costs.tags if set(costs.tags) - {_NO_TAG} else {}
    groups = (("route", costs.routes), ("target", costs.targets), ("tag", tags))
    return [
        (f"{kind} {name}" if name not in {_NO_ROUTE, _NO_TAG} else name, *_cells(each, costs.scale))
        for kind, group in groups
        for name, each in group.items()
    ]


def candidate_rows(costs: RequestCosts) -> list[tuple[str, ...]]:
    """A row for each candidate, as `CANDIDATE_COLUMNS` has it."""
    return [
        (each.route, each.candidate, _money(each.usd), _more(each.more_usd), _more(each.hour_usd))
        for each in costs.candidates
    ]


def document(costs: RequestCosts) -> dict[str, Any]:
    """The same for scripts; dollars, null where a price is not known."""
    return {
        "until": instant(costs.until),
        "month_ends": instant(costs.ends_at),
        "total": _document(costs.total, costs.scale),
        "routes": {name: _document(each, costs.scale) for name, each in costs.routes.items()},
        "targets": {name: _document(each, costs.scale) for name, each in costs.targets.items()},
        "tags": {name: _document(each, costs.scale) for name, each in costs.tags.items()},
        "moves_usd": costs.moves_usd,
        "candidates": [
            {
                "route": each.route,
                "candidate": each.candidate,
                "forecast_usd": each.usd,
                "more_usd": each.more_usd,
                "more_usd_per_hour": each.hour_usd,
            }
            for each in costs.candidates
        ],
    }


def _document(totals: RequestTotals, scale: float) -> dict[str, Any]:
    priced = totals.requests - totals.unpriced
    return {
        "requests": totals.requests,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "usd": totals.cost_usd if priced else None,
        "unpriced": totals.unpriced,
        "usd_per_request": totals.cost_usd / priced if priced else None,
        "forecast_usd": totals.cost_usd * scale if priced else None,
    }


def _cells(totals: RequestTotals, scale: float) -> tuple[str, ...]:
    priced = totals.requests - totals.unpriced
    known = (totals.cost_usd, 1000 * totals.cost_usd / priced, totals.cost_usd * scale) if priced else (None,) * 3
    return (f"{totals.requests:,}", *map(_money, known))


def _money(usd: float | None) -> str:
    return "–" if usd is None else format_usd(usd)


def _more(usd: float | None) -> str:
    if usd is None or not usd:
        return "–"
    return f"{format_usd(usd)} more" if usd > 0 else f"{format_usd(-usd)} less"
