"""Tells Slack of every incident and event that the journal says people have not seen, until they have."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from controller.alerts.backoff import LONGEST_S, Backoff
from controller.alerts.delivery import Delivery
from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.slack.blocks import Message
from controller.alerts.slack.client import OutgoingMessage, PostedMessage, SendingId, SlackSender
from controller.alerts.slack.errors import GONE, DeliveryError, LookupImpossibleError
from controller.alerts.slack.message_values import Action, MessageInput, PlannedMessage
from controller.alerts.slack.planner import due
from controller.alerts.slack.webhook import SlackWebhookSender
from controller.alerts.slack.webhook_planner import due_by_webhook
from controller.alerts.told import Receipt, from_payload, to_payload
from monitor.clock import utc_now
from monitor.settings import Route, SlackSettings
from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK_S = 1.0
_PARTING_S = 5.0
_TIDY_EVERY = timedelta(days=1)


class RunBlocking(Protocol):
    """Some thread to run blocking calls on."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Run it there; the result is the function's own, and so is what it raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """What one round did."""

    told: int = 0
    failed: int = 0


class Outbox:
    """Delivers what `letters` says is due: nothing lost, nothing doubled, in order for each incident.

    Nothing is lost because what must be told is what the journal says, not what is in memory. Nothing is doubled
    because a delivery is noted as begun before it is sent, and one of which nobody knows whether Slack took it (a
    crash, a lost reply) is looked for in Slack before it is sent again; where Slack does not let us look, it is sent
    again. `in_database` and `in_thread` run the database's and Slack's blocking calls where they delay nothing else.
    `routes` says what buttons may act on right now; None: messages get no buttons.
    """

    def __init__(
        self,
        deliveries: DeliveryStore,
        sender: SlackSender | SlackWebhookSender,
        slack: SlackSettings,
        *,
        in_database: RunBlocking,
        in_thread: RunBlocking,
        routes: Callable[[], Sequence[Route] | None] = lambda: None,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deliveries = deliveries
        self._sender = sender
        self._slack = slack
        self._in_database = in_database
        self._in_thread = in_thread
        self._routes = routes
        self._clock = clock
        self._monotonic = monotonic
        self._pauses: dict[str, Backoff] = {}
        """By the key of a letter, by channel, and for everything under the empty key."""
        self._shown: dict[str, str] = {}
        """What each message shows that was posted or edited here, by its ts."""
        self._tidied_at: datetime | None = None
        self._unhealthy: set[str] | None = None
        """What stands as failing in the database; None until that was read."""

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set or the task is cancelled; no fault of telling people ends it."""
        while not stop.is_set():
            try:
                await self.deliver_once()
            except DatabaseError as error:
                log.warning("outbox_not_read retry_in_s=%g: %s", self._extend("", None), error)
            except Exception:  # whatever is wrong with telling people, probing must go on
                log.exception("outbox_failed retry_in_s=%g", self._extend("", None))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_S)

    async def deliver_once(self) -> RoundResult:
        """One round over what is due, until nothing is; what has to wait is left out.

        What Slack refuses holds up nothing but itself or its channel; when Slack takes nothing at all, the round ends.
        Raises DatabaseError when the database could not be asked or told.
        """
        told = failed = 0
        await self._keep_house()
        while self._is_over(""):
            try:
                await self._settle()
                letters = await self._due()
            except DeliveryError:
                return RoundResult(told=told, failed=failed + 1)
            done = await self._deliver(letters)
            told, failed = told + done.told, failed + done.failed
            if not letters:
                break
        return RoundResult(told=told, failed=failed)

    async def _keep_house(self) -> None:
        """Once a day."""
        now = self._clock()
        if self._tidied_at is None or abs(now - self._tidied_at) > _TIDY_EVERY:
            await self._in_database(partial(self._deliveries.prune, now))
            self._tidied_at = now

    async def _deliver(self, letters: Sequence[PlannedMessage]) -> RoundResult:
        """Once each of them; after one that failed, no other of its group."""
        told = failed = 0
        failing: set[int] = set()
        for letter in letters:
            if letter.group in failing or not self._may_go(letter):
                continue
            try:
                await self._uninterrupted(letter)
                told += letter.act in {Action.POST, Action.EDIT}
            except DeliveryError:
                failed += 1
                if letter.group is not None:
                    failing.add(letter.group)
        return RoundResult(told=told, failed=failed)

    async def _due(self) -> list[PlannedMessage]:
        """The letters that have not to wait, the most urgent first."""
        now = self._clock()
        book = await self._in_database(partial(self._deliveries.book, now))
        desk = MessageInput(book=book, slack=self._slack, now=now, shown=self._shown, routes=self._routes())
        letters = due(desk) if isinstance(self._sender, SlackSender) else due_by_webhook(desk)
        return [letter for letter in letters if self._may_go(letter)]

    def _may_go(self, letter: PlannedMessage) -> bool:
        return all(self._is_over(key) for key in ("", letter.key, letter.channel))

    async def _settle(self) -> None:
        """Finds out what became of the messages of which nobody knows whether Slack took them."""
        for row in await self._in_database(self._deliveries.under_way):
            try:
                await self._settle_one(row)
            except DeliveryError as error:
                await self._failed("", error)
                raise DeliveryError(str(error)) from None

    async def _settle_one(self, row: Delivery) -> None:
        found = None
        if isinstance(self._sender, SlackSender):
            stamp = SendingId(key=row.key, begun_at=row.begun_at)
            looking = partial(self._sender.find, row.channel or self._slack.channel, stamp, thread=row.ts)
            try:
                found = await self._in_thread(looking)
                await self._works("lookup")
            except LookupImpossibleError as error:
                log.warning("lookup_impossible key=%r: %s", row.key, error)
                await self._broke("lookup", error)
        log.info("delivery_settled key=%r arrived=%s", row.key, found is not None)
        if found is None:
            await self._in_database(partial(self._deliveries.withdrawn, row.key))
            return
        told = from_payload(found.payload)
        asked = row.channel or ""
        await self._in_database(partial(self._done, row.key, found.posted, told, asked))

    async def _uninterrupted(self, letter: PlannedMessage) -> None:
        """Tell; when cancelled meanwhile, note first what Slack took."""
        telling = asyncio.ensure_future(self._tell(letter))
        try:
            await asyncio.shield(telling)
        except asyncio.CancelledError:
            with suppress(DeliveryError, DatabaseError, TimeoutError):
                await asyncio.wait_for(telling, _PARTING_S)
            raise

    async def _tell(self, letter: PlannedMessage) -> None:
        if letter.act is Action.KEEP:
            await self._in_database(partial(self._deliveries.told, letter.told))
        elif letter.act is Action.MARK:
            await self._in_database(partial(self._deliveries.note, letter.key, self._clock(), letter.incident_id))
        elif letter.act is Action.POST and letter.message:
            await self._post(letter, letter.message())
        elif letter.message and letter.ts and isinstance(self._sender, SlackSender):
            await self._edit(letter, letter.message(), letter.ts, self._sender)

    async def _post(self, letter: PlannedMessage, message: Message) -> None:
        stamp = SendingId(key=letter.key, begun_at=self._clock())
        begin = partial(
            self._deliveries.begin, incident_id=letter.incident_id, channel=letter.channel, thread=letter.ts
        )
        await self._in_database(partial(begin, stamp.key, stamp.begun_at))
        sending = OutgoingMessage(
            channel=letter.channel,
            message=message,
            stamp=stamp,
            thread=letter.ts,
            broadcast=letter.broadcast,
            payload=to_payload(letter.told),
        )
        try:
            posted = await self._in_thread(partial(self._sender.post, sending))
        except DeliveryError as error:
            await self._not_posted(letter, error)
            raise
        await self._in_database(partial(self._done, letter.key, posted, letter.told, letter.channel))
        if letter.shows:
            self._shown[posted.ts] = letter.shows
        await self._well(letter)
        log.info("slack_told key=%r", letter.key)

    async def _not_posted(self, letter: PlannedMessage, error: DeliveryError) -> None:
        if error.sent:
            await self._in_database(partial(self._deliveries.unsure, letter.key, str(error)))
        else:
            await self._in_database(partial(self._deliveries.withdrawn, letter.key))
        if letter.ts and error.code in GONE:
            await self._gone(letter)
        else:
            await self._failed(letter.key, error, letter)

    async def _edit(self, letter: PlannedMessage, message: Message, ts: str, sender: SlackSender) -> None:
        try:
            await self._in_thread(partial(sender.update, PostedMessage(channel=letter.channel, ts=ts), message))
        except DeliveryError as error:
            if error.code in GONE:
                await self._gone(letter)
                return
            await self._failed(letter.key, error, letter)
            raise
        self._shown[ts] = letter.shows
        await self._in_database(partial(self._deliveries.told, letter.told))
        await self._well(letter)
        log.info("slack_told key=%r edited=True", letter.key)

    async def _gone(self, letter: PlannedMessage) -> None:
        """Somebody deleted the message, or the bot left its channel: it is told anew."""
        log.warning("slack_message_gone key=%r: it is posted anew", letter.key)
        await self._in_database(partial(self._deliveries.gone, letter.ts or ""))

    def _done(self, key: str, posted: PostedMessage, told: Receipt, asked: str) -> None:
        self._deliveries.done(key, self._clock(), channel=posted.channel, ts=posted.ts, told=told, asked=asked)

    async def _well(self, letter: PlannedMessage) -> None:
        for key in ("", letter.key, letter.channel):
            self._pauses.pop(key, None)
        await self._works("", f"channel {letter.channel}")

    async def _works(self, *parts: str) -> None:
        """Notes, once, that something works again."""
        if self._unhealthy is None:
            self._unhealthy = set(await self._in_database(self._deliveries.failing))
        for part in self._unhealthy.intersection(parts):
            await self._in_database(partial(self._deliveries.part_works, part, self._clock()))
            self._unhealthy.discard(part)

    async def _broke(self, part: str, error: Exception) -> None:
        """Notes why something does not work: Slack as a whole, a channel, looking for messages."""
        await self._in_database(partial(self._deliveries.part_failed, part, self._clock(), str(error)))
        if self._unhealthy is not None:
            self._unhealthy.add(part)

    async def _failed(self, key: str, error: DeliveryError, letter: PlannedMessage | None = None) -> None:
        """Leaves it alone for a while, and keeps why."""
        channel = letter.channel if letter and error.one_channel else ""
        about = key if error.one_message else channel
        log.warning("slack_not_told key=%r retry_in_s=%g: %s", key, self._extend(about, error), error)
        if not error.one_message:
            await self._broke(f"channel {channel}" if channel else "", error)
        if letter:
            ids = [one[0] for one in letter.told.incidents]
            await self._in_database(partial(self._deliveries.failed, ids, letter.told.events, str(error)))

    def _is_over(self, key: str) -> bool:
        pause = self._pauses.get(key)
        return pause is None or pause.is_over(self._monotonic())

    def _extend(self, key: str, error: DeliveryError | None) -> float:
        at_least_s = max(error.retry_after_s or 0.0, LONGEST_S if error.permanent else 0.0) if error else 0.0
        return self._pauses.setdefault(key, Backoff()).extend(self._monotonic(), at_least_s=at_least_s)
