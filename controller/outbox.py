"""Tells people of every incident and event that the journal says they have not seen, until they have."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from controller.journal import Journal, Undelivered, Untold
from controller.messages import Message, incident_message, notice_message
from controller.slack import DeliveryError, Posted, SlackSender
from monitor.clock import utc_now
from monitor.database import DatabaseError

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK_S = 1.0
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_PARTING_S = 5.0


class Runs(Protocol):
    """Some thread to run blocking calls on."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Run it there; the result is the function's own, and so is what it raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What one round did."""

    told: int = 0
    failed: int = 0


class _Pause:
    """How long to leave something alone after it failed: 1, 2, 4, … 60 s, longer where Slack asked for it."""

    def __init__(self) -> None:
        self._failures = 0
        self._until_s = float("-inf")

    def is_over(self, now_s: float) -> bool:
        return now_s >= self._until_s

    def extend(self, now_s: float, error: DeliveryError | None = None) -> float:
        """After one more failure; says for how many seconds."""
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0**self._failures)
        if error and error.permanent:
            wait_s = _LONGEST_WAIT_S
        if error and error.retry_after_s:
            wait_s = max(wait_s, error.retry_after_s)
        self._failures = min(self._failures + 1, 10)
        self._until_s = now_s + wait_s
        return wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """One message that is due."""

    key: str
    """What it is about, the same in every round."""
    sort: str
    what: str
    """For the log: `incident`, and `incident=7 revision=2`."""
    message: Callable[[], Message]
    stands: Posted | None
    """Where the message stands that must be edited; None when there is none."""
    told: Callable[[Posted], None]
    """Keeps that Slack has taken it."""
    failed: Callable[[str], None]
    """Keeps why it has not."""


class Outbox:
    """Delivers the newest state of each incident as one message, edited in place, and each event as one of its own.

    At least once: a crash after Slack took a message and before the journal knows leads to a second one. Nothing is
    ever lost, because what must be told is what the journal says, not what is in memory. `in_database` and
    `in_thread` run the journal's and Slack's blocking calls where they delay nothing else.
    """

    def __init__(
        self,
        journal: Journal,
        sender: SlackSender,
        *,
        in_database: Runs,
        in_thread: Runs,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._sender = sender
        self._in_database = in_database
        self._in_thread = in_thread
        self._clock = clock
        self._monotonic = monotonic
        self._pause = _Pause()
        self._pauses: dict[str, _Pause] = {}
        self._shown: dict[str, Posted] = {}
        """Messages that stand in Slack and that the journal does not know of yet."""

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set or the task is cancelled; no fault of telling people ends it."""
        while not stop.is_set():
            try:
                await self.deliver_once()
            except DatabaseError as error:
                log.warning("outbox_not_read retry_in_s=%g: %s", self._pause.extend(self._monotonic()), error)
            except Exception:  # whatever is wrong with telling people, probing must go on
                log.exception("outbox_failed retry_in_s=%g", self._pause.extend(self._monotonic()))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_S)

    async def deliver_once(self) -> Delivered:
        """One round over what is undelivered, new incidents first, then edits; what has to wait is left out.

        One message that Slack refuses holds up no other; when Slack takes nothing at all, the round ends. Raises
        DatabaseError when the journal could not be asked or told.
        """
        told = failed = 0
        if not self._pause.is_over(self._monotonic()):
            return Delivered()
        for letter in await self._letters():
            pause = self._pauses.get(letter.key)
            if pause and not pause.is_over(self._monotonic()):
                continue
            try:
                await self._uninterrupted(letter)
            except DeliveryError as error:
                failed += 1
                await self._failed(letter, error)
                if not error.one_message:
                    break
            else:
                told += 1
                self._pause = _Pause()
                self._pauses.pop(letter.key, None)
        return Delivered(told=told, failed=failed)

    async def _letters(self) -> list[_Letter]:
        """What must be told: new incidents, then events, then edits; Slack takes about one message a second."""
        undelivered = await self._in_database(self._journal.undelivered)
        untold = await self._in_database(self._journal.untold)
        news = [self._about_incident(item) for item in undelivered if item.told_revision == 0]
        edits = [self._about_incident(item) for item in undelivered if item.told_revision > 0]
        return [*news, *(self._about_event(event) for event in untold), *edits]

    def _about_incident(self, item: Undelivered) -> _Letter:
        incident, journal = item.incident, self._journal
        return _Letter(
            key=f"incident {incident.id}",
            sort="incident",
            what=f"incident={incident.id} revision={incident.revision}",
            message=lambda: incident_message(incident, now=self._clock()),
            stands=_where(item),
            told=lambda at: journal.told(incident.id, revision=incident.revision, channel=at.channel, ts=at.ts),
            failed=partial(journal.delivery_failed, incident.id),
        )

    def _about_event(self, event: Untold) -> _Letter:
        return _Letter(
            key=f"event {event.id}",
            sort="event",
            what=f"event={event.id} kind={event.kind}",
            message=partial(notice_message, event.kind, event.subject, event.text, at=event.at),
            stands=None,
            told=lambda _: self._journal.event_told(event.id),
            failed=partial(self._journal.event_not_told, event.id),
        )

    async def _uninterrupted(self, letter: _Letter) -> None:
        """Tell; when cancelled meanwhile, note first what Slack took, or it would be told again after the restart."""
        telling = asyncio.ensure_future(self._tell(letter))
        try:
            await asyncio.shield(telling)
        except asyncio.CancelledError:
            with suppress(DeliveryError, DatabaseError, TimeoutError):
                await asyncio.wait_for(telling, _PARTING_S)
            raise

    async def _tell(self, letter: _Letter) -> None:
        message = letter.message()
        shown = self._shown.get(letter.key) or letter.stands
        if shown:
            posted = await self._in_thread(partial(self._sender.update, shown, message))
        else:
            posted = await self._in_thread(partial(self._sender.post, message))
        self._shown[letter.key] = posted
        await self._in_database(partial(letter.told, posted))
        del self._shown[letter.key]
        log.info("%s_told %s edited=%s", letter.sort, letter.what, shown == posted)

    async def _failed(self, letter: _Letter, error: DeliveryError) -> None:
        pause = self._pauses.setdefault(letter.key, _Pause()) if error.one_message else self._pause
        wait_s = pause.extend(self._monotonic(), error)
        log.warning("%s_not_told %s retry_in_s=%g: %s", letter.sort, letter.what, wait_s, error)
        await self._in_database(partial(letter.failed, str(error)))


def _where(item: Undelivered) -> Posted | None:
    return Posted(channel=item.channel, ts=item.ts) if item.channel and item.ts else None
