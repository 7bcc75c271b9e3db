"""What is done to the machines of a fleet, to their clocks, their network and their PostgreSQL, one at a time."""

import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import psycopg

from benchmarks.drills.service.fleet_machines import Fleet, Machine, epochs_of
from benchmarks.reliability.lab import BrokenPromiseError
from monitor.storage.postgres_engine import WRITING_LOCK
from tests.support.postgres_network import Way

#: So long after a leader is gone another one must have published.
_LATEST_S: Final = 60.0
CALM_S: Final = 120.0
#: Longer than any statement may take, and a lease with its renewal.
_SLOW_S: Final = 5.0


@dataclass(kw_only=True)
class FaultLog:
    """What was done, and how long it took until somebody else led."""

    faults: dict[str, int] = field(default_factory=dict)
    takeovers_s: dict[str, list[float]] = field(default_factory=dict)
    """By fault: from that of a leader to the first file under a later epoch."""


@dataclass(kw_only=True)
class FleetFaults:
    """Provokes one fault after the other in one fleet."""

    fleet: Fleet
    dice: random.Random
    log: FaultLog
    gone_s: float
    """For how long the database is gone when it is gone for long."""

    def play(self, kind: str) -> None:
        """Until it is over; machines that died are not started again by it."""
        self.log.faults[kind] = self.log.faults.get(kind, 0) + 1
        FAULTS[kind](self)

    def kill_leader(self) -> None:
        """Another one leads."""
        leader = self._leader()
        with self._takeover("leader killed"):
            leader.send(signal.SIGKILL)
        time.sleep(self.dice.uniform(0, 3))

    def restart_leader(self) -> None:
        """It is killed, and its supervisor starts it again at once: it takes its own lease, or another machine does."""
        leader = self._leader()
        with self._takeover("leader killed and started"):
            leader.send(signal.SIGKILL)
            time.sleep(self.dice.uniform(0, 1))
            leader.start()

    def kill_other(self) -> None:
        """A machine that stands by."""
        leader = self._leader()
        self.dice.choice([each for each in self.fleet.machines if each is not leader]).send(signal.SIGKILL)
        time.sleep(self.dice.uniform(0, 5))

    def stop_leader(self) -> None:
        """As for an upgrade."""
        leader = self._leader()
        with self._takeover("leader stopped"):
            leader.send(signal.SIGTERM)

    def pause_leader(self) -> None:
        """It goes on when another one leads."""
        leader, until_s = self._leader(), time.monotonic() + self.dice.uniform(20, 60)
        with self._takeover("leader paused"):
            leader.send(signal.SIGSTOP)
        time.sleep(max(0.0, until_s - time.monotonic()))
        leader.send(signal.SIGCONT)

    def cut_leader(self) -> None:
        """Its connections stay open, and nothing comes through; new ones do."""
        self._leader().wire.cut()
        time.sleep(self.dice.uniform(5, 30))

    def hold_leader(self) -> None:
        """Nothing comes through in one direction; what was sent meanwhile arrives when it is over."""
        leader, until_s = self._leader(), time.monotonic() + self.dice.uniform(20, 60)
        with self._takeover("leader cut off one way"):
            leader.wire.held = self.dice.choice(list(Way))
        time.sleep(max(0.0, until_s - time.monotonic()))
        leader.wire.held = None

    def slow_down(self) -> None:
        """The database answers the leader, or everybody, five seconds late."""
        machines = self.dice.choice(([self._leader()], self.fleet.machines))
        for machine in machines:
            machine.wire.delay_s = _SLOW_S
        time.sleep(self.dice.uniform(10, 60))
        for machine in machines:
            machine.wire.delay_s = 0.0

    def set_clock(self) -> None:
        """Of any machine."""
        self.dice.choice(self.fleet.machines).set_clock(self.dice.choice((-3600, 3600)))
        time.sleep(self.dice.uniform(5, 20))

    def restart_database(self) -> None:
        """For a moment, for some seconds, for longer than a lease."""
        self._take_database_away(self.dice.choice((0.0, self.dice.uniform(1, 10), self.dice.uniform(20, 40))))

    def take_database_away(self) -> None:
        """For long."""
        self._take_database_away(self.gone_s)

    def lock_database(self) -> None:
        """Somebody else holds what is needed."""
        with psycopg.connect(self.fleet.database.plain_url, autocommit=True) as other, other.transaction():
            statements = (f"SELECT pg_advisory_xact_lock({WRITING_LOCK})", "LOCK TABLE leases", "LOCK TABLE decisions")
            other.execute(self.dice.choice(statements))
            time.sleep(self.dice.uniform(3, 25))

    def fill_database(self) -> None:
        """Tables cannot grow; or its log cannot either, and the server ends."""
        self.fleet.database.fill()
        if self.dice.random() < 0.5:
            self.fleet.database.spend_wal()
        time.sleep(self.dice.uniform(5, 40))
        self.fleet.database.free()

    def fail_over(self) -> None:
        """The server crashes, and its synchronous standby takes its place; nothing is lost."""
        self._fail_over(lost_s=0.0)

    def fail_over_late(self) -> None:
        """The standby that takes its place is some seconds behind; what was committed meanwhile is lost."""
        self._fail_over(lost_s=self.dice.uniform(2, 10))

    def _fail_over(self, *, lost_s: float) -> None:
        self.fleet.database.fail_over(lost_s=lost_s)
        time.sleep(self.dice.uniform(0, 5))
        for machine in self.fleet.machines:
            machine.wire.lead_to(self.fleet.database.url)

    def _take_database_away(self, seconds: float) -> None:
        self.fleet.database.stop()
        time.sleep(seconds)
        self.fleet.database.start()

    @contextmanager
    def _takeover(self, kind: str) -> Iterator[None]:
        """Let the leader fail, and wait until a file is of a later epoch."""
        epoch, began_s = self.fleet.newest()[0], time.monotonic()
        yield
        until(lambda: self.fleet.newest()[0] > epoch, "another leader has published", _LATEST_S)
        self.log.takeovers_s.setdefault(kind, []).append(time.monotonic() - began_s)

    def _leader(self) -> Machine:
        until(lambda: self.fleet.leader() is not None, "somebody leads")
        leader = self.fleet.leader()
        if leader is None:
            raise BrokenPromiseError("nobody leads")
        until(lambda: self.fleet.newest()[0] >= max(epochs_of(leader)), "the leader has published")
        return leader


FAULTS: Final[Mapping[str, Callable[[FleetFaults], None]]] = {
    "leader killed": FleetFaults.kill_leader,
    "leader killed and started": FleetFaults.restart_leader,
    "leader stopped": FleetFaults.stop_leader,
    "leader paused": FleetFaults.pause_leader,
    "leader cut off": FleetFaults.cut_leader,
    "leader cut off one way": FleetFaults.hold_leader,
    "standby killed": FleetFaults.kill_other,
    "clock set by an hour": FleetFaults.set_clock,
    "database restarted": FleetFaults.restart_database,
    "database locked": FleetFaults.lock_database,
    "database slow": FleetFaults.slow_down,
    "database full": FleetFaults.fill_database,
    "database gone": FleetFaults.take_database_away,
    "database failed over": FleetFaults.fail_over,
    "database failed over with loss": FleetFaults.fail_over_late,
}
NEED_DISKS: Final = frozenset({"database full"})
LOSE_ROWS: Final = frozenset({"database failed over with loss"})
"""After these people may be told of something twice, and the journal may lack what the routing file has."""


def until(holds: Callable[[], bool], what: str, within_s: float = CALM_S) -> None:
    """Wait for it; raises BrokenPromiseError."""
    ends_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > ends_s:
            raise BrokenPromiseError(f"not within {within_s:g} s: {what}")
        time.sleep(0.05)
