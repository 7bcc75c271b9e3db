"""What must hold in every history: looked at before every step of the disk, after every cycle, and at the end."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks.drills.simulation.history import BY_PEOPLE, LOSES_THE_DATABASE, ROUTES, TARGETS, Fault, FaultKind
from benchmarks.drills.simulation.service import SimulatedService
from controller.routing.unjournalled import read_line
from monitor.health import FAILING, Health

#: So long may users be on a target of which everything fails, while another candidate is well and nothing hinders us.
MOST_EXPOSED_S: Final = 60.0
#: So long after the last fault all is as if there had been none: holds double, up to eightfold.
MOST_CALM_S: Final = 900.0
#: A verdict may follow the last failure of a fault so much later.
_FOLLOWS_S: Final = 120.0
#: A candidate that was well for so long is ready to be used, whatever was before.
_READY_S: Final = 240.0
_CLOCKS: Final = frozenset({FaultKind.CLOCK, FaultKind.CLOCK_DURING})
_UNPUBLISHABLE: Final = frozenset({FaultKind.ROUTING_DISK_ERROR, FaultKind.SHORT_WRITES})
_ROUTING_DISK: Final = _UNPUBLISHABLE | {FaultKind.ROUTING_DISK_FULL}
_AUTOMATIC: Final = frozenset({"failover", "least_bad"})


class Watch:
    """Notes what is wrong, as sentences that begin with the time."""

    def __init__(self, service: SimulatedService) -> None:
        self.wrong: list[str] = []
        self.longest_exposed_s = 0.0
        self.published: dict[int, dict[str, Any]] = {}
        """Where the routes point, by generation."""
        self._service = service
        self._history = service.history
        self._seen: tuple[int, ...] | None = None
        self._generation = 0
        self._routes: dict[str, Any] = {}
        self._decided: dict[str, tuple[str, float]] = {}
        """Where each route stands after the last cycle and since when: it is published later where its disk fails."""
        self._exposed: dict[str, float] = {}
        self._failing: frozenset[str] = frozenset()
        self._process: object = None
        service.disk.on_step = self.look
        service.after_cycle = self.cycled

    def look(self) -> None:
        """At the routing file as readers see it."""
        path = self._service.settings.routing_file
        try:
            status = path.stat()
        except FileNotFoundError:
            if self._seen is not None and not self._history.has(frozenset({FaultKind.FILE_TOUCHED})):
                self._note("the routing file is gone")
            return
        seen = status.st_ino, status.st_mtime_ns, status.st_size
        if seen == self._seen:
            return
        self._seen = seen
        try:
            table = json.loads(path.read_bytes())
            generation, routes = int(table["generation"]), table["routes"]
        except (ValueError, KeyError, TypeError):
            self._note("the routing file is torn")
            return
        if status.st_mode & 0o777 != 0o644:
            self._note(f"the routing file has mode {status.st_mode & 0o777:o}")
        if generation < self._generation:
            self._note(f"generation {generation} after {self._generation}")
        points = {name: (route["target"], route["weights"]) for name, route in routes.items()}
        if self.published.setdefault(generation, points) != points:
            self._note(f"generation {generation} stands for {self.published[generation]} and for {points}")
        if generation > self._generation:
            self._look_at_moves(routes)
            self._require_durable(generation)
        self._generation, self._routes = max(generation, self._generation), routes

    def cycled(self) -> None:
        """A control cycle is over."""
        service = self._service
        process = service.process
        assert process is not None
        self.look_beside()
        is_new, self._process = process is not self._process, process
        if not process.cycle.publisher.error and (is_new or process.cycle.publisher.changed):
            journalled = self._journalled()
            if journalled > self._generation:
                self._note(f"the routing file is at generation {self._generation}, the journal at {journalled}")
        for name, decision in process.cycle.routes.items():
            if self._decided.get(name, ("",))[0] != decision.target:
                self._decided[name] = decision.target, service.at_s
        self._look_at_health(process.cycle.detection.detector.health)
        for name in ROUTES:
            self._look_at_users(name)

    def look_beside(self) -> None:
        """At the file, without a step of the service's."""
        self._service.disk.is_observed = True
        self.look()
        self._service.disk.is_observed = False

    def _note(self, text: str) -> None:
        self.wrong.append(f"{self._service.at_s:6.1f} s  {text}")

    def _journalled(self) -> int:
        rows = self._service.query("SELECT max(generation) FROM decisions")
        return rows[0][0] or 0 if rows else 0

    def _require_durable(self, generation: int) -> None:
        """What is published is in the journal, or beside the routing file where the database cannot be written."""
        if self._history.near(self._service.at_s, _ROUTING_DISK, within_s=2.0):
            return
        beside = self._service.settings.routing_file.with_name("routing.json.unjournalled")
        lines = beside.read_bytes().split(b"\n") if beside.exists() else []
        read = [found[0].generation for line in lines if line and (found := read_line(line))]
        self._service.disk.is_observed = False
        journalled = self._journalled()
        self._service.disk.is_observed = True
        if generation > max([journalled, *read]):
            self._note(f"generation {generation} is published, and journalled nowhere")

    def _look_at_moves(self, routes: Mapping[str, Any]) -> None:
        at_s = self._service.at_s
        for name, route in routes.items():
            before = self._routes.get(name, {}).get("target")
            if before in {None, route["target"]} or route["move"] not in _AUTOMATIC:
                continue
            if not any(self._recent(fault, before) for fault in self._history.faults):
                self._note(f"{name} left {before}, which was well: {route['reason']}")
            target, since_s = self._decided.get(name, ("", at_s))
            decided_s = since_s if target == route["target"] else at_s
            if self._history.whole_s(route["target"], decided_s) > 30 and not self._history.whole_s(before, decided_s):
                self._note(f"{name} went to {route['target']}, of which everything fails: {route['reason']}")

    def _recent(self, fault: Fault, target: str) -> bool:
        """Whether a verdict on this target may be that of this fault: it goes on, or went on a while ago."""
        over_s = fault.until_s + _FOLLOWS_S + self._stood_still_s(fault.at_s)
        return fault.hits(target) and fault.at_s <= self._service.at_s <= over_s

    def _stood_still_s(self, since_s: float) -> float:
        paused = (fault for fault in self._history.faults if fault.kind is FaultKind.PAUSE and fault.until_s >= since_s)
        return sum(fault.lasts_s for fault in paused)

    def _look_at_health(self, health: Mapping[str, Any]) -> None:
        failing = frozenset(name for name, state in health.items() if state.health in FAILING)
        for name in failing - self._failing:
            if not any(self._recent(fault, name) for fault in self._history.faults):
                self._note(f"{name} is called {health[name].health}, and was well: {health[name].reason}")
        self._failing = failing

    def _look_at_users(self, name: str) -> None:
        at_s, pointed = self._service.at_s, self._routes.get(name, {}).get("target")
        exposed = pointed is not None and self._history.whole_s(pointed, at_s) > 0 and self._is_unhindered(at_s)
        others = [each for each in ROUTES[name] if each != pointed]
        if not exposed or not any(self._is_ready(each, at_s) for each in others):
            self._exposed.pop(name, None)
            return
        since_s = self._exposed.setdefault(name, at_s)
        self.longest_exposed_s = max(self.longest_exposed_s, at_s - since_s)
        if since_s >= 0 and at_s - since_s > MOST_EXPOSED_S:
            self._note(f"users of {name} have been on {pointed}, of which everything fails, for {at_s - since_s:.0f} s")
            self._exposed[name] = float("inf")

    def _is_ready(self, target: str, at_s: float) -> bool:
        return not any(
            fault.hits(target) and fault.at_s <= at_s <= fault.until_s + _READY_S for fault in self._history.faults
        )

    def _is_unhindered(self, at_s: float) -> bool:
        history = self._history
        if history.has(_CLOCKS) and history.has(BY_PEOPLE):
            return False  # what people laid on lasts by the clock
        return at_s - self._service.started_s > 30 and not (
            history.near(at_s, frozenset({FaultKind.NETWORK}), within_s=60)
            or history.near(at_s, frozenset({FaultKind.PAUSE}), within_s=30)
            or history.near(at_s, _CLOCKS, within_s=30)
            or history.near(at_s, BY_PEOPLE, within_s=60)
            or history.near(at_s, _UNPUBLISHABLE, within_s=5)
        )

    # The end.

    def is_settled(self) -> bool:
        """Whether all is as if there had been no fault."""
        return next(self.unsettled(), None) is None

    def unsettled(self) -> Iterator[str]:
        """What is not."""
        service, process = self._service, self._service.process
        if process is None:
            yield "the service does not run"
            return
        for name, candidates in ROUTES.items():
            if self._routes.get(name, {}).get("weights") != {candidates[0]: 100}:
                yield f"{name} points at {self._routes.get(name, {}).get('weights')}"
        for name in TARGETS:
            if (state := process.cycle.detection.detector.health[name]).health is not Health.UP:
                yield f"{name} is {state.health}: {state.reason}"
        if process.cycle.is_behind or process.database.unusable or process.cycle.publisher.error:
            yield f"something is not written: {process.database.unusable or process.cycle.publisher.error}"
        if service.settings.routing_file.with_name("routing.json.unjournalled").exists():
            yield "decisions wait beside the routing file"
        counted = service.query(
            "SELECT (SELECT count(*) FROM incidents WHERE resolved_ms IS NULL),"
            " (SELECT count(*) FROM incidents WHERE told_revision < revision),"
            " (SELECT count(*) FROM events WHERE telling = 'due'),"
            " (SELECT count(*) FROM deliveries WHERE done_ms IS NULL)"
        )
        for count, what in zip(counted[0] if counted else (), ("open", "untold", "due", "under way"), strict=False):
            if count:
                yield f"{count} incidents, events or deliveries are {what}"
        if not counted:
            yield "the database cannot be read"
        elif self._journalled() != self._generation:
            yield f"the routing file is at generation {self._generation}, the journal at {self._journalled()}"

    def finish(self) -> None:
        """Note what is left of the faults when all has been well for long."""
        self.wrong += [f"   end    {each}" for each in self.unsettled()]
        service = self._service
        if [row[0] for row in service.query("PRAGMA integrity_check")] != ["ok"]:
            self._note("the database is damaged")
        left = [path.name for path in service.settings.routing_file.parent.iterdir() if path.name.endswith(".tmp")]
        if left and not self._history.has(_ROUTING_DISK):
            self._note(f"left behind: {left}")
        doubled = service.query(
            "SELECT route, generation FROM decisions GROUP BY route, generation HAVING count(*) > 1"
        )
        if doubled:
            self._note(f"journalled twice: {doubled}")
        if self._history.has(LOSES_THE_DATABASE):
            return  # what was in it may be told, and decided, once more
        journalled = {row[0] for row in service.query("SELECT DISTINCT generation FROM decisions")}
        if lost := set(self.published) - journalled:
            self._note(f"published, and not in the journal: generations {sorted(lost)}")
        if twice := [key for key, receipts in service.slack.posted.items() if len(receipts) > 1]:
            self._note(f"told twice: {twice}")
        opened = {row[0] for row in service.query("SELECT id FROM incidents")}
        if untold := opened - service.slack.told.keys():
            self._note(f"never told: incidents {sorted(untold)}")
