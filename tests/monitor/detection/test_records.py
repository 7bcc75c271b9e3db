"""A tick looks only at targets that time may change, and says what looking at all of them would."""

from collections.abc import Container
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from monitor.detection.detector import Detector
from monitor.health import Transition
from tests.monitor.detection.test_detector import ALONE, FOUR, QUIET, new_detector, show
from tests.support.builders import T0, observation

ALL = (*FOUR, ALONE)
#: How long after the last step, who is asked, and how it ends; `None`: the clock is set by so much.
steps = st.lists(
    st.one_of(
        st.tuples(st.floats(0.1, 90), st.sampled_from(ALL), st.sampled_from("....xxr")),
        st.tuples(st.sampled_from([-4000.0, -60.0, -1.0, 40.0, 500.0, 4000.0]), st.none(), st.none()),
    ),
    max_size=60,
)


def ticked(
    detector: Detector, now_s: float, *, all_of_them: bool, quiet: Container[str] = ()
) -> tuple[Transition, ...]:
    """What this instant changes; `all_of_them`: every target and provider is looked at."""
    if all_of_them:
        detector.records.targets.touched |= set(detector.records.targets)
        detector.records.pools.touched |= set(detector.records.pools)
    return detector.tick(T0 + timedelta(seconds=now_s), quiet=quiet)


@given(story=steps)
@effort(max_examples=60)
@pytest.mark.slow
def test_a_tick_that_looks_at_few_says_what_one_that_looks_at_all_says(story: list[tuple[float, str, str]]) -> None:
    """Whatever is observed, and however the clock is set."""
    few, all_of_them, now_s = new_detector(*ALL), new_detector(*ALL), 0.0
    for passed_s, name, symbol in story:
        now_s += passed_s
        if name:
            seen = observation(symbol, at_s=now_s - 0.2, name=name, retry_after_s=70.0 if symbol == "r" else 0.0)
            assert few.observe(seen) == all_of_them.observe(seen)
        assert ticked(few, now_s, all_of_them=False) == ticked(all_of_them, now_s, all_of_them=True)
        assert few.snapshot() == all_of_them.snapshot()


def test_who_was_quiet_is_looked_at_once_it_is_quiet_no_longer() -> None:
    """The time of its silence may have come meanwhile."""
    detector = new_detector(*ALL)
    show(detector, [(0, ALONE, ".")])
    assert not ticked(detector, 1, all_of_them=False)
    assert not ticked(detector, 3600, all_of_them=False, quiet={ALONE})
    [silent] = ticked(detector, 3601, all_of_them=False)
    assert silent.target == ALONE


def test_what_changed_since_the_mark_is_known_and_can_be_undone() -> None:
    """Targets, the evidence against their provider, tests under way and verdicts that are due."""
    detector = new_detector(*ALL)
    show(detector, QUIET)
    before, due = detector.snapshot(), detector.due
    detector.records.mark(detector.fresh.snapshot())
    show(detector, [(60 + n * 3.0, FOUR[n % 4], "x") for n in range(5)])
    former = detector.records.former
    assert (set(former.targets), set(former.providers)) == (set(FOUR), {"openai"})
    assert former.targets == {name: before.targets[name] for name in FOUR}
    detector.undo()
    assert (detector.snapshot(), detector.due) == (before, due)
