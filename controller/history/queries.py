"""Reads the report of a period: sums of targets and routes, and incidents; never single observations but the newest."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from controller.history.report import Report, RouteReport, TargetReport
from controller.history.store import RouteHistory
from controller.journal import Journal
from monitor.config.settings import Settings
from monitor.history.rollup import DAY, HOUR, Rollup, span_start
from monitor.storage.store import Store

#: Shorter periods begin with an hour, longer ones with a day (UTC).
_BY_HOUR: Final = timedelta(days=2)


def read_report(engine: Engine, settings: Settings, length: timedelta, now: datetime) -> Report:
    """The report of the time until now; it begins with the hour, or from two days on with the day, that it began in."""
    span = HOUR if length <= _BY_HOUR else DAY
    since = span_start(now - length, span)
    history = RouteHistory(engine, settings)
    targets = [target.id for target in settings.targets]
    sums = Store(engine).rollups(targets, span, since=since, until=now)
    journal = Journal(engine)
    past = journal.resolved_since(since)
    still_open = journal.open_incidents()
    lasted = [(incident.resolved_at or now) - max(incident.opened_at, since) for incident in (*past, *still_open)]
    return Report(
        since=since,
        until=now,
        routes=[
            RouteReport(route=route.name, history=history.total(route.name, since=since, until=now), slo=route.slo)
            for route in settings.routes
        ],
        targets=[
            TargetReport(target=target, history=sum((r for _, r in sums.get(target, ())), start=Rollup()))
            for target in targets
        ],
        incidents=len(lasted),
        incident_s=sum(lasted, start=timedelta()).total_seconds(),
        still_open=len(still_open),
    )
