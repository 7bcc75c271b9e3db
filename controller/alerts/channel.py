"""What every channel of alerts has in common: what is planned for it, how it is given a message, how it says no."""

import ssl
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from controller.alerts.alert import Alert
from controller.alerts.alert_planner import plan_alerts
from controller.alerts.delivery import Delivery, DeliveryKind, PlannedMessage, Receipt
from controller.alerts.delivery_store import DeliveryStore
from monitor.settings import Route, Settings
from probes.target import Secret

T = TypeVar("T")

_HOUR: Final = timedelta(hours=1)


class DeliveryError(Exception):
    """A channel did not take a message. The text is one sentence for people, without an address or a secret."""

    def __init__(
        self,
        text: str,
        *,
        code: str = "",
        permanent: bool = False,
        one_message: bool = False,
        one_place: bool = False,
        gone: bool = False,
        maybe_arrived: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        """The other side's own word, such as Slack's `invalid_auth`; empty when it was not reached or did not say."""
        self.permanent = permanent
        """A person must change something before trying again can help."""
        self.one_message = one_message
        """The fault is this message's; other messages may get through."""
        self.one_place = one_place
        """The fault is that of this Slack channel; messages to another may get through."""
        self.gone = gone
        """The message to edit, or to reply to, cannot be reached any more; a new one can."""
        self.maybe_arrived = maybe_arrived
        """It may have been taken all the same; when False, it certainly has not."""
        self.retry_after_s = retry_after_s
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMessage:
    """A harmless message that `hotspare alerts test` sends through a channel."""

    name: str
    """Where it goes: `slack #llm-status`, `webhook`."""
    gets: str
    """What else goes there."""
    message: PlannedMessage


class AlertChannel(Protocol):
    """One channel, as the delivery worker drives it: Slack, or anything that is handed alerts (`PerAlertChannel`)."""

    name: str
    """What its deliveries are stored under: `slack`, `webhook`, `apprise 1`."""
    resends: bool
    """It knows a message by its id: one that may have arrived is sent again as it was, instead of being looked for."""
    permanent_retry_s: float
    """How often to try what only a person can put right."""
    log: DeliveryLogEvents

    @abstractmethod
    def plan(self, store: DeliveryStore, now: datetime, waiting: Collection[str]) -> Sequence[PlannedMessage]:
        """What is due, in order; `waiting` are the keys of those that failed and are not tried again yet.

        It reads the store, on the database's thread; raises DatabaseError.
        """

    @abstractmethod
    async def deliver(self, planned: PlannedMessage, begun_at: datetime) -> Receipt:
        """Post or edit it, once and bounded in time; raises DeliveryError."""

    @abstractmethod
    def tests(self, alert: Alert) -> Iterator[TestMessage]:
        """The test message, in every place where the channel delivers to."""

    @abstractmethod
    async def find(self, delivery: Delivery) -> Receipt | None:
        """The message that was begun there, if it has arrived; None: not, or nobody can know, and it is sent again.

        Never asked where the channel `resends`. Raises DeliveryError, or LookupImpossibleError where the other side
        will not say.
        """

    @abstractmethod
    def failing_part(self, error: DeliveryError, planned: PlannedMessage | None) -> str | None:
        """Which part of the channel people should be shown as failing (empty: all of it); None: none."""


class PerAlertChannel(AlertChannel):
    """A channel that is handed each alert by itself, under an id that stays the same however often it is sent."""

    resends = True
    permanent_retry_s = 600.0
    log = DeliveryLogEvents()
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
        return plan_alerts(due, now, every_change=self.every_change, room=room)

    async def deliver(self, planned: PlannedMessage, _begun_at: datetime) -> Receipt:
        """Send its alert."""
        if planned.alert is None:
            raise ValueError(f"{planned.key} holds no alert")
        await self.send(planned.alert)
        return planned.receipt

    def tests(self, alert: Alert) -> Iterator[TestMessage]:
        """One."""
        message = PlannedMessage(key=f"{self.name} {alert.id}", kind=DeliveryKind.TEST, alert=alert)
        yield TestMessage(name=self.name, gets=self.gets, message=message)

    async def find(self, _delivery: Delivery) -> Receipt | None:
        """Never asked."""
        return None

    def failing_part(self, _error: DeliveryError, _planned: PlannedMessage | None) -> str | None:
        """All of it."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelContext:
    """What channels are built from."""

    settings: Settings
    secrets: tuple[Secret, ...]
    """What nobody is told, whatever a provider repeats in an error."""
    tls: ssl.SSLContext
    in_thread: RunInThread
    """Where calls are made that block."""
    button_routes: Callable[[], Sequence[Route] | None] = lambda: None
    """The routes that Slack's buttons may act on right now; None: messages get no buttons."""
