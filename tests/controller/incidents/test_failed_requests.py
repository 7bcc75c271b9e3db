"""How many requests failed before a route moved, and after, from sums by minute."""

from datetime import timedelta

import pytest

from controller.incidents.failed_requests import FailedSum, failed_requests, sentences, total
from controller.incidents.impact import RoutePeriod
from tests.support.builders import T0

A, B, C = "openai/a", "anthropic/b", "gemini/c"


def stay(target: str, since_s: float, until_s: float, route: str = "chat") -> RoutePeriod:
    """Where a route pointed."""
    since, until = (T0 + timedelta(seconds=seconds) for seconds in (since_s, until_s))
    return RoutePeriod(route=route, target=target, since=since, until=until)


def failed(target: str, minute: int, count: int, route: str = "chat") -> FailedSum:
    """What failed in one minute."""
    return target, route, T0 + timedelta(minutes=minute), count


MOVED = [stay(A, 0, 45), stay(B, 45, 600)]


@pytest.mark.parametrize(
    ("periods", "sums", "told"),
    [
        pytest.param(
            MOVED,
            [failed(A, 0, 400), failed(A, 1, 12)],
            ["412 requests of chat failed before the move, 0 after"],
            id="what ended late at the target that was left failed before the move",
        ),
        pytest.param(
            MOVED,
            [failed(A, 0, 5), failed(B, 0, 1), failed(B, 4, 1_200)],
            ["5 requests of chat failed before the move, 1,201 after"],
            id="elsewhere is after",
        ),
        pytest.param(
            [*MOVED, stay(A, 600, 700)],
            [failed(A, 0, 5), failed(A, 9, 2), failed(A, 10, 7)],
            ["7 requests of chat failed before the move, 7 after"],
            id="back there",
        ),
        pytest.param(
            [stay(A, 0, 600)], [failed(A, 0, 5)], ["5 requests of chat failed; it did not move"], id="it stays"
        ),
        pytest.param(MOVED, [], [], id="nobody reports"),
        pytest.param(
            MOVED, [failed(A, 0, 5, "")], ["5 requests of chat failed before the move, 0 after"], id="no name"
        ),
        pytest.param(
            [*MOVED, stay(A, 0, 600, "other")],
            [failed(A, 0, 5, ""), failed(A, 0, 3, "other"), failed(C, 0, 9, "third")],
            ["3 requests of other failed; it did not move"],
            id="which of two routes is not known, and others are not touched",
        ),
    ],
)
def test_what_failed_is_told_by_route(periods: list[RoutePeriod], sums: list[FailedSum], told: list[str]) -> None:
    """The target that each request went to says whether it was before the move."""
    found = failed_requests(periods, sums)
    assert list(sentences(found)) == told
    assert total(found) <= sum(count for *_, count in sums)
