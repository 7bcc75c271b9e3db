"""A journal on disk, a Slack-shaped server, a clock that is set by hand, and the delivery worker between them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from controller.alerts.channel import RunInThread
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.delivery_worker import DeliveryWorker
from controller.alerts.owners import NO_OWNERS, Owners
from controller.alerts.slack.channel import SlackChannel
from controller.alerts.slack.planning_input import SINK
from controller.incidents.incident import AffectedTarget, EntryKind, Incident, IncidentKind, RouteImpact, TimelineEntry
from controller.journal import Journal
from monitor.config.alert_settings import SlackSettings
from monitor.health import Health
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from probes.target import Secret
from tests.support.pending_reports import untold_events, untold_incidents
from tests.support.slack_server import SlackServer

T = TypeVar("T")

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOKEN = "xoxb-very-secret"


class RoundResult(NamedTuple):
    """What one round did."""

    delivered: int = 0
    failed: int = 0


class AlertWorld:
    """What the service has around the worker; `at_s` is how long after noon it is."""

    def __init__(self, folder: Path, server: SlackServer, *, owners: Owners = NO_OWNERS, **settings: Any) -> None:
        """`settings` are those of `alerts.slack` besides the address and the token."""
        self.owners = owners
        self.engine = open_writer(f"sqlite:///{folder}/hotspare.db")
        self.journal = Journal(self.engine)
        self.server = server
        given = SlackSettings(token=Secret(TOKEN), channel=server.channel, api_url=server.url)
        self.slack = replace(given, **settings)
        self.at_s = 0.0
        self.began: datetime | None = NOON
        server.clock = self._server_time
        self.restart()

    def restart(self) -> None:
        """A new worker that knows nothing but the database."""
        self.worker = self.new_worker(asyncio.to_thread)

    def new_worker(self, in_thread: RunInThread, in_database: RunInThread | None = None) -> DeliveryWorker:
        """A worker that calls Slack, and the database, this way."""
        channel = SlackChannel(self.slack, in_thread=in_thread, owners=self.owners, timeout_s=1.0)
        return DeliveryWorker(
            channel,
            DeliveryStore(self.engine, SINK),
            in_database=in_database or self.in_database,
            clock=lambda: self.now,
            monotonic=lambda: self.at_s,
        )

    async def in_database(self, function: Callable[[], T], /) -> T:
        """The database's calls, on the thread of the loop."""
        return function()

    def _server_time(self) -> float:
        return self.now.timestamp()

    def live(self) -> None:
        """Go by the real clock, as other processes do; this one only measures waits."""
        self.began = None
        self.server.clock = time.time

    @property
    def now(self) -> datetime:
        """The time of the world's clock."""
        return self.began + timedelta(seconds=self.at_s) if self.began else datetime.now(UTC)

    def keep(self, incident: Incident) -> Incident:
        """Journal an incident as the cycle does."""
        (kept,) = self.journal.commit([], [incident])
        return kept

    def happen(self, text: str = "ana pinned chat", *, at: datetime | None = None, kind: str = "pinned") -> None:
        """Journal an event that people must be told of."""
        Store(self.engine).add_event(at or self.now, kind, "chat", text, notify=True)

    def round(self, at_s: float | None = None) -> RoundResult:
        """One round, at this second where it is given."""
        if at_s is not None:
            self.at_s = at_s
        return RoundResult(*asyncio.run(self.worker.deliver_once()))

    def texts(self) -> list[list[str]]:
        """The first line of every version of every message that stands in a channel."""
        return [[version.text.splitlines()[0] for version in message.versions] for message in self.server.messages]

    def replies(self, number: int = 0) -> list[str]:
        """All that stands in the thread of a message, reply by reply."""
        return [shown(one.versions[-1].blocks) for one in self.server.thread(self.server.messages[number].ts)]

    def told(self) -> bool:
        """Whether nothing waits to be told."""
        return not untold_incidents(self.journal) and not untold_events(self.journal)


def shown(blocks: Any) -> str:
    """Every text of a message's blocks, line by line."""
    parts = [part for block in blocks for part in (block.get("elements") or [block.get("text")])]
    return "\n".join(part["text"] for part in parts if "text" in part and isinstance(part["text"], str))


def outage(provider: str = "openai", *, at: datetime = NOON) -> Incident:
    """A model of this provider is down, and its route has left it."""
    reason = f"{provider}/m is down: 9 of 14 probes failed in 41 s (server_error)"
    return Incident(
        id=0,
        provider=provider,
        kind=IncidentKind.OUTAGE,
        opened_at=at,
        affected=(AffectedTarget(target=f"{provider}/m", health=Health.DOWN, since=at, reason=reason),),
        timeline=(TimelineEntry(at=at, text=reason, kind=EntryKind.HEALTH),),
        routes=(RouteImpact(route="chat", target="azure/h"),),
    )


def misconfigured(
    provider: str = "openai", *, on_it: bool = False, at: datetime = NOON, variable: str = "KEY"
) -> Incident:
    """A key is refused, of a target that users are on or not."""
    reason = f"{provider}/m is misconfigured: the provider refuses the key: check the variable {variable}"
    return replace(
        outage(provider, at=at),
        kind=IncidentKind.CONFIGURATION,
        affected=(AffectedTarget(target=f"{provider}/m", health=Health.MISCONFIGURED, since=at, reason=reason),),
        timeline=(TimelineEntry(at=at, text=reason, kind=EntryKind.HEALTH),),
        routes=(RouteImpact(route="chat", target=f"{provider}/m" if on_it else "azure/h"),),
    )


def stuck(incident: Incident, *, at: datetime) -> Incident:
    """The same, and now the route has nowhere to go."""
    target = incident.affected[0].target
    line = TimelineEntry(
        at=at, text=f"Route chat has no healthy candidate left and stays on {target}", kind=EntryKind.MOVED
    )
    return changed(incident, line, routes=(RouteImpact(route="chat", target=target, stuck=True),))


def changed(incident: Incident, *lines: TimelineEntry, **values: Any) -> Incident:
    """The same with more lines in its timeline and other values, one revision on."""
    timeline = (*incident.timeline, *lines)
    return replace(incident, timeline=timeline, revision=incident.revision + 1, **values)


def over(incident: Incident, *, at: datetime = NOON + timedelta(minutes=12)) -> Incident:
    """The same, resolved."""
    well = tuple(replace(one, health=Health.UP) for one in incident.affected)
    routes = tuple(replace(one, stuck=False) for one in incident.routes)
    return changed(
        incident,
        TimelineEntry(at=at, text="Resolved", kind=EntryKind.RESOLVED),
        affected=well,
        routes=routes,
        resolved_at=at,
    )
