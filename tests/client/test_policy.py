"""What follows what: the table of docs/client.md, in pure code."""

from typing import Any

import pytest
from hotspare_client import Target
from hotspare_client.failure import Failure
from hotspare_client.policy import Step, choose_first

from tests.support.client_policy import follow, up_target

#: A number nearly so.
APPROX: Any = pytest.approx


A, B, C = up_target("a"), up_target("b"), up_target("c")
SAME, NEXT = "a", "b"


def after(failure: Failure, *, candidates: tuple[Target, ...] = (A, B, C), **changes: Any) -> Step | None:
    """What follows a first failure at the first candidate."""
    return follow(failure, candidates, **changes)


def outcome(name: str, **fields: Any) -> Failure:
    """A failure of that name."""
    return Failure(name, "", **fields)


@pytest.mark.parametrize(
    ("failure", "expected", "pause_s"),
    [
        (outcome("rate_limited", retry_after_s=2.0), SAME, 2.15),
        (outcome("rate_limited", retry_after_s=3.0), SAME, 3.15),
        (outcome("rate_limited", retry_after_s=3.1), NEXT, 0.15),
        (outcome("rate_limited"), NEXT, 0.15),
        (outcome("overloaded", retry_after_s=1.0), NEXT, 0.15),
        (outcome("server_error"), SAME, 0.0),
        (outcome("unreachable"), SAME, 0.0),
        (outcome("broken_stream"), SAME, 0.0),
        (outcome("unreachable", status=404), NEXT, 0.0),
        (outcome("timeout"), NEXT, 0.0),
        (outcome("auth"), NEXT, 0.0),
        (outcome("quota", retry_after_s=1.0), NEXT, 0.0),
        (outcome("model_gone"), NEXT, 0.0),
        (outcome("bad_request"), None, 0.0),
        (outcome("bad_request", known=False), None, 0.0),
        (outcome("refused"), None, 0.0),
        (outcome("budget_spent"), None, 0.0),
        (outcome("bad_request", too_long=True), None, 0.0),
    ],
)
def test_each_failure_has_its_answer(failure: Failure, expected: str | None, pause_s: float) -> None:
    """The table of the client: the same target once more, the next one, or nobody."""
    step = after(failure)
    assert (step.target.id if step else None) == expected
    assert step is None or step.pause_s == APPROX(pause_s)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"was_repeated": True}, id="one repeat in all"),
        pytest.param({"failed_elsewhere": True}, id="another request failed there, too"),
        pytest.param({"failed": up_target("a", health="suspect")}, id="the target is in doubt"),
        pytest.param({"may_repeat": False}, id="the budget of repeats is spent"),
        pytest.param({"has_begun": True}, id="a part of the answer has been given"),
    ],
)
def test_a_server_error_is_repeated_only_where_it_was_a_blip(changes: dict[str, Any]) -> None:
    """Otherwise the next target is asked at once: a failover is never refused, and never a storm."""
    step = after(outcome("server_error"), **changes)
    assert step == Step(B)


def test_a_wait_that_would_pass_the_deadline_is_not_waited_for() -> None:
    """The next target is asked instead, and a pause takes no more than half of what is left."""
    assert after(outcome("rate_limited", retry_after_s=2.0), left_s=2.1) == Step(B, APPROX(0.15))
    assert after(outcome("overloaded"), left_s=0.1) == Step(B, 0.05)
    assert after(outcome("timeout"), left_s=0.0) is None


@pytest.mark.parametrize("health", ["down", "unusable", "misconfigured"])
def test_a_target_that_is_out_of_use_is_not_asked(health: str) -> None:
    """A request that failed is no reason to try what Hotspare knows to be broken."""
    assert after(outcome("timeout"), candidates=(A, up_target("b", health=health), C)) == Step(C)
    assert after(outcome("timeout"), candidates=(A, up_target("b", health=health))) is None
    assert after(outcome("timeout"), candidates=(A, up_target("b", drained=True))) is None


def test_a_target_where_the_route_points_is_asked_whatever_its_health() -> None:
    """Where all fail, the route is at the least bad one."""
    least_bad = up_target("b", health="down")
    assert after(outcome("timeout"), candidates=(A, least_bad), pick=least_bad) == Step(least_bad)


def test_where_the_route_points_now_comes_first() -> None:
    """A flip between two attempts is followed."""
    assert after(outcome("timeout"), pick=C) == Step(C)
    assert after(outcome("timeout"), pick=None) == Step(B)


def test_what_just_failed_here_is_skipped() -> None:
    """For other requests of this process; where all have failed, the order of the file holds."""
    assert after(outcome("timeout"), failing={"b"}) == Step(C)
    assert after(outcome("timeout"), failing={"b", "c"}) == Step(B)
    assert after(outcome("timeout"), tried={"a", "b", "c"}) is None


def test_too_long_goes_to_a_larger_context_only() -> None:
    """Never the same request again, and never to a target that may refuse it for the same reason."""
    small, large, unknown = up_target("a", context=8_000), up_target("c", context=128_000), up_target("b")
    too_long = outcome("bad_request", too_long=True)
    assert after(too_long, candidates=(small, unknown, large)) == Step(large)
    assert after(too_long, candidates=(large, small, unknown)) is None
    assert after(too_long, candidates=(unknown, large)) is None


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (outcome("unreachable", begun=False), Step(A, APPROX(0.15))),
        (outcome("timeout", begun=False), Step(A, APPROX(0.15))),
        (outcome("rate_limited", begun=False), Step(A, APPROX(0.15))),
        (outcome("rate_limited", begun=False, retry_after_s=1.0), Step(A, APPROX(1.15))),
        (outcome("rate_limited", begun=False, retry_after_s=9.0), None),
        (outcome("unreachable"), None),
        (outcome("server_error"), None),
        (outcome("timeout"), None),
        (outcome("auth"), None),
    ],
)
def test_what_must_not_be_moved_stays(failure: Failure, expected: Step | None) -> None:
    """It is repeated only where the provider cannot have begun, and goes nowhere else."""
    assert after(failure, stateful=True) == expected


def test_the_first_target_is_where_the_route_points() -> None:
    """Unless it has just failed here and another one can stand in."""
    assert choose_first(A, (A, B, C), set().__contains__) is A
    assert choose_first(A, (A, B, C), {"a"}.__contains__) is B
    assert choose_first(A, (A, up_target("b", health="down"), C), {"a"}.__contains__) is C
    assert choose_first(A, (A, B, C), {"a", "b", "c"}.__contains__) is A
    assert choose_first(A, (), {"a"}.__contains__) is A
