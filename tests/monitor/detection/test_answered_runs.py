"""Answers that are taken in together lead to the same state as one by one."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from monitor.detection import notes, state_machine
from monitor.detection.answered_runs import CleanRun, FadingRun, answered_run, uneventful_states
from monitor.detection.target_state import TargetState
from probes.observation import Observation, replaced
from tests.support.builders import T0, observation, parameters

INTERVAL_S = parameters().interval_s


@dataclass
class Regular:
    """Regular probes from one second on, of which it is known how long they take."""

    begin_s: float
    times_s: Sequence[float]

    def started_at(self, place: int) -> datetime:
        """One an interval."""
        return T0 + timedelta(seconds=self.begin_s + place * INTERVAL_S)

    def clean_times_s(self, count: int) -> list[float]:
        """Of the first ones."""
        return [*self.times_s[:count]]

    def clean_times(self, place: int) -> tuple[datetime, datetime]:
        """As those of the observation."""
        seen = self.clean_observation(place)
        return seen.started_at, seen.finished_at

    def clean_timing(self, place: int) -> tuple[float, datetime]:
        """As that of the observation."""
        seen = self.clean_observation(place)
        return seen.duration_s, seen.finished_at

    def clean_observation(self, place: int) -> Observation:
        """A good answer."""
        return answer(self.begin_s + place * INTERVAL_S, self.times_s[place])


def answer(at_s: float, took_s: float) -> Observation:
    """A good answer to a probe that began then."""
    return replaced(observation(".", at_s=at_s), started_at=T0 + timedelta(seconds=at_s), duration_s=took_s)


def timed(seen: Observation) -> tuple[datetime, float, datetime]:
    """All that a run needs to know of it."""
    return seen.started_at, seen.duration_s, seen.finished_at


def begun(seen: str, *, seed: int) -> tuple[TargetState, float]:
    """A state after 150 good answers and these, and the second of its next regular probe."""
    dice, state = random.Random(seed), TargetState(target=observation().target, since=T0)
    for number in range(150):
        usual = answer(4500.0 + 30.0 * number, dice.lognormvariate(-0.1, 0.4))
        state = state_machine.observe(state, usual, parameters())
    for number, symbol in enumerate(seen):
        state = state_machine.observe(state, observation(symbol, at_s=9000.0 + number * 30.0), parameters())
    return state, 9000.0 + len(seen) * 30.0


@pytest.mark.parametrize(
    ("seen", "kind", "quick_s"),
    [
        pytest.param("", CleanRun, 3.0, id="without evidence"),
        pytest.param("x" + "." * 14, CleanRun, 9.0, id="soon after a failure"),
        pytest.param("x", FadingRun, 5.0, id="while a failure fades"),
        pytest.param("x.x", FadingRun, 5.0, id="while two do"),
    ],
)
@pytest.mark.parametrize("seed", range(6))
def test_runs_end_in_the_state_of_single_answers(seen: str, kind: type, quick_s: float, seed: int) -> None:
    """Of regular ones and extra ones in turn, late ones among them; what is left over does more than take evidence."""
    before, at_s = begun(seen, seed=seed)
    run, single, dice, taken = answered_run(before, parameters()), before, random.Random(seed), 0
    assert run is not None
    assert isinstance(run, kind)
    for turn in range(30):
        times_s = [dice.lognormvariate(-0.1, 0.8) for _ in range(10)]
        regular = Regular(at_s, times_s)
        count = run.foresee(regular, dice.randint(1, 10)) if turn % 2 else 0
        if count:
            run.pass_over(regular, count)
            for place in range(count):
                single = state_machine.observe(single, regular.clean_observation(place), parameters())
        at_s, taken = at_s + count * INTERVAL_S, taken + count
        extra = answer(at_s - INTERVAL_S + quick_s, times_s[-1])
        after = state_machine.observe(single, extra, parameters())
        if not run.add(timed(extra)):
            assert after.reason != single.reason or after.latency.is_suspicious(parameters().late_threshold)
            break
        single, taken = after, taken + 1
        if dice.random() < 0.3:
            beside = replaced(answer(at_s - INTERVAL_S + quick_s + 2.0, times_s[-2]), afresh=True)
            run.add_afresh(beside)
            single = notes.note_afresh(single, beside, parameters(), blind=False)
        if dice.random() < 0.5:
            assert run.state == single
    assert run.state == single
    assert taken > (kind is CleanRun)


def test_a_run_foresees_again_what_an_extra_probe_was_not_foreseen_to_take() -> None:
    """A burst may take the place of regular probes, and find another latency."""
    before, at_s = begun("", seed=1)
    run = answered_run(before, parameters())
    assert isinstance(run, CleanRun)
    assert run.foresee(Regular(at_s, [0.9] * 5), 5) == 5
    extra, regular = answer(at_s - 20.0, 1.4), Regular(at_s, [0.9] * 5)
    assert run.add(timed(extra))
    run.pass_over(regular, run.foresee(regular, 3))
    single = state_machine.observe(before, extra, parameters())
    for place in range(3):
        single = state_machine.observe(single, regular.clean_observation(place), parameters())
    assert run.state == single


def test_a_run_foresees_again_what_went_to_a_probe_beside_it() -> None:
    """The next answers are then not those that it has foreseen."""
    before, at_s = begun("", seed=1)
    run, single = answered_run(before, parameters()), before
    assert isinstance(run, CleanRun)
    assert run.foresee(Regular(at_s, [0.9, 1.4, 0.8]), 3) == 3
    regular = Regular(at_s, [1.4, 0.8, 0.7])
    run.pass_over(regular, run.foresee(regular, 3))
    for place in range(3):
        single = state_machine.observe(single, regular.clean_observation(place), parameters())
    assert run.state == single


@pytest.mark.parametrize("seen", [".xxx", "a", "r", "w", ".xxx" + "." * 9])
def test_no_run_where_answers_decide(seen: str) -> None:
    """Out of service or in a hold, while a misconfiguration is to be confirmed, with evidence of bad answers."""
    state, _ = begun(seen, seed=1)
    assert answered_run(state, parameters()) is None


def test_what_makes_no_run_is_foreseen_state_by_state() -> None:
    """Wrong answers fade: until the first that changes its health, or calls for an extra probe."""
    state, at_s = begun("w" + "." * 12, seed=1)
    regular = Regular(at_s, [0.9] * 8)
    states = uneventful_states(state, regular, 8, parameters())
    for place, foreseen in enumerate(states):
        state = state_machine.observe(state, regular.clean_observation(place), parameters())
        assert state == foreseen
