"""One control cycle: what follows from what, and that it may be killed between any two steps."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from controller.alerts.slack.incident_message import incident_headline
from controller.cycle.cycle import Cycle
from controller.cycle.routing_publisher import VALID_FOR_S
from controller.incidents.incident import Incident, RouteImpact
from controller.journal import Journal
from controller.routing.decision import Decision, MoveKind
from controller.routing.routing_file import RoutingFile
from monitor.config.settings import Settings
from monitor.connectivity.network_loss import NetworkLossDetector
from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from monitor.detection.notices import TargetNotice
from monitor.detection.pacing import BurstProbe
from monitor.detection.verdict_text import plain_reason
from monitor.health import Health, Transition
from monitor.storage.database import DatabaseError, open_writer
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import Store
from probes.observation import Observation
from tests.support.builders import T0, observation, parameters, provider_parameters, settings

ENDPOINTS = Settings(path=Path(), targets=(), routes=()).connectivity.endpoints
A, B, C = "openai/a", "openai/b", "anthropic/c"


class KilledError(Exception):
    """Stands for the end of the process at that point."""


class Stage:
    """A cycle on a real database and a real file, with a way to be killed after so many durable steps."""

    def __init__(self, wanted: Settings, *, kill_after: int | None = None, start_s: float = 0.0) -> None:
        self.settings = wanted
        self.steps = 0
        self.kill_after = kill_after
        self.engine = open_writer(wanted.database)
        store, journal = MortalStore(self), MortalJournal(self)
        self.journal, self.store = journal, store
        self.cycle = Cycle(wanted, store, journal, MortalFile(self))
        self.cycle.start(T0 + timedelta(seconds=start_s))

    def step(self) -> None:
        """A durable step has been made; perhaps it was the last."""
        self.steps += 1
        if self.steps == self.kill_after:
            raise KilledError

    def run(self, *seen: Observation, now_s: float, blind: bool = False) -> tuple[BurstProbe, ...]:
        """One cycle so long after T0."""
        return self.cycle.run(seen, T0 + timedelta(seconds=now_s), frozenset(seen) if blind else frozenset())

    def table(self) -> dict[str, Any]:
        """The routing file as a reader finds it."""
        found: dict[str, Any] = json.loads(self.settings.routing_file.read_text())
        return found

    def complaint(self) -> str | None:
        """Why the routing file cannot be written."""
        return self.cycle.publisher.error

    def close(self) -> None:
        """Let go of the database, as the end of a process would."""
        self.engine.dispose()


class MortalStore(Store):
    """A store whose process may end after any of its writes."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.engine)
        self.stage = stage

    def record(self, observations: Sequence[Observation]) -> None:
        super().record(observations)
        self.stage.step()

    def save_states(
        self,
        states: Sequence[SavedTargetState],
        transitions: Sequence[Transition],
        pools: Mapping[str, str] = MappingProxyType({}),
        *,
        at: datetime | None = None,
        notices: Sequence[TargetNotice] = (),
    ) -> None:
        super().save_states(states, transitions, pools, at=at, notices=notices)
        if states or transitions or pools:
            self.stage.step()


class MortalJournal(Journal):
    """A journal whose process may end after any of its writes."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.engine)
        self.stage = stage

    def commit(self, decisions: Sequence[Decision], incidents: Sequence[Incident]) -> list[Incident]:
        kept = super().commit(decisions, incidents)
        self.stage.step()
        return kept


class MortalFile(RoutingFile):
    """A routing file whose process may end after it was published."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.settings.routing_file)
        self.stage = stage

    def publish(self, table: Any) -> None:
        super().publish(table)
        self.stage.step()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Makes stages on one folder, and closes them."""
    opened: list[Stage] = []

    def make(*names: str, start_s: float = 0.0) -> Stage:
        opened.append(Stage(settings(tmp_path, *(names or (A, B, C))), start_s=start_s))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


#: The defining case: quiet, then everything at openai fails, while anthropic answers. (start, symbol, target)
OUTAGE = [
    *((n * 30.0 + offset, ".", name) for n in range(3) for offset, name in ((0, A), (5, B), (10, C))),
    *(
        (90.0 + n * 30 + offset, symbol, name)
        for n in range(4)
        for offset, name, symbol in ((0, A, "x"), (5, B, "x"), (10, C, "."))
    ),
]


def play(stage: Stage, story: Sequence[tuple[float, str, str]]) -> None:
    """Run one cycle per observation of the story, just after its end."""
    stage.run(now_s=0)
    for at_s, symbol, name in story:
        stage.run(observation(symbol, at_s=at_s, name=name), now_s=at_s + 0.1)


def test_the_first_cycle_publishes_the_first_candidates(stage: Callable[..., Stage]) -> None:
    """Before anything is known, applications have a file to read."""
    one = stage()
    one.run(now_s=0)
    assert [decision.move for decision in one.journal.decisions()] == [MoveKind.FIRST]
    table = one.table()
    assert (table["generation"], table["valid_for_s"]) == (1, VALID_FOR_S)
    assert table["routes"]["chat"]["target"] == A
    assert table["routes"]["chat"]["reason"] == "it is the first candidate"
    assert {name: target["health"] for name, target in table["targets"].items()} == dict.fromkeys((A, B, C), "unknown")


def test_an_outage_moves_the_route_and_opens_one_incident(stage: Callable[..., Stage]) -> None:
    """The whole provider fails: the route goes elsewhere, with the sentence everywhere the same, and the trail."""
    one = stage()
    play(one, OUTAGE)
    decision = one.journal.decisions(1)[0]
    assert (decision.before, decision.target, decision.generation) == (A, C, 2)
    assert decision.reason.startswith(
        "openai/a is down: all of openai, as 4 of 4 probes failed in 35 s (server_error) on 2 of its 2 targets; "
    )
    down = [one.store.transitions(target=name, limit=1)[0] for name in (A, B)]
    assert [moved.after for moved in down] == [Health.DOWN] * 2
    assert down[0].at == down[1].at == decision.at
    assert down[0].evidence >= down[0].threshold > 0
    assert [weighed.target for weighed in down[0].trail] == [A, B, A, B]
    assert down[0].trail == down[1].trail
    route = one.table()["routes"]["chat"]
    assert (route["target"], route["reason"], route["weights"]) == (C, plain_reason(decision.reason), {C: 100})
    assert one.store.transitions(target=A, limit=1)[0].reason == decision.reason
    [incident] = one.journal.incidents(10)
    assert {affected.target for affected in incident.affected} == {A, B}
    assert incident.routes[0].target == C


def test_a_failure_asks_for_a_quick_probe(stage: Callable[..., Stage]) -> None:
    """The report names the extra probes, and when: any target of the provider, rather those that have not failed."""
    one = stage()
    one.run(*(observation(".", name=name) for name in (A, B, C)), now_s=1)
    *fresh, burst = one.run(observation("x", at_s=30, name=A), observation(".", at_s=30, name=C), now_s=31)
    assert [(each.targets, each.afresh) for each in fresh] == [((B,), True)] * 3
    assert burst == BurstProbe(slot="openai", targets=(B, A), delay_s=provider_parameters(one.settings).failed_s)
    *fresh, burst = one.run(observation("x", at_s=40, name=C), now_s=41)
    assert [(each.targets, each.afresh) for each in fresh] == [((C,), True)] * 3
    assert burst == BurstProbe(slot=C, targets=(C,), delay_s=parameters().failed_s)


def test_generation_moves_with_targets_only_and_the_file_with_any_health(stage: Callable[..., Stage]) -> None:
    """A change of health rewrites the file under the same generation; a quiet cycle does not touch it."""
    one = stage()
    one.run(now_s=0)
    one.run(observation(".", name=A), now_s=1)
    written = one.table()["written_at"]
    assert one.table()["targets"][A]["health"] == "up"
    one.run(observation(".", at_s=30, name=A), now_s=2)
    assert (one.table()["written_at"], one.table()["generation"]) == (written, 1)


def test_the_heartbeat_is_a_third_of_the_validity(stage: Callable[..., Stage]) -> None:
    """A file that nothing changes is rewritten in time for its readers."""
    one = stage()
    one.run(now_s=0)
    first = one.table()["written_at"]
    one.run(now_s=VALID_FOR_S / 3 - 0.1)
    assert one.table()["written_at"] == first
    one.run(now_s=VALID_FOR_S / 3)
    assert one.table()["written_at"] > first


@pytest.mark.parametrize("harm", ["deleted", "edited"])
def test_a_file_touched_by_hand_is_restored_and_said(stage: Callable[..., Stage], harm: str) -> None:
    """The next cycle writes it again and records that it did."""
    one = stage()
    one.run(now_s=0)
    before = one.settings.routing_file.read_text()
    if harm == "deleted":
        one.settings.routing_file.unlink()
    else:
        one.settings.routing_file.write_text('{"routes": {}}')
    one.run(now_s=1)
    assert json.loads(one.settings.routing_file.read_text())["routes"] == json.loads(before)["routes"]
    with one.engine.connect() as connection:
        kinds = [row[0] for row in connection.exec_driver_sql("select kind from events")]
    assert kinds == ["routing_file_restored"]


def test_a_file_that_cannot_be_written_is_said_once_and_tried_again(stage: Callable[..., Stage]) -> None:
    """The controller goes on deciding; the file follows as soon as it can."""
    one = stage()
    one.run(now_s=0)
    one.settings.routing_file.unlink()
    one.settings.routing_file.mkdir()
    for now_s in (1, 2, 3):
        one.run(now_s=now_s)
    assert one.complaint() is not None
    with one.engine.connect() as connection:
        rows = connection.exec_driver_sql("select kind, text from events").all()
    assert [kind for kind, _ in rows] == ["routing_file_not_written"]
    one.settings.routing_file.rmdir()
    one.run(now_s=4)
    assert one.complaint() is None
    assert one.table()["routes"]["chat"]["target"] == A


def test_a_move_that_cannot_be_published_is_told_as_such(stage: Callable[..., Stage]) -> None:
    """People must not hear that users are safe while applications still read the old file; nor after it is mended."""
    one = stage()
    play(one, OUTAGE[:9])
    one.settings.routing_file.unlink()
    one.settings.routing_file.mkdir()
    for at_s, symbol, name in OUTAGE[9:]:
        one.run(observation(symbol, at_s=at_s, name=name), now_s=at_s + 0.1)
    assert one.journal.routes()["chat"].target == C
    [incident] = one.journal.open_incidents()
    assert incident.routes == (RouteImpact(route="chat", target=A, failing=Health.DOWN, unpublished=True),)
    told = [happening.text for happening in incident.timeline]
    assert "The routing file cannot be written: users of route chat stay on openai/a" in told
    one.settings.routing_file.rmdir()
    one.run(now_s=OUTAGE[-1][0] + 1)
    one.run(now_s=OUTAGE[-1][0] + 2)
    assert one.table()["routes"]["chat"]["target"] == C
    [incident] = one.journal.open_incidents()
    assert incident.routes == (RouteImpact(route="chat", target=C),)
    assert incident.timeline[-1].text == "The routing file is written again: users of route chat are on anthropic/c"


def test_blindness_holds_the_route(stage: Callable[..., Stage]) -> None:
    """Timeouts everywhere with our own network down move nothing."""
    one = stage()
    play(one, OUTAGE[:9])
    for n in range(8):
        for offset, name in ((0, A), (5, B), (10, C)):
            at_s = 90.0 + n * 30 + offset
            one.run(observation("t", at_s=at_s, name=name), now_s=at_s + 0.1, blind=True)
    assert one.table()["routes"]["chat"]["target"] == A
    assert {target["health"] for target in one.table()["targets"].values()} == {"unknown"}
    assert one.journal.incidents(10) == []


def test_what_failed_while_our_network_was_down_is_stored_as_such(stage: Callable[..., Stage]) -> None:
    """So no share of answers counts it, in whatever order it is handed in; what failed otherwise has no mark."""
    one = stage(A, C)
    one.run(observation("t", at_s=30, name=A), now_s=30.1, blind=True)
    one.run(observation("t", at_s=60, name=A), now_s=60.1)
    stored = one.store.observations(A, after=T0)
    assert [kept.failed_here for kept in stored] == [True, False]


def test_observations_of_targets_that_are_gone_do_no_harm(stage: Callable[..., Stage]) -> None:
    """A late answer of a target that the configuration no longer has is stored and not judged."""
    one = stage(A, C)
    one.run(observation("x", name="openai/gone"), now_s=1)
    assert one.store.transitions() == []
    assert len(one.store.observations("openai/gone", after=T0 - timedelta(days=1))) == 1


@pytest.mark.slow
def test_a_new_database_goes_on_from_the_file(stage: Callable[..., Stage], tmp_path: Path) -> None:
    """Users stay where they are, and readers never see a generation that they know again with other targets."""
    one = stage()
    play(one, OUTAGE)
    assert one.table()["generation"] == 2
    one.close()
    for leftover in tmp_path.glob("hotspare.db*"):
        leftover.unlink()
    again = stage(start_s=500)
    again.run(now_s=500)
    assert (again.table()["generation"], again.table()["routes"]["chat"]["target"]) == (2, C)
    assert again.table()["targets"][A]["health"] == "down", "no route goes back to what the file calls down"
    assert [(each.target, each.generation) for each in again.journal.decisions()] == [(C, 2)]


def test_a_service_alone_goes_above_the_epoch_of_those_before(stage: Callable[..., Stage]) -> None:
    """Without one there is none; others may hold a later file of the epoch that this file names."""
    one = stage()
    play(one, OUTAGE)
    one.close()
    table = one.table()
    assert "epoch" not in table
    one.settings.routing_file.write_text(json.dumps({**table, "epoch": 7}))
    again = stage(start_s=500)
    again.run(now_s=500)
    assert (again.table()["epoch"], again.table()["generation"]) == (8, table["generation"])


def test_a_restart_goes_on_where_it_stopped(stage: Callable[..., Stage]) -> None:
    """Health, evidence, hold and routes survive; nothing is decided twice."""
    one = stage()
    play(one, OUTAGE)
    one.close()
    again = stage(start_s=OUTAGE[-1][0] + 1)
    before = (one.store.transitions(), one.journal.decisions(), one.journal.incidents())
    assert again.journal.decisions() == before[1]
    again.run(now_s=OUTAGE[-1][0] + 1)
    assert (again.store.transitions(), again.journal.decisions(), again.journal.incidents()) == before
    assert again.cycle.detection.detector.state_of(A) == one.cycle.detection.detector.state_of(A)
    assert again.table()["routes"]["chat"]["target"] == C


@pytest.mark.parametrize(("restarts_s", "asked"), [(35, [(C,)] * 3), (95, [])], ids=["soon", "later"])
def test_a_restart_asks_afresh_again(stage: Callable[..., Stage], restarts_s: float, asked: list[tuple[str]]) -> None:
    """The test that it has ended begins anew at once, and not with the next failure; not for what is long ago."""
    one = stage()
    one.run(*(observation(".", name=name) for name in (A, B, C)), now_s=1)
    one.run(observation("x", at_s=30, name=C), now_s=31)
    one.close()
    again = stage(start_s=restarts_s)
    probes = [each for each in again.cycle.detection.resumed_probes if each.afresh]
    assert [each.targets for each in probes] == asked
    for number, symbol in enumerate("xxxxxxx" if asked else ""):
        at_s = restarts_s + (number / 10 if number < 3 else 10 + number / 10)
        again.run(observation(symbol, at_s=at_s, name=C, afresh=True), now_s=at_s + 0.2)
    assert again.table()["targets"][C]["health"] == "down" if asked else True
    again.close()


def test_evidence_against_a_provider_survives_a_restart(stage: Callable[..., Stage]) -> None:
    """What its targets have shown together is gone on from, but not after a service that was off for hours."""
    one = stage()
    play(one, OUTAGE[:13])
    assert one.table()["targets"][A]["health"] == "suspect"
    one.close()
    again = stage(start_s=OUTAGE[13][0])
    for at_s, symbol, name in OUTAGE[13:]:
        again.run(observation(symbol, at_s=at_s, name=name), now_s=at_s + 0.1)
    whole = again.store.transitions(target=A, limit=1)[0]
    assert whole.reason.startswith("openai/a is down: all of openai, as 4 of 4 probes failed")
    again.close()


def test_evidence_from_hours_ago_is_no_evidence_now(stage: Callable[..., Stage]) -> None:
    """A service that was off while two failures were held against the provider begins anew."""
    one = stage()
    play(one, OUTAGE[:13])
    one.close()
    hour_s = 3600.0
    again = stage(start_s=hour_s)
    for at_s, name in ((0, A), (2, B), (4, A), (6, B)):
        again.run(observation("x", at_s=hour_s + at_s, name=name), now_s=hour_s + at_s + 0.1)
    assert Health.DOWN not in {moved.after for moved in again.store.transitions()}


def summary(stage: Stage) -> tuple[Any, ...]:
    """Everything that must be the same however often the process was killed."""
    table = stage.table()
    decisions = [(d.route, d.move, d.before, d.target, d.reason, d.generation) for d in stage.journal.decisions(100)]
    incidents = [
        (i.provider, i.kind, {a.target: a.health for a in i.affected}, i.routes, i.resolved_at is None)
        for i in stage.journal.incidents(100)
    ]
    healths = {name: state.health.health for name, state in stage.store.states().items()}
    routes = {name: (route["target"], route["reason"]) for name, route in table["routes"].items()}
    return (
        decisions,
        incidents,
        healths,
        routes,
        table["generation"],
        {n: t["health"] for n, t in table["targets"].items()},
    )


@pytest.mark.slow
def test_killed_between_any_two_steps_it_ends_in_the_same_place(tmp_path: Path) -> None:
    """After every single durable step of the outage the process dies and starts again; the end is always the same."""
    (tmp_path / "whole").mkdir()
    whole = Stage(settings(tmp_path / "whole", A, B, C))
    play(whole, OUTAGE)
    expected, steps = summary(whole), whole.steps
    whole.close()
    assert expected[2][A] is Health.DOWN
    for kill_after in range(1, steps + 1):
        folder = tmp_path / str(kill_after)
        folder.mkdir()
        assert summary(killed_once(settings(folder, A, B, C), kill_after)) == expected, (
            f"killed after step {kill_after}"
        )


def killed_once(wanted: Settings, kill_after: int) -> Stage:
    """The outage played with one death after that step: the observation under way is probed no second time."""
    stage = Stage(wanted, kill_after=kill_after)
    story: list[tuple[float, str, str] | None] = [None, *OUTAGE]
    while story:
        head = story[0]
        seen = () if head is None else (observation(head[1], at_s=head[0], name=head[2]),)
        now_s = 0.0 if head is None else head[0] + 0.1
        try:
            stage.run(*seen, now_s=now_s)
        except KilledError:
            stage.close()
            stage = Stage(wanted, start_s=now_s)
            stage.run(now_s=now_s)
        story.pop(0)
    stage.close()
    return stage


class Jammed(Journal):
    """A journal that cannot write for a while."""

    jammed = False

    def commit(self, decisions: Sequence[Decision], incidents: Sequence[Incident]) -> list[Incident]:
        if self.jammed:
            raise DatabaseError("locked by someone else")
        return super().commit(decisions, incidents)


class Locked(Store):
    """A store that cannot write for a while."""

    locked = False

    def record(self, observations: Sequence[Observation]) -> None:
        if self.locked:
            raise DatabaseError("locked by someone else")
        super().record(observations)


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[tuple[Cycle, Locked, Jammed, Path]]:
    """A cycle that has begun well, on a store and a journal that can be made to fail."""
    wanted = settings(tmp_path, A, C)
    engine = open_writer(wanted.database)
    store, journal = Locked(engine), Jammed(engine)
    cycle = Cycle(wanted, store, journal, RoutingFile(wanted.routing_file))
    cycle.start(T0)
    cycle.run((observation(".", name=A), observation(".", name=C)), T0)
    yield cycle, store, journal, wanted.routing_file
    engine.dispose()


def test_what_could_not_be_stored_can_be_handed_in_again(stuck: tuple[Cycle, Locked, Jammed, Path]) -> None:
    """A database locked by someone else costs time, not observations; nothing in memory has changed."""
    cycle, store, _, _ = stuck
    before = cycle.detection.detector.state_of(A)
    store.locked = True
    batch = (observation("x", at_s=30, name=A),)
    with pytest.raises(DatabaseError):
        cycle.run(batch, later(31))
    assert cycle.detection.detector.state_of(A) == before
    store.locked = False
    cycle.run(batch, later(32))
    assert cycle.detection.detector.state_of(A).health is Health.SUSPECT


def test_what_is_handed_in_again_is_not_counted_again(stuck: tuple[Cycle, Locked, Jammed, Path]) -> None:
    """A journal that fails after the observation was folded in does not make one refused key two."""
    cycle, _, journal, file = stuck
    file.unlink()
    journal.jammed = True
    first = observation("a", at_s=30, name=A)
    cycle.run((first,), later(31))
    assert cycle.detection.detector.state_of(A).health is Health.SUSPECT, "nothing to journal yet"
    second = observation("a", at_s=40, name=A)
    for now_s in (41, 42, 43):
        with pytest.raises(DatabaseError):
            cycle.run((second,), later(now_s))
    before = cycle.detection.detector.state_of(A)
    assert before.health is Health.MISCONFIGURED
    journal.jammed = False
    third = observation(".", at_s=43, name=C)
    cycle.run((second, third), later(44))
    assert cycle.detection.detector.state_of(A) == before
    assert [(decision.target, decision.at) for decision in journal.decisions(1)] == [(C, later(44))]
    assert json.loads(file.read_text())["targets"][A]["health"] == "misconfigured"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("symbol", "health"),
    [
        pytest.param("x", Health.SUSPECT, id="a server error is a server error"),
        pytest.param("t", Health.UNKNOWN, id="whether a timeout was our own network's, nobody asked then"),
    ],
)
def test_what_was_stored_and_not_judged_is_folded_at_the_start(tmp_path: Path, symbol: str, health: Health) -> None:
    """Killed between storing observations and states: nothing is lost, the transition is stored, nobody is blamed."""
    wanted = settings(tmp_path, A, C)
    engine = open_writer(wanted.database)
    store, journal = Store(engine), Journal(engine)
    cycle = Cycle(wanted, store, journal, RoutingFile(wanted.routing_file))
    cycle.start(T0)
    cycle.run((observation(".", name=A),), T0)
    store.record([observation(symbol, at_s=30, name=A)])
    again = Cycle(wanted, store, journal, RoutingFile(wanted.routing_file))
    again.start(later(35))
    assert again.detection.detector.state_of(A).health is health
    assert store.transitions(target=A, limit=1)[0].after is health
    assert store.states()[A].health.health is health
    engine.dispose()


@pytest.mark.parametrize(
    ("answering", "health"),
    [
        pytest.param(ENDPOINTS, Health.SUSPECT, id="the endpoints answered: it was the provider's"),
        pytest.param((), Health.UNKNOWN, id="they did not: it was our own network's"),
    ],
)
def test_what_the_endpoints_said_then_decides_at_the_start(
    tmp_path: Path, answering: tuple[str, ...], health: Health
) -> None:
    """Killed between storing observations and states: whether we were blind then can still be told."""
    wanted = settings(tmp_path, A, C)
    engine = open_writer(wanted.database)
    store, journal = Store(engine), Journal(engine)
    cycle = Cycle(wanted, store, journal, RoutingFile(wanted.routing_file))
    cycle.start(T0)
    cycle.run((observation(".", name=A),), T0)
    for at_s, answered in ((0, ENDPOINTS), (30.5, answering)):
        sight = ConnectivityState.ONLINE if answered else ConnectivityState.BLIND
        store.record_connectivity(
            ConnectivityObservation(at=later(at_s), state=sight, asked=ENDPOINTS, answered=frozenset(answered))
        )
    store.record([observation("t", at_s=30, name=A)])
    again = Cycle(wanted, store, journal, RoutingFile(wanted.routing_file))
    again.start(later(35))
    assert store.states()[A].health.health is health
    engine.dispose()


def test_other_intervals_leave_what_is_known(tmp_path: Path) -> None:
    """Health and evidence stay; silence and `an ok of its own within three intervals` go by the new interval."""
    wanted = settings(tmp_path, A, C)
    one = Stage(wanted)
    one.run(*(observation(".", name=name) for name in (A, C)), now_s=1)
    one.run(observation("x", at_s=30, name=A), now_s=31)
    before = one.cycle.detection.detector.state_of(A)
    longer = replace(wanted, targets=tuple(replace(target, interval_s=600.0) for target in wanted.targets))
    one.cycle.update_intervals(longer)
    assert one.cycle.detection.detector.state_of(A) == before
    one.run(now_s=1500)
    assert {target["health"] for target in one.table()["targets"].values()} == {"suspect", "up"}
    one.run(*(observation("a", at_s=1500 + n, name=A) for n in range(2)), now_s=1502)
    assert one.table()["routes"]["chat"]["target"] == C, "its ok is not too old for its interval"
    one.run(now_s=2000)
    assert one.table()["targets"][C]["health"] == "unknown", "silence all the same"
    one.close()


def test_other_settings_lose_no_evidence(tmp_path: Path) -> None:
    """A cycle that gets other settings before each observation, a hundred times, judges and decides as one that none.

    Targets and routes come and go meanwhile; the outage of a whole provider and of one target are among what is seen.
    """
    seen = [
        observation("x" if n > 40 and (name != C) and n % 3 else ".", at_s=10.0 * n, name=name)
        for n in range(100)
        for name in (A, B, C)
    ]
    tables, verdicts = [], list[list[object]]()
    for reloads in (False, True):
        folder = tmp_path / str(reloads)
        folder.mkdir()
        wanted = settings(folder, A, B, C)
        larger = settings(folder, A, B, C, "groq/d")
        one = Stage(wanted)
        for number, each in enumerate(seen):
            if reloads:
                one.cycle.reconfigure((wanted, larger)[number % 2], each.finished_at)
            one.cycle.run((each,), each.finished_at)
        if reloads:
            one.cycle.reconfigure(wanted, seen[-1].finished_at)
        one.run(now_s=1001)
        tables.append({name: route | {"reason": ""} for name, route in one.table()["routes"].items()})
        verdicts.append([each for each in one.store.transitions() if each.target in (A, B, C)])
        snapshot = one.cycle.detection.detector.snapshot()
        verdicts[-1] += [snapshot.targets[name] for name in (A, B, C)]
        one.close()
    assert tables[0]["chat"]["target"] == tables[1]["chat"]["target"] == C
    assert verdicts[0] == verdicts[1]


def test_a_target_that_goes_takes_its_routes_and_incidents_along(tmp_path: Path) -> None:
    """A route on it moves at once, also where all others fail; its incident is over; once it is back, it is known."""
    wanted = settings(tmp_path, A, B, C)
    one = Stage(wanted)
    one.run(*(observation(".", name=name) for name in (A, B, C)), now_s=1)
    for n in range(12):
        one.run(*(observation("x", at_s=10.0 + 5 * n, name=name) for name in (A, B)), now_s=12.0 + 5 * n)
    assert one.table()["routes"]["chat"]["target"] == C
    known = one.cycle.detection.detector.state_of(A)
    one.cycle.reconfigure(settings(tmp_path, A, B), T0 + timedelta(seconds=80))
    one.run(observation("x", at_s=80, name=C), now_s=81)
    assert one.table()["routes"]["chat"]["target"] in {A, B}
    assert C not in one.table()["targets"]
    one.cycle.reconfigure(settings(tmp_path, C), T0 + timedelta(seconds=85))
    one.run(now_s=86)
    assert one.table()["routes"]["chat"]["target"] == C
    assert one.journal.open_incidents() == []
    one.cycle.reconfigure(wanted, T0 + timedelta(seconds=90))
    assert one.cycle.detection.detector.state_of(A) == known
    one.close()


def test_who_is_not_asked_any_more_moves_nothing(tmp_path: Path) -> None:
    """Unknown for the reason given, stored and published, in the same cycle as an answer that comes in late."""
    one = Stage(settings(tmp_path, A, C))
    one.run(*(observation(".", name=name) for name in (A, C)), now_s=1)
    one.cycle.detection.stop_watching({A}, "not probed until tomorrow")
    one.run(observation(".", at_s=2, name=A), now_s=3)
    assert one.table()["targets"][A]["health"] == "unknown"
    assert one.table()["routes"]["chat"]["target"] == A
    assert one.store.states()[A].health.reason == f"{A} is unknown: not probed until tomorrow"
    known = one.store.transitions()
    one.run(now_s=4)
    assert one.store.transitions() == known
    one.cycle.detection.stop_watching((), "")
    one.run(observation(".", at_s=30, name=A), now_s=31)
    assert one.table()["targets"][A]["health"] == "up"
    one.close()


def test_all_failing_at_once_while_the_endpoints_answer_is_said_loudly(stage: Callable[..., Stage]) -> None:
    """It is no blindness: every target is down, the route holds, and people are told to act."""
    one = stage()
    detector = NetworkLossDetector(ENDPOINTS, frozenset({"openai", "anthropic"}))
    # Quiet probes, then as quick as those of a burst.
    for at_s in (0.0, 30.0, 60.0, 90.0, *(120.0 + n * 5 for n in range(20))):
        batch = [observation("." if at_s < 120 else "t", at_s=at_s, name=name) for name in (A, B, C)]
        blind = [seen for seen in batch if detector.follow(seen, lambda _: frozenset(ENDPOINTS))]
        assert blind == []
        one.run(*batch, now_s=at_s + 0.2)
    assert {target["health"] for target in one.table()["targets"].values()} == {"down"}
    assert one.table()["routes"]["chat"]["target"] == A, "nothing eligible: holding"
    incidents = one.journal.open_incidents()
    assert {incident.provider for incident in incidents} == {"openai", "anthropic"}
    assert all(route.stuck for incident in incidents for route in incident.routes)
    [its_own] = [incident for incident in incidents if incident.provider == "openai"]
    told = incident_headline(its_own, now=later(720)).text
    assert told.startswith("🚨 Act now: ")
    assert "nowhere to go" in told


def later(seconds: float) -> datetime:
    """So long after T0."""
    return T0 + timedelta(seconds=seconds)
