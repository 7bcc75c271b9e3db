"""Tells one sink besides Slack of every incident and event that the journal says it has not taken, until it has."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol, TypeVar

from controller.alerts.alert import Alert, AlertKind, AlertNotice, about_incident, about_notice
from controller.alerts.backoff import Backoff
from controller.alerts.channel import AlertChannel, NotTakenError
from controller.alerts.channel_store import ChannelStore, DueAlert, LastDelivery
from controller.alerts.delivery_store import DeliveryStore
from controller.incidents.incident import Incident
from monitor.clock import utc_now
from monitor.settings import Severity
from monitor.storage.columns import from_ms, to_ms
from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK_S: Final = 1.0
#: What only a person can put right is tried again this often.
PERMANENT_S: Final = 600.0
_HOUR: Final = timedelta(hours=1)
_PRUNE: Final = timedelta(hours=6)


class RunInThread(Protocol):
    """Some thread to run blocking calls on."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Run it there; the result is the function's own, and so is what it raises."""


class ChannelWorker:
    """Hands a sink each incident in its newest form, and each event, in order, with the same id each time.

    At least once: whoever is killed after the sink took an alert and before the journal knows sends it again, under
    the same id. Nothing is lost while it is news (`relay_rows`), because what is due is what the journal says.
    `in_database` runs the blocking calls where they delay nothing else. One relay never waits for another.
    """

    def __init__(
        self,
        sink: AlertChannel,
        rows: ChannelStore,
        state: DeliveryStore,
        *,
        in_database: RunInThread,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._rows = rows
        self._state = state
        self._in_database = in_database
        self._clock = clock
        self._monotonic = monotonic
        self._backoff = Backoff()
        self._backoffs: dict[str, Backoff] = {}
        self._since: datetime | None = None
        self._pruned_at: datetime | None = None
        self._works: bool | None = None
        """Whether the sink took the last alert, as far as is known."""

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set or the task is cancelled; no fault of telling people ends it."""
        while not stop.is_set():
            try:
                await self.deliver_once()
            except DatabaseError as error:
                log.warning("relay_not_read sink=%s retry_in_s=%g: %s", self._sink.name, self._rest(), error)
            except Exception:  # whatever is wrong with telling people, probing must go on
                log.exception("relay_failed sink=%s retry_in_s=%g", self._sink.name, self._rest())
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_S)

    async def deliver_once(self) -> int:
        """One round over what is due; says how many alerts were taken. Raises DatabaseError.

        An alert that is refused for its own sake holds up no other; when the sink takes nothing, the round ends.
        """
        if not self._backoff.is_over(self._monotonic()):
            return 0
        taken = 0
        for due in await self._due():
            backoff = self._backoffs.get(due.key)
            if backoff and not backoff.is_over(self._monotonic()):
                continue
            alert = alert_of(due, self._clock())
            if not wanted(alert, due, every_change=self._sink.every_change):
                await self._in_database(partial(self._skip, due))
                continue
            if not await self._has_room(alert):
                continue
            try:
                await self._tell(due, alert)
            except NotTakenError as error:
                await self._not_taken(due, error)
                if not error.one_alert:
                    break
            else:
                taken += 1
        return taken

    async def _due(self) -> list[DueAlert]:
        now = self._clock()
        if self._since is None:
            self._since = await self._in_database(partial(self._rows.known_since, now))
        if self._pruned_at is None or now - self._pruned_at > _PRUNE:
            await self._in_database(partial(self._rows.prune, now))
            self._pruned_at = now
        return await self._in_database(partial(self._rows.due, now, since=self._since))

    def _skip(self, due: DueAlert) -> None:
        if due.incident:
            self._rows.skip(due.key, self._clock(), incident_id=due.incident.id)

    async def _has_room(self, alert: Alert) -> bool:
        most = self._sink.most_per_hour
        if most is None or alert.severity is Severity.CRITICAL:
            return True
        return await self._in_database(partial(self._rows.taken_after, self._clock() - _HOUR)) < most

    async def _tell(self, due: DueAlert, alert: Alert) -> None:
        await self._in_database(partial(self._rows.begin, due.key, alert))
        await self._sink.send(alert)
        await self._in_database(partial(self._rows.done, due.key, self._clock()))
        self._backoff = Backoff()
        self._backoffs.pop(due.key, None)
        if not self._works:
            await self._in_database(partial(self._state.sink_works, self._clock()))
        self._works = True
        log.info("alert_taken sink=%s id=%s kind=%s", self._sink.name, alert.id, alert.kind)

    async def _not_taken(self, due: DueAlert, error: NotTakenError) -> None:
        backoff = self._backoffs.setdefault(due.key, Backoff()) if error.one_alert else self._backoff
        at_least_s = max(error.retry_after_s or 0.0, PERMANENT_S if error.permanent else 0.0)
        wait_s = backoff.extend(self._monotonic(), at_least_s=at_least_s)
        log.warning("alert_not_taken sink=%s key=%r retry_in_s=%g: %s", self._sink.name, due.key, wait_s, error)
        await self._in_database(partial(self._rows.failed, due.key, str(error)))
        await self._in_database(partial(self._state.sink_failed, self._clock(), str(error)))
        self._works = False

    def _rest(self) -> float:
        return self._backoff.extend(self._monotonic())


def alert_of(due: DueAlert, now: datetime) -> Alert:
    """What is told of it, under an id that stays the same however often it is sent."""
    at = due.begun_at or from_ms(to_ms(now))  # as it will be known after a crash
    if due.incident:
        alert_id = f"incident-{due.incident.id}-{due.incident.revision}-{to_ms(at):x}"
        return about_incident(due.incident, kind_of(due.incident, due.last), alert_id=alert_id, at=at)
    if due.event is None:
        raise ValueError(f"{due.key} is neither about an incident nor about an event")
    notice = AlertNotice(kind=due.event.kind, subject=due.event.subject, text=due.event.text)
    return about_notice(notice, alert_id=f"notice-{due.event.id}-{to_ms(at):x}", at=at)


def kind_of(incident: Incident, last: LastDelivery | None) -> AlertKind:
    """Resolved; opened, where what the sink was told last is not that it is open; else changed."""
    if incident.resolved_at:
        return AlertKind.INCIDENT_RESOLVED
    is_known = last is not None and last.kind is not AlertKind.INCIDENT_RESOLVED
    return AlertKind.INCIDENT_CHANGED if is_known else AlertKind.INCIDENT_OPENED


def wanted(alert: Alert, due: DueAlert, *, every_change: bool) -> bool:
    """Whether a sink is told this; one that cannot edit what it told hears of an end, and of what is critical, once."""
    if every_change or due.last is None:
        return True
    if alert.kind is AlertKind.INCIDENT_RESOLVED:
        return due.last.kind is not AlertKind.INCIDENT_RESOLVED
    if alert.kind is AlertKind.INCIDENT_CHANGED:
        return alert.severity is Severity.CRITICAL and due.last.severity is not Severity.CRITICAL
    return True
