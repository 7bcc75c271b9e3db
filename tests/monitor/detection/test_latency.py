"""Evidence that a target has become slower than it was."""

import math
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import TypeAdapter

from monitor.detection import latency
from monitor.detection.latency import (
    LATE_SHARE,
    NORMAL_SHARE,
    LateAnswers,
    LatencyBaseline,
    LatencyEvidence,
    LatencyExcursion,
)
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check
from tests.support.builders import T0, observation

USUAL = LatencyBaseline(usual_s=0.9, high_s=2.6, answers=20_000)
TOKEN = LatencyBaseline(usual_s=0.3, high_s=0.5, answers=20_000)
KNOWN = LatencyEvidence(usual={"chat": USUAL, "stream": USUAL, "stream, first token": TOKEN})
NEW = LatencyEvidence()


def answer(took_s: float, *, at_s: float = 0.0, symbol: str = ".", lag_s: float = 0.0) -> Observation:
    """A whole reply that took so long."""
    return replace(observation(symbol, at_s=at_s), duration_s=took_s, loop_lag_s=lag_s)


def stream(took_s: float, first_token_s: float, *, lag_s: float = 0.0) -> Observation:
    """A stream that took so long, and so long to its first token."""
    return replace(answer(took_s, lag_s=lag_s), check=Check.STREAM, first_token_s=first_token_s)


def heard(times_s: list[float], known: LatencyEvidence = KNOWN) -> LatencyEvidence:
    """After answers that took so long, one every 30 s."""
    for number, took_s in enumerate(times_s):
        known = known.add_observation(answer(took_s, at_s=30.0 * number), no_evidence=True)
    return known


@pytest.mark.parametrize(
    ("known", "seen", "measure"),
    [
        pytest.param(KNOWN, answer(2.5), None, id="under the mark is in time"),
        pytest.param(KNOWN, answer(2.7), "chat", id="past the mark is late"),
        pytest.param(NEW, answer(9.0), None, id="without a baseline nothing is late"),
        pytest.param(NEW, answer(11.0, symbol="s"), "chat", id="past the slow limit is late without a baseline too"),
        pytest.param(KNOWN, answer(2.7, lag_s=0.3), None, id="what our own loop added is taken off"),
        pytest.param(KNOWN, answer(29.0, symbol="x"), None, id="a failure is not late, whatever it took"),
        pytest.param(KNOWN, answer(29.0, symbol="w"), None, id="a wrong answer is not late"),
        pytest.param(KNOWN, stream(2.0, 1.2), None, id="a first token within a second of the usual is in time"),
        pytest.param(KNOWN, stream(2.0, 1.4), "stream, first token", id="a late first token is late"),
        pytest.param(KNOWN, stream(2.0, 1.4, lag_s=0.2), None, id="a first token that our own loop held up is not"),
        pytest.param(KNOWN, stream(2.7, 1.4), "stream", id="the whole counts before the first token"),
    ],
)
def test_what_is_late(known: LatencyEvidence, seen: Observation, measure: str | None) -> None:
    """Each time is held against the baseline of its own check, and named."""
    assert known.late_measure(seen) == measure


def test_each_check_has_its_own_baseline() -> None:
    """A stream teaches nothing about whole replies, nor the whole about the first token."""
    known = NEW.add_observation(answer(1.0), no_evidence=True).add_observation(stream(3.0, 0.4), no_evidence=True)
    assert {measure: baseline.usual_s for measure, baseline in known.usual.items()} == {
        "chat": 1.0,
        "stream": 3.0,
        "stream, first token": 0.4,
    }


def test_late_answers_add_up_and_answers_in_time_take_away() -> None:
    """By log(p1/p0) and log((1-p0)/(1-p1)), and never below zero."""
    up, down = math.log(LATE_SHARE / NORMAL_SHARE), math.log((1 - NORMAL_SHARE) / (1 - LATE_SHARE))
    assert heard([4, 1, 4]).lateness.value == pytest.approx(2 * up - down)
    assert heard([4, 1, 1]).lateness == LatencyExcursion()


@pytest.mark.parametrize("symbol", "xotrwaqgbf")
def test_only_correct_answers_say_how_fast_a_target_is(symbol: str) -> None:
    """A quick error is not a quick answer: nothing is learned and nothing weighed."""
    known = heard([4.0])
    assert known.add_observation(answer(0.01, symbol=symbol), no_evidence=True) is known


def test_answers_of_an_excursion_teach_a_tenth() -> None:
    """What may be the beginning of a slow spell is not taken for normal, though nothing else is held against it."""
    calm, excited = heard([4.0]), heard([4.0, 4.0])
    first, second = calm.usual["chat"].high_s / USUAL.high_s, excited.usual["chat"].high_s / calm.usual["chat"].high_s
    assert (second - 1) == pytest.approx((first - 1) / 10, rel=0.05)


def test_clearing_keeps_what_was_learned() -> None:
    """Evidence goes, baselines stay."""
    known = heard([4.0, 4.0])
    assert known.clear() == LatencyEvidence(usual=known.usual)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        pytest.param(KNOWN, "", id="nothing to say"),
        pytest.param(
            heard([4.0]), "the last answer took 4 s or more (usually 0.9 s, 95 of 100 under 2.6 s)", id="one answer"
        ),
        pytest.param(
            heard([4.0, 1.0, 3.6, 5.0, 6.0, 1.0, 4.2]),
            "5 of 7 answers in 3 min took 3.6 s or more (usually 0.9 s, 95 of 100 under 2.6 s)",
            id="several of one kind",
        ),
        pytest.param(
            LatencyEvidence(
                usual=KNOWN.usual,
                lateness=LatencyExcursion(
                    value=9.0,
                    answers=9,
                    since=T0,
                    late={
                        "chat": LateAnswers(count=2, least_s=4.0),
                        "stream, first token": LateAnswers(count=5, least_s=1.7),
                    },
                ),
            ),
            "7 of 9 answers in 3 min were late, 5 took 1.7 s or more to the first token"
            " (usually 0.3 s, 95 of 100 under 0.5 s)",
            id="several kinds: the most frequent one",
        ),
        pytest.param(
            LatencyEvidence(
                usual={"chat": LatencyBaseline(usual_s=0.012, high_s=0.0251, answers=200)},
                lateness=LatencyExcursion(
                    value=1.4, answers=1, since=T0, late={"chat": LateAnswers(count=1, least_s=1.2)}
                ),
            ),
            "the last answer took 1.2 s or more (usually 0.012 s, 95 of 100 under 0.025 s)",
            id="a target that takes milliseconds",
        ),
        pytest.param(
            NEW.add_observation(answer(12.0, symbol="s"), no_evidence=True).add_observation(
                answer(14.0, at_s=30, symbol="s"), no_evidence=True
            ),
            "2 of 2 answers in 3 min took 12 s or more",
            id="nothing is usual yet",
        ),
    ],
)
def test_the_evidence_explains_itself(known: LatencyEvidence, words: str) -> None:
    """How many, how late, and what would have been usual."""
    assert known.description((known.lateness.since or T0) + timedelta(minutes=3)) == words


@pytest.mark.parametrize("known", [NEW, KNOWN, heard([4.0, 1.0, 4.0]), heard([0.9] * 20, NEW)])
def test_it_comes_back_from_json_exactly(known: LatencyEvidence) -> None:
    """It is kept in the target's record."""
    adapter = TypeAdapter(LatencyEvidence)
    assert adapter.validate_json(adapter.dump_json(known, exclude_defaults=True, by_alias=True)) == known


@pytest.mark.parametrize("probes_per_verdict", [500, 2_000])
def test_the_threshold_keeps_its_promise(probes_per_verdict: int) -> None:
    """With 15 % of the answers late all the time, 100 verdicts are about 100 (three standard deviations)."""
    dice, late = random.Random(7), answer(4.0)
    needed = latency.threshold(30.0, per_day=2880 / probes_per_verdict)
    lateness, verdicts = LatencyExcursion(), 0
    for _ in range(100 * probes_per_verdict):
        if dice.random() < NORMAL_SHARE:
            lateness = lateness.add_late("chat", late.duration_s, late.finished_at, late.target)
        elif lateness.answers:
            lateness = lateness.add_in_time(late.finished_at, late.target)
        if lateness.value >= needed:
            verdicts, lateness = verdicts + 1, LatencyExcursion()
    assert 70 <= verdicts <= 130


def test_the_threshold_for_one_verdict_in_90_days() -> None:
    """At 30 s it is 10.8: eight late answers in a row."""
    needed = latency.threshold(30.0, per_day=1 / 90)
    assert needed == pytest.approx(10.8, abs=0.05)
    assert heard([4.0] * 7).lateness.value < needed <= heard([4.0] * 8).lateness.value


@pytest.mark.parametrize(("late", "suspicious"), [(2, False), (3, True)])
def test_one_late_answer_is_no_suspicion(late: int, suspicious: bool) -> None:
    """One in twenty is late at any time: three in a row are worth a closer look, two are not."""
    assert heard([4.0] * late).is_suspicious(latency.threshold(30.0, per_day=1 / 90)) is suspicious


def test_a_target_four_times_as_slow_is_noticed_below_its_slow_limit() -> None:
    """From 0.9 s to 4 s, with 10 s allowed: the verdict comes within ten minutes."""
    needed = latency.threshold(30.0, per_day=1 / 90)
    noticed = []
    for seed in range(20):
        dice, known, probes = random.Random(seed), KNOWN, 0
        while known.lateness.value < needed:
            probes += 1
            known = known.add_observation(answer(min(9.9, 4 * dice.lognormvariate(0, 0.641))), no_evidence=True)
        noticed.append(probes)
    assert sorted(noticed)[18] <= 20


def test_slow_answers_are_evidence_before_a_baseline_is_known() -> None:
    """A new target that is past its slow limit from the start reaches the verdict."""
    known = NEW
    for _ in range(8):
        known = known.add_observation(answer(12.0, symbol="s"), no_evidence=True)
    assert known.lateness.value >= latency.threshold(30.0, per_day=1 / 90)
    assert answer(12.0, symbol="s").outcome is Outcome.SLOW


@pytest.mark.parametrize("answers", [99, 100, 400, 3_000, 19_998])
def test_unsuspicious_answers_are_found_without_learning_from_them(answers: int) -> None:
    """As many as would be found one by one, however much is known and however late some are."""
    dice, cut_short = random.Random(answers), 0
    for _ in range(300):
        point = 0.9, dice.uniform(1.0, 3.0), answers, dice.choice((0.0, 0.0, 2.0))
        spread = dice.choice((0.6, 0.9))
        times_s = [dice.lognormvariate(-0.1, spread) for _ in range(40)]
        course = [point]
        latency.extend_course(course, times_s, 10.8)
        assert latency.unsuspicious_answers(point, times_s, 10.8) == len(course) - 1
        cut_short += len(course) <= len(times_s)
    assert 0 < cut_short < 300


@pytest.mark.parametrize("known", [KNOWN, NEW])
def test_many_clean_answers_at_once_are_the_same_as_one_by_one(known: LatencyEvidence) -> None:
    """As many as leave it unsuspicious, late ones among them; the first that does not is left over."""
    dice = random.Random(5)
    threshold, taken = 10.8, 0
    for _ in range(200):
        times_s = [dice.lognormvariate(-0.1, 0.8) for _ in range(20)]
        answers = [
            replace(answer(took_s), started_at=T0 + timedelta(seconds=30 * number))
            for number, took_s in enumerate(times_s)
        ]
        course = [known.point("chat")]
        latency.extend_course(course, times_s, threshold)
        count = len(course) - 1
        timings = [(each.duration_s, each.finished_at) for each in answers]
        after = known.add_clean_answers(answers[0].target, "chat", course, timings.__getitem__)
        for each in answers[:count]:
            known = known.add_observation(each, no_evidence=True)
        assert after == known
        assert known.point("chat") == course[-1]
        if count < len(times_s):
            assert known.add_observation(answers[count], no_evidence=True).is_suspicious(threshold)
            known = known.clear()
        taken += count
    assert taken > 2000
