"""What each fault does to a fleet, and what takes it back."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import psycopg

from benchmarks.drills.fleet_simulation.fleet import SimulatedFleet
from benchmarks.drills.fleet_simulation.history import OF_THE_LEADER, Fault, FaultKind
from benchmarks.drills.fleet_simulation.machine import SimulatedMachine
from benchmarks.drills.fleet_simulation.server import NOTICED_S

_REPLICATED_BEFORE_S: Final = 1.0
Over = Callable[[], None] | None
"""What ends a fault; None: it ends by itself, or what it concerns looks at the history."""


def provoke(fleet: SimulatedFleet) -> None:
    """Let all that its history says happen to it."""
    for fault in fleet.history.faults:
        fleet.timeline.at(fault.at_s, partial(_begin, fleet, fault))
        if fault.kind is FaultKind.FAILED_OVER:
            fleet.timeline.at(fault.at_s - _REPLICATED_BEFORE_S, fleet.server.replicate)


def _begin(fleet: SimulatedFleet, fault: Fault) -> None:
    whom = fleet.machines[fault.machine]
    if fault.kind in OF_THE_LEADER:
        whom = fleet.leader() or whom
    begin = _HARMS.get(OF_THE_LEADER.get(fault.kind, fault.kind))
    over = begin(fleet, fault, whom) if begin else None
    if over:
        fleet.timeline.at(fault.until_s, over)


def _kill(fleet: SimulatedFleet, fault: Fault, whom: SimulatedMachine) -> Over:
    if whom.process is not None:
        fleet.restarts_s[whom.number] = fault.lasts_s
        if fault.steps:
            whom.process.dies_in = fault.steps
        else:
            whom.kill()
    return None


def _stop(fleet: SimulatedFleet, fault: Fault, whom: SimulatedMachine) -> Over:
    if whom.process is not None:
        fleet.restarts_s[whom.number] = fault.lasts_s
        whom.stop()
    return None


def _pause(_: SimulatedFleet, fault: Fault, whom: SimulatedMachine) -> Over:
    whom.pause(fault.lasts_s)
    return None


def _pause_until_deposed(fleet: SimulatedFleet, fault: Fault, whom: SimulatedMachine) -> Over:
    whom.pause(fault.lasts_s)
    fleet.waits_for_epoch = whom, fault.by_s
    return None


def _hold_transaction(fleet: SimulatedFleet, fault: Fault, whom: SimulatedMachine) -> Over:
    def hold() -> None:
        fleet.hold_lease(whom.process, False)  # nobody takes it before the server ends the transaction
        whom.pause(fault.lasts_s)

    whom.link.holds_in, whom.link.hold = fault.steps, hold
    return lambda: setattr(whom.link, "holds_in", None)


def _lose_commit(_: SimulatedFleet, fault: Fault, whom: SimulatedMachine) -> Over:
    whom.link.loses_commit_in = fault.steps
    return lambda: setattr(whom.link, "loses_commit_in", None)


def _cut(what: str, fleet: SimulatedFleet, fault: Fault, whom: SimulatedMachine) -> Over:
    def notice() -> None:
        """The server ends the sessions of whom it cannot reach."""
        if whom.link.is_broken:
            fleet.server.end_all(lambda session: session.process is whom.process)

    fleet.timeline.at(fault.at_s + NOTICED_S, notice)
    return _added(whom.link, what, 1)


def _stop_database(fleet: SimulatedFleet, _fault: Fault, _whom: SimulatedMachine) -> Over:
    fleet.server.stop()
    return lambda: setattr(fleet.server, "gone", fleet.server.gone - 1)


def _lock_database(fleet: SimulatedFleet, _fault: Fault, _whom: SimulatedMachine) -> Over:
    """Another program writes, and does not end."""
    server = fleet.server
    with suppress(psycopg.Error):
        session = server.connect(None, "another program")
        server.execute(session, "BEGIN; SELECT pg_advisory_xact_lock(1)", None)
        server.locked += 1

        def over() -> None:
            server.locked -= 1
            server.end(session)

        return over
    return None


def _fail_over(fleet: SimulatedFleet, fault: Fault, whom: SimulatedMachine) -> Over:
    fleet.server.fail_over()
    fleet.on_fail_over()
    del fault, whom
    return lambda: setattr(fleet.server, "gone", fleet.server.gone - 1)


def _added(to: object, name: str, by: float) -> Callable[[], None]:
    """Add to an attribute; what is returned takes it back."""
    setattr(to, name, getattr(to, name) + by)
    return lambda: setattr(to, name, getattr(to, name) - by)


_HARMS: Final[dict[FaultKind, Callable[[SimulatedFleet, Fault, SimulatedMachine], Over]]] = {
    FaultKind.KILL: _kill,
    FaultKind.STOP: _stop,
    FaultKind.PAUSE: _pause,
    FaultKind.PAUSE_UNTIL_DEPOSED: _pause_until_deposed,
    FaultKind.TRANSACTION_HELD: _hold_transaction,
    FaultKind.COMMIT_LOST: _lose_commit,
    FaultKind.CUT: partial(_cut, "cuts"),
    FaultKind.ISOLATED: partial(_cut, "cuts"),
    FaultKind.ONE_WAY: partial(_cut, "one_way"),
    FaultKind.SLOW_WAY: lambda _, fault, whom: _added(whom.link, "slow_s", fault.by_s),
    FaultKind.LEASE_CUT: lambda _fleet, _fault, whom: _added(whom.link, "lease_cuts", 1),
    FaultKind.CLOCK: lambda _, fault, whom: _added(whom, "clock_by_s", fault.by_s),
    FaultKind.DATABASE_CLOCK: lambda fleet, fault, _: _added(fleet.server, "clock_by_s", fault.by_s),
    FaultKind.DATABASE_SLOW: lambda fleet, _fault, _whom: _added(fleet.server, "slow", 1),
    FaultKind.DATABASE_FULL: lambda fleet, _fault, _whom: _added(fleet.server, "full", 1),
    FaultKind.DATABASE_LOCKED: _lock_database,
    FaultKind.DATABASE_GONE: _stop_database,
    FaultKind.DATABASE_RESTARTED: _stop_database,
    FaultKind.FAILED_OVER: _fail_over,
}
