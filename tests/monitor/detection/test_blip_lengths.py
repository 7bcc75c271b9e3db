"""How long blips last: learned from failing periods that ended by themselves, and from nothing else."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.controller_settings import Blips
from monitor.detection.blip_lengths import LONGEST_S, NO_PERIODS, BlipLengths
from tests.support.builders import T0

BLIPS = Blips()
P0 = 0.005


def failing(lengths: BlipLengths, at: datetime, length_s: float, *, good: int = 12) -> BlipLengths:
    """The lengths after a probe every 5 s that failed for so long, and then so many good ones."""
    for number in range(int(length_s // 5) + 1):
        lengths = lengths.add_probe(at + timedelta(seconds=5 * number), failed=True, p0=P0, blips=BLIPS)
    for number in range(good):
        end = at + timedelta(seconds=length_s + 2 + number)
        lengths = lengths.add_probe(end, failed=False, p0=P0, blips=BLIPS)
    return lengths


def lived(periods_s: Sequence[float], *, apart: timedelta = timedelta(hours=4)) -> tuple[BlipLengths, datetime]:
    """The lengths after such failing periods, and the end of the last pause."""
    lengths, at = NO_PERIODS, T0
    for length_s in periods_s:
        lengths = failing(lengths, at, length_s)
        at += apart
    return lengths, at


def test_three_longer_periods_raise_the_longest_blip() -> None:
    """A quarter more than the longest of them; two prove nothing."""
    lengths, at = lived([30, 50, 40])
    assert lengths.longest_s(at, BLIPS) == pytest.approx(65)
    lengths, at = lived([30, 50])
    assert lengths.longest_s(at, BLIPS) == 0


@pytest.mark.parametrize(
    ("periods_s", "apart"),
    [
        pytest.param([5] * 20, timedelta(hours=4), id="blips as configured"),
        pytest.param([0] * 20, timedelta(hours=4), id="single failures"),
        pytest.param([300] * 20, timedelta(hours=4), id="short outages"),
        pytest.param([60] * 20, timedelta(minutes=5), id="an outage that comes and goes"),
        pytest.param([30, 40, 50], timedelta(days=15), id="too seldom"),
    ],
)
def test_nothing_else_does(periods_s: list[float], apart: timedelta) -> None:
    """Neither what is shorter nor what is longer, nor what belongs to one outage."""
    lengths, at = lived(periods_s, apart=apart)
    assert lengths.longest_s(at, BLIPS) == 0


def test_it_is_forgotten_after_two_weeks() -> None:
    """Where no such blip came since."""
    lengths, at = lived([30, 50, 40])
    assert lengths.longest_s(at + timedelta(days=13), BLIPS) > 0
    assert lengths.longest_s(at + timedelta(days=15), BLIPS) == 0


def test_the_longest_of_two_weeks_counts_however_many_came_since() -> None:
    """Most are shorter: those must not push it out."""
    lengths, at = lived([60, *[20] * 40])
    assert lengths.longest_s(at, BLIPS) == pytest.approx(77.5)
    assert len(lengths.ended) == 12
    lengths, at = lived([60, *[20] * 90])
    assert lengths.longest_s(at, BLIPS) == pytest.approx(27.5), "that was more than two weeks ago"


@pytest.mark.parametrize(("pause_s", "longest_s"), [(30, 48.75), (90, 0)])
def test_a_period_lasts_until_the_first_good_answer(pause_s: int, longest_s: float) -> None:
    """A target that was found down after 9 s is asked so much later; after too long a pause nobody knows."""
    lengths, at = NO_PERIODS, T0
    for _ in range(3):
        at += timedelta(hours=4)
        seen = [(number * 3, True) for number in range(4)] + [(9 + pause_s * number, False) for number in range(1, 9)]
        for seconds, failed in seen:
            lengths = lengths.add_probe(at + timedelta(seconds=seconds), failed=failed, p0=P0, blips=BLIPS)
    assert lengths.longest_s(at + timedelta(hours=1), BLIPS) == pytest.approx(longest_s)


@given(st.lists(st.tuples(st.integers(1, 4000), st.booleans()), max_size=300))
def test_no_course_raises_it_beyond_the_bound(probes: list[tuple[int, bool]]) -> None:
    """Nor lowers it below what is configured; a bounded number of periods is kept."""
    lengths, at = NO_PERIODS, T0
    for pause_s, failed in probes:
        at += timedelta(seconds=pause_s)
        lengths = lengths.add_probe(at, failed=failed, p0=P0, blips=BLIPS)
    longest_s = lengths.longest_s(at + timedelta(minutes=10), BLIPS)
    assert longest_s == 0 or 2 * BLIPS.longest_s < longest_s <= LONGEST_S
    assert len(lengths.ended) <= 12
