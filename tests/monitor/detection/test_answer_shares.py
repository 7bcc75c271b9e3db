"""A share of bad answers is found where it is too large, and rarely where it is not."""

from random import Random

import pytest

from monitor.detection.answer_shares import NO_TEST, POOR, USELESS, ShareModel, ShareTest


def fold(answers: str, model: ShareModel = USELESS, *, waited: bool = False) -> ShareTest:
    """The test after these answers: `b` is a bad one."""
    test = NO_TEST
    for answer in answers:
        test = test.add_answer(model, bad=answer == "b", waited=waited)
    return test


@pytest.mark.parametrize(
    ("answers", "proven"),
    [
        ("." * 9, False),
        ("bbb", False),
        ("bbbb", True),
        ("b.b.b.b.b.b.", False),
        ("bb.b.bb.bb", True),
        ("b" + "." * 40 + "b" * 4, True),
        ("b" + "....b" * 20, False),
    ],
)
def test_too_many_bad_answers(answers: str, proven: bool) -> None:
    """Four in a row, or most of ten; never one in five."""
    assert fold(answers).proven is proven


def test_thirty_good_answers_in_a_row_end_it() -> None:
    """Then nothing is left, not even what was proven."""
    assert fold("bbbb" + "." * 29).proven
    assert fold("bbbb" + "." * 30) == NO_TEST


def test_refusals_after_waits_that_were_kept_need_be_three() -> None:
    """From the first answer on: one that was not refused takes that back."""
    assert [fold("b" * refused, waited=True).proven for refused in (1, 2, 3)] == [False, False, True]
    assert not fold("b.bb", waited=True).proven


def test_poor_answers_may_be_half_of_them() -> None:
    """As slow ones are answers still."""
    assert fold("b" * 8, POOR).proven
    assert not fold("b." * 60, POOR).proven


@pytest.mark.parametrize(("model", "share"), [(USELESS, 0.15), (POOR, 0.5)])
def test_a_tolerated_share_is_rarely_held_against_it(model: ShareModel, share: float) -> None:
    """Of 600 answers, with the tolerated share bad, one run in 35 at the most, and some for beginning anew."""
    dice = Random(7)
    runs = ("".join("b" if dice.random() < share else "." for _ in range(600)) for _ in range(400))
    assert sum(any_proven(run, model) for run in runs) <= 400 * 0.06


def any_proven(answers: str, model: ShareModel) -> bool:
    """Whether the share was ever found too large."""
    test = NO_TEST
    for answer in answers:
        test = test.add_answer(model, bad=answer == "b")
        if test.proven:
            return True
    return False


def test_hours_of_a_tolerable_share_do_not_hide_an_outage() -> None:
    """The ratios have a floor."""
    assert fold("b" + ".........b" * 100 + "b" * 6).proven
