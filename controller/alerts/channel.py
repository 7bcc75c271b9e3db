"""What every channel of alerts has in common: what is planned for it, how it is given a message, how it says no."""

import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from controller.alerts.alert import Alert, AlertKind, PendingEvent, incident_alert, notice_alert
from controller.alerts.delivery import Action, Delivery, DeliveryKind, DueAlert, PlannedMessage, Receipt, has_gathered
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.severity import severity_of
from controller.incidents.incident import FLAPPING, Incident
from monitor.config.alert_settings import Severity
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.storage.column_conversions import from_ms, to_ms
from probes.target import Secret

T = TypeVar("T")

_HOUR: Final = timedelta(hours=1)


@dataclass(eq=False, repr=False)
class DeliveryError(Exception):
    """A channel did not take a message. The text is one sentence for people, without an address or a secret."""

    text: str
    _: KW_ONLY
    code: str = ""
    """The other side's own word, such as Slack's `invalid_auth`; empty when it was not reached or did not say."""
    permanent: bool = False
    """A person must change something before trying again can help."""
    one_message: bool = False
    """The fault is this message's; other messages may get through."""
    one_place: bool = False
    """The fault is that of this Slack channel; messages to another may get through."""
    gone: bool = False
    """The message to edit, or to reply to, cannot be reached any more; a new one can."""
    maybe_arrived: bool = True
    """It may have been taken all the same; when False, it certainly has not."""
    retry_after_s: float | None = None
    """How long the other side asked us to wait."""


class LookupImpossibleError(Exception):
    """A channel does not say whether a message has arrived. The text is one sentence for people."""


class RunInThread(Protocol):
    """Some thread to run blocking calls on."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Run it there; the result is the function's own, and so is what it raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLogEvents:
    """The names under which a channel's deliveries are logged."""

    taken: str = "alert_taken"
    refused: str = "alert_not_taken"
    unread: str = "relay_not_read"
    """The database could not be read."""
    crashed: str = "relay_failed"


class AlertChannel(ABC):
    """One channel, as the delivery worker drives it: Slack, or anything that is handed alerts (`PerAlertChannel`)."""

    name: str
    """What its deliveries are stored under: `slack`, `webhook`, `apprise 1`."""
    resends: bool = True
    """It knows a message by its id: one that may have arrived is sent again as it was, instead of being looked for."""
    permanent_retry_s: float = 600.0
    """How often to try what only a person can put right."""
    log: DeliveryLogEvents = DeliveryLogEvents()

    @abstractmethod
    def plan(self, store: DeliveryStore, now: datetime, waiting: Collection[str]) -> Sequence[PlannedMessage]:
        """What is due, in order; `waiting` are the keys of those that failed and are not tried again yet.

        It reads the store, on the database's thread; raises DatabaseError.
        """

    @abstractmethod
    async def deliver(self, planned: PlannedMessage, begun_at: datetime) -> Receipt:
        """Post or edit it, once and bounded in time; raises DeliveryError."""

    @abstractmethod
    def tests(self, alert: Alert) -> Iterator[tuple[str, str, PlannedMessage]]:
        """For every place where it delivers to: `slack #llm-status`, what else goes there, and the test message."""

    async def reach(self) -> str | None:
        """What shows that it can be reached, found out without telling anybody; None where that cannot be done.

        Bounded in time and size; raises DeliveryError.
        """
        return None

    async def find(self, _delivery: Delivery) -> Receipt | None:
        """The message that was begun there, if it has arrived; None: not, or nobody can know, and it is sent again.

        Never asked where the channel `resends`. Raises DeliveryError, or LookupImpossibleError where the other side
        will not say.
        """
        return None

    def failing_part(self, _error: DeliveryError, _planned: PlannedMessage | None) -> str | None:
        """Which part of the channel people should be shown as failing (empty: all of it); None: none."""
        return ""


class PerAlertChannel(AlertChannel):
    """A channel that is handed each alert by itself, under an id that stays the same however often it is sent."""

    every_change: bool
    """Whether it wants every change of an incident; else its opening, its end, and what has become critical."""
    most_per_hour: int | None = None
    """So many alerts at most in any hour that are not critical; None: as many as there are."""
    gets: str
    """What it is told, in a few words."""

    @abstractmethod
    async def send(self, alert: Alert) -> None:
        """Hand it over once, bounded in time; raises DeliveryError."""

    def plan(self, store: DeliveryStore, now: datetime, waiting: Collection[str]) -> Sequence[PlannedMessage]:
        """Each incident in its newest revision and each event, in order."""
        due = [alert for alert in store.due_alerts(now) if alert.key not in waiting]
        room = None
        if due and self.most_per_hour is not None:
            room = self.most_per_hour - store.taken_after(now - _HOUR)
        return list(plan_alerts(due, now, every_change=self.every_change, room=room))

    async def deliver(self, planned: PlannedMessage, _begun_at: datetime) -> Receipt:
        """Send its alert."""
        if planned.alert is None:
            raise ValueError(f"{planned.key} holds no alert")
        await self.send(planned.alert)
        return planned.receipt

    def tests(self, alert: Alert) -> Iterator[tuple[str, str, PlannedMessage]]:
        """One."""
        yield self.name, self.gets, PlannedMessage(key=f"{self.name} {alert.id}", kind=DeliveryKind.TEST, alert=alert)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelContext:
    """What channels are built from."""

    settings: Settings
    tls: ssl.SSLContext
    in_thread: RunInThread
    """Where calls are made that block."""
    button_routes: Callable[[], Sequence[Route] | None] = lambda: None
    """The routes that Slack's buttons may act on right now; None: messages get no buttons."""
    epoch: int = 0
    """Of this machine's lead, which every message carries; 0: it is alone."""
    may_send: Callable[[], bool] = lambda: True
    """Whether it is known to lead at this moment."""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret of the settings: nobody is told one, whatever a provider repeats in an error."""
        return tuple(_secrets(self.settings))


def _secrets(value: object) -> Iterator[Secret]:
    """Every secret in a value of the settings, wherever it stands."""
    if isinstance(value, Secret):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _secrets(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from _secrets(tuple(value.values()))
    elif isinstance(value, tuple | list | frozenset):
        for item in value:
            yield from _secrets(item)


def plan_alerts(
    due: Iterable[DueAlert], now: datetime, *, every_change: bool, room: int | None
) -> Iterator[PlannedMessage]:
    """What to send, in order, and what to mark because the channel need not be told.

    Where the channel does not want every change, what opens together is one message. Past `room` (None: there is no
    bound) only what is critical goes out.
    """
    for together in _told_together(due, now, every_change=every_change):
        first, *others = together
        alert = alert_of(first, now, [item.about for item in others if isinstance(item.about, Incident)])
        action = Action.POST if every_change or is_wanted(alert, first) else Action.MARK
        if action is Action.POST and room is not None:
            if room <= 0 and alert.severity is not Severity.CRITICAL:
                continue
            room -= 1
        planned = _planned(first, alert, action)
        yield planned
        for item in others:
            known = replace(alert_of(item, now), severity=alert.severity)
            yield replace(_planned(item, known, Action.MARK), kind=DeliveryKind.TOGETHER, group=planned.incident_id)


def _told_together(due: Iterable[DueAlert], now: datetime, *, every_change: bool) -> Iterator[Sequence[DueAlert]]:
    """What is one message each, what it is about first: the openings of one headline, the most urgent first.

    One that is not critical waits for others of its headline: where all providers fail, that is one call.
    """
    openings: dict[int, list[DueAlert]] = {}
    for item in due:
        if every_change or not isinstance(item.about, Incident) or not _opens(item, now):
            yield [item]
        else:
            openings.setdefault(item.about.lead_id or item.about.id, []).append(item)
    for items in openings.values():
        opened = [(item, item.about) for item in items if isinstance(item.about, Incident)]
        opened.sort(key=lambda pair: severity_of(pair[1]) is not Severity.CRITICAL)
        is_critical = severity_of(opened[0][1]) is Severity.CRITICAL
        if is_critical or any(has_gathered(about.bad_periods[-1].opened_at, now) for _, about in opened):
            yield [item for item, _ in opened]


def _opens(item: DueAlert, now: datetime) -> bool:
    alert = alert_of(item, now)
    return alert.kind is AlertKind.INCIDENT_OPENED and is_wanted(alert, item)


def _planned(item: DueAlert, alert: Alert, action: Action) -> PlannedMessage:
    return PlannedMessage(
        key=item.key,
        kind=DeliveryKind.REVISION if alert.incident else DeliveryKind.EVENT,
        action=action,
        alert=alert,
        incident_id=alert.incident.id if alert.incident else None,
        event_id=alert.notice.id if alert.notice else None,
        revision=alert.incident.revision if alert.incident else None,
        group=alert.incident.id if alert.incident else None,
    )


def alert_of(due: DueAlert, now: datetime, others: Sequence[Incident] = ()) -> Alert:
    """What is told of it, under an id that stays the same however often it is sent; `others` are told with it."""
    at = due.begun_at or from_ms(to_ms(now))  # as it will be known after a crash
    if isinstance(due.about, PendingEvent):
        return notice_alert(due.about, alert_id=f"notice-{due.about.id}-{to_ms(at):x}", at=at)
    alert_id = f"incident-{due.about.id}-{due.about.revision}-{to_ms(at):x}"
    if due.about.resolved_at:
        kind = AlertKind.INCIDENT_RESOLVED
    elif due.taken is None or due.taken.kind is AlertKind.INCIDENT_RESOLVED:
        kind = AlertKind.INCIDENT_OPENED
    else:
        kind = AlertKind.INCIDENT_CHANGED
    return incident_alert(due.about, kind, others, alert_id=alert_id, at=at)


def is_wanted(alert: Alert, due: DueAlert) -> bool:
    """Whether a channel that cannot edit is told this: it hears of an end, and of what is critical, once.

    What flaps and is not critical opens at most three times in an hour, and then once an hour.
    """
    taken = due.taken
    if taken is None:
        return True
    if alert.kind is AlertKind.INCIDENT_OPENED and alert.severity is not Severity.CRITICAL:
        told_lately = alert.at - taken.at < _HOUR
        return not (told_lately and alert.incident and alert.incident.outages_lately > FLAPPING)
    if alert.kind is AlertKind.INCIDENT_RESOLVED:
        return taken.kind is not AlertKind.INCIDENT_RESOLVED
    if alert.kind is AlertKind.INCIDENT_CHANGED:
        return alert.severity is Severity.CRITICAL and taken.severity is not Severity.CRITICAL
    return True
