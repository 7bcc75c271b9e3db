"""Fire drills: when one may begin, what ends it, what becomes of the route, in the policy and in the service."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Literal

import pytest

from controller.routing.active_overrides import ActiveOverrides
from controller.routing.decision import Decision, MoveKind
from controller.routing.drill import (
    DrillConditions,
    drill_sentence,
    due_drills,
    end_event,
    judged_by_requests,
    last_drills,
    length_problem,
    not_begun,
    outcome,
    stopped,
)
from controller.routing.least_bad import FailingShare
from controller.routing.override_text import OverrideEvent
from controller.routing.overrides import NO_OVERRIDES, SCHEDULE, Override, OverrideKind, Overrides
from controller.routing.policy import decide_all
from controller.routing.route_case import RouteVerdict
from controller.routing.schedule import scheduled
from controller.routing.store import OverrideStore
from monitor.config.route import Route
from monitor.config.windows import DrillSection, FreezeWindow, MaintenanceWindow, Moment
from monitor.health import Health, TargetHealth
from monitor.storage.database import DatabaseError
from tests.controller.routing.test_active_overrides import Service
from tests.controller.routing.test_policy_overrides import (
    IDS,
    MODES,
    SETTINGS,
    A,
    B,
    C,
    ask,
    healths,
    override,
    overrides_of,
    state,
)
from tests.support.builders import T0, settings

DRILL = override(OverrideKind.DRILL, "chat", C)
TUESDAY = DrillSection(name="chat", weekday=1, at=time(10), for_s=300.0, zone="Europe/Berlin")


def with_drill(others: Overrides = NO_OVERRIDES) -> Overrides:
    """A drill of the route on the last candidate, besides others."""
    return Overrides(active=(*others.active, DRILL))


def check(
    words: tuple[Health, ...], current: Decision, others: Overrides, mode: Literal["auto", "manual", "steps"]
) -> None:
    """The invariants of a drill in one case."""
    verdict: RouteVerdict = ask(current, healths(*words), with_drill(others), mode)
    free = ask(current, healths(*words), others, mode)
    at = verdict.decision or current
    if verdict.drill_over is None:
        assert (at.move, at.target) == (MoveKind.DRILL, C), "while it goes on, the route is there"
        first, standby = words[0], words[2]
        assert not others.active, "a pin, a drain and a pause go before"
        assert standby is Health.UP, "on a standby that is up alone"
        assert verdict.decision is None or (current.target, first) == (A, Health.UP), "from the first choice at rest"
    else:
        assert replace(verdict, drill_over=None) == free, "whatever else would happen happens at once"


@pytest.mark.slow
def test_the_invariants_of_a_drill_in_every_combination() -> None:
    """All health of three targets, wherever the route points and however it came there, every override and mode."""
    laid = [
        NO_OVERRIDES,
        *(overrides_of(pin=target) for target in IDS),
        *(overrides_of(drain=drained) for drained in (A, C, "openai")),
        *(overrides_of(pause=route) for route in ("chat", "all")),
    ]
    kinds = (Health.UP, Health.SUSPECT, Health.UNKNOWN, Health.DOWN)
    for words in itertools.product(kinds, repeat=3):
        for target, move in itertools.product(IDS, (MoveKind.FAILOVER, MoveKind.DRILL)):
            for others, mode in itertools.product(laid, MODES):
                check(words, state(target, move), others, mode)


@pytest.mark.parametrize("mode", MODES)
def test_the_route_comes_back_at_once_in_every_mode(mode: Literal["auto", "manual", "steps"]) -> None:
    """Whole, without dwell: it has not failed over."""
    well = healths(Health.UP, Health.UP, Health.UP)
    decision = ask(state(C, MoveKind.DRILL, for_s=1.0), well, NO_OVERRIDES, mode).decision
    assert decision is not None
    assert (decision.target, decision.move, decision.weights) == (A, MoveKind.DRILL, ())
    assert decision.reason == f"the drill is over: {A} is up"
    assert ask(decision, well, NO_OVERRIDES, mode).decision is None


@pytest.mark.parametrize("bad", [Health.SUSPECT, Health.DEGRADED, Health.DOWN, Health.UNKNOWN])
def test_a_standby_that_is_anything_but_up_ends_it_at_once(bad: Health) -> None:
    """The route goes back in the same breath."""
    verdict = ask(state(C, MoveKind.DRILL, for_s=1.0), healths(Health.UP, Health.UP, bad), with_drill())
    assert verdict.drill_over == f"{C} is {bad}"
    assert verdict.decision is not None
    assert verdict.decision.target in {A, B}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"health": healths(Health.UP, Health.UP, Health.SUSPECT)}, None),
        ({"health": healths(Health.UP, Health.DOWN, Health.SUSPECT)}, f"{C} is suspect"),
        ({"health": healths(Health.UP, Health.DOWN, Health.DOWN)}, f"{B}: it is down"),
        ({"health": healths(Health.SUSPECT, Health.UP, Health.UP)}, f"{A} is suspect"),
        ({"overrides": overrides_of(pause="all")}, "chat is paused by ana until 20:00 UTC: the reason"),
        ({"overrides": overrides_of(drain="openai")}, "openai is drained by ana until 20:00 UTC: the reason"),
        ({"overrides": Overrides(active=(DRILL,))}, "chat is drilled by ana until 20:00 UTC: the reason"),
        ({"routes": {"chat": state(C)}}, "chat is not on its first choice"),
        ({"routes": {}}, "chat is not on its first choice"),
        ({"incidents": {"chat": "incident 12 is open"}}, "incident 12 is open"),
        ({"settings": settings(Path("nowhere"), A)}, "chat has one candidate, and no standby"),
        (
            {"settings": replace(SETTINGS, controller=replace(SETTINGS.controller, dry_run=True))},
            "controller.dry_run is set, so that no route moves",
        ),
    ],
)
def test_what_stands_in_the_way_of_a_drill(changes: dict[str, object], problem: str | None) -> None:
    """Nothing begins where anything is wrong; else it goes where the route would fail over to."""
    good = {
        "settings": SETTINGS,
        "now": T0,
        "routes": {"chat": state(A)},
        "health": healths(Health.UP, Health.UP, Health.UP),
    }
    standby, found = DrillConditions(**{**good, **changes}).standby("chat")  # type: ignore[arg-type] # fields by name
    assert (standby, found) == ((B, "") if problem is None else (None, problem))


def test_when_a_drill_is_due() -> None:
    """Every week at that time of the wall clock; one that is a minute late is left out."""
    wanted = replace(SETTINGS, drills=(TUESDAY,))
    nine = datetime(2026, 11, 24, 9, tzinfo=UTC)
    [due] = due_drills(wanted, nine)
    assert (due.subject, due.author, due.at, due.until) == ("chat", SCHEDULE, nine, nine + timedelta(minutes=5))
    assert due_drills(wanted, nine - timedelta(seconds=1)) == []
    assert due_drills(wanted, nine + timedelta(seconds=60)) == []
    summer = datetime(2026, 7, 7, 8, tzinfo=UTC)
    assert [each.at for each in due_drills(wanted, summer + timedelta(seconds=3))] == [summer]


def test_what_people_read_of_a_drill_that_is_over() -> None:
    """Proven, stopped, left out; the last that was begun counts."""
    done, now = replace(DRILL, ended_at=DRILL.until), DRILL.until + timedelta(days=3)
    assert drill_sentence(done, now) == f"standby {C} proven 3 d ago"
    assert end_event(done).text == f"{C} served chat for 3 h without a failed probe: it is proven as its standby"
    early = stopped(DRILL, f"{C} is suspect", DRILL.at + timedelta(seconds=40))
    assert (
        drill_sentence(early, early.at + timedelta(days=3, seconds=40))
        == f"drill on {C} stopped 3 d ago: {C} is suspect"
    )
    assert end_event(early).text == f"the drill of chat to {C} was stopped after 40 s: {C} is suspect"
    out = not_begun(DRILL, "incident 12 is open")
    assert end_event(out).text == "no drill of chat now: incident 12 is open"
    assert last_drills([early, done, out]) == {"chat": done}
    assert length_problem(300) is None
    assert length_problem(7200) == "a drill lasts 1 h at most: hotspare pin holds a route for longer"


def test_reported_requests_count() -> None:
    """A drill in which clearly more of them failed has not proven anything; without reports probes are all."""
    done = replace(DRILL, ended_at=DRILL.until)
    assert judged_by_requests(done, FailingShare(0, 0), FailingShare(5, 50)) == done
    assert judged_by_requests(done, FailingShare(1, 500), FailingShare(2, 500)) == done
    failed = judged_by_requests(done, FailingShare(1, 500), FailingShare(50, 500))
    assert (failed.ended_by, failed.ended_reason) == (
        SCHEDULE,
        "50 of 500 requests failed, before it 1 of 500",
    )


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One route over two targets that are up and proven, with a drill on Saturdays at 18:10 UTC."""
    drill = DrillSection(name="chat", weekday=5, at=time(18, 10), for_s=60.0)
    configured = settings(tmp_path, A, C, routes=(Route(name="chat", candidates=(A, C)),))
    service = Service(replace(configured, drills=(drill,)))
    for now_s in range(0, 600, 10):
        service.run(now_s, a=".", c=".")
    yield service
    service.engine.dispose()


def last_drill(service: Service) -> Override:
    """As it is stored."""
    return service.journal.overrides.drills()[-1]


def test_a_scheduled_drill_goes_there_and_back(service: Service) -> None:
    """The route really moves; what came of it is told, and kept."""
    for now_s in range(600, 660, 10):
        service.run(now_s, a=".", c=".")
        assert service.serving() == C
    for now_s in (660, 661):
        service.run(now_s, a=".", c=".")
    assert service.serving() == A
    assert service.told() == ["drill_begun", "drill_passed"]
    assert (last_drill(service).ended_by, last_drill(service).target) == (None, C)


def test_the_first_failed_probe_of_the_standby_ends_it(service: Service) -> None:
    """No second cycle is needed; it does not begin again."""
    service.run(600, a=".", c=".")
    service.run(610, a=".", c="x")
    assert service.serving() == A
    for now_s in (611, 620, 630):
        service.run(now_s, a=".", c=".")
        assert service.serving() == A
    assert service.told() == ["drill_begun", "drill_stopped"]


def test_a_drill_goes_on_after_a_restart_and_ends_after_an_absence(service: Service) -> None:
    """After seconds it goes on; a service that did not watch it proves nothing, and moves the route back."""
    service.run(600, a=".", c=".")
    service.start()
    service.run(610, a=".", c=".")
    assert service.serving() == C
    service.cycle._active_overrides.resume(timedelta(minutes=2), T0 + timedelta(seconds=620))
    service.run(620, a=".", c=".")
    assert service.serving() == A
    assert last_drill(service).ended_reason == "the service was away for 2 min"


def test_a_drill_that_cannot_begin_is_left_out_once(service: Service) -> None:
    """And people are told why."""
    service.begin_override(OverrideKind.PAUSE, "all", at_s=595)
    for now_s in (600, 601, 610):
        service.run(now_s, a=".", c=".")
    assert service.serving() == A
    assert service.told() == ["paused", "drill_left_out"]
    assert last_drills(service.journal.overrides.drills()) == {}


class LockedStore(OverrideStore):
    """One in which no end can be stored for a time."""

    locked = False

    def record_end(self, ended: Override, event: OverrideEvent, now: datetime) -> None:
        """Fails while it is locked."""
        if self.locked:
            raise DatabaseError("locked by someone else")
        super().record_end(ended, event, now)


def test_a_drill_stopped_while_nothing_can_be_stored_is_stored_as_stopped(service: Service) -> None:
    """Once the database is back, and not as proven when its time is up."""
    store = LockedStore(service.engine)
    active = ActiveOverrides(service.settings, store)
    drill = service.begin_override(OverrideKind.DRILL, "chat", target=C, at_s=595, for_s=60)
    assert active.read({}, T0 + timedelta(seconds=596)).drill("chat") == drill
    store.locked = True
    with pytest.raises(DatabaseError):
        active.stop_drill(drill, f"{C} is down", T0 + timedelta(seconds=610))
    assert active.known(T0 + timedelta(seconds=611)).drill("chat") is None
    store.locked = False
    for at_s in (620, 660):
        assert active.read({}, T0 + timedelta(seconds=at_s)).drill("chat") is None
    assert (last_drill(service).ended_at, outcome(last_drill(service))) == (T0 + timedelta(seconds=610), "stopped")
    assert service.told() == ["drill_begun", "drill_stopped"]


class Week:
    """A week of virtual time, a step every 30 s: targets fail by chance, windows and drills come by the clock."""

    def __init__(self, seed: int) -> None:
        self.settings = replace(
            SETTINGS,
            freeze=(FreezeWindow(name="noon", begin=Moment(None, time(12)), end=Moment(None, time(13))),),
            maintenance=(
                MaintenanceWindow(
                    name="night", of="openai", begin=Moment(None, time(2)), end=Moment(None, time(3)), leave_s=600.0
                ),
            ),
        )
        self.now, self.chance = T0, Random(seed)
        self.words = dict.fromkeys(IDS, Health.UP)
        self.since = dict.fromkeys(IDS, T0 - timedelta(hours=1))
        self.current = state(A)
        self.drill: Override | None = None
        self.ends = Counter[str]()

    def step(self) -> None:
        """Health, overrides, the policy, and what the service makes of its verdict."""
        self.now += timedelta(seconds=30)
        for name, word in self.words.items():
            following = {
                Health.UP: (Health.SUSPECT, 0.01),
                Health.SUSPECT: (self.chance.choice([Health.UP, Health.DOWN]), 0.9),
                Health.DOWN: (Health.RECOVERING, 0.1),
                Health.RECOVERING: (Health.UP, 0.1),
            }[word]
            if self.chance.random() < following[1]:
                self.words[name], self.since[name] = following[0], self.now
        planned = scheduled(self.settings, self.now)
        self._drills(Overrides.at(planned, self.now))
        overrides = Overrides.at([*planned, *([self.drill] if self.drill else [])], self.now)
        states = {"chat": self.current}
        verdict = decide_all(self.settings, states, self.health(), now=self.now, generation=1, overrides=overrides)
        self._check(overrides, verdict["chat"])
        self.current = verdict["chat"].decision or self.current
        if verdict["chat"].drill_over:
            self.ends["stopped"] += 1
            self.drill = None

    def health(self) -> dict[str, TargetHealth]:
        """As the detector says it."""
        return {
            name: TargetHealth(
                target=name, health=word, since=self.since[name], reason=f"{name} is {word}", last_ok_at=self.now
            )
            for name, word in self.words.items()
        }

    def _drills(self, overrides: Overrides) -> None:
        if self.drill and not self.drill.active(self.now):
            self.ends["proven"] += 1
            self.drill = None
        if self.now.minute % 20 or self.now.second or self.drill:
            return
        conditions = DrillConditions(
            settings=self.settings,
            now=self.now,
            routes={"chat": self.current},
            health=self.health(),
            overrides=overrides,
        )
        standby, _ = conditions.standby("chat")
        self.ends["left out"] += standby is None
        if standby:
            until = self.now + timedelta(minutes=5)
            self.drill = replace(DRILL, target=standby, at=self.now, until=until)

    def _check(self, overrides: Overrides, verdict: RouteVerdict) -> None:
        at = verdict.decision or self.current
        if overrides.paused("chat") and not overrides.drained(self.current.target, self.current.target.split("/")[0]):
            assert verdict.decision is None, "nothing moves in a freeze"
            return
        if self.drill and not verdict.drill_over:
            assert (at.target, self.words[at.target]) == (self.drill.target, Health.UP)
            return
        drained = overrides.drained(A, "openai")
        if at.move is MoveKind.DRILL and self.words[A] is Health.UP and not drained:
            assert at.target == A, "no drill leaves a route on its standby"
        moved_back = verdict.decision and verdict.decision.move is MoveKind.DRILL
        assert not moved_back or self.words[at.target] is Health.UP


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_week_of_drills_outages_windows_that_collide(seed: int) -> None:
    """The invariants hold at every step, and every way for a drill to end comes about."""
    week = Week(seed)
    for _ in range(7 * 24 * 120):
        week.step()
    assert min(week.ends[way] for way in ("proven", "stopped", "left out")) > 10
