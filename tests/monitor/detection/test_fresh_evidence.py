"""The test on fresh evidence: what it asks for and when, what ends it, and how rarely it is wrong."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.config.controller_settings import Blips, ControllerSettings
from monitor.detection import fresh_evidence, fresh_model
from monitor.detection.background import BackgroundRate
from monitor.detection.blip_lengths import NO_PERIODS
from monitor.detection.detector import Detector
from monitor.detection.detector_state import DetectorState
from monitor.detection.fresh_evidence import FreshTest
from monitor.detection.pacing import BurstProbe
from monitor.detection.parameters import target_parameters
from monitor.health import Health
from probes.observation import Observation, replaced
from tests.support.builders import OUTCOMES, T0, observation, settings, target
from tests.support.closed_loop import ClosedLoop
from tests.support.fresh_rounds import MODEL, PER_DAY, A, afresh, begun, played


def test_a_verdict_is_made_as_soon_as_it_is_certain() -> None:
    """Two failures suffice at the defaults, however the others end; a clean round ends it."""
    assert played(["xx"])
    assert played(["......xx"])
    assert played([".......x", "..xx"])
    assert not played([".......x", "........"])
    assert not played(["........"])


def test_three_good_answers_end_it() -> None:
    """A failure that none of three more confirms was a single one."""
    test: FreshTest | None = begun()
    for _ in range(3):
        assert test
        test, asked = fresh_evidence.add_probe(test, afresh(test, "."))
        assert asked == []
    assert test is None


def test_each_confirmation_asks_three_more_of_others() -> None:
    """At once; three good answers end it, as does a throttled one. The rounds begin when the last one has failed."""
    names = ["openai/a", "openai/b", "openai/c"]
    model = replace(MODEL, confirmations=2, targets=3)
    first, asked = fresh_evidence.begin(observation("x", name=A), names, model, needed=5.0, pause_s=8.3)
    assert {probe.target for probe in asked} == {"openai/b", "openai/c"}
    assert first
    second, asked = fresh_evidence.add_probe(first, observation("x", at_s=0.1, name="openai/b", afresh=True))
    assert second
    assert [probe.target for probe in asked] == ["openai/a", "openai/c", "openai/a"]
    assert asked[0].at > observation("x", at_s=0.1).finished_at
    late, asked = fresh_evidence.add_probe(second, observation("x", at_s=0.2, name="openai/c", afresh=True))
    assert (late, asked) == (second, [])
    at_s = (second.asked_at - T0).total_seconds()
    assert fresh_evidence.add_probe(second, observation("r", at_s=at_s, name=A, afresh=True)) == (None, [])
    third, asked = fresh_evidence.add_probe(second, observation("x", at_s=at_s, name=A, afresh=True))
    assert third
    assert (third.rounds, len(asked)) == (1, 9)
    assert (third.asked_at - second.asked_at).total_seconds() == pytest.approx(8.3)


@pytest.mark.parametrize(("confirmations", "probes"), [(1, 8), (2, 3)])
def test_a_probe_that_hangs_is_confirmed_where_a_failure_takes_more_than_one(confirmations: int, probes: int) -> None:
    """So many answers take so long, of so many probes."""
    hangs = replaced(observation("o", name=A), under_way=True)
    model = replace(MODEL, confirmations=confirmations)
    test, asked = fresh_evidence.begin(hangs, [A], model, needed=5.0, pause_s=8.3)
    assert test
    assert (test.rounds, len(asked)) == (int(confirmations == 1), probes)


@pytest.mark.parametrize(("min_outage_s", "waits_s"), [(0.0, 8.3), (15.0, 8.3), (40.0, 40.0)])
def test_it_waits_until_the_longest_blip_is_over(min_outage_s: float, waits_s: float) -> None:
    """And for `min_outage` where somebody asked for more than its default; then it asks for eight probes."""
    test = begun(pause_s=fresh_evidence.wait_s(Blips(), min_outage_s))
    after, asked = fresh_evidence.add_probe(test, afresh(test, "x"))
    assert after
    assert [round((probe.at - test.asked_at).total_seconds(), 2) for probe in asked] == [
        pytest.approx(waits_s + 0.05 * place) for place in range(8)
    ]
    late, more = fresh_evidence.add_probe(after, afresh(test, "x"))
    assert (late, more) == (after, [])


@pytest.mark.parametrize("symbol", sorted(OUTCOMES.keys() - set("xotsw.u")))
def test_what_is_neither_failure_nor_answer_ends_it(symbol: str) -> None:
    """A throttled answer above all: no more probes at a limit."""
    if OUTCOMES[symbol].effect in {OUTCOMES["x"].effect, OUTCOMES["."].effect, OUTCOMES["s"].effect}:
        return
    assert fresh_evidence.add_probe(begun(), afresh(begun(), symbol)) == (None, [])


@pytest.mark.parametrize("targets", range(2, 9))
def test_a_third_of_the_targets_never_condemns_a_provider(targets: int) -> None:
    """Whichever of them fail in every round, as long as all others answer; and all of them together do."""
    names = tuple(f"openai/m{number}" for number in range(targets))
    model = replace(MODEL, targets=targets, interval_s=30 / targets)
    needed = fresh_model.threshold(model, per_day=PER_DAY)
    for sick in (model.left_out, targets):
        begun_by = observation("x", name=names[0])
        test, asked = fresh_evidence.begin(begun_by, names, model, needed=needed, pause_s=8.3)
        assert test
        assert names[0] not in {probe.target for probe in asked}
        test, asked = fresh_evidence.add_probe(test, observation("x", at_s=0.1, name=names[1], afresh=True))
        while asked and test and not test.is_conclusive:
            probe, *asked = asked
            at_s = (test.asked_at - T0).total_seconds()
            symbol = "x" if names.index(probe.target) < sick else "."
            test, more = fresh_evidence.add_probe(test, observation(symbol, at_s=at_s, name=probe.target, afresh=True))
            asked = more or asked
        assert bool(test and test.is_conclusive) is (sick == targets)


@pytest.mark.parametrize("others_fail", [1, 2])
def test_one_failure_by_chance_condemns_no_sibling_of_three_sick_models(others_fail: int) -> None:
    """Of six, three fail often: a failure of one of the others among 36 probes is no outage, one of each of two is."""
    failures = {"m1": 6, "m2": 5, "m3": 4, **{f"m{4 + place}": 1 for place in range(others_fail)}, "m6": 0}
    test = FreshTest(
        model=replace(MODEL, targets=6, interval_s=5.0),
        needed=5.8,
        pause_s=8.3,
        targets=tuple(failures),
        failed_at=T0,
        asked_at=T0,
        awaited=0,
        rounds=3,
        failures=failures,
    )
    assert test.evidence.value >= test.needed
    assert test.is_conclusive is (others_fail > 1)


# With the detector.


def detector_at_work() -> Detector:
    """One target that is up, alone at its provider."""
    detector = Detector(settings(Path("/nowhere"), A), T0)
    detector.observe(observation(".", name=A))
    return detector


def wanted(detector: Detector) -> list[BurstProbe]:
    """The probes that are asked afresh."""
    return [probe for probe in detector.burst_probes(A) if probe.afresh]


def test_its_probes_are_no_evidence_of_the_cusum() -> None:
    """Nor do they teach what is usual; the verdict comes by themselves alone. They count as extra probes."""
    detector = detector_at_work()
    detector.observe(observation("x", at_s=30, name=A))
    before = detector.state_of(A)
    assert len(wanted(detector)) == 3
    for symbol in "x.x":
        assert detector.observe(observation(symbol, at_s=30.2, name=A, afresh=True)) == ()
    after = detector.state_of(A)
    assert len(after.extra_at) == 3
    assert len(after.recent) == len(before.recent) + 3, "which of several fails least is told by all probes"
    beside = {"extra_at": (), "regular_at": None, "recent": (), "periods": NO_PERIODS}
    assert after.replace(**beside) == before.replace(**beside)
    assert len(wanted(detector)) == 8
    assert detector.observe(observation("x", at_s=38.5, name=A, afresh=True)) == ()
    [moved] = detector.observe(observation("x", at_s=38.5, name=A, afresh=True))
    assert (moved.after, moved.evidence >= moved.threshold, len(moved.trail)) == (Health.DOWN, True, 2)
    assert "2 of 2 probes asked afresh failed, 8.5 s after the first failure (server_error)" in moved.reason
    assert wanted(detector) == []


@pytest.mark.parametrize("first", ["r", "a", "s", "w", "b"])
def test_only_a_failure_begins_one(first: str) -> None:
    """Not a throttled or poor answer, nor a fault of ours."""
    detector = detector_at_work()
    detector.observe(observation(first, at_s=30, name=A))
    assert wanted(detector) == []


@pytest.mark.parametrize(("symbol", "waits_s"), [("x", 1.3), ("t", 2.3)])
def test_the_neutral_endpoints_are_asked_again_before_a_verdict(symbol: str, waits_s: float) -> None:
    """Where blips are short, what may be our own network waits until their answer is a new one."""
    controller = ControllerSettings(min_outage_s=1, blips=Blips(per_day=5, length=(0.5, 1.0)))
    detector = Detector(settings(Path("/nowhere"), A, controller=controller), T0)
    detector.observe(observation(".", name=A))
    detector.observe(observation(symbol, at_s=30, name=A))
    assert len(wanted(detector)) == 3
    detector.observe(observation(symbol, at_s=30.1, name=A, afresh=True))
    assert wanted(detector)[0].delay_s == pytest.approx(waits_s - 0.1)


def test_none_begins_where_the_target_throttles() -> None:
    """A 500 between 429s brings no probes at once, and a Retry-After to one of them is obeyed."""
    detector = detector_at_work()
    detector.observe(observation("r", at_s=30, name=A))
    detector.observe(observation("x", at_s=60, name=A))
    assert wanted(detector) == []
    detector = detector_at_work()
    detector.observe(observation("x", at_s=30, name=A))
    assert len(wanted(detector)) == 3
    detector.observe(observation("r", at_s=30.2, name=A, afresh=True, retry_after_s=20))
    assert detector.state_of(A).resting_until is not None
    detector.observe(observation("x", at_s=30.3, name=A, afresh=True))
    assert wanted(detector) == []


def test_what_happens_while_our_own_network_is_down_is_no_evidence() -> None:
    """Neither begins a test nor goes on with one."""
    detector = detector_at_work()
    detector.observe(observation("t", at_s=30, name=A), blind=True)
    assert wanted(detector) == []
    detector.observe(observation("x", at_s=60, name=A))
    assert len(wanted(detector)) == 3
    detector.observe(observation("t", at_s=60.2, name=A, afresh=True), blind=True)
    assert wanted(detector) == []


@pytest.mark.parametrize("begin_s", [600 + n * 1.7 for n in range(18)])
def test_a_blip_moves_nothing(begin_s: float) -> None:
    """Eight seconds in which every probe fails, whenever they begin: suspect at most, then up again."""
    loop = ClosedLoop(settings(Path("/nowhere"), A), lambda at_s, _: "x" if begin_s <= at_s < begin_s + 8 else ".")
    loop.run(1200)
    assert {moved.after for moved in loop.transitions} <= {Health.UP, Health.SUSPECT}


@pytest.mark.parametrize("usual", [0.005, 0.02])
@pytest.mark.parametrize("sick", [1, 3, 6])
def test_several_sick_models_are_found_and_their_siblings_are_left(sick: int, usual: float) -> None:
    """Three of six that fail every time are found one by one in half a minute; all six as one provider."""
    names = tuple(f"openai/m{number}" for number in range(6))
    loop = ClosedLoop(
        settings(Path("/nowhere"), *names), lambda at_s, name: "x" if at_s >= 600 and name in names[:sick] else "."
    )
    background = BackgroundRate(failures=usual * 1e6 - 5, probes=1e6 - 1000)
    known = {name: loop.detector.state_of(name) for name in names}
    known = {name: state.replace(down=replace(state.down, background=background)) for name, state in known.items()}
    loop.detector.restore(DetectorState(targets=known, providers={}))
    loop.run(600 + (30 if sick > 1 else 90))
    assert set(loop.moved_to(Health.DOWN)) == set(names[:sick])
    of_all = [moved for moved in loop.transitions if "all of openai" in moved.reason]
    assert len(of_all) == (6 if sick == 6 else 0)


@pytest.mark.slow
def test_it_is_wrong_as_rarely_as_promised() -> None:
    """The test alone, among real blips, under a generous promise, so that there is something to count."""
    dice, days, blips = random.Random(5), 8.0, Blips(per_day=150)
    controller = ControllerSettings(false_failovers_per_day=40.0, blips=blips)
    blip = [0.0, 0.0]

    def answers(at_s: float, _: str) -> str:
        while at_s >= blip[1]:
            blip[0] = blip[1] + dice.expovariate(blips.per_day / 86400)
            blip[1] = blip[0] + dice.uniform(blips.shortest_s, blips.longest_s)
        return "x" if dice.random() < (blips.failure_rate if at_s >= blip[0] else 0.02) else "."

    loop, wrong, at_s = ClosedLoop(settings(Path("/nowhere"), A, controller=controller), answers), 0, 0.0
    while (then_s := loop.step(days * 86400)) is not None:
        at_s = then_s
        if loop.moved_to(Health.DOWN):
            wrong += any("asked afresh" in moved.reason for moved in loop.transitions)
            loop.begin_anew(at_s)
        loop.transitions.clear()
    promised = target_parameters(target(A), controller).fresh_false_per_day * days
    assert 0 < wrong <= promised + 2 * math.sqrt(promised)


# A probe that hangs.


def hanging(started_s: float, name: str = A, *, for_s: float = 10.0) -> Observation:
    """A probe that has not ended after so long."""
    return replaced(observation("t", at_s=started_s, name=name), duration_s=for_s, under_way=True)


def acquainted(*names: str) -> Detector:
    """A detector that knows how quickly these targets answer: always in a tenth of a second."""
    detector = Detector(settings(Path("/nowhere"), *names), T0)
    for number in range(110):
        for name in names:
            detector.observe(observation(".", at_s=30.0 * number, name=name))
    return detector


def test_a_probe_that_hangs_begins_the_rounds_at_once() -> None:
    """So long is no blip: eight afresh, given up as early; verdict by two, long before its deadline of 30 s."""
    detector = acquainted(A)
    assert detector.hang_s(A) == fresh_evidence.SHORTEST_HANG_S
    assert detector.observe(hanging(3400, for_s=9.0)) == ()
    assert wanted(detector) == []
    assert detector.observe(hanging(3400)) == ()
    assert len(wanted(detector)) == 8
    assert detector.state_of(A).health is Health.UP
    moved = [
        change
        for _ in range(4)
        for change in detector.observe(
            replaced(observation("t", at_s=3410.0, name=A, afresh=True), duration_s=fresh_evidence.SHORTEST_HANG_S)
        )
    ]
    assert [change.after for change in moved] == [Health.DOWN]


def test_a_probe_that_hangs_asks_all_targets_of_a_provider() -> None:
    """Each twice, the one that hangs as well: it may be the only one."""
    names = tuple(f"openai/{name}" for name in "abcd")
    detector = acquainted(*names)
    detector.observe(hanging(3400))
    asked = [probe.targets[0] for probe in wanted(detector)]
    assert sorted(asked) == sorted(names * 2)


def test_nothing_hangs_where_nobody_knows_how_long_it_takes() -> None:
    """Before 100 answers, while its answers are suspiciously late, and while our own network is down."""
    detector = detector_at_work()
    assert detector.hang_s(A) == math.inf
    detector.observe(hanging(60))
    assert wanted(detector) == []
    detector = acquainted(A)
    detector.observe(hanging(3400), blind=True)
    assert wanted(detector) == []
    for number in range(4):
        detector.observe(replaced(observation(".", at_s=3500.0 + 30 * number, name=A), duration_s=9.0))
    assert detector.hang_s(A) == math.inf
