"""How checks take turns."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from monitor.config.checks import HEAVIEST, turns
from probes.target import Check


def test_equal_checks_alternate_in_the_order_of_the_file() -> None:
    """A plain list is asked one after the other."""
    assert turns({Check.STREAM: 1, Check.CHAT: 1}) == (Check.STREAM, Check.CHAT)


def test_a_light_check_stands_amid_the_heavy_one() -> None:
    """Not at the end of a run of the other."""
    assert turns({Check.CHAT: 3, Check.TOOL: 1}) == (Check.CHAT, Check.CHAT, Check.TOOL, Check.CHAT)


@given(st.dictionaries(st.sampled_from(Check), st.integers(1, HEAVIEST), min_size=1))
def test_a_round_is_fair_and_even(weights: dict[str, int]) -> None:
    """Each check stands there as often as it weighs, and never falls behind its share by a whole turn per rival."""
    order = turns(weights)

    assert Counter(order) == weights
    for check, weight in weights.items():
        for asked in range(1, len(order) + 1):
            share = asked * weight / len(order)
            assert abs(order[:asked].count(check) - share) <= len(weights)
