"""How many requests failed while an incident lasted, before a route moved and after, as applications report it (pure).

Requests are summed up by minute, and each says which target it went to: what failed at the target that the route has
left failed before the move, also where it ended only later.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import FailedRequests

FailedSum = tuple[str, str, datetime, int]
"""Target, route (empty where the application did not say), the beginning of the minute or hour, failed requests."""


def failed_requests(periods: Sequence[RoutePeriod], sums: Iterable[FailedSum]) -> tuple[FailedRequests, ...]:
    """The figures of each route of which any request failed, in the order of the routes.

    `periods` are where the touched routes pointed. Requests without a route are those of the only one, if it is.
    """
    routes = list(dict.fromkeys(period.route for period in periods))
    every = [(target, route or (routes[0] if len(routes) == 1 else ""), at, n) for target, route, at, n in sums]
    counted = (_of_route(route, [p for p in periods if p.route == route], every) for route in routes)
    return tuple(each for each in counted if each.before_move or each.after_move)


def _of_route(route: str, periods: Sequence[RoutePeriod], sums: Iterable[FailedSum]) -> FailedRequests:
    home = periods[0].target
    elsewhere = [period for period in periods if period.target != home]
    back_at = next((p.since for p in periods if elsewhere and p.target == home and p.since > elsewhere[0].since), None)
    before = after = 0
    for target, own, at, failed in sums:
        if own != route:
            continue
        if target == home and (back_at is None or at < back_at):
            before += failed
        else:
            after += failed
    return FailedRequests(route=route, before_move=before, after_move=after if elsewhere else None)


def sentences(every: Iterable[FailedRequests]) -> Iterator[str]:
    """`412 requests of chat failed before the move, 0 after`, for each route."""
    for each in every:
        rest = "; it did not move" if each.after_move is None else f" before the move, {each.after_move:,} after"
        yield f"{each.before_move:,} requests of {each.route} failed{rest}"


def total(every: Iterable[FailedRequests]) -> int:
    """All of them together."""
    return sum(each.before_move + (each.after_move or 0) for each in every)
