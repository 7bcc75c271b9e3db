"""A store whose writes wait in memory while the database cannot be written."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlmodel import Session, col, select

from monitor.connectivity.state import ConnectivityObservation
from monitor.detection.notices import TargetNotice
from monitor.detection.quiet_progress import QuietProgress
from monitor.formatting import format_elapsed, plural
from monitor.health import Transition
from monitor.storage.column_conversions import to_ms
from monitor.storage.database import DatabaseError
from monitor.storage.lease_fence import DeposedError
from monitor.storage.pending_writes import PendingWrites, WaitingEvent
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import NO_POOLS, Store
from monitor.storage.tables import EventRow
from monitor.storage.writer_database import WriterDatabase
from probes.observation import Observation

log = logging.getLogger(__name__)

TOLD_AFTER_S: Final = 10.0
"""People are told that the database cannot be written once it has lasted so long."""
_AT_ONCE: Final = 1_000


class BufferedStore(Store):
    """Writes that a fault of the database refuses wait in `pending`, and later ones behind them; none of them raises.

    What else a database may refuse (a statement) is raised as ever, and so is what cannot be read. Signs of life,
    vendor reports, progress and pruning do not wait: a later one is as good.
    """

    def __init__(self, database: WriterDatabase) -> None:
        super().__init__(database.engine)
        self.database = database
        self.pending = PendingWrites()

    def record(self, observations: Sequence[Observation]) -> None:
        """As `Store.record`, or later."""
        if observations and not self._written(lambda: super(BufferedStore, self).record(observations)):
            self.pending.add_observations(observations)

    def save_states(
        self,
        states: Sequence[SavedTargetState],
        transitions: Sequence[Transition],
        pools: Mapping[str, str] = NO_POOLS,
        *,
        at: datetime | None = None,
        notices: Sequence[TargetNotice] = (),
    ) -> None:
        """As `Store.save_states`, or later; of the states of a target the last counts."""
        if not states and not transitions and not pools and not notices:
            return
        save = super().save_states
        if not self._written(lambda: save(states, transitions, pools, at=at, notices=notices)):
            self.pending.add_states(states, transitions, pools, at, notices)

    def save_progress(self, progress: Sequence[QuietProgress]) -> bool:
        """As `Store.save_progress`; False: it could not be written, and does not wait."""
        return self._written(lambda: super(BufferedStore, self).save_progress(progress))

    def add_event(self, at: datetime, kind: str, subject: str, text: str, *, notify: bool = False) -> None:
        """As `Store.add_event`, or later."""
        add = super().add_event
        if not self._written(lambda: add(at, kind, subject, text, notify=notify)):
            self.pending.add_event(WaitingEvent(at, kind, subject, text, notify))

    def record_connectivity(self, observation: ConnectivityObservation) -> None:
        """As `Store.record_connectivity`, or later."""
        record = super().record_connectivity
        if not self._written(lambda: record(observation)):
            self.pending.add_connectivity(observation)

    def save_throttling(self, text: str, now: datetime) -> None:
        """As `Store.save_throttling`, or later; the last counts."""
        save = super().save_throttling
        if not self._written(lambda: save(text, now)):
            self.pending.throttling = text, now

    def forget_stored(self) -> None:
        """Leave out of what waits what a call that was given up has stored after all; raises DatabaseError."""
        waiting = self.pending
        changes = {(change.target, change.at, change.after) for change in self.transitions(limit=_AT_ONCE)}
        waiting.leave_out(waiting.transitions, lambda change: (change.target, change.at, change.after) in changes)
        newest = select(EventRow).order_by(col(EventRow.id).desc()).limit(_AT_ONCE)
        with Session(self._reading) as session:
            events = {(row.at_ms, row.kind, row.text) for row in session.exec(newest)}
        for queue in (waiting.notices, waiting.told_events, waiting.events):
            waiting.leave_out(queue, lambda event: (to_ms(event.at), event.kind, event.text) in events)

    def flush_essential(self) -> None:
        """Write the health, the transitions and what people must be told; raises DatabaseError."""
        waiting, save = self.pending, super().save_states
        try:
            save(
                list(waiting.states.values()),
                list(waiting.transitions),
                waiting.pools,
                at=waiting.states_at,
                notices=list(waiting.notices),
            )
        except DatabaseError as error:
            self._raise_if_unusable(error, len(waiting.transitions))
        waiting.forget_states()
        self._flush(waiting.told_events, self._add_events, at_once=1)

    def flush_few_observations(self) -> None:
        """Write the observations where they are few: incidents are told with their figures; raises DatabaseError."""
        if len(self.pending.bad) + len(self.pending.good) <= _AT_ONCE:
            self.flush_observations()

    def flush_observations(self) -> None:
        """Write the observations, a thousand at a time; raises DatabaseError."""
        waiting, record = self.pending, super().record
        self._flush(waiting.bad, record)
        self._flush(waiting.good, record)

    def flush_rest(self) -> None:
        """Write the observations, then all the rest; raises DatabaseError."""
        waiting = self.pending
        self.flush_observations()
        self._flush(waiting.events, self._add_events, at_once=1)
        self._flush(waiting.connectivity, self._add_connectivity, at_once=1)
        if waiting.throttling:
            super().save_throttling(*waiting.throttling)
            waiting.throttling = None

    def report_caught_up(self, decisions: int, now: datetime) -> None:
        """Record that nothing waits any more, how many decisions had to, and what had no room."""
        outage = self.database.confirm_written()
        if outage is None:
            return
        dropped = [f"{count} {name}" for name, count in self.pending.take_dropped().items()]
        text = (
            f"the database is written again after {format_elapsed(outage.lasted_s)} ({outage.why});"
            f" {plural(decisions, 'decision')} made meanwhile {'is' if decisions == 1 else 'are'} journalled"
            f"{'; no room was left for ' + ', '.join(dropped) if dropped else ''}"
        )
        log.warning("database_written_again: %s", text)
        worth_telling = outage.lasted_s >= TOLD_AFTER_S or decisions > 0 or dropped != []
        if worth_telling:
            self.add_event(now, "database_written_again", self.database.name, text, notify=True)

    def _written(self, write: Callable[[], object]) -> bool:
        """Whether it could be written; behind what waits already it has to wait as well."""
        if not self.database.is_usable() or not self.pending.is_empty:
            return False
        try:
            write()
        except DatabaseError:
            if self.database.is_usable():
                raise
            return False
        return True

    def _flush(self, queue: deque[Any], write: Callable[[Sequence[Any]], None], *, at_once: int = _AT_ONCE) -> None:
        while queue:
            batch = list(islice(queue, at_once))
            try:
                write(batch)
            except DatabaseError as error:
                self._raise_if_unusable(error, len(batch))
            self.pending.remove(queue, len(batch))

    def _raise_if_unusable(self, error: DatabaseError, count: int) -> None:
        """What is refused for another reason would be refused for ever, and hold up all that waits behind it.

        Of who was deposed nothing is written any more, and another machine may.
        """
        if not self.database.is_usable() or isinstance(error, DeposedError):
            raise error
        log.error("waiting_writes_lost count=%d: %s", count, error)

    def _add_events(self, events: Sequence[WaitingEvent]) -> None:
        for event in events:
            super().add_event(event.at, event.kind, event.subject, event.text, notify=event.notify)

    def _add_connectivity(self, observations: Sequence[ConnectivityObservation]) -> None:
        for observation in observations:
            super().record_connectivity(observation)
