"""The service in virtual time: its own objects from detection to delivery, and a history that harms them."""

import asyncio
import errno
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from benchmarks.drills.simulation.database_faults import (
    OVERRIDES,
    back_up,
    begin_override,
    empty_database,
    end_overrides,
    harm,
    read_beside,
)
from benchmarks.drills.simulation.disk import KilledError, SimulatedDisk
from benchmarks.drills.simulation.history import Fault, FaultKind, History
from benchmarks.drills.simulation.process import Process
from benchmarks.drills.simulation.world import RememberingSlack, World, clock_at, settings_in, stalled
from controller.routing.policy import AFTER_DUE_S, GATHER_S
from controller.routing.routing_file import RoutingFileError
from monitor.detection.fresh_evidence import SHORTEST_HANG_S
from monitor.detection.pacing import BurstProbe, is_resting, phases
from monitor.health import Health
from monitor.storage.database import DatabaseError
from monitor.storage.lock import LockError
from probes.observation import Observation, replaced
from probes.outcome import Outcome

T = TypeVar("T")

#: The service manager starts a service that ended again after this.
RESTART_S: Final = 2.0
_TICK_S: Final = 2.0
_CALM_TICK_S: Final = 5.0
_LOOK_S: Final = 1.0
_LOOK_AGAIN_S: Final = 15.0
_HOUSEKEEPING_S: Final = 60.0
_CLOCK_NOTICED_S: Final = 0.5
_DAY_S: Final = 86_400.0
_DUE, _OBSERVED, _EXTRA, _CYCLE, _DELIVER, _KEEP_HOUSE, _FAULT, _OVER, _START = range(9)
_OF_PROCESS: Final = frozenset({_DUE, _OBSERVED, _EXTRA, _CYCLE, _DELIVER, _KEEP_HOUSE})
_SETTLED: Final = frozenset({Health.UP, Health.UNKNOWN})


class SimulatedService:
    """One history played in an empty folder. Seconds are true time from its start; the clock may say otherwise."""

    def __init__(self, history: History, folder: Path) -> None:
        self.history = history
        self.folder = folder
        self.settings = settings_in(folder)
        self.database = folder / "data" / "hotspare.db"
        self.at_s = 0.0
        self.clock_by_s = 0.0
        self.world = World(history)
        self.disk = SimulatedDisk(folder)
        self.slack = RememberingSlack(self.world)
        self.process: Process | None = None
        self.started_s = 0.0
        """When the present process began."""
        self.after_cycle: Callable[[], None] = lambda: None
        """Is called after each control cycle."""
        self._loop = asyncio.new_event_loop()
        self._dice = Random(f"service {history.seed}")
        self._events: list[tuple[float, int, int, Any]] = []
        self._number = count()
        self._paused_until_s = 0.0
        self._lock: sqlite3.Connection | None = None
        for path in (self.database.parent, self.settings.routing_file.parent):
            path.mkdir(parents=True)
        self.database.write_bytes(empty_database())
        self.disk.watch()
        for fault in history.faults:
            self._push(fault.at_s, _FAULT, fault)
            if fault.lasts_s:
                self._push(fault.until_s, _OVER, fault)
        self._guarded(self._start)

    @property
    def now(self) -> datetime:
        """What the clock says."""
        return clock_at(self.at_s, self.clock_by_s)

    def run(self, until_s: float, happened: Callable[[], bool] = lambda: False) -> bool:
        """Go on until then, or until it has happened, which is looked at after each cycle; says whether it has."""
        while self._events[0][0] < until_s:
            due_s, serial, kind, subject = heappop(self._events)
            if kind in _OF_PROCESS and due_s < self._paused_until_s:
                self._push(self._paused_until_s, kind, subject, serial)
                continue
            self.at_s = self.slack.at_s = due_s
            self._guarded(partial(self._handle, kind, serial, subject))
            if kind == _CYCLE and happened():
                return True
        self.at_s = until_s
        return False

    def close(self) -> None:
        """End the process, and forget the disk's faults."""
        self.disk.is_observed = True
        self.disk.limit_files(None)
        self._unlock()
        self._end_process()
        self._loop.close()

    # The process.

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do it; where the process is killed by that, the disk is left as it is then."""
        try:
            act()
        except KilledError:
            self.kill()

    def kill(self) -> None:
        """The process is gone, and what the kernel had of it: what was committed stays, and the log beside it."""
        self.disk.is_observed = True
        limited = self.disk.limit_files(None)
        held = self._lock is not None
        self._unlock()
        left = {
            path: path.read_bytes() for suffix in ("", "-wal") if (path := Path(f"{self.database}{suffix}")).exists()
        }
        self._end_process()
        for path in self.database.parent.glob("hotspare.db*"):
            if path.name in {"hotspare.db", "hotspare.db-wal", "hotspare.db-shm"}:
                path.unlink()
        for path, content in left.items():
            path.write_bytes(content)
        if held:
            self._hold()
        self.disk.limit_files(limited)
        self.disk.is_dead = self.disk.is_observed = False
        self._push(self.at_s + RESTART_S, _START, None)

    def _end_process(self) -> None:
        process, self.process = self.process, None
        self._events = [event for event in self._events if event[2] not in _OF_PROCESS]
        self._events.sort()
        self.disk.calls.forget()
        if process:
            process.close()

    def _start(self) -> None:
        """What `Service` does as it begins; one that cannot is tried again by the service manager."""
        self.slack.restart()
        process = Process(
            self.settings,
            self.disk,
            self.slack,
            clock=lambda: self.now,
            monotonic=lambda: self.at_s,
            endpoints=lambda: self.world.endpoints(self.settings.connectivity.endpoints, self.at_s),
        )
        self.process = process
        try:
            process.start()
        except (DatabaseError, LockError, RoutingFileError):
            self._end_process()
            self._push(self.at_s + RESTART_S, _START, None)
            return
        self.started_s = self.at_s
        self._in_flight: dict[str, Observation] = {}
        self._batch: list[Observation] = []
        self._planned: dict[str, int] = {}
        self._cycle_at_s: float | None = None
        self._stored: tuple[Any, ...] = ()
        self._plan_probes()
        self._cycle_by(self.at_s)
        self._request(process.cycle.detection.resumed_probes)
        self._push(self.at_s + _LOOK_S, _DELIVER, True)
        self._push(self.at_s + _HOUSEKEEPING_S / 2, _KEEP_HOUSE, None)

    def _plan_probes(self) -> None:
        self._events = [event for event in self._events if event[2] not in {_DUE, _EXTRA}]
        self._events.sort()
        self._planned = {}
        for target, due_s in phases(self.settings.targets).items():
            self._push(self.at_s + due_s, _DUE, target)

    # Events.

    def _handle(self, kind: int, serial: int, subject: Any) -> None:
        if kind == _FAULT:
            self._begin(subject)
        elif kind == _OVER:
            self._end(subject)
        elif kind == _START:
            if self.process is None:
                self._start()
        elif self.process is not None:
            self._handle_of_process(self.process, kind, serial, subject)

    def _handle_of_process(self, process: Process, kind: int, serial: int, subject: Any) -> None:
        if kind == _DUE:
            interval_s = next((each.interval_s for each in self.settings.targets if each.id == subject), None)
            if interval_s is not None:
                self._push(self.at_s + interval_s, _DUE, subject)
                if subject not in self._in_flight:
                    self._probe(process, subject)
        elif kind == _OBSERVED:
            self._observe(subject)
        elif kind == _EXTRA:
            self._probe_extra(process, serial, subject)
        elif kind == _CYCLE:
            if self.at_s >= (self._cycle_at_s or 0.0):
                self._cycle(process)
        elif kind == _DELIVER:
            with suppress(DatabaseError):
                self._loop.run_until_complete(process.worker.deliver_once())
            if subject:
                self._push(self.at_s + _LOOK_AGAIN_S, _DELIVER, True)
        else:
            with suppress(DatabaseError):
                process.keep_house(prunes=self.clock_by_s < _DAY_S)
            self._push(self.at_s + _HOUSEKEEPING_S, _KEEP_HOUSE, None)

    def _probe(self, process: Process, target: str, *, afresh: bool = False) -> None:
        detector = process.cycle.detection.detector
        if is_resting(detector.state_of(target), self.now):
            return
        hang_s = detector.hang_s(target)
        observation = self.world.answer(target, self.at_s, self.now, hang_s if afresh else float("inf"))
        if afresh:
            observation = replaced(observation, afresh=True)
        else:
            self._in_flight[target] = observation
        self._push(self.at_s + observation.duration_s, _OBSERVED, observation)
        if not afresh and observation.duration_s > max(hang_s, SHORTEST_HANG_S):
            hanging = replaced(observation, outcome=Outcome.TIMEOUT, duration_s=hang_s, under_way=True)
            self._push(self.at_s + hang_s, _OBSERVED, hanging)

    def _observe(self, observation: Observation) -> None:
        if not (observation.under_way or observation.afresh):
            self._in_flight.pop(observation.target, None)
        self._batch.append(observation)
        self._cycle_by(self.at_s + GATHER_S)

    def _request(self, bursts: tuple[BurstProbe, ...]) -> None:
        for burst in bursts:
            self._planned[burst.slot] = self._push(self.at_s + burst.delay_s, _EXTRA, burst)

    def _probe_extra(self, process: Process, serial: int, burst: BurstProbe) -> None:
        if self._planned.get(burst.slot) != serial:
            return
        del self._planned[burst.slot]
        known = [each for each in burst.targets if process.cycle.detection.detector.knows(each)]
        free = (each for each in known if burst.afresh or each not in self._in_flight)
        if (target := next(free, None)) is not None:
            self._probe(process, target, afresh=burst.afresh)

    def _cycle(self, process: Process) -> None:
        self._cycle_at_s = None
        try:
            self._request(process.run_cycle(tuple(self._batch)))
            self._batch = []
        except DatabaseError:
            self._cycle_by(self.at_s + 1.0)
            return
        detector = process.cycle.detection.detector
        calm = all(state.health in _SETTLED for state in detector.health.values()) and not process.cycle.is_behind
        tick_s = _CALM_TICK_S if calm else _TICK_S
        if detector.due is not None:
            tick_s = min(tick_s, max(AFTER_DUE_S, (detector.due - self.now).total_seconds()))
        self._cycle_by(self.at_s + tick_s)
        with suppress(DatabaseError):
            if (stored := process.stored()) != self._stored:
                self._stored = stored
                self._push(self.at_s + _LOOK_S, _DELIVER, None)
        self.after_cycle()

    def _cycle_by(self, at_s: float) -> None:
        if self._cycle_at_s is None or at_s < self._cycle_at_s:
            self._cycle_at_s = at_s
            self._push(at_s, _CYCLE, None)

    # Faults.

    def _begin(self, fault: Fault) -> None:  # noqa: PLR0912 - one branch for each kind
        disk, kind = self.disk, fault.kind
        match kind:
            case FaultKind.KILL:
                disk.kill_in = fault.steps if self.process else None
            case FaultKind.ROUTING_DISK_FULL:
                disk.routing_error = errno.ENOSPC
            case FaultKind.ROUTING_DISK_ERROR:
                disk.routing_error = errno.EIO
            case FaultKind.DATABASE_FULL:
                disk.database_error = sqlite3.SQLITE_FULL
            case FaultKind.DATABASE_ERROR:
                disk.database_error = sqlite3.SQLITE_IOERR
            case FaultKind.DATABASE_HANGS:
                disk.calls.hangs = True
            case FaultKind.SHORT_WRITES:
                disk.limit_files(self._dice.randrange(1, 4000))
            case FaultKind.CLOCK | FaultKind.CLOCK_DURING:
                self._set_clock(fault.by_s)
            case FaultKind.PAUSE:
                self._pause(fault)
            case FaultKind.RELOAD:
                self._reload(reloaded=True)
            case FaultKind.FILE_TOUCHED:
                self._unobserved(lambda: self.settings.routing_file.unlink(missing_ok=True))
            case FaultKind.LOCKED:
                self._unobserved(self._hold)
            case FaultKind.DELETED | FaultKind.OLDER_COPY | FaultKind.DAMAGED | FaultKind.CUT:
                self._unobserved(partial(self._harm, kind))
            case FaultKind.BACKUP:
                self._unobserved(partial(back_up, self.database))
            case _ if kind in OVERRIDES:
                self._unobserved(partial(begin_override, self.settings.database, fault, self.now))

    def _end(self, fault: Fault) -> None:
        disk, kind = self.disk, fault.kind
        match kind:
            case FaultKind.ROUTING_DISK_FULL | FaultKind.ROUTING_DISK_ERROR:
                disk.routing_error = None
            case FaultKind.DATABASE_FULL | FaultKind.DATABASE_ERROR:
                disk.database_error = None
            case FaultKind.DATABASE_HANGS:
                self._unobserved(disk.calls.answer)
            case FaultKind.SHORT_WRITES:
                disk.limit_files(None)
            case FaultKind.CLOCK_DURING:
                self._set_clock(-fault.by_s)
            case FaultKind.LOCKED:
                self._unobserved(self._unlock)
            case FaultKind.RELOAD:
                self._reload(reloaded=False)
            case _ if kind in OVERRIDES:
                self.end_overrides([fault])

    def _harm(self, kind: FaultKind) -> None:
        """Room for what is put in the database's place, also while the disk is full."""
        limit = self.disk.limit_files(None)
        try:
            harm(self.database, kind, self._dice)
        finally:
            self.disk.limit_files(limit)

    def _unobserved(self, act: Callable[[], T]) -> T:
        """What others do to the files is no step of the service."""
        self.disk.is_observed = True
        try:
            return act()
        finally:
            self.disk.is_observed = False

    def _set_clock(self, by_s: float) -> None:
        self.clock_by_s += by_s
        if self.process:
            self._push(self.at_s + _CLOCK_NOTICED_S, _KEEP_HOUSE, None)
            self._plan_probes()

    def _pause(self, fault: Fault) -> None:
        """SIGSTOP: nothing runs; probes that were under way find that this machine stood still."""
        self._paused_until_s = max(self._paused_until_s, fault.until_s)
        self._events = [
            (*event[:3], stalled(event[3], event[0] - self.at_s + fault.lasts_s))
            if event[2] == _OBSERVED and event[0] < fault.until_s and not event[3].under_way
            else event
            for event in self._events
        ]

    def _reload(self, *, reloaded: bool) -> None:
        settings = settings_in(self.folder, reloaded=reloaded)
        if self.process:
            try:
                self.process.cycle.reconfigure(settings, self.now)
            except DatabaseError:
                self._push(self.at_s + 1.0, _OVER if not reloaded else _FAULT, Fault(at_s=0, kind=FaultKind.RELOAD))
                return
        self.settings = settings
        if self.process:
            self._plan_probes()

    def _hold(self) -> None:
        self._unlock()  # two faults may overlap: it is free again when the first of them ends
        with suppress(sqlite3.Error):
            self._lock = sqlite3.connect(self.database, isolation_level=None, timeout=0)
            self._lock.execute("BEGIN EXCLUSIVE")

    def _unlock(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def end_overrides(self, faults: Iterable[Fault]) -> None:
        """Everything that people have laid on by these is taken back."""
        self._unobserved(partial(end_overrides, self.settings.database, faults, self.now))

    def query(self, sql: str) -> list[Any]:
        """What the database says, read beside the service; nothing where it cannot be read."""
        return self._unobserved(partial(read_beside, self.database, sql))

    def _push(self, at_s: float, kind: int, subject: object, serial: int | None = None) -> int:
        serial = next(self._number) if serial is None else serial
        heappush(self._events, (at_s, serial, kind, subject))
        return serial
