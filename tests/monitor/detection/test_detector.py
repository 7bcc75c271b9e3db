"""The judge: targets by their own evidence, providers by that of all their targets, and when it says so."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from monitor.config.controller_settings import ControllerSettings
from monitor.config.settings import Settings
from monitor.detection import degradation, provider_pool, state_machine, target_state
from monitor.detection.background import BackgroundRate
from monitor.detection.detector import Detector
from monitor.detection.detector_state import DetectorState
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.pacing import BurstProbe, is_resting
from monitor.detection.parameters import parameters_by_target
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE
from monitor.detection.target_state import TargetState
from monitor.health import Health, Transition
from probes.target import Check
from tests.support.builders import T0, observation, parameters, provider_parameters, settings, target
from tests.support.closed_loop import ClosedLoop

A, B, C, D = FOUR = tuple(f"openai/{name}" for name in "abcd")
ALONE = "anthropic/c"
#: When a probe started, in seconds; whom it asked; how it ended.
Event = tuple[float, str, str]

QUIET: list[Event] = [(n * 7.5, FOUR[n % 4], ".") for n in range(8)]
#: Everything at openai fails from a minute on.
OUTAGE: list[Event] = [(60 + n * 5.0, FOUR[n % 4], "x") for n in range(6)]
#: Only one model does.
SICK: list[Event] = [(60 + n * 5.0, A, "x") for n in range(6)]


def configured(*names: str, controller: ControllerSettings | None = None) -> Settings:
    """Settings with these targets at 30 s, or four of openai."""
    return settings(Path("/nowhere"), *(names or FOUR), controller=controller)


def new_detector(*names: str, controller: ControllerSettings | None = None) -> Detector:
    """A judge of these targets that knows nothing yet."""
    return Detector(configured(*names, controller=controller), T0)


def show(detector: Detector, events: Sequence[Event], *, blind: bool = False) -> list[Transition]:
    """What these probes change."""
    return [
        moved
        for at_s, name, symbol in events
        for moved in detector.observe(observation(symbol, at_s=at_s, name=name), blind=blind)
    ]


def after(seconds: float) -> timedelta:
    """The end of a probe that started so long after T0, less T0."""
    return timedelta(seconds=seconds + 0.1)


def judged_by_now(detector: Detector) -> bool:
    """Whether no verdict only waits for its time."""
    return detector.due is None


def pool_of(detector: Detector) -> provider_pool.ProviderEvidence:
    """What is held against openai."""
    return detector.snapshot().providers["openai"]


def down(moved: Sequence[Transition]) -> list[str]:
    """The targets that went down, in order."""
    return [change.target for change in moved if change.after is Health.DOWN]


def test_a_provider_that_fails_goes_down_with_all_its_targets_at_once() -> None:
    """One verdict: the same instant, reason, evidence and trail for each, after far fewer failures than one needs."""
    detector = new_detector(*FOUR, ALONE)
    show(detector, [*QUIET, (59, ALONE, ".")])
    moved = [change for change in show(detector, OUTAGE) if change.after is Health.DOWN]
    assert [change.target for change in moved] == list(FOUR)
    assert {change.at for change in moved} == {T0 + after(80)}, "with the fifth failure"
    for change in moved:
        by = provider_parameters(configured())
        assert change.reason == (
            f"{change.target} is down: all of openai, as 5 of 5 probes failed in 20 s (server_error) on 4 of its 4 "
            f"targets; evidence {change.evidence:.1f}, verdict at {change.threshold:.1f} "
            "(usual 0.49 %, looked for 30 %)"
        )
        assert change.threshold == by.threshold(BackgroundRate().rate, 7.5)
        assert change.evidence >= change.threshold
        assert [(w.at, w.target) for w in change.trail] == [(T0 + after(s), name) for s, name, _ in OUTAGE[:5]]
        assert change.trail[-1].evidence == change.evidence
    assert {name: known.health for name, known in detector.health.items()} == {
        **dict.fromkeys(FOUR, Health.DOWN),
        ALONE: Health.UP,
    }
    assert pool_of(detector) == NO_PROVIDER_EVIDENCE


def test_the_verdict_on_a_provider_says_what_the_provider_said() -> None:
    """The last failure's own words end the sentence."""
    detector = new_detector()
    show(detector, [*QUIET, *OUTAGE[:4]])
    last = observation("o", at_s=80, name=A, detail="HTTP 529: Overloaded")
    assert detector.observe(last)[-1].reason.endswith("; last: HTTP 529: Overloaded")


@given(st.lists(st.tuples(st.floats(0.1, 40), st.sampled_from(FOUR), st.booleans(), st.booleans()), max_size=60))
@effort(deadline=None)
def test_one_sick_model_never_condemns_its_siblings(story: list[tuple[float, str, bool, bool]]) -> None:
    """However it fails, in whatever order all are asked: the provider gets no verdict, and the others stay as well."""
    detector = new_detector()
    show(detector, QUIET)
    at_s, moved = 60.0, []
    for pause_s, name, fails, ticks in story:
        at_s += pause_s
        moved += show(detector, [(at_s, name, "x" if fails and name == A else ".")])
        moved += detector.tick(T0 + timedelta(seconds=at_s + pause_s / 2)) if ticks else ()
        assert not provider_pool.is_conclusive(pool_of(detector), provider_parameters(configured()))
    assert set(down(moved)) <= {A}
    assert all("all of" not in change.reason for change in moved)
    assert all(detector.health[name].health in {Health.UP, Health.UNKNOWN} for name in FOUR[1:])


@pytest.mark.parametrize("every", [1, 2, 3, 10])
def test_a_model_that_fails_for_an_hour_goes_down_alone(every: int) -> None:
    """All its requests or every second, third, tenth: its siblings stay up the whole time."""
    asked = dict.fromkeys(FOUR, 0)

    def answers(at_s: float, name: str) -> str:
        asked[name] += 1
        return "x" if name == A and at_s > 120 and asked[A] % every == 0 else "."

    loop = ClosedLoop(configured(), answers)
    loop.run(3600)
    assert {moved.target for moved in loop.transitions if moved.after not in {Health.UP, Health.UNKNOWN}} == {A}
    assert loop.moved_to(Health.DOWN) or every == 10


def not_afresh(extra: Sequence[BurstProbe]) -> list[BurstProbe]:
    """The extra probes of bursts, without those of a test on fresh evidence."""
    return [probe for probe in extra if not probe.afresh]


def test_a_sick_model_is_found_by_a_burst_of_its_own() -> None:
    """With its second failure it is asked again and again, whatever the provider's burst asks."""
    detector = new_detector()
    show(detector, [*QUIET, (60, A, "x")])
    [together] = not_afresh(detector.burst_probes(A))
    by = provider_parameters(configured())
    assert (together.slot, together.targets[-1], together.delay_s) == ("openai", A, by.failed_s)
    show(detector, [(65, A, "x")])
    alone, _ = not_afresh(detector.burst_probes(A))
    assert alone == BurstProbe(slot=A, targets=(A,), delay_s=parameters().failed_s)


def test_a_burst_leaves_a_failing_sentinel_to_its_own_schedule() -> None:
    """Every third probe goes to the only one that fails, where it is asked every 30 s; not where it is every 5 s."""
    for interval_s, expected in ((30.0, A), (5.0, D)):
        usual = configured()
        targets = tuple(replace(each, interval_s=interval_s if each.id == A else 45.0) for each in usual.targets)
        detector = Detector(replace(usual, targets=targets), T0)
        show(detector, [*QUIET, (60, A, "x"), (64, B, "."), (65, C, ".")])
        [together] = not_afresh(detector.burst_probes(C))
        assert (together.slot, together.targets[0]) == ("openai", expected)


def test_a_probe_asked_afresh_moves_no_probe_of_the_burst() -> None:
    """It says nothing to the CUSUM; counted from it, the burst of a sentinel would begin when the sentinel is due."""
    detector = new_detector()
    show(detector, [*QUIET, (60, A, "x")])
    assert not_afresh(detector.burst_probes(A))
    detector.observe(replace(observation(".", at_s=60.2, name=B), afresh=True))
    assert not not_afresh(detector.burst_probes(B))
    show(detector, [(61, B, ".")])
    assert not_afresh(detector.burst_probes(B))


def test_who_is_down_on_its_own_is_left_out_of_the_providers_evidence() -> None:
    """Its failures are no longer held against the provider; those of the others still are, and suffice."""
    detector = new_detector()
    moved = show(detector, [*QUIET, *SICK[:4]])
    assert down(moved) == [A]
    assert A not in pool_of(detector).without
    later = [(90 + n * 5.0, FOUR[1 + n % 3], "x") for n in range(4)]
    between = [(at_s - 2, A, "x") for at_s, _, _ in later]
    moved = show(detector, sorted([*later, *between]))
    assert down(moved) == [B, C, D]
    last = [change for change in moved if change.after is Health.DOWN][-1]
    assert "4 of 4 probes failed in 15 s (server_error) on 3 of its 4 targets" in last.reason
    assert {weighed.target for weighed in last.trail} == {B, C, D}


def test_a_target_that_is_back_counts_again_with_the_next_excursion() -> None:
    """What it shows in the middle of one that began without it could not be left out again."""
    detector = new_detector()
    known = provider_pool.add_failure(
        NO_PROVIDER_EVIDENCE, observation("x", at_s=60, name=A), provider_parameters(configured()), {A: 0.005, B: 0.005}
    )
    show(detector, QUIET)
    detector.restore(DetectorState(targets={}, providers={"openai": known}))
    for symbol in "xx..":
        before = pool_of(detector)
        show(detector, [(61, C, symbol)])
        assert pool_of(detector) == before


def test_blind_failures_clear_the_providers_evidence() -> None:
    """Timeouts while our own network is down leave nothing held against anybody; answers are not blind."""
    detector = new_detector()
    show(detector, [*QUIET, *OUTAGE[:4]])
    show(detector, [(80, A, "o")], blind=True)
    assert pool_of(detector) == NO_PROVIDER_EVIDENCE, "the fifth failure was an answer, so that all went down"
    assert set(FOUR) == {name for name in FOUR if detector.health[name].health is Health.DOWN}
    other = new_detector()
    show(other, [*QUIET, *OUTAGE[:4]])
    moved = show(other, [(80, A, "t")], blind=True)
    assert pool_of(other) == NO_PROVIDER_EVIDENCE
    moved += show(other, [(85 + n * 5.0, FOUR[n % 4], "t") for n in range(20)], blind=True)
    assert {change.after for change in moved} == {Health.UNKNOWN}


@pytest.mark.parametrize("symbol", list("aqgbf"))
def test_what_is_no_fault_of_the_providers_is_not_held_against_it(symbol: str) -> None:
    """Neither alone nor in the middle of an excursion; nor is it a good answer."""
    detector = new_detector()
    show(detector, QUIET)
    moved = show(detector, [(60 + n * 5.0, FOUR[n % 4], symbol) for n in range(3)])
    assert pool_of(detector) == NO_PROVIDER_EVIDENCE
    show(detector, [(76, C, "x")])
    known = pool_of(detector)
    moved += show(detector, [(80, D, symbol)])
    assert pool_of(detector) == known
    assert down(moved) == []


@pytest.mark.parametrize("symbol", list(".swr"))
def test_any_answer_speaks_for_the_provider(symbol: str) -> None:
    """Slow, wrong and throttled ones as well: whether it is down is the question."""
    detector = new_detector()
    show(detector, [*QUIET, (60, A, "x")])
    before = pool_of(detector).evidence.value
    show(detector, [(65, B, symbol)])
    assert 0 < pool_of(detector).evidence.value < before


@given(st.text("....xxtosw ra", max_size=80), st.floats(1, 45), st.integers(0, 80))
@effort(deadline=None)
def test_a_target_that_is_alone_is_judged_by_the_detector(symbols: str, every_s: float, restart: int) -> None:
    """The judge adds nothing where a provider has one target; a space is a while in which only time passes."""
    detector, by = new_detector(A, ALONE), parameters_by_target(configured(A, ALONE))[ALONE]
    folded = TargetState(target=ALONE, since=T0)
    for number, symbol in enumerate(symbols):
        if number == restart:
            detector = restarted(detector, A, ALONE)
        before = folded
        if symbol == " ":
            folded = state_machine.tick(folded, T0 + timedelta(seconds=number * every_s), by)
            moved = detector.tick(T0 + timedelta(seconds=number * every_s))
        else:
            seen = observation(symbol, at_s=number * every_s, name=ALONE)
            folded = state_machine.observe(folded, seen, by)
            moved = detector.observe(seen)
        assert detector.state_of(ALONE) == folded
        change = state_machine.transition(before, folded, by)
        assert moved == ((change,) if change else ())
        assert detector.health[ALONE] == degradation.target_health(folded, by)


def restarted(detector: Detector, *names: str) -> Detector:
    """A new judge that remembers, through JSON, what this one did, without tests whose probes are lost."""
    memory = replace(detector.snapshot(), fresh={})
    again = new_detector(*names)
    records = {name: target_state.from_json(target_state.to_json(known)) for name, known in memory.targets.items()}
    pools = {name: provider_pool.from_json(provider_pool.to_json(known)) for name, known in memory.providers.items()}
    again.restore(DetectorState(targets={name: known for name, known in records.items() if known}, providers=pools))
    assert again.snapshot() == memory
    return again


@given(st.lists(st.tuples(st.sampled_from((*FOUR, ALONE)), st.sampled_from("...xt")), max_size=60), st.integers(0, 60))
@effort(deadline=None)
def test_a_restart_in_the_middle_changes_nothing(story: list[tuple[str, str]], number: int) -> None:
    """Fold some, restart, go on: the same transitions, evidence and verdicts as in one go."""
    names = (*FOUR, ALONE)
    events = [(n * 6.0, name, symbol) for n, (name, symbol) in enumerate(story)]
    straight, halted = new_detector(*names), new_detector(*names)
    expected = show(straight, events)
    moved = show(halted, events[:number])
    again = restarted(halted, *names)
    assert again.due == halted.due
    moved += show(again, events[number:])
    assert moved == expected
    assert replace(again.snapshot(), fresh={}) == replace(straight.snapshot(), fresh={})
    assert again.health == straight.health


def test_quiet_times_teach_what_each_probe_would_have_taught() -> None:
    """The short way of a good probe and the long one lead to the same record."""
    detector, case, folded = new_detector(ALONE), EvidenceTrack(), TargetState(target=ALONE, since=T0)
    latency = folded.latency
    for number in range(257):
        seen = observation(".", at_s=number * 30, name=ALONE)
        detector.observe(seen)
        case = case.add_success(seen, p1=parameters().p1)
        latency = latency.add_observation(seen, no_evidence=True)
    quiet = detector.state_of(ALONE)
    assert (quiet.health, quiet.last_seen_at, quiet.last_ok_at) == (Health.UP, *[T0 + after(256 * 30)] * 2)
    assert quiet.latency == latency
    last = observation("x", at_s=257 * 30, name=ALONE)
    detector.observe(last)
    learned = detector.state_of(ALONE)
    expected = case.add_failure(last, p1=parameters().p1)
    assert learned.clean_pending == 0
    assert learned.down.evidence == expected.evidence
    assert learned.down.background.probes == pytest.approx(expected.background.probes, rel=1e-9)
    assert learned.down.background.failures == pytest.approx(expected.background.failures, rel=1e-9)
    for other in (learned.slow, learned.wrong, learned.throttled):
        assert other.background.probes == pytest.approx(257, rel=1e-9)


def test_a_verdict_that_waits_for_min_outage_is_made_by_time_alone() -> None:
    """Enough evidence within ten seconds: `due` names the instant, and nothing happens before it."""
    detector = new_detector(ALONE)
    show(detector, [(0, ALONE, "."), *((30 + n * 5.0, ALONE, "x") for n in range(3))])
    assert detector.due == T0 + after(45)
    assert detector.tick(T0 + after(45) - timedelta(microseconds=1)) == ()
    [moved] = detector.tick(T0 + after(45))
    assert (moved.after, moved.at) == (Health.DOWN, T0 + after(45))
    assert "3 of 3 probes failed in 15 s" in moved.reason
    assert judged_by_now(detector)
    assert detector.tick(T0 + after(46)) == ()


def test_a_verdict_on_a_provider_waits_for_min_outage_as_well() -> None:
    """All targets go at the instant that `due` names; a good answer before may take it back."""
    fast = [(60 + n * 3.0, FOUR[n % 4], "x") for n in range(5)]
    detector = new_detector()
    show(detector, QUIET)
    assert down(show(detector, fast)) == []
    assert detector.due == T0 + after(75)
    assert detector.tick(T0 + after(75) - timedelta(microseconds=1)) == ()
    assert down(detector.tick(T0 + after(75))) == list(FOUR)
    assert judged_by_now(detector)
    other = new_detector()
    show(other, [*QUIET, *fast])
    value = pool_of(other).evidence.value
    while value >= pool_of(other).threshold:
        show(other, [(73, A, ".")])
        value = pool_of(other).evidence.value
    assert judged_by_now(other)
    assert other.tick(T0 + after(75)) == ()


@pytest.mark.parametrize("begin_s", [600 + n * 1.7 for n in range(18)])
def test_a_blip_of_all_targets_moves_nothing(begin_s: float) -> None:
    """Eight seconds in which every probe fails, whenever they begin: suspect at most, then up again."""
    loop = ClosedLoop(configured(), lambda at_s, _: "x" if begin_s <= at_s < begin_s + 8 else ".")
    loop.run(1200)
    assert {moved.after for moved in loop.transitions} <= {Health.UP, Health.SUSPECT}
    assert {known.health for known in loop.detector.health.values()} == {Health.UP}


@pytest.mark.parametrize("names", [pytest.param(FOUR, id="four targets"), pytest.param((ALONE,), id="one target")])
@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
@pytest.mark.parametrize("jump_after_s", [1.0, 4.0, 6.5, 8.0, 11.0, 14.0])
@pytest.mark.parametrize("ticks", [True, False])
def test_a_clock_that_jumps_an_hour_moves_nothing(
    names: tuple[str, ...], jump_s: float, jump_after_s: float, ticks: bool
) -> None:
    """Also in the middle of a disturbance: what was seen before by another clock is no evidence afterwards."""
    loop = ClosedLoop(configured(*names), lambda at_s, _: "x" if 600 <= at_s < 608 else ".")
    loop.run(600 + jump_after_s)
    assert loop.moved_to(Health.DOWN) == []
    loop.set_clock(600 + jump_after_s, ahead_s=jump_s)
    if ticks:
        loop.transitions += loop.detector.tick(T0 + timedelta(seconds=600 + jump_after_s + jump_s))
    loop.run(1200)
    assert {moved.after for moved in loop.transitions} <= {Health.UP, Health.SUSPECT, Health.UNKNOWN}
    assert {known.health for known in loop.detector.health.values()} == {Health.UP}


def test_an_outage_is_found_after_a_clock_was_set() -> None:
    """Forgetting is not blindness: the same provider failing on goes down by the new clock."""
    for jump_s in (3600.0, -3600.0):
        loop = ClosedLoop(configured(), lambda at_s, _: "x" if at_s >= 600 else ".")
        loop.run(608)
        loop.set_clock(608, ahead_s=jump_s)
        loop.run(700)
        assert set(loop.moved_to(Health.DOWN)) == set(FOUR)


def test_silence_clears_what_is_held_against_a_provider() -> None:
    """Evidence from before a service was off is not gone on from, whether time was told to pass or not."""
    for ticks in (True, False):
        detector = new_detector()
        show(detector, [*QUIET, *OUTAGE[:3]])
        if ticks:
            detector.tick(T0 + timedelta(hours=5))
            assert pool_of(detector) == NO_PROVIDER_EVIDENCE
        moved = show(detector, [(5 * 3600.0, D, "x")])
        assert down(moved) == []
        assert pool_of(detector).evidence.failures == 1


@pytest.mark.slow
def test_a_thousand_targets_have_a_quiet_hour() -> None:
    """Twenty providers, every probe good: each target goes up once and nothing else ever happens."""
    names = tuple(f"p{n % 20}/m{n // 20}" for n in range(1000))
    detector = new_detector(*names)
    moved = show(detector, [(n * 0.03, names[n % 1000], ".") for n in range(120_000)])
    moved += detector.tick(T0 + timedelta(hours=1))
    assert sorted(change.target for change in moved) == sorted(names)
    assert {change.after for change in moved} == {Health.UP}
    assert detector.due is None
    assert {detector.burst_probes(name) for name in names} == {()}


def test_a_retired_model_is_confirmed_by_one_quick_probe() -> None:
    """Then that target is misconfigured; its siblings are not touched, nor is their provider suspected."""
    detector = new_detector()
    show(detector, [*QUIET, (60, A, "g")])
    assert detector.health[A].health is Health.SUSPECT
    assert detector.burst_probes(A) == (BurstProbe(slot=A, targets=(A,), delay_s=parameters().failed_s),)
    [moved] = show(detector, [(65, A, "g")])
    assert (moved.target, moved.after) == (A, Health.MISCONFIGURED)
    assert detector.burst_probes(A) == ()
    assert {detector.health[name].health for name in FOUR[1:]} == {Health.UP}
    assert pool_of(detector) == NO_PROVIDER_EVIDENCE


def test_targets_and_providers_of_other_settings_leave_nothing_behind() -> None:
    """Removed, renamed or moved to another provider: neither its record nor its share of the evidence goes on."""
    detector = new_detector()
    show(detector, [*QUIET, (60, A, "x"), (65, B, "x"), (70, A, "x")])
    before = detector.snapshot()
    without_a = new_detector(B, C, D, "openai/renamed", "mistral/a")
    without_a.restore(before)
    assert without_a.health.keys() == {B, C, D, "openai/renamed", "mistral/a"}
    known = pool_of(without_a)
    assert known.without.keys() == {B, C, D}
    assert known.evidence.value == before.providers["openai"].without[A]
    assert {weighed.target for weighed in known.evidence.trail} == {B}
    assert without_a.state_of(B) == before.targets[B], "what is still there has lost nothing"
    assert without_a.state_of("openai/renamed") == TargetState(target="openai/renamed", since=T0)
    assert without_a.state_of("mistral/a") == TargetState(target="mistral/a", since=T0)
    alone = new_detector(A, ALONE)
    alone.restore(before)
    assert alone.snapshot().providers == {}
    assert alone.state_of(A) == before.targets[A]


def test_a_target_that_was_added_is_judged_from_the_start() -> None:
    """It is condemned with its provider, though what it shows is not counted until the next excursion."""
    detector = new_detector(A, B)
    show(detector, [(0, A, "."), (5, B, "."), (60, A, "x"), (65, B, "x"), (70, A, "x")])
    more = new_detector(A, B, C)
    more.restore(detector.snapshot())
    known = pool_of(more)
    assert known == pool_of(detector)
    show(more, [(71, C, "x")])
    assert pool_of(more) == known
    assert down(show(more, [(75, B, "x"), (80, A, "x")])) == [A, B, C]


def test_what_could_not_be_stored_is_taken_back() -> None:
    """Remembering an earlier memory undoes everything since, what was due included."""
    detector = new_detector()
    show(detector, QUIET)
    before, health = detector.snapshot(), dict(detector.health)
    show(detector, [(60 + n * 3.0, FOUR[n % 4], "x") for n in range(5)])
    assert not judged_by_now(detector)
    detector.restore(before)
    assert (detector.snapshot(), detector.health) == (before, health)
    assert judged_by_now(detector)


def test_an_unknown_target_changes_nothing() -> None:
    """An observation from before it was removed from the configuration may come in late."""
    detector = new_detector()
    before = detector.snapshot()
    assert show(detector, [(0, "openai/gone", "x")]) == []
    assert detector.snapshot() == before


def test_who_rests_as_asked_is_not_asked_by_a_burst() -> None:
    """Retry-After of one target does not stop the others, and is honoured."""
    detector = new_detector()
    show(detector, QUIET)
    detector.observe(observation("r", at_s=60, name=B, retry_after_s=60))
    show(detector, [(61, A, "x")])
    *fresh, extra = detector.burst_probes(A)
    assert {probe.targets for probe in fresh} == {(C,), (D,)}
    assert set(extra.targets) == {A, C, D}
    assert is_resting(detector.state_of(B), T0 + timedelta(seconds=100))
    assert not is_resting(detector.state_of(A), T0 + timedelta(seconds=100))


def test_the_last_good_answer_is_always_the_newest() -> None:
    """Also where nothing else has changed: a standby counts only with a recent one."""
    detector = new_detector()
    show(detector, QUIET)
    for at_s in (60.0, 90.0):
        show(detector, [(at_s, A, ".")])
        assert detector.health[A].last_ok_at == T0 + after(at_s)
    assert detector.health[A] == replace(detector.health[A], last_ok_at=detector.state_of(A).last_ok_at)


@pytest.mark.slow
def test_intervals_of_their_own_are_weighed_as_often_as_they_are_asked() -> None:
    """A provider with one target at 10 s and one at 5 min is asked about every 9.7 s."""
    mixed = configured(A, B)
    mixed = replace(mixed, targets=(target(A, interval_s=10), target(B, interval_s=300)))
    detector = Detector(mixed, T0)
    show(detector, [(0, A, "."), (1, B, "."), (10, A, "x")])
    by = provider_parameters(mixed)
    assert pool_of(detector).threshold == by.threshold(pool_of(detector).p0, 1 / (1 / 10 + 1 / 300))


def test_a_refused_key_is_confirmed_for_siblings_by_one_probe_each() -> None:
    """The key is shared: once one target has had it confirmed, the others are asked at once, and believed at once."""
    names = [f"openai/m{n}" for n in range(3)]
    detector = new_detector(*names)
    for number, name in enumerate(names):
        detector.observe(observation(".", name=name, at_s=10.0 * number))
    detector.observe(observation("a", name=names[0], at_s=30))
    detector.observe(observation("a", name=names[0], at_s=36))
    assert detector.health[names[0]].health is Health.MISCONFIGURED
    assert {extra.targets for extra in detector.burst_probes(names[0])} == {(names[1],), (names[2],)}
    assert [detector.health[name].health for name in names[1:]] == [Health.UP, Health.UP]
    detector.observe(observation("a", name=names[1], at_s=42))
    detector.observe(observation(".", name=names[2], at_s=43))
    assert [detector.health[name].health for name in names[1:]] == [Health.MISCONFIGURED, Health.UP]


def test_a_check_that_people_know_to_fail_says_nothing_of_the_provider() -> None:
    """Its siblings are asked no sooner for it; the other checks of the same target speak as before."""
    wanted = configured()
    first = replace(wanted.targets[0], checks=(Check.CHAT, Check.TOOL))
    judging = Detector(replace(wanted, targets=(first, *wanted.targets[1:])), T0)
    asked_soon = []
    for number, symbol in enumerate(("." * 15 + "x") * 7):
        seen = observation(symbol, at_s=30.0 * number, name=A)
        judging.observe(replace(seen, check=Check.TOOL) if symbol == "x" else seen)
        if symbol == "x":
            asked_soon.append(bool(judging.burst_probes(A)))
    assert asked_soon == [True] * 4 + [False] * 3
    judging.observe(observation("x", at_s=30.0 * 16 * 7, name=A))
    assert judging.burst_probes(A)


def test_a_target_that_is_not_probed_is_unknown() -> None:
    """Unknown for that reason, once; up again with the next answer; what is down stays so, for nothing proved it is
    back.
    """
    detector = new_detector(ALONE)
    detector.observe(observation(name=ALONE))
    [changed] = detector.stop_watching(ALONE, T0, "the budget is spent")
    assert (changed.before, changed.after) == (Health.UP, Health.UNKNOWN)
    assert changed.reason == f"{ALONE} is unknown: the budget is spent"
    assert detector.stop_watching(ALONE, T0, "the budget is spent") == ()
    [back] = detector.observe(observation(at_s=30, name=ALONE))
    assert back.after is Health.UP

    for number in range(40):
        detector.observe(observation("x", at_s=60 + number * 5, name=ALONE))
    assert detector.health[ALONE].health is Health.DOWN
    assert detector.stop_watching(ALONE, T0, "the budget is spent") == ()
    assert detector.health[ALONE].health is Health.DOWN


def test_a_target_that_is_probed_more_often_than_the_burst_does_not_put_it_off() -> None:
    """Each of its probes would else begin the wait anew, and no sibling be asked."""
    plain = configured(A, B, controller=ControllerSettings(min_outage_s=2))
    fast, slow = (replace(each, interval_s=s) for each, s in zip(plain.targets, (0.5, 3600.0), strict=True))
    detector = Detector(replace(plain, targets=(fast, slow)), T0)
    show(detector, [(0.5 * number, A, ".") for number in range(20)])
    due_s = []
    for number in range(20):
        at_s = 10 + 0.5 * number
        show(detector, [(at_s, A, "x")])
        due_s += [at_s + probe.delay_s for probe in detector.burst_probes(A) if probe.targets == (B, A)]
    assert due_s == [14.0, 18.0, 22.0]


def test_the_last_target_in_service_is_asked_afresh_alone() -> None:
    """Its siblings are down already, so that no test of the provider would ever ask it."""
    detector = new_detector(A, B)
    show(detector, [(0, A, "."), (1, B, "."), *[(30 + 5.0 * number, A, "x") for number in range(8)]])
    assert detector.health[A].health is Health.DOWN
    detector.burst_probes(A)
    show(detector, [(75, B, "x")])
    assert [probe.targets for probe in detector.burst_probes(B) if probe.afresh] == [(B,)] * 3
