"""The ways home through the real cycle: steps, by hand, and a dry run; what applications, people, the journal see."""

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hotspare_client import Routing

from controller.cycle.cycle import Cycle
from controller.journal import Journal
from controller.routing.decision import MoveKind
from controller.routing.override_text import begun_event
from controller.routing.overrides import Override, OverrideKind
from controller.routing.routing_file import RoutingFile
from monitor.config.controller_settings import ControllerSettings, Failback
from monitor.detection.verdict_text import plain_reason
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support.builders import T0, observation, settings

A, C = "openai/a", "anthropic/c"
STEPS = ControllerSettings(failback=Failback(mode="steps", hold_s=60, steps=(0.1, 0.5, 1.0), step_s=90))
MANUAL = ControllerSettings(failback=Failback(mode="manual", hold_s=60))
DRY = ControllerSettings(failback=Failback(hold_s=60), dry_run=True)
EVERY_S = 10.0


class Lab:
    """A service's inner part on a real database and a real file, fed with an answer of each target every 10 s."""

    def __init__(self, folder: Path, controller: ControllerSettings) -> None:
        self.folder = folder
        self.now_s = 0.0
        self.files: list[dict[str, Any]] = []
        """Target, move and weights of the chat route after each cycle that changed one of them."""
        self.start(controller)

    def start(self, controller: ControllerSettings) -> None:
        """Begin, or go on after a restart with another configuration."""
        self.settings = settings(self.folder, A, C, controller=controller)
        self.engine = open_writer(self.settings.database)
        self.store, self.journal = Store(self.engine), Journal(self.engine)
        self.cycle = Cycle(self.settings, self.store, self.journal, RoutingFile(self.settings.routing_file))
        self.cycle.start(self.now)
        self.cycle.run((), self.now)

    def restart(self, controller: ControllerSettings) -> None:
        """Stop and start."""
        self.engine.dispose()
        self.start(controller)

    @property
    def now(self) -> datetime:
        """The time in the lab."""
        return T0 + timedelta(seconds=self.now_s)

    def table(self) -> dict[str, Any]:
        """The routing file."""
        found: dict[str, Any] = json.loads(self.settings.routing_file.read_text())
        return found

    def play(self, symbol: str, *, until: Callable[[], bool], standby: str = ".") -> None:
        """Answers of this sort until it holds; fails after an hour."""
        begun_s = self.now_s
        while not until():
            assert self.now_s - begun_s < 3600, self.table()
            self.now_s += EVERY_S
            seen = (
                observation(symbol, at_s=self.now_s - 1, name=A),
                observation(standby, at_s=self.now_s - 0.5, name=C),
            )
            self.cycle.run(seen, self.now)
            route = self.table()["routes"]["chat"]
            shown = {name: route[name] for name in ("target", "move", "weights")}
            if not self.files or self.files[-1] != shown:
                self.files.append(shown)

    def on(self, target: str, **weights: float) -> Callable[[], bool]:
        """Whether the file has the route there, with all requests or so many percent of the first candidate's."""
        shares = {A: weights["first"], C: 100 - weights["first"]} if weights else {target: 100}
        return lambda: self.table()["routes"]["chat"].items() >= {"target": target, "weights": shares}.items()

    def after(self, seconds: float) -> Callable[[], bool]:
        """Whether so long has passed."""
        end_s = self.now_s + seconds
        return lambda: self.now_s >= end_s

    def events(self, kind: str) -> list[str]:
        """What was noted of this kind."""
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql("select text from events where kind = ?", (kind,))
            return [row[0] for row in rows]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[[ControllerSettings], Lab]]:
    """Makes a lab in which the first candidate has failed and the route has moved to the standby."""
    made: list[Lab] = []

    def make(controller: ControllerSettings) -> Lab:
        one = Lab(tmp_path, controller)
        made.append(one)
        one.play(".", until=one.after(60))
        return one

    yield make
    for one in made:
        one.engine.dispose()


def test_a_failback_in_steps_is_published_step_by_step(lab: Callable[[ControllerSettings], Lab]) -> None:
    """Target, move and weights of each file, each under a higher generation, over a restart; then the incident ends."""
    one = lab(STEPS)
    one.play("x", until=one.on(C))
    before = one.table()["generation"]
    one.play(".", until=one.on(C, first=50))
    [incident] = one.journal.open_incidents()
    assert {affected.health for affected in incident.affected} == {"up"}, "open although everything is well again"
    assert incident.routes[0].weights == ((A, 50.0), (C, 50.0))
    one.restart(STEPS)
    assert one.on(C, first=50)(), "a restart neither repeats nor skips a step"
    one.play(".", until=one.on(A))
    assert one.files == [
        {"target": A, "move": "first", "weights": {A: 100}},
        {"target": C, "move": "failover", "weights": {C: 100}},
        {"target": C, "move": "step", "weights": {A: 10, C: 90}},
        {"target": C, "move": "step", "weights": {A: 50, C: 50}},
        {"target": A, "move": "failback", "weights": {A: 100}},
    ]
    assert one.table()["generation"] == before + 3
    moves = [(decision.move, dict(decision.weights)) for decision in reversed(one.journal.decisions(3))]
    assert moves == [(MoveKind.STEP, {A: 10.0, C: 90.0}), (MoveKind.STEP, {A: 50.0, C: 50.0}), (MoveKind.FAILBACK, {})]
    step, last = one.journal.decisions(2)[1], one.journal.decisions(1)[0]
    assert (last.at - step.at).total_seconds() == 90
    [incident] = one.journal.incidents(10)
    told = [line.text for line in incident.timeline]
    assert told[-2].startswith(f"Route chat moved from {C} to {A}: {A} has stayed up with 50 % of the requests")
    assert (told[-1], incident.resolved_at) == ("Resolved", last.at)
    assert f"Route chat sends 10 % of its requests to {A} again" in told


def test_the_client_draws_by_the_weights_of_each_step(lab: Callable[[ControllerSettings], Lab]) -> None:
    """What an application gets through the real file, whatever number it draws."""
    one = lab(STEPS)
    draws = itertools.cycle((0.0, 0.09, 0.11, 0.49, 0.51, 0.99))
    routing = Routing(one.settings.routing_file, check_every_s=0, draw=lambda: next(draws))

    def got() -> str:
        targets = [routing.route("chat") for _ in range(6)]
        return "".join({A: "A", C: "C"}[target.id] for target in targets if target)

    one.play("x", until=one.on(C))
    assert got() == "CCCCCC"
    one.play(".", until=one.on(C, first=10))
    assert got() == "AACCCC"
    one.play(".", until=one.on(C, first=50))
    assert got() == "AAAACC"
    one.play(".", until=one.on(A))
    assert got() == "AAAAAA"


def test_a_relapse_takes_the_share_back_and_stays_one_incident(lab: Callable[[ControllerSettings], Lab]) -> None:
    """In the cycle in which the target is down again; a suspicion alone only holds the share."""
    one = lab(STEPS)
    one.play("x", until=one.on(C))
    one.play(".", until=one.on(C, first=10))
    one.play("x", until=one.after(EVERY_S))
    assert (one.table()["targets"][A]["health"], one.on(C, first=10)()) == ("suspect", True)
    one.play("x", until=one.on(C))
    abort = one.journal.decisions(1)[0]
    assert (abort.move, abort.before, abort.target) == (MoveKind.ABORT, C, C)
    assert abort.reason.startswith(f"{A} is down: ")
    [incident] = one.journal.incidents(10)
    assert incident.resolved_at is None
    told = [line.text for line in incident.timeline]
    assert [line for line in told if line.startswith(f"Relapse: {A} is down: ")]
    assert [line for line in told if line.startswith(f"Route chat sends all of its requests to {C} again")]


@pytest.mark.slow
def test_a_manual_failback_waits_is_told_once_and_survives_a_restart(lab: Callable[[ControllerSettings], Lab]) -> None:
    """The incident's last words name the command; the same command, a pin, brings the route home for good."""
    one = lab(MANUAL)
    one.play("x", until=one.on(C))
    one.play(".", until=lambda: not one.journal.open_incidents())
    one.play(".", until=one.after(300))
    assert one.on(C)()
    [incident] = one.journal.incidents(10)
    command = f"hotspare pin chat {A} --for 1m --reason … brings it back"
    told = [line.text for line in incident.timeline]
    assert told.count(f"Route chat stays on {C}, for failback is manual; {command}") == 1
    assert incident.routes[0].waiting == A
    assert one.events("failback_waiting") == [f"{A} has proven itself; {command}"]
    one.restart(MANUAL)
    one.play(".", until=one.after(300))
    assert one.on(C)()
    pin(one, A, for_s=60)
    one.play(".", until=one.after(EVERY_S))
    assert one.on(A)()
    one.play(".", until=one.after(300))
    assert one.on(A)(), "the pin has expired, and nothing is preferred to where the route is"


def pin(one: Lab, target: str, *, for_s: float) -> None:
    """Lay a pin on the route."""
    made = Override(
        kind=OverrideKind.PIN,
        subject="chat",
        target=target,
        author="ana",
        reason="a test",
        at=one.now,
        until=one.now + timedelta(seconds=for_s),
    )
    one.journal.overrides.begin(made, lambda _: begun_event(made))


def test_a_pin_is_published_and_its_end_too(lab: Callable[[ControllerSettings], Lab]) -> None:
    """Both are decisions under generations of their own; neither is an incident."""
    one = lab(ControllerSettings())
    generation = one.table()["generation"]
    pin(one, C, for_s=60)
    one.play(".", until=one.after(EVERY_S))
    assert one.on(C)()
    assert one.table()["routes"]["chat"]["reason"] == f"pinned to {C} by ana until 18:02 UTC: a test"
    one.play(".", until=one.on(A))
    assert one.table()["generation"] == generation + 2
    assert [decision.move for decision in one.journal.decisions(2)] == [MoveKind.FAILBACK, MoveKind.PIN]
    assert one.journal.incidents(10) == []


def test_a_drain_that_cannot_be_heeded_is_told_once(lab: Callable[[ControllerSettings], Lab]) -> None:
    """With the standby down the drained target is better than none; as soon as the standby is up, the route leaves."""
    one = lab(ControllerSettings(failback=Failback(hold_s=60)))
    one.play(".", standby="x", until=lambda: one.table()["targets"][C]["health"] == "down")
    drain = Override(
        kind=OverrideKind.DRAIN,
        subject="openai",
        author="ana",
        reason="a test",
        at=one.now,
        until=one.now + timedelta(hours=1),
    )
    one.journal.overrides.begin(drain, lambda _: begun_event(drain))
    one.play(".", standby="x", until=one.after(60))
    assert one.on(A)()
    [text] = one.events("drained_route_held")
    assert text.startswith(f"route chat stays on {A}, because no other candidate is eligible: openai is drained by ana")
    one.play(".", until=one.on(C))
    assert one.journal.decisions(1)[0].move is MoveKind.DRAIN


def test_a_dry_run_tells_everything_and_moves_nothing(lab: Callable[[ControllerSettings], Lab]) -> None:
    """Decisions follow each other as if carried out, over a restart; the file keeps its order and its generation."""
    one = lab(DRY)
    one.play("x", until=lambda: "it would be on" in one.table()["routes"]["chat"]["reason"])
    table = one.table()
    assert (table["dry_run"], table["generation"], table["targets"][A]["health"]) == (True, 1, "down")
    failover = one.journal.decisions(1)[0]
    assert (failover.move, failover.target, failover.dry_run) == (MoveKind.FAILOVER, C, True)
    why = plain_reason(failover.reason)
    assert table["routes"]["chat"]["reason"] == f"dry run: as configured; it would be on {C}: {why}"
    [incident] = one.journal.open_incidents()
    assert (incident.routes[0].target, incident.routes[0].would) == (A, C)
    told = [line.text for line in incident.timeline]
    assert f"Dry run, not done: Route chat moved from {A} to {C}" in told
    one.restart(DRY)
    one.play(".", until=lambda: one.journal.decisions(1)[0].move is MoveKind.FAILBACK)
    one.play(".", until=one.after(60))
    assert one.files == [{"target": A, "move": "first", "weights": {A: 100}}]
    table = one.table()
    assert (table["generation"], table["routes"]["chat"]["reason"]) == (1, "dry run: as configured")
    assert one.journal.open_incidents() == []


def test_a_dry_run_that_is_switched_on_and_off_starts_every_route_anew(
    lab: Callable[[ControllerSettings], Lab],
) -> None:
    """Each switch that changes where applications go does so under a new generation."""
    one = lab(ControllerSettings())
    one.play("x", until=one.on(C))
    assert one.table()["generation"] == 2
    one.restart(DRY)
    table = one.table()
    assert (table["routes"]["chat"]["target"], table["generation"]) == (A, 3), "as configured, down or not"
    one.play("x", until=one.after(60))
    assert one.table()["generation"] == 3
    one.restart(ControllerSettings())
    table = one.table()
    assert (table["routes"]["chat"]["target"], table["generation"]) == (C, 4)
    assert "dry_run" not in table
    assert [(decision.move, decision.target) for decision in one.journal.decisions(2)] == [(MoveKind.FIRST, C)] * 2
