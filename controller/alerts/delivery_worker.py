"""Delivers through one channel what the database says people have not been told, until they have."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from controller.alerts.channel import AlertChannel, DeliveryError, LookupImpossibleError, RunInThread
from controller.alerts.delivery import Action, PlannedMessage
from controller.alerts.delivery_store import DeliveryStore
from monitor.clock import utc_now
from monitor.storage.database import DatabaseError

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
#: How long a cancelled delivery may take until it is known whether the message was taken.
_PARTING_S: Final = 3.0
_PRUNE_EVERY: Final = timedelta(days=1)
_LOOKUP: Final = "lookup"
_LONGEST_WAIT_S: Final = 60.0


class DeliveryWorker:
    """Delivers what the channel plans: nothing lost, in order for each incident, nothing doubled where that can be.

    Nothing is lost because what must be told is what the database says, not what is in memory. A delivery is stored as
    begun before it is sent. One of which nobody knows whether it arrived (a crash, a lost reply) is looked for before
    anything else is sent, and sent again if it is not there; a channel that `resends` gets it again under the same id.
    `in_database` runs the database's calls where they delay nothing else. Workers never wait for each other.
    """

    def __init__(
        self,
        channel: AlertChannel,
        store: DeliveryStore,
        *,
        in_database: RunInThread,
        may_send: Callable[[], bool] = lambda: True,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._may_send = may_send
        self._channel = channel
        self._store = store
        self._in_database = in_database
        self._clock = clock
        self._monotonic = monotonic
        self._backoffs: dict[str, tuple[int, float]] = {}
        """How often it failed, and until which monotonic second it is left alone.

        By the key of a message, by Slack channel, and for everything under the empty key.
        """
        self._pruned_at: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set or the task is cancelled; no failure of a delivery ends it."""
        names, sink = self._channel.log, self._channel.name
        while not stop.is_set():
            try:
                await self.deliver_once()
            except DatabaseError as error:
                log.warning("%s sink=%s retry_in_s=%g: %s", names.unread, sink, self._extend("", None), error)
            except Exception:  # whatever is wrong with a delivery, probing must go on
                log.exception("%s sink=%s retry_in_s=%g", names.crashed, sink, self._extend("", None))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_S)

    async def deliver_once(self) -> tuple[int, int]:
        """Deliver what is due, until nothing is; what has to wait is left out. Counts what was taken, and what not.

        What is refused holds up nothing but itself or its Slack channel; when nothing is taken, the round ends. Raises
        DatabaseError when the database could not be read or written.
        """
        delivered = failed = 0
        await self._prune_daily()
        while self._is_over(""):
            try:
                await self._settle()
            except DeliveryError:
                return delivered, failed + 1
            planned = await self._plan()
            taken, refused = await self._deliver_all(planned)
            delivered, failed = delivered + taken, failed + refused
            if not planned:
                break
        return delivered, failed

    async def _prune_daily(self) -> None:
        now = self._clock()
        if self._pruned_at is None or abs(now - self._pruned_at) > _PRUNE_EVERY:
            await self._in_database(partial(self._store.prune, now, under_way=self._channel.resends))
            self._pruned_at = now

    async def _plan(self) -> list[PlannedMessage]:
        """What has not to wait, the most urgent first."""
        waiting = frozenset(key for key in self._backoffs if not self._is_over(key))
        planned = await self._in_database(partial(self._channel.plan, self._store, self._clock(), waiting))
        return [one for one in planned if self._may_go(one)]

    async def _deliver_all(self, planned: Sequence[PlannedMessage]) -> tuple[int, int]:
        """Each once; after one that failed, no other of its group. How many were delivered, and how many not."""
        delivered = failed = 0
        failing: set[int] = set()
        for message in planned:
            if message.group in failing or not self._may_go(message):
                continue
            try:
                await self._uninterrupted(message)
                delivered += message.action in {Action.POST, Action.EDIT}
            except DeliveryError:
                failed += 1
                if message.group is not None:
                    failing.add(message.group)
        return delivered, failed

    def _may_go(self, planned: PlannedMessage) -> bool:
        return all(self._is_over(key) for key in ("", planned.key, planned.channel))

    async def _settle(self) -> None:
        """Find out what became of the messages of which nobody knows whether they arrived."""
        if self._channel.resends:
            return
        for delivery in await self._in_database(self._store.under_way):
            receipt = None
            try:
                receipt = await self._channel.find(delivery)
                await self._keep_state(_LOOKUP, None)
            except LookupImpossibleError as error:
                log.warning("lookup_impossible key=%r: %s", delivery.key, error)
                await self._keep_state(_LOOKUP, error)
            except DeliveryError as error:
                await self._failed(delivery.key, error)
                raise
            log.info("delivery_settled key=%r arrived=%s", delivery.key, receipt is not None)
            if receipt:
                done = partial(
                    self._store.done, delivery.key, self._clock(), receipt, configured=delivery.channel or ""
                )
                await self._in_database(done)
            else:
                await self._in_database(partial(self._store.mark_unsent, delivery.key))

    async def _uninterrupted(self, planned: PlannedMessage) -> None:
        """Deliver; when cancelled meanwhile, store first whether it was taken, where a second try would double it."""
        if self._channel.resends:
            await self._deliver(planned)
            return
        delivering = asyncio.ensure_future(self._deliver(planned))
        try:
            await asyncio.shield(delivering)
        except asyncio.CancelledError:
            with suppress(DeliveryError, DatabaseError, TimeoutError):
                await asyncio.wait_for(delivering, _PARTING_S)
            raise

    async def _deliver(self, planned: PlannedMessage) -> None:
        if planned.action is Action.KEEP:
            await self._in_database(partial(self._store.keep, planned.receipt))
        elif planned.action is Action.MARK:
            await self._in_database(partial(self._store.mark, planned, self._clock()))
        else:
            await self._send(planned)

    async def _send(self, planned: PlannedMessage) -> None:
        begun_at = planned.alert.at if planned.alert else self._clock()
        posts = planned.action is Action.POST
        if posts:
            await self._in_database(partial(self._store.begin, planned, begun_at))
        if not self._may_send():
            # Paused, say, since it was begun: whoever leads by now looks for it, and sends it.
            raise DatabaseError("the lease was not renewed in time: whoever leads sends what is due")
        try:
            receipt = await self._channel.deliver(planned, begun_at)
        except DeliveryError as error:
            await self._not_delivered(planned, error)
            raise
        if posts:
            done = partial(self._store.done, planned.key, self._clock(), receipt, configured=planned.channel)
            await self._in_database(done)
        else:
            await self._in_database(partial(self._store.keep, planned.receipt))
        for key in ("", planned.key, planned.channel):
            self._backoffs.pop(key, None)
        for part in ("", f"channel {planned.channel}"):
            await self._keep_state(part, None)
        log.info("%s key=%r sink=%s%s", self._channel.log.taken, planned.key, self._channel.name, _details(planned))

    async def _not_delivered(self, planned: PlannedMessage, error: DeliveryError) -> None:
        if planned.action is Action.POST:
            if error.maybe_arrived:
                await self._in_database(partial(self._store.mark_unconfirmed, planned.key, str(error)))
            else:
                await self._in_database(partial(self._store.mark_unsent, planned.key))
        if planned.ts and error.gone:
            # Somebody deleted the message, or the bot left its channel.
            log.warning("slack_message_gone key=%r: it is posted anew", planned.key)
            await self._in_database(partial(self._store.gone, planned.ts))
        else:
            await self._failed(planned.key, error, planned)

    async def _failed(self, key: str, error: DeliveryError, planned: PlannedMessage | None = None) -> None:
        """Leave it alone for a while, and store why."""
        place = planned.channel if planned and error.one_place else ""
        wait_s = self._extend(key if error.one_message and planned else place, error)
        names, sink = self._channel.log, self._channel.name
        log.warning("%s key=%r sink=%s retry_in_s=%g: %s", names.refused, key, sink, wait_s, error)
        part = self._channel.failing_part(error, planned)
        if part is not None:
            await self._keep_state(part, error)
        if planned and (planned.receipt.incidents or planned.receipt.events):
            await self._in_database(partial(self._store.failed, planned.receipt, str(error)))

    async def _keep_state(self, part: str, error: Exception | None) -> None:
        await self._in_database(partial(self._store.keep_state, part, self._clock(), str(error) if error else None))

    def _is_over(self, key: str) -> bool:
        return key not in self._backoffs or self._monotonic() >= self._backoffs[key][1]

    def _extend(self, key: str, error: DeliveryError | None) -> float:
        """Wait longer before the next try: 1, 2, 4, … 60 s, or as the error says; says for how many seconds."""
        failures, _ = self._backoffs.get(key, (0, 0.0))
        wait_s = min(_LONGEST_WAIT_S, 2.0**failures)
        if error:
            permanent_s = self._channel.permanent_retry_s if error.permanent else 0.0
            wait_s = max(wait_s, error.retry_after_s or 0.0, permanent_s)
        self._backoffs[key] = min(failures + 1, 10), self._monotonic() + wait_s
        return wait_s


def _details(planned: PlannedMessage) -> str:
    if planned.alert:
        return f" id={planned.alert.id} kind={planned.alert.kind}"
    return " edited=True" if planned.action is Action.EDIT else ""
