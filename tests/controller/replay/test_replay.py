"""`replay`: the same configuration over the same past decides the same; another one differs, and that is said."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.cli.main import main
from controller.cli.output import terminal
from controller.cli.replay import print_replay
from controller.replay.comparison import DecisionDifference, compare
from controller.replay.document import ReplayResult, notes, replay_document
from controller.replay.runner import NothingRecordedError, replay
from controller.routing.decision import Decision, MoveKind
from controller.routing.override_text import OverrideEvent
from controller.routing.overrides import Override, OverrideKind
from controller.routing.store import OverrideStore
from controller.simulation.scenario import BlipStream, Outage, Scenario
from monitor.budget import tracker
from monitor.budget.tracker import Throttling
from monitor.config.controller_settings import ControllerSettings, Failback
from monitor.config.settings import Settings
from monitor.config.traffic_settings import TrafficSettings
from monitor.health import Health, Transition
from monitor.storage.database import open_reader, open_writer
from monitor.storage.store import Store
from probes.outcome import Outcome
from probes.target import Price
from tests.support.builders import T0, settings
from tests.support.recorded_replies import Recording, at
from tests.support.worlds import outage

A, B, C = "openai/a", "openai/b", "anthropic/c"
END_S = 2700.0
ENOUGH_S = 7 * 86400.0


def recorded(
    folder: Path,
    *outages: Outage,
    names: Sequence[str] = (A, C),
    stopped: Sequence[tuple[float, float]] = (),
    ends_s: float = END_S,
) -> Settings:
    """The settings of a service that has lived through these outages, and left its database in this folder."""
    wanted = settings(folder, *names)
    world = Scenario(
        path=Path("made-up"), settings=wanted, duration_s=ends_s, blips=BlipStream(per_day=50), outages=outages
    )
    Recording(world, wanted, stopped=stopped).run()
    return wanted


@pytest.mark.slow
def test_intervals_that_followed_the_routes_are_followed_again(tmp_path: Path) -> None:
    """The threshold of 6 s is not that of 4 s: judged by it, the route moves at another time."""
    controller = ControllerSettings(spend_where_used=True)
    wanted = stretched(replace(settings(tmp_path, A, C), controller=controller), 1 / 5)
    outages = (outage(1800.0, 1800.0, targets=(A,), failure_rate=0.5), outage(5400.0, 600.0, targets=(C,)))
    world = Scenario(path=Path("made-up"), settings=wanted, duration_s=9000.0, outages=outages)
    Recording(world, wanted).run()
    answer = replayed(wanted, now_s=9000.0)
    assert {change for _, change in changes(answer)} == {DecisionDifference.SAME}
    assert MoveKind.FAILBACK in {move for move, _ in changes(answer)}


@pytest.mark.slow
def test_verdicts_on_reports_come_as_they_were(tmp_path: Path) -> None:
    """Reports are not stored one by one: with `traffic` the verdict counts again; without, it does not, and is said."""
    quiet = recorded(tmp_path, ends_s=1800.0)
    reason = f"{A} is down: 37 of 90 requests of 2 hosts failed in 8.5 s (server_error); evidence 11.7, verdict at 7.3"
    verdict = Transition(target=A, at=at(900.0), before=Health.SUSPECT, after=Health.DOWN, reason=reason, evidence=11.7)
    engine = open_writer(quiet.database)
    Store(engine).save_states([], [verdict])
    engine.dispose()
    answer = replayed(replace(quiet, traffic=TrafficSettings()), now_s=1800.0)
    [_, move] = answer.now.decisions
    assert (move.move, move.reason) == (MoveKind.FAILOVER, reason)
    assert 0 <= (move.at - at(900.0)).total_seconds() < 1
    assert any("1 verdict on them came as they were then" in note for note in notes(answer))
    without = replayed(quiet, now_s=1800.0)
    assert [each.move for each in without.now.decisions] == [MoveKind.FIRST]
    assert any("1 verdict on reports did not come" in note for note in notes(without))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A quarter of an hour of quiet, ten minutes in which openai fails altogether, and the time until all is well."""
    bad = outage(900.0, 600.0, targets=(A,), failure_rate=0.9)
    return recorded(tmp_path_factory.mktemp("past"), bad)


def stretched(wanted: Settings, factor: float) -> Settings:
    """The same targets, probed so many times as seldom."""
    return replace(wanted, targets=tuple(replace(each, interval_s=factor * each.interval_s) for each in wanted.targets))


def replayed(wanted: Settings, *, since_s: float = ENOUGH_S, now_s: float = END_S) -> ReplayResult:
    """What these settings make of their own database."""
    engine = open_reader(wanted.database)
    try:
        return replay(wanted, engine, since_s=since_s, now=at(now_s))
    finally:
        engine.dispose()


def changes(answer: ReplayResult) -> list[tuple[MoveKind, DecisionDifference]]:
    """The moves and how they compare."""
    return [(pair.decision.move, pair.change) for pair in answer.pairs]


# The same configuration.


@pytest.mark.slow
def test_a_past_with_intervals_stretched_by_the_budget_is_judged_by_these(tmp_path: Path) -> None:
    """Judged by the configured ones, a target would be silent between any two probes, and the service stopped."""
    replay_stretched(settings(tmp_path, A, C), Throttling(stretches={A: 8.0, C: 8.0}))


@pytest.mark.slow
def test_stretches_of_the_past_are_known_when_the_budget_stretches_nothing_any_more(tmp_path: Path) -> None:
    """A new month has begun: what was stored last says nothing of the month before."""
    wanted = settings(tmp_path, A, C)
    paid = tuple(replace(each, price=Price(input_usd=1.0, output_usd=1.0)) for each in wanted.targets)
    answer = replay_stretched(replace(wanted, targets=paid), Throttling())
    assert any("probed less often than configured" in note for note in notes(answer))


def replay_stretched(wanted: Settings, stored_last: Throttling) -> ReplayResult:
    """A past probed at eight times these intervals, replayed: the same is decided, and nothing counts as a gap."""
    slower = stretched(wanted, 8.0)
    bad = outage(3600.0, 3600.0, targets=(A,), failure_rate=1.0)
    Recording(Scenario(path=Path("made-up"), settings=slower, duration_s=4 * 3600.0, outages=(bad,)), slower).run()
    engine = open_writer(wanted.database)
    Store(engine).save_throttling(tracker.to_json(stored_last), at(0.0))
    engine.dispose()
    answer = replayed(wanted, now_s=4 * 3600.0)
    assert changes(answer) == [
        (MoveKind.FAILOVER, DecisionDifference.SAME),
        (MoveKind.FAILBACK, DecisionDifference.SAME),
    ]
    assert not answer.gaps
    return answer


@pytest.mark.slow
def test_the_same_configuration_decides_the_same(past: Settings) -> None:
    """To the fraction of a second, and with the same reasons."""
    answer = replayed(past)
    assert changes(answer) == [
        (MoveKind.FAILOVER, DecisionDifference.SAME),
        (MoveKind.FAILBACK, DecisionDifference.SAME),
    ]
    for pair in answer.pairs:
        assert pair.then
        assert pair.now
        assert pair.then.reason == pair.now.reason
        assert abs(pair.apart_s) < 0.6


@pytest.mark.slow
@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(outage(600.0, 300.0, targets=(A, B), failure_rate=0.6), id="a provider of several targets"),
        pytest.param(
            outage(600.0, 300.0, targets=(A, B, C), failure_rate=1.0, outcome=Outcome.UNREACHABLE, own_network=True),
            id="our own network",
        ),
        pytest.param(outage(600.0, 300.0, targets=(A,), failure_rate=1.0, outcome=Outcome.AUTH), id="a wrong key"),
        pytest.param(outage(600.0, 300.0, targets=(A,), failure_rate=1.0, outcome=Outcome.TIMEOUT), id="silence"),
    ],
)
def test_so_it_does_in_every_kind_of_trouble(tmp_path: Path, trouble: Outage) -> None:
    """Pools, blindness, suspicions and deadlines are the judge's, and the judge is the same."""
    answer = replayed(recorded(tmp_path, trouble, names=(A, B, C), ends_s=1500.0))
    assert {change for _, change in changes(answer)} <= {DecisionDifference.SAME}
    assert bool(answer.pairs) is not trouble.own_network


@pytest.mark.slow
def test_so_it_does_when_the_service_was_stopped_meanwhile(tmp_path: Path) -> None:
    """A gap is said, and no decision is made up in it."""
    bad = outage(600.0, 900.0, targets=(A,), failure_rate=1.0)
    answer = replayed(recorded(tmp_path, bad, stopped=[(700.0, 1200.0)], ends_s=2700.0), now_s=2700.0)
    assert {change for _, change in changes(answer)} == {DecisionDifference.SAME}
    [(since, until)] = answer.gaps
    assert 480 < (until - since).total_seconds() < 600
    assert any(note.startswith("1 gap without observations") for note in notes(answer))


@pytest.mark.slow
@pytest.mark.parametrize("stopped_s", [902.5, 905.0, 909.5])
def test_so_it_does_when_the_service_began_anew_in_the_middle_of_a_test(tmp_path: Path, stopped_s: float) -> None:
    """The service asks afresh again, and its verdict may rest on those probes."""
    bad = outage(890.0, 300.0, targets=(A,), failure_rate=1.0)
    answer = replayed(recorded(tmp_path, bad, stopped=[(stopped_s, stopped_s + 2.0)], ends_s=1200.0), now_s=1200.0)
    assert changes(answer) == [(MoveKind.FAILOVER, DecisionDifference.SAME)]
    [first] = answer.pairs
    assert first.then
    assert first.now
    assert ("asked afresh" in first.then.reason) is ("asked afresh" in first.now.reason)


@pytest.mark.slow
def test_a_target_that_was_not_observed_for_hours_is_said(tmp_path: Path) -> None:
    """The others went on, so that it is no gap of the whole history."""
    wanted = recorded(tmp_path, ends_s=3600.0)
    engine = open_writer(wanted.database)
    with engine.begin() as connection:
        dropped = "delete from observations where target = ? and started_ms between ? and ?"
        connection.exec_driver_sql(dropped, (A, *(int(at(second).timestamp() * 1000) for second in (1200.0, 2700.0))))
    engine.dispose()
    answer = replayed(wanted, now_s=3600.0)
    assert list(answer.now.silences) == [A]
    assert any(
        note.startswith(f"1 target not observed for a time while others were, longest {A} for 25 min")
        for note in notes(answer)
    )
    assert not answer.gaps


# Another configuration.


@pytest.mark.slow
def test_a_longer_hold_comes_back_later(past: Settings) -> None:
    """The failover is the same; the failback is later by about what the hold is longer."""
    patient = replace(past, controller=ControllerSettings(failback=Failback(hold_s=600.0)))
    answer = replayed(patient)
    assert changes(answer) == [
        (MoveKind.FAILOVER, DecisionDifference.SAME),
        (MoveKind.FAILBACK, DecisionDifference.LATER),
    ]
    assert 200 < answer.pairs[1].apart_s < 900


@pytest.mark.slow
def test_one_that_waits_longer_goes_later(past: Settings) -> None:
    """By about what `min_outage` is longer."""
    [first, *_] = replayed(replace(past, controller=ControllerSettings(min_outage_s=40.0))).pairs
    assert first.change is DecisionDifference.LATER
    assert 5 < first.apart_s <= 40


def test_one_that_never_comes_back_by_itself(past: Settings) -> None:
    """What was decided then and would not be now is there, too."""
    manual = replace(past, controller=ControllerSettings(failback=Failback(mode="manual")))
    assert changes(replayed(manual)) == [
        (MoveKind.FAILOVER, DecisionDifference.SAME),
        (MoveKind.FAILBACK, DecisionDifference.ONLY_THEN),
    ]


def test_a_target_that_was_never_asked_cannot_be_judged(past: Settings) -> None:
    """It is named, and so is what was recorded and is not configured any more."""
    other = settings(Path("/nowhere"), A, "gemini/new")
    answer = replayed(replace(other, database=past.database))
    said = replay_document(answer, "x")
    assert said["not_recorded"] == ["gemini/new"]
    assert said["not_configured"] == [C]
    assert (MoveKind.FAILOVER, DecisionDifference.ONLY_THEN) in changes(answer)


# What is kept, and what is not.


def test_a_past_that_began_in_the_window_is_compared_from_its_first_moment(past: Settings) -> None:
    """Nothing was before, so nothing is missing."""
    answer = replayed(past)
    assert answer.window.complete
    assert answer.window.deciding_from == at(0)
    assert "the history begins 2026-01-01T00:00:00.000Z, when the service first ran" in notes(answer)


def test_a_window_that_begins_in_an_outage_begins_where_the_route_was(past: Settings) -> None:
    """The journal says where; only the return is left to compare."""
    answer = replayed(past, since_s=END_S - 1200.0)
    assert answer.window.deciding_from == at(1200)
    assert changes(answer) == [(MoveKind.FAILBACK, DecisionDifference.SAME)]


@pytest.mark.slow
def test_a_pruned_past_is_listened_to_for_an_hour_before_anything_is_compared(tmp_path: Path) -> None:
    """How things stood at its beginning is not known."""
    late = outage(4800.0, 300.0, targets=(A,), failure_rate=1.0)
    wanted = recorded(tmp_path, late, ends_s=6600.0)
    engine = open_writer(wanted.database)
    while Store(engine).prune(at(900)):
        pass
    engine.dispose()
    answer = replayed(wanted, now_s=6600.0)
    assert not answer.window.complete
    assert at(4500) <= answer.window.deciding_from <= at(4531)
    assert {change for _, change in changes(answer)} == {DecisionDifference.SAME}
    assert any("its first hour is only listened to" in note for note in notes(answer))


def test_less_than_an_hour_of_a_pruned_past_is_nothing(tmp_path: Path) -> None:
    """Nothing could be compared."""
    wanted = recorded(tmp_path, ends_s=1200.0)
    engine = open_writer(wanted.database)
    while Store(engine).prune(at(600)):
        pass
    engine.dispose()
    with pytest.raises(NothingRecordedError, match="less than 1 h of observations"):
        replayed(wanted)


def test_a_past_that_ended_before_is_nothing(past: Settings) -> None:
    """The sentence says when it ended."""
    with pytest.raises(NothingRecordedError, match=r"since .* the history ends 2026-01-01T00:4"):
        replayed(past, since_s=3600.0, now_s=END_S + 86_400)


# The operator's overrides.


def test_what_an_operator_did_then_counts_now(tmp_path: Path) -> None:
    """A drain that was in force from one instant to another moves the route there and back."""
    wanted = recorded(tmp_path, ends_s=1200.0)
    engine = open_writer(wanted.database)
    drain = Override(
        kind=OverrideKind.DRAIN, subject="openai", author="ana", reason="a test", at=at(300), until=at(9_000)
    )
    overrides = OverrideStore(engine)
    overrides.begin(drain, lambda _: OverrideEvent(kind="drained", subject="openai", text="drained"))
    overrides.end(
        OverrideKind.DRAIN,
        ["openai"],
        at=at(600),
        by="ana",
        reason="done",
        event_for=lambda _: OverrideEvent(kind="undrained", subject="openai", text="undrained"),
    )
    engine.dispose()
    answer = replayed(wanted)
    assert changes(answer) == [
        (MoveKind.DRAIN, DecisionDifference.ONLY_NOW),
        (MoveKind.FAILBACK, DecisionDifference.ONLY_NOW),
    ]
    assert answer.pairs[0].decision.at == at(300)
    assert at(600) <= answer.pairs[1].decision.at < at(601)
    assert "what operators did then counts here as well: 1 override" in notes(answer)


# The comparison.


def made(text: str) -> list[Decision]:
    """Decisions of one route from words such as `fail@60`; the target is the move's."""
    moves = {"fail": (MoveKind.FAILOVER, C), "back": (MoveKind.FAILBACK, A), "first": (MoveKind.FIRST, A)}
    return [
        decision(*moves[word.partition("@")[0]], T0 + timedelta(seconds=float(word.partition("@")[2])))
        for word in text.split()
    ]


def decision(move: MoveKind, to: str, when: datetime) -> Decision:
    """A decision of the route `chat`."""
    return Decision(route="chat", at=when, move=move, before=None, target=to, reason="because", generation=1)


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        pytest.param("fail@60 back@600", "fail@61 back@599", "same same", id="within two seconds is the same"),
        pytest.param("fail@60 back@600", "fail@30 back@900", "earlier later", id="sooner out, later back"),
        pytest.param("fail@60 back@600", "", "only_then only_then", id="nothing would be decided"),
        pytest.param("", "fail@60", "only_now", id="a new one"),
        pytest.param("fail@0", "fail@3601", "only_then only_now", id="more than an hour apart is another one"),
        pytest.param(
            "fail@0 back@300 fail@400 back@900",
            "fail@0 back@905",
            "same only_then only_then later",
            id="two outages become one, paired by what is nearest",
        ),
        pytest.param("first@0", "first@50", "", id="the first decision of a route says nothing"),
        pytest.param("fail@60", "back@60", "only_now only_then", id="another move is another decision"),
    ],
)
def test_decisions_are_paired_in_order(then: str, now: str, expected: str) -> None:
    """Alike and near, and never crosswise."""
    assert " ".join(pair.change for pair in compare(made(then), made(now))) == expected


@pytest.mark.slow
def test_many_decisions_are_compared_in_stretches() -> None:
    """A route that flapped for weeks must not take a night."""
    flapping = " ".join(f"fail@{n * 60} back@{n * 60 + 30}" for n in range(1500))
    assert {pair.change for pair in compare(made(flapping), made(flapping))} == {DecisionDifference.SAME}


# The command.


def written(folder: Path, text: str = "") -> Path:
    """A configuration of the recorded targets, on a database beside it unless the text says otherwise."""
    path = folder / "other.yaml"
    path.write_text(
        (text or f"database: sqlite:///{folder}/hotspare.db")
        + """
providers:
  openai: {dialect: openai-chat, api_key: "${OPENAI_API_KEY}", models: {a: {}}}
  anthropic: {dialect: anthropic, api_key: "${ANTHROPIC_API_KEY}", models: {c: {}}}
routes:
  chat: {candidates: [openai/a, anthropic/c]}
"""
    )
    return path


def test_the_document_has_everything(past: Settings) -> None:
    """For scripts: instants, differences, and both sides of each."""
    said: dict[str, Any] = json.loads(json.dumps(replay_document(replayed(past), past.database)))
    assert said["same"] is True
    assert said["counts"] == {"same": 2, "earlier": 0, "later": 0, "only_then": 0, "only_now": 0}
    assert said["routes"][0]["flips"] == {"then": 2, "now": 2}
    assert 600 < said["routes"][0]["away_s"]["then"] < 1800
    [out, back] = said["decisions"]
    assert (out["route"], out["change"], out["now"]["move"]) == ("chat", "same", "failover")
    assert back["then"]["weights"] == {A: 100}


def test_people_get_a_timeline_and_what_limits_it(past: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """What happened, the difference, and why."""
    print_replay(replayed(replace(past, controller=ControllerSettings(failback=Failback(mode="manual")))), terminal())
    printed = capsys.readouterr().out
    assert "only then" in printed
    assert "2 decisions: 1 same, 1 only then" in printed
    assert "chat: 2 flips then, 1 now; away from openai/a for" in printed
    assert "note: the probes came when the recording configuration asked for them" in printed


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param([], 2, "no database at", id="no database"),
        pytest.param(["--database", "sqlite:///:memory:"], 2, "keeps nothing", id="a database that keeps nothing"),
        pytest.param(["--database", "PAST"], 1, "nothing was recorded since", id="an old one"),
    ],
)
def test_where_there_is_nothing_to_replay(
    tmp_path: Path, past: Settings, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str
) -> None:
    """A sentence, and the exit status."""
    given = [past.database if one == "PAST" else one for one in arguments]
    assert main(["replay", "-c", str(written(tmp_path)), *given]) == status
    assert said in capsys.readouterr().err


def test_an_empty_database_is_bad_news(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so rather than that all is the same."""
    open_writer(f"sqlite:///{tmp_path}/hotspare.db").dispose()
    assert main(["replay", "-c", str(written(tmp_path))]) == 1
    assert "no target of" in capsys.readouterr().err


def test_the_command_reads_another_database(tmp_path: Path, past: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """With a configuration that keeps nothing itself, without keys."""
    path = written(tmp_path, 'database: "sqlite:///:memory:"')
    assert main(["replay", "-c", str(path), "--database", past.database, "--since", "3650d", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True
