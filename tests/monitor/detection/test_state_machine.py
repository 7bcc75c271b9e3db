"""The health state machine, as timelines."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from monitor.detection import degradation, state_machine
from monitor.detection.latency import LatencyBaseline, LatencyEvidence
from monitor.detection.target_state import TargetState, from_json, to_json
from monitor.health import Health
from probes.target import Check
from tests.support.builders import T0, fold, observation, parameters

HOLD_AT_30_S = 27  # a hold of five minutes has time for thirty probes, of which nine in ten come in at the least


@pytest.mark.parametrize(
    ("seen", "health"),
    [
        pytest.param(".", "U", id="the first good answer makes it up"),
        pytest.param("bf", "??", id="what says nothing about the provider leaves it unknown"),
        pytest.param("x", "?", id="a failure before any answer is no verdict"),
        pytest.param("xxx", "??D", id="a provider that fails from the start is found out all the same"),
        pytest.param(".x", "US", id="one failure makes it suspect"),
        pytest.param(".x" + "." * 12, "US" + "S" * 11 + "U", id="twelve good answers explain one failure away"),
        pytest.param(".x.x.x", "USSSSD", id="half of the requests failing is an outage"),
        pytest.param(".xxx", "USSD", id="three failures in a row are an outage"),
        pytest.param(".xoto", "USSDD", id="every failure of the provider counts the same"),
        pytest.param("." * 20 + "x" + "." * 20, "U" * 20 + "S" * 12 + "U" * 9, id="a lonely failure moves nothing"),
        pytest.param(".rrrr", "USSGN", id="being throttled again and again is unusable, never down"),
        pytest.param(".ssss", "USSGG", id="slow answers are degraded, never down"),
        pytest.param(".wwww", "USSGN", id="wrong answers are unusable, never down"),
        pytest.param(".aa", "USM", id="a refused key is asked about once more, then misconfigured"),
        pytest.param(".a.", "USU", id="a key refused once and accepted then is forgotten"),
        pytest.param(".aq", "USM", id="a refused key and a spent quota confirm each other: both are the account"),
        pytest.param(".qq", "USM", id="no money left is misconfigured"),
        pytest.param(".gg", "USM", id="a model that is gone is misconfigured"),
        pytest.param(".a.a", "USUS", id="two refusals with a good answer between are not confirmed"),
        pytest.param(".abba", "USSSM", id="what says nothing does not come between"),
        pytest.param(".bbbb", "UUU??", id="a probe that drifted from the API says nothing, and then nothing is known"),
        pytest.param(".bb.bb", "UUUUUU", id="a probe that says nothing now and then changes nothing"),
        pytest.param(".xxxbbbb", "USSDDDDD", id="a probe that says nothing is no proof of recovery"),
        pytest.param(".ffff", "UUU??", id="refusals by content policy say nothing either"),
        pytest.param(".xxxrrrr", "USSDDDGN", id="one that is only throttled after an outage is unusable, not down"),
        pytest.param(".ag", "USS", id="a fault of ours is not confirmed by another kind of fault"),
        pytest.param(
            ".xxx" + "s" * 17, "USSD" + "D" * 8 + "RRRGGGGGN", id="slow answers end an outage: it is poor from then on"
        ),
    ],
)
def test_health_follows_the_evidence(seen: str, health: str) -> None:
    """The health after each observation is as the table says."""
    assert fold(seen, parameters())[0] == health


@pytest.mark.parametrize("seed", range(6))
def test_evidence_fades_by_the_short_way_as_by_the_long_one(seed: int) -> None:
    """To the last digit: after failures now and then, among late, slow, wrong and throttled answers."""
    dice, by, at_s, faded = Random(seed), parameters(), 0.0, 0
    record = fold("." * 120, by)[1]
    for _ in range(1500):
        at_s += dice.choice([1.0, 8.0, 30.0])
        letter = dice.choices(".xtswrb", [90, 4, 1, 1, 1, 1, 1])[0]
        answer = replace(observation(letter, at_s=4000.0 + at_s), duration_s=dice.lognormvariate(0.0, 0.7))
        if letter == "." and (short := state_machine.fade(record, answer, by)):
            assert short == state_machine.observe_in_full(record, answer, by)
            faded += 1
        record = state_machine.observe(record, answer, by)
    assert faded > 100


def test_an_outage_shorter_than_min_outage_is_no_verdict() -> None:
    """However many failures a few seconds bring, the verdict waits until they span `min_outage`."""
    letters, record = fold(".xxxxxx", parameters(min_outage_s=15), every_s=2)
    assert letters == "USSSSSS"
    assert record.down.value > parameters().threshold(record.down.background.rate)


def test_the_verdict_says_how_it_was_reached() -> None:
    """The sentence names target, counts, span, outcomes, evidence, both failure rates, and the provider's words."""
    _, record = fold(".xx", parameters())
    last = observation("o", at_s=90, detail="HTTP 529: Overloaded")
    needed = parameters().threshold(record.down.background.rate)
    assert state_machine.observe(record, last, parameters()).reason == (
        "openai/gpt-6-luna is down: 3 of 3 probes failed in 1 min (2 server_error, 1 overloaded); "
        f"evidence 11.9, verdict at {needed:.1f} (usual 0.61 %, looked for 30 %); last: HTTP 529: Overloaded"
    )


def test_misconfigured_names_what_to_fix() -> None:
    """The sentence names the variable with the key and repeats what the provider said."""
    _, record = fold(".a", parameters())
    again = observation("a", at_s=60, detail="HTTP 401: Incorrect API key provided")
    assert state_machine.observe(record, again, parameters()).reason == (
        "openai/gpt-6-luna is misconfigured: auth, the provider refuses the key: check the variable OPENAI_API_KEY "
        "(HTTP 401: Incorrect API key provided)"
    )


def test_recovery_needs_evidence_then_a_clean_hold() -> None:
    """Nine clean probes prove it is back; it is up after the whole hold, not before."""
    letters, record = fold(".xxx" + "." * (9 + HOLD_AT_30_S), parameters())
    assert letters == "USSD" + "D" * 8 + "R" + "R" * (HOLD_AT_30_S - 1) + "U"
    assert record.reason == "openai/gpt-6-luna is up: back after 36 clean probes in 17 min 30 s"


def test_a_failure_in_the_hold_lengthens_it() -> None:
    """One of many is a background; the hold wants nineteen more good probes for it."""
    letters, _ = fold(".xxx" + "." * 12 + "x" + "." * (HOLD_AT_30_S - 3 + 19), parameters())
    assert letters == "USSD" + "D" * 8 + "R" * (HOLD_AT_30_S + 1 + 19) + "U"


def test_failures_in_the_hold_send_it_back() -> None:
    """Recovery begins anew after a relapse; the sentence says how far it had come."""
    letters, record = fold(".xxx" + "." * 12 + "xxx", parameters())
    assert letters.endswith("RRRRRRD")
    assert "failed again 3 min into the hold" in record.reason
    letters, _ = fold("." * 8, parameters(), record=record)
    assert letters == "D" * 8


@pytest.mark.parametrize("bad", ["s", "w"])
def test_a_bad_answer_in_the_hold_is_an_answer(bad: str) -> None:
    """It neither lengthens the hold nor begins it again; too many make the target degraded, and none makes it down."""
    letters, record = fold(".xxx" + "." * 9 + f"{bad}........" * 2 + "." * (HOLD_AT_30_S - 18), parameters())
    assert letters == "USSD" + "D" * 8 + "R" * HOLD_AT_30_S + "U"
    assert "failed" not in record.reason
    letters, _ = fold(".xxx" + "." * 9 + f"..{bad}" * 20, parameters())
    assert "G" in letters
    assert "D" not in letters.partition("R")[2]


def test_a_check_that_failed_in_the_hold_must_be_answered() -> None:
    """However many answers its other checks get, the target is not up before."""
    by = replace(parameters(), checks=(Check.CHAT, Check.TOOL))
    _, record = fold(".xxx" + "." * 10, by)
    assert record.health is Health.RECOVERING
    at_s = 14 * 30.0
    record = state_machine.observe(record, replace(observation("x", at_s=at_s), check=Check.TOOL), by)
    for number in range(1, 19):
        record = state_machine.observe(record, observation(".", at_s=at_s + number * 30), by)
    assert record.health is Health.RECOVERING
    record = state_machine.observe(record, replace(observation(".", at_s=at_s + 19 * 30), check=Check.TOOL), by)
    for number in range(20, 60):
        record = state_machine.observe(record, observation(".", at_s=at_s + number * 30), by)
    assert record.health is Health.UP


def test_half_failing_does_not_recover() -> None:
    """While half of the probes fail, none of a thousand looks like recovery."""
    letters, _ = fold(".xxx" + ".x" * 500, parameters())
    assert set(letters[4:]) == {"D"}


def test_misconfigured_recovers_like_down() -> None:
    """A mended key is believed on the same evidence and after the same hold."""
    letters, _ = fold(".aa" + "." * (9 + HOLD_AT_30_S), parameters())
    assert letters == "USM" + "M" * 8 + "R" * HOLD_AT_30_S + "U"


OUTAGE_AND_RETURN = "xxx" + "." * (9 + HOLD_AT_30_S)


def fold_until(health: Health, symbol: str, record: TargetState) -> TargetState:
    """The same outcome again and again, until the health is reached."""
    while record.health is not health:
        _, record = fold(symbol, parameters(), record=record)
    return record


def test_the_hold_doubles_when_it_goes_down_again_soon() -> None:
    """Down again within four holds of the return, by the provider's fault: the hold doubles, eightfold at the most."""
    factors = []
    _, record = fold("." + OUTAGE_AND_RETURN, parameters())
    for _ in range(5):
        record = fold_until(Health.DOWN, "x", record)
        factors.append(record.hold_factor)
        record = fold_until(Health.UP, ".", record)
    assert factors == [2, 4, 8, 8, 8]


def test_the_hold_falls_back_after_a_good_while() -> None:
    """Four holds after the return, another outage is a new one."""
    _, record = fold("." + OUTAGE_AND_RETURN + "." * 41 + "xxx", parameters())
    assert (record.health, record.hold_factor) == (Health.DOWN, 1)


def test_the_hold_does_not_double_for_timeouts() -> None:
    """Failures that may be our own network's are no relapse of the provider."""
    _, record = fold("." + OUTAGE_AND_RETURN + "ttt", parameters())
    assert (record.health, record.hold_factor) == (Health.DOWN, 1)


def test_unusable_when_too_many_answers_are_of_no_use() -> None:
    """Until nine good ones in a row prove that it is back: a few in between do not end it."""
    letters, record = fold(".wwwwwwww", parameters())
    assert letters == "USSGNNNNN"
    assert fold("....w" + "." * 9, parameters(), record=record)[0] == "N" * 12 + "UU"


@pytest.mark.parametrize(
    ("seen", "health"),
    [
        pytest.param(".rw.rwrw", Health.UNUSABLE, id="wrong and throttled count together"),
        pytest.param(".rs.ssrrww..", Health.DEGRADED, id="slow answers do not"),
        pytest.param("." + "s" * 7, Health.DEGRADED, id="slow answers are answers: they need to be many"),
        pytest.param("." + "s" * 8, Health.UNUSABLE, id="eight in a row"),
    ],
)
def test_the_count_of_useless_answers_is_said_anew_each_time(seen: str, health: Health) -> None:
    """Where no kind of poor answers is at its threshold any more, the last grounds stand, without the old counts."""
    _, record = fold(seen, parameters())
    assert record.health is health
    assert record.reason.count("answers were of no use") == (health is Health.UNUSABLE)
    assert record.reason.count("verdict at") == 1


def test_degraded_can_still_go_down() -> None:
    """Poor answers do not hide that the provider fails."""
    assert fold(".sssxxx", parameters())[0] == "USSGGGD"


def test_blindness_counts_for_nothing() -> None:
    """While our own network is down, timeouts make a target unknown and leave no evidence behind."""
    _, record = fold("....x", parameters())
    lost = observation("t", at_s=150)
    record = state_machine.observe(record, lost, parameters(), blind=True)
    assert (record.health, record.down.value) == (Health.UNKNOWN, 0.0)
    assert "our own network seems to be down" in record.reason
    assert fold(".", parameters(), record=record)[0] == "U"


def test_blindness_does_not_hide_an_answer() -> None:
    """A provider that answers HTTP 500 has answered: that counts, blind or not."""
    _, record = fold("..xx", parameters())
    assert state_machine.observe(record, observation("x", at_s=120), parameters(), blind=True).health is Health.DOWN


def test_blindness_leaves_a_verdict_alone() -> None:
    """What was down stays down while we cannot see."""
    _, record = fold(".xxx", parameters())
    assert state_machine.observe(record, observation("t", at_s=120), parameters(), blind=True).health is Health.DOWN


def test_no_data_is_never_healthy() -> None:
    """A target that nobody has looked at for three intervals is unknown, with its evidence forgotten."""
    _, record = fold("...x", parameters())
    assert state_machine.tick(record, T0 + timedelta(seconds=90 + 120), parameters()) is record
    late = state_machine.tick(record, T0 + timedelta(seconds=90 + 121), parameters())
    assert (late.health, late.down.value) == (Health.UNKNOWN, 0.0)
    assert late.reason == "openai/gpt-6-luna is unknown: no observation for 2 min 1 s"


def test_no_data_leaves_a_verdict_alone() -> None:
    """Silence is no reason to call a failing target anything else."""
    _, record = fold(".xxx", parameters())
    assert state_machine.tick(record, T0 + timedelta(days=1), parameters()) is record


def test_before_the_first_observation_nothing_changes() -> None:
    """A target that was never asked has nothing to lose."""
    fresh = TargetState(target="openai/gpt-6-luna", since=T0)
    assert state_machine.tick(fresh, T0 + timedelta(days=1), parameters()) is fresh


def test_a_clock_set_back_or_forward_an_hour_moves_nothing_to_down() -> None:
    """Instants that jump make no failures."""
    _, record = fold("." * 20, parameters())
    for jump_s in (3600, -3600, 0):
        record = state_machine.observe(record, observation(".", at_s=600 + jump_s), parameters())
        record = state_machine.tick(record, T0 + timedelta(seconds=600 + jump_s), parameters())
        assert record.health is Health.UP


def test_a_transition_is_a_change_of_health() -> None:
    """Moving numbers are none; a change carries the evidence that it was made on."""
    _, before = fold(".xx", parameters())
    assert state_machine.transition(before, before, parameters()) is None
    after = state_machine.observe(before, observation("x", at_s=90), parameters())
    change = state_machine.transition(before, after, parameters())
    assert change is not None
    assert (change.before, change.after) == (Health.SUSPECT, Health.DOWN)
    assert change.evidence >= change.threshold > 0
    assert change.at == after.since == T0 + timedelta(seconds=90.1)


def test_the_same_history_gives_the_same_record_at_any_speed() -> None:
    """Folding is pure: in one go, or interrupted after every observation through JSON."""
    history = "...x.xx" + "." * 25 + "aa" + "." * 30 + "sswwrr" + "." * 20
    _, whole = fold(history, parameters())
    from_pieces: TargetState | None = None
    for symbol in history:
        _, folded = fold(symbol, parameters(), record=from_pieces)
        from_pieces = from_json(to_json(folded))
    assert from_pieces == whole


def test_one_good_probe_after_a_long_gap_does_not_end_the_hold() -> None:
    """The hold counts clean probes, not hours: silence proves nothing."""
    _, record = fold(".xxx" + "." * 9, parameters())
    assert record.health is Health.RECOVERING
    late = state_machine.observe(record, observation(".", at_s=7200), parameters())
    assert late.health is Health.RECOVERING


def test_a_target_that_answers_poorly_after_an_outage_is_not_down_again() -> None:
    """What was held against it as down is over once it answers; slow answers alone never make it down."""
    letters, _ = fold(".xxx" + "." * 9 + "s" * 40, parameters())
    assert "D" not in letters[12:]
    assert letters.endswith("N")


def test_slow_intervals_find_unusable_targets_too() -> None:
    """At five minutes between probes the last four answers decide."""
    assert fold("." + "w" * 12, replace(parameters(), interval_s=300), every_s=300)[0].endswith("NNNN")


def test_a_target_that_rests_as_asked_is_not_unknown() -> None:
    """Retry-After is no silence of ours."""
    _, record = fold(".", parameters())
    record = state_machine.observe(record, observation("r", at_s=30, retry_after_s=300), parameters())
    for seconds in (31, 180, 330, 30 + 300 + 60):
        assert state_machine.tick(record, T0 + timedelta(seconds=seconds), parameters()) is record


def test_blindness_is_no_amnesty() -> None:
    """A target that gives next to no good answers stays unusable when we cannot see for a while."""
    _, record = fold("." + "w" * 12, parameters())
    record = state_machine.observe(record, observation("t", at_s=400), parameters(), blind=True)
    assert fold(".", parameters(), record=record)[1].health is not Health.UP


def test_a_clock_set_back_an_hour_does_not_hold_up_a_verdict() -> None:
    """What was seen before by a clock that was ahead is forgotten, and an outage is still found."""
    _, record = fold("...x", parameters())
    for number in range(3):
        record = state_machine.observe(record, observation("x", at_s=-3600 + number * 30), parameters())
    assert record.health is Health.DOWN


def test_poor_answers_that_come_and_go_double_the_hold() -> None:
    """A target that was degraded is held before a route comes back to it, longer each time it soon is so again."""
    by, record = parameters(), fold(".", parameters())[1]
    holds = []
    for _ in range(3):
        letters, record = fold("wwwwww" + "." * 12, by, every_s=10, record=record)
        assert letters[-1] == "U"
        held_until = record.target_health(by).held_until
        assert held_until is not None
        assert record.returned_at is not None
        holds.append((held_until - record.returned_at).total_seconds())
    assert holds == [300, 600, 1200]


def test_no_instant_of_a_clock_that_was_ahead_holds_anything() -> None:
    """A target that was held until an hour from now by the old clock is not, by the new one."""
    by = parameters()
    _, record = fold("." + "w" * 6 + "." * 12, by, every_s=10)
    assert record.held_until is not None
    back = state_machine.observe(record, observation(".", at_s=-86_400), by)
    assert (back.held_until, back.resting_until, back.limit_met_at, back.extra_at) == (None, None, None, ())


def test_evidence_is_that_of_the_health_it_explains() -> None:
    """Not always that of failures: a degraded target shows the evidence of its wrong answers."""
    by = parameters()
    _, degraded = fold("." + "w" * 6, by)
    said = degraded.target_health(by)
    assert said.evidence == degraded.wrong.value > said.threshold > 0
    assert degraded.down.value == 0


def test_a_verdict_on_latency_keeps_its_trail() -> None:
    """Each answer since the first late one, with the evidence after it, up to what the verdict states."""
    by, usual = parameters(), LatencyBaseline(usual_s=0.9, high_s=2.6, answers=20_000)
    state = fold(".", by)[1].replace(latency=LatencyEvidence(usual={"chat": usual}))
    changes = []
    for number, took_s in enumerate([5.0, 5.0, 1.0, *[5.0] * 10]):
        seen = replace(observation(".", at_s=60 + number * 30), duration_s=took_s)
        before, state = state, state_machine.observe(state, seen, by)
        changes.append(state_machine.transition(before, state, by))
    (degraded,) = (change for change in changes if change and change.after is Health.DEGRADED)
    assert [probe.late for probe in degraded.trail[:4]] == [True, True, False, True]
    assert {probe.target for probe in degraded.trail} == {state.target}
    assert degraded.trail[-1].at == degraded.at
    assert degraded.trail[-1].evidence == degraded.evidence >= degraded.threshold == by.late_threshold


BOTH = replace(parameters(), checks=(Check.CHAT, Check.TOOL))


def in_turn(symbols: str, checks: str, *, record: TargetState | None = None) -> tuple[list[Health], TargetState]:
    """The health after each of these outcomes, and the last record; the checks (`c` chat, `t` tool) take turns."""
    record = record or TargetState(target=parameters().target, since=T0)
    begin_s = (record.last_started_at - T0).total_seconds() + 30.0 if record.last_started_at else 0.0
    asked = {"c": Check.CHAT, "t": Check.TOOL}
    said = []
    for number, symbol in enumerate(symbols):
        seen = observation(symbol, at_s=begin_s + 30.0 * number)
        record = state_machine.observe(record, replace(seen, check=asked[checks[number % len(checks)]]), BOTH)
        said.append(record.health)
    return said, record


@pytest.mark.parametrize(("symbol", "health"), [("w", Health.DEGRADED), ("x", Health.DOWN)])
@pytest.mark.parametrize("others", [1, 3, 5, 7])
def test_a_check_that_always_fails_is_no_flapping_target(symbol: str, health: Health, others: int) -> None:
    """What the other checks say between its turns is no recovery: once condemned, it stays so for a whole day."""
    said, _ = in_turn(("." * others + symbol) * (2880 // (others + 1)), "c" * others + "t")
    assert health in said
    assert set(said[said.index(health) :]) == {health}


@pytest.mark.parametrize("symbol", ["g", "a", "q"])
@pytest.mark.parametrize("others", [1, 3, 7])
def test_a_fault_of_ours_is_confirmed_by_the_check_that_met_it(symbol: str, others: int) -> None:
    """What other checks are answered between its turns takes nothing back, neither before nor after."""
    said, record = in_turn(("." * others + symbol) * (2880 // (others + 1)), "c" * others + "t")
    begin = 2 * others + 1
    assert set(said[:begin]) == {Health.UP, Health.SUSPECT}
    assert set(said[begin:]) == {Health.MISCONFIGURED}
    said, _ = in_turn("." * 100, "c" * others + "t", record=record)
    assert said[-1] is Health.UP


def test_a_fault_of_ours_that_a_check_met_once_is_forgotten() -> None:
    """Once that check has been answered, what it met is not held against the next."""
    said, _ = in_turn("..a...." + "." * 20 + "..a.", "cct")
    assert said[-2:] == [Health.SUSPECT, Health.UP]


@pytest.mark.parametrize("symbol", ["w", "x"])
def test_the_check_that_failed_must_answer_before_a_target_is_back(symbol: str) -> None:
    """Its first good answer, and the run that is wanted of all targets, bring it back."""
    said, ill = in_turn(f"...{symbol}" * 20, "ccct")
    assert said[-1] in {Health.DEGRADED, Health.DOWN}
    said, _ = in_turn("." * 100, "ccct", record=ill)
    assert said[2] is ill.health
    assert said[-1] is Health.UP


def test_a_check_that_is_seldom_asked_holds_nobody_back() -> None:
    """After an outage that met it as well, a target is not down until its next turn, which may be an hour away."""
    _, down = in_turn(".xxxx", "cccct")
    assert down.health is Health.DOWN
    said, _ = in_turn("." * 60, "c", record=down)
    assert said[-1] is Health.UP


def test_slow_answers_of_the_check_that_failed_end_an_outage() -> None:
    """They are answers: it is degraded then, and down no more."""
    said, _ = in_turn(".x" * 10, "ct")
    assert said[-1] is Health.DOWN
    said, _ = in_turn(".x" * 10 + ".s" * 40, "ct")
    assert said[-1] is Health.DEGRADED


@pytest.mark.parametrize("symbol", ["b", "f"])
@pytest.mark.parametrize("others", [1, 3, 7])
def test_a_check_that_says_nothing_leaves_health_to_the_others(symbol: str, others: int) -> None:
    """They say that it is up, and later that it fails; its own count goes on over their turns."""
    said, record = in_turn(("." * others + symbol) * 5, "c" * others + "t")
    assert set(said) == {Health.UP}
    assert [(one.check, one.inconclusive) for one in record.check_failures] == [(Check.TOOL, 5)]
    said, record = in_turn(("x" * others + symbol) * 6, "c" * others + "t", record=record)
    assert said[-1] is Health.DOWN
    _, record = in_turn(".", "t", record=record)
    assert not any(one.check == Check.TOOL for one in record.check_failures)


def test_nothing_is_known_of_a_target_once_all_its_checks_say_nothing() -> None:
    """Each of them three times in a row, however seldom it is asked; the first that is answered makes it up again."""
    said, record = in_turn("....bbbb" + "bbbb" * 2, "ccct")
    assert said[:-1] == [Health.UP] * 15
    assert said[-1] is Health.UNKNOWN
    assert record.reason == (
        "openai/gpt-6-luna is unknown: the probes of every check are inconclusive, "
        "bad_request 3 times in a row: the probe needs attention; last: "
    )
    said, _ = in_turn("bbb" + "." + "bbb", "ccct", record=record)
    assert said == [Health.UNKNOWN] * 3 + [Health.UP] * 4


def told_of(record: TargetState) -> set[Check]:
    """The checks of which people were told."""
    return {check for check in Check if record.is_reported(check)}


def test_people_are_told_of_a_check_that_fails_five_times_in_a_row() -> None:
    """Not before; again only after it was answered; a network that is down in between makes no new case of it."""
    _, record = in_turn(("." * 15 + "w") * 4, "c" * 15 + "t")
    assert told_of(record) == set()
    _, record = in_turn("." * 15 + "w", "c" * 15 + "t", record=record)
    assert told_of(record) == {Check.TOOL}
    first = record.check_failures
    _, record = in_turn(("." * 15 + "w") * 9, "c" * 15 + "t", record=record)
    assert record.check_failures[0].reported_at == first[0].reported_at
    assert record.last_started_at is not None
    lost = observation("t", at_s=(record.last_started_at - T0).total_seconds() + 30)
    record = state_machine.observe(record, lost, BOTH, blind=True)
    assert record.health is Health.UNKNOWN
    assert told_of(record) == {Check.TOOL}
    assert told_of(in_turn(".", "t", record=record)[1]) == set()


def test_people_are_not_told_of_a_check_that_makes_a_verdict() -> None:
    """The incident tells them."""
    said, record = in_turn(".w" * 30, "ct")
    assert said[-1] in {Health.DEGRADED, Health.UNUSABLE}
    assert told_of(record) == set()


@pytest.mark.parametrize(
    ("symbols", "checks", "said"),
    [
        ("...w", "ccct", "the last probe gave a wrong answer (bad_answer), of the check tool; "),
        ("..x.", "cctc", "1 of 2 probes failed in 30 s (server_error), of the check tool; "),
        (".w" * 5, "ct", "5 of 9 probes gave a wrong answer in 4 min (bad_answer), all of them tool; "),
        (".xxx", "ctct", "3 of 3 probes failed in 1 min (server_error); "),
        (".x.x", "cccc", "2 of 3 probes failed in 1 min (server_error), all of them chat; "),
    ],
)
def test_the_sentence_says_which_checks_failed_where_not_all_did(symbols: str, checks: str, said: str) -> None:
    """All of them would be no news."""
    _, record = in_turn(symbols, checks)
    assert f": {said}" in degradation.target_health(record, BOTH).reason
