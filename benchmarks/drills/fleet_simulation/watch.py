"""What must hold in every history of a fleet: looked at with each new file and transaction, and at the end."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.drills.fleet_simulation.fleet import SimulatedFleet
from benchmarks.drills.fleet_simulation.history import LOSES_THE_DATABASE, Fault, FaultKind
from benchmarks.drills.fleet_simulation.machine import SimulatedMachine
from benchmarks.drills.fleet_simulation.sessions import Session
from benchmarks.drills.simulation.controller import Controller
from benchmarks.drills.simulation.history import ROUTES
from monitor.health import FAILING, Health
from monitor.storage.column_conversions import to_ms
from monitor.storage.lease_fence import LEADER

#: So long at the most nobody leads while a machine is well and the database as well.
MOST_LEADERLESS_S: Final = 20.0
#: So long may users be on a target of which everything fails, while another is well and the fleet sees it.
MOST_EXPOSED_S: Final = 60.0
#: So long after the last fault all is as if there had been none.
MOST_CALM_S: Final = 900.0
_LOOK_S: Final = 1.0
_STARTED_S: Final = 3.0
_CYCLED_S: Final = 12.0
_FOLLOWS_S: Final = 180.0
_READY_S: Final = 240.0
_AUTOMATIC: Final = frozenset({"failover", "least_bad"})
_SLOW: Final = frozenset({FaultKind.SLOW_WAY})
_LONG_WELL_S: Final = 40.0
#: What was reported to a leader that is well is stored within this time.
_CAUGHT_UP_S: Final = 10.0
_HINDERS: Final = frozenset({FaultKind.SLOW_WAY, FaultKind.LEASE_CUT, FaultKind.DATABASE_CLOCK, FaultKind.COMMIT_LOST})
_CLOCKS: Final = frozenset({FaultKind.CLOCK, FaultKind.DATABASE_CLOCK})


class Watch:
    """Notes what is wrong, as sentences that begin with the time."""

    def __init__(self, fleet: SimulatedFleet) -> None:
        self.wrong: list[str] = []
        self.takeovers_s: list[float] = []
        """How long nobody led each time, while somebody could."""
        self.longest_exposed_s = 0.0
        self._fleet, self._history = fleet, fleet.history
        self._files: dict[Path, tuple[int, int]] = {}
        self._routes: dict[Path, Mapping[str, Any]] = {}
        self._points: dict[tuple[str, int, int], Any] = {}
        self._owners: dict[int, object] = {}
        """Of each epoch: the process that decided under it."""
        self._last_decision = self._epoch = self._generation = 0
        self._targets: dict[str, str] = {}
        self._well_since: dict[int, float] = {}
        self._database_since = self._led_until = self._held_until = 0.0
        self._could_since: dict[str, float] = {}
        self._exposed: dict[str, float] = {}
        self._failing: frozenset[str] = frozenset()
        self._leader: SimulatedMachine | None = None
        self._hindered_until = self._slow_until = 0.0
        self._cycles = 0
        """Control cycles since it was asked whether all is settled."""
        self._region_of = {machine.file: machine.region for machine in fleet.machines}
        self._region_of |= {host.file: host.region for host in fleet.hosts}
        self._named = {machine.file: machine.name for machine in fleet.machines}
        self._named |= {host.file: host.name for host in fleet.hosts}
        fleet.timeline.after_each = self._look_at_files
        fleet.server.after_commit = self._committed
        fleet.on_cycle = self._cycled
        fleet.on_fail_over = self._failed_over
        fleet.timeline.at(_LOOK_S, self._look)

    def _note(self, text: str) -> None:
        self.wrong.append(f"{self._fleet.timeline.now_s:6.1f} s  {text}")

    # Files.

    def _look_at_files(self) -> None:
        touched = self._fleet.touched
        while touched:
            path = touched.pop()
            if path in self._region_of:
                self._look_at_file(path)

    def _look_at_file(self, path: Path) -> None:
        whose, region = self._named[path], self._region_of[path]
        try:
            table = json.loads(path.read_bytes())
            order, routes = (int(table.get("epoch", 0)), int(table["generation"])), table["routes"]
        except (OSError, ValueError, KeyError, TypeError):
            self._note(f"the routing file of {whose} is torn, or gone")
            return
        if table.get("region", "") != region:
            self._note(f"the routing file of {whose} is of the region {table.get('region')!r}")
        if order < self._files.get(path, (0, 0)):
            self._note(f"{whose} went back from {self._files[path]} to {order}")
        points = {name: (route["target"], route["weights"]) for name, route in routes.items()}
        if self._points.setdefault((region, *order), points) != points:
            self._note(f"{order} stands for {self._points[region, *order]} and, at {whose}, for {points}")
        if order[1] > self._journalled() and not self._history.has(LOSES_THE_DATABASE):
            self._note(f"{whose} has generation {order[1]}, which is not in the journal")
        if order > self._files.get(path, (0, 0)):
            self._look_at_moves(region, self._routes.get(path, {}), routes)
        self._files[path], self._routes[path] = order, routes

    def _journalled(self) -> int:
        return self._fleet.server.look("SELECT max(generation) FROM decisions")[0][0] or 0

    def _look_at_moves(self, region: str, former: Mapping[str, Any], routes: Mapping[str, Any]) -> None:
        for name, route in routes.items():
            before = former.get(name, {}).get("target")
            if before in {None, route["target"]} or route["move"] not in _AUTOMATIC:
                continue
            if not self._may_be_failing(_in(region, before)):
                self._note(f"{_in(region, name)} left {before}, which was well: {route['reason']}")

    def _may_be_failing(self, target: str) -> bool:
        """Whether a verdict on this target may be that of an outage: it goes on, or went on a while ago."""
        now_s = self._fleet.timeline.now_s
        return any(
            fault.hits(target) and fault.at_s <= now_s <= fault.until_s + _FOLLOWS_S + self._hindered_s(fault)
            for fault in self._history.faults
        )

    def _hindered_s(self, since: Fault) -> float:
        """For how long at the most the fleet could not look since a fault began."""
        others = (fault for fault in self._history.faults if fault.kind is not FaultKind.OUTAGE)
        return sum(fault.lasts_s for fault in others if fault.until_s >= since.at_s)

    # The database.

    def _committed(self, session: Session) -> None:
        """A transaction is in the database: what was decided in it is looked at."""
        server = self._fleet.server
        rows = server.look(
            "SELECT id, epoch, generation, route, before, target FROM decisions WHERE id > ? ORDER BY id",
            self._last_decision,
        )
        if not rows:
            return
        lost = self._history.has(LOSES_THE_DATABASE)
        (holding,) = server.look("SELECT epoch FROM leases WHERE name = ?", LEADER)[0]
        generation = self._generation
        for number, epoch, decided, route, before, target in rows:
            if epoch != holding:
                self._note(f"a decision of epoch {epoch} was committed while the lease is of {holding}")
            if self._owners.setdefault(epoch, session.process) is not session.process:
                self._note(f"two processes decided under epoch {epoch}")
            if (epoch < self._epoch or decided <= generation) and not lost:
                self._note(f"decision {number} of {(epoch, decided)} after {(self._epoch, generation)}")
            known = self._targets.get(route)
            if known is not None and before is not None and before != known and not lost:
                self._note(f"decision {number} moves {route} from {before}, and it was at {known}")
            self._last_decision, self._epoch = number, max(epoch, self._epoch)
            self._generation = max(decided, self._generation)
            self._targets[route] = target

    def _failed_over(self) -> None:
        """What the replica does not know is not in the database any more, such as who took the lease."""
        self._last_decision = self._fleet.server.look("SELECT max(id) FROM decisions")[0][0] or 0
        self._hindered_until = self._database_since = self._fleet.timeline.now_s

    # The machines.

    def _cycled(self, machine: SimulatedMachine) -> None:
        assert machine.lead is not None
        self._cycles += 1
        health = machine.lead.controller.cycle.detection.detector.health
        failing = frozenset(name for name, state in health.items() if state.health in FAILING)
        for name in failing - self._failing:
            if not self._may_be_failing(name):
                self._note(f"{name} is called {health[name].health}, and was well: {health[name].reason}")
        self._failing = failing

    def _look(self) -> None:
        """Once a second."""
        fleet, now_s = self._fleet, self._fleet.timeline.now_s
        fleet.timeline.at(now_s + _LOOK_S, self._look)
        if not fleet.server.is_well:
            self._database_since = now_s
        if self._history.near(now_s, _HINDERS):
            self._hindered_until = now_s
        for machine in fleet.machines:
            if machine.can_lead and now_s - machine.started_s >= _STARTED_S:
                self._well_since.setdefault(machine.number, now_s)
            else:
                self._well_since.pop(machine.number, None)
        self._look_at_lead()
        self._look_at_deposition()
        for host in fleet.hosts:
            can_see = self._can_see(host.region)
            if not can_see:
                self._could_since.pop(host.region, None)
            else:
                self._could_since.setdefault(host.region, now_s)
        for machine in fleet.machines:
            if machine.is_well:
                for name in ROUTES:
                    self._look_at_users(machine, name)

    def leads(self) -> SimulatedMachine | None:
        """The machine that decides at present."""
        now_s = self._fleet.timeline.now_s
        for machine in self._fleet.machines:
            lead = machine.lead
            holds = lead is not None and machine.is_well and not lead.lead.fence.deposed
            if lead and holds and now_s - lead.cycled_s < _CYCLED_S and lead.controller.database.is_usable():
                return machine
        return None

    def _look_at_lead(self) -> None:
        now_s = self._fleet.timeline.now_s
        if self._history.near(now_s, _SLOW):
            self._slow_until = now_s  # to begin takes some thirty messages, for which no time is promised
        well_since_s = min(self._well_since.values(), default=now_s)
        self._note_lost_lease()
        since_s = max(self._led_until, self._database_since, self._slow_until, well_since_s, self._held_until)
        if self.leads() is not None:
            if now_s - since_s > 2 * _LOOK_S and self._led_until:
                self.takeovers_s.append(now_s - since_s)
            self._led_until = now_s
        elif self._leaderless_is_new(now_s - since_s):
            self._note(f"nobody has led for {now_s - since_s:.0f} s, and somebody could have")

    def _note_lost_lease(self) -> None:
        """Of one whose holder can lead no more: it may have held it without leading, and its renewal unanswered."""
        held_s, holder = self._fleet.lease_held
        if not any(machine.process is holder and machine.can_lead for machine in self._fleet.machines):
            self._held_until = held_s

    def _look_at_deposition(self) -> None:
        """Whoever leads, and is well, goes on leading."""
        fleet, now_s = self._fleet, self._fleet.timeline.now_s
        former, self._leader = self._leader, fleet.leader()
        if former is None or former is self._leader or former.process is None:
            return
        since_s = max(self._well_since.get(former.number, now_s), self._database_since, self._hindered_until)
        if now_s - since_s > _LONG_WELL_S:
            self._note(f"{former.name} leads no more, and was well for {now_s - since_s:.0f} s")

    @staticmethod
    def _leaderless_is_new(seconds: float) -> bool:
        return MOST_LEADERLESS_S < seconds <= MOST_LEADERLESS_S + _LOOK_S

    def _can_see(self, region: str) -> bool:
        """Whether the fleet can learn at present what becomes of probes in this region, and act upon it."""
        fleet, now_s = self._fleet, self._fleet.timeline.now_s
        leader = self.leads()
        if leader is None or not fleet.server.is_well or self._hindered_until == now_s:
            return False
        probing = [each for each in fleet.machines if each.region == region] if region else [leader]
        return all(each.is_well and not fleet.world.is_cut_off(each.number, now_s) for each in probing)

    def _look_at_users(self, machine: SimulatedMachine, name: str) -> None:
        now_s, region = self._fleet.timeline.now_s, machine.region
        key = f"{machine.name} {name}"
        pointed = self._routes.get(machine.file, {}).get(name, {}).get("target")
        since_s = self._could_since.get(region, now_s)
        exposed_s = self._history.whole_s(_in(region, pointed), now_s) if pointed else 0.0
        others = [_in(region, each) for each in ROUTES[name] if each != pointed]
        if not exposed_s or not any(self._is_ready(each, now_s) for each in others):
            self._exposed.pop(key, None)
            return
        since_s = max(since_s, self._exposed.setdefault(key, now_s))
        self.longest_exposed_s = max(self.longest_exposed_s, now_s - since_s)
        if MOST_EXPOSED_S < now_s - since_s <= MOST_EXPOSED_S + _LOOK_S:
            self._note(
                f"users of {machine.name} are on {pointed}, of which everything fails, for {MOST_EXPOSED_S:.0f} s"
            )

    def _is_ready(self, target: str, at_s: float) -> bool:
        """Whether a target has been well for so long that it can be used, whatever was before."""
        return not any(
            fault.hits(target) and fault.at_s <= at_s < fault.until_s + _READY_S for fault in self._history.faults
        )

    # The end.

    def settles(self) -> bool:
        """Whether all is as if there had been no fault; looked at where a cycle has ended since the last question."""
        asked, self._cycles = self._cycles, 0
        return asked > 0 and next(self.unsettled(), None) is None

    def unsettled(self) -> Iterator[str]:
        """What is not."""
        fleet, leader = self._fleet, self.leads()
        if leader is None or leader.lead is None:
            yield "nobody leads"
            return
        well_s = max(self._well_since.get(machine.number, fleet.timeline.now_s) for machine in fleet.machines)
        began_s = max(well_s, self._database_since, self._slow_until)
        if fleet.timeline.now_s - began_s < _CAUGHT_UP_S:
            yield "a machine, the database, or a way to it has just begun, or gone on"
        orders = {self._files.get(path) for path in self._region_of}
        if len(orders) > 1:
            yield f"the files are of {sorted(orders, key=str)}"
        for path, region in self._region_of.items():
            for name, candidates in ROUTES.items():
                if self._routes.get(path, {}).get(name, {}).get("weights") != {candidates[0]: 100}:
                    yield f"{_in(region, name)} points at {self._routes.get(path, {}).get(name, {}).get('weights')}"
        yield from self._unsettled_of(leader.lead.controller)
        yield from self._uncounted()
        if (journalled := self._journalled()) != self._files.get(leader.file, (0, 0))[1]:
            yield f"the routing file is at {self._files.get(leader.file)}, the journal at {journalled}"
        for machine in fleet.machines:
            for left in machine.file.parent.glob("*.unreported*"):
                if left.stat().st_size:
                    yield f"{machine.name} has not reported {left.name}"

    @staticmethod
    def _unsettled_of(controller: Controller) -> Iterator[str]:
        for name, state in controller.cycle.detection.detector.health.items():
            if state.health is not Health.UP:
                yield f"{name} is {state.health}: {state.reason}"
        if controller.cycle.is_behind or controller.database.unusable or controller.cycle.publisher.error:
            yield f"something is not written: {controller.database.unusable or controller.cycle.publisher.error}"

    def _uncounted(self) -> Iterator[str]:
        counted = self._fleet.server.look(
            "SELECT (SELECT count(*) FROM incidents WHERE resolved_ms IS NULL),"
            " (SELECT count(*) FROM incidents WHERE told_revision < revision),"
            " (SELECT count(*) FROM events WHERE telling = 'due'),"
            " (SELECT count(*) FROM deliveries WHERE done_ms IS NULL),"
            " (SELECT count(*) FROM probe_reports p JOIN regions r"
            "  ON r.region = p.region AND p.sequence <= r.sequence - 8)"
        )[0]
        for count, what in zip(counted, ("open", "untold", "due", "under way", "not taken"), strict=True):
            if count:
                yield f"{count} incidents, events, deliveries or reports are {what}"

    def finish(self) -> None:
        """Note what is left of the faults when all has been well for long."""
        self.wrong += [f"   end    {each}" for each in self.unsettled()]
        self.wrong += [f"   end    raised: {error!r}" for error in self._fleet.timeline.errors]
        if self._history.has(LOSES_THE_DATABASE):
            return  # what was in it may be told, and counted, once more
        self._look_at_messages()
        self._look_at_reports()

    def _look_at_messages(self) -> None:
        slack, server = self._fleet.slack, self._fleet.server
        if twice := [key for key, receipts in slack.posted.items() if len(receipts) > 1]:
            self._note(f"told twice: {twice}")
        opened = {row[0] for row in server.look("SELECT id FROM incidents")}
        if untold := opened - slack.told.keys():
            self._note(f"never told: incidents {sorted(untold)}")

    def _look_at_reports(self) -> None:
        """Each probe that was handed over by a process that lived on is stored once, and counted once."""
        server = self._fleet.server
        stored = {tuple(row) for row in server.look("SELECT target, started_ms, check_, region FROM observations")}
        counts: dict[str, int] = defaultdict(int)
        for target, *_ in stored:
            counts[target] += 1
        for target, asked in server.look("SELECT target, asked FROM rollups WHERE span_s = 86400"):
            counts[target] -= sum(json.loads(asked).values())
        failed_here = dict(server.look("SELECT target, sum(failed_here) FROM observations GROUP BY target"))
        for target, difference in counts.items():
            if difference - (failed_here.get(target) or 0):
                self._note(f"{target}: {difference} more rows than are counted, {failed_here.get(target)} failed here")
        if self._history.has(_CLOCKS):
            return
        lost = [
            (process.name, at_s)
            for process, at_s, seen in self._fleet.reports
            if not process.is_dead and at_s < self._fleet.timeline.now_s - _CAUGHT_UP_S
            for each in seen
            if not each.under_way
            and (each.target, to_ms(each.started_at), str(each.check), _region(each.target)) not in stored
        ]
        if lost:
            self._note(f"{len(lost)} probes were lost, the first at {lost[0][1]:.1f} s at {lost[0][0]}")


def _in(region: str, name: str) -> str:
    return f"{name}@{region}" if region else name


def _region(target: str) -> str:
    return target.partition("@")[2]
