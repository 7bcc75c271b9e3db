"""Where routes pointed while an incident lasted, and for how long at a target that failed."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.incidents.impact import RoutePeriod, failure_periods, route_periods, seconds_on_failing
from controller.incidents.incident import EntryKind, Incident, IncidentKind, RouteImpact, TimelineEntry
from controller.routing.decision import Decision, MoveKind
from monitor.health import Health, Transition, WeighedProbe
from probes.outcome import Outcome

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
A, B = "openai/a", "gemini/b"


def at(seconds: float) -> datetime:
    """So long after the first failed probe."""
    return NOON + timedelta(seconds=seconds)


def incident(now_on: str = B) -> Incident:
    """One that was opened 40 s after its first failed probe, and touches the route `chat`."""
    return Incident(
        id=7,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=at(40),
        affected=(),
        timeline=(TimelineEntry(at=NOON, text="first", kind=EntryKind.FIRST_FAILURE),),
        routes=(RouteImpact(route="chat", target=now_on),),
    )


def moved(seconds: float, target: str, before: str | None, route: str = "chat") -> Decision:
    """The route was pointed there so long after the first failed probe."""
    return Decision(
        route=route, at=at(seconds), move=MoveKind.FAILOVER, before=before, target=target, reason="", generation=1
    )


def changed(seconds: float, after: Health, *failed_s: float, target: str = A) -> Transition:
    """The target's health became so; its verdict rests on probes that failed at these seconds."""
    trail = tuple(WeighedProbe(at=at(s), target=target, outcome=Outcome.TIMEOUT, evidence=1.0) for s in failed_s)
    return Transition(target=target, at=at(seconds), before=Health.UP, after=after, reason="", trail=trail)


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        pytest.param(
            [moved(-900, A, None), moved(41, B, A)], [(A, 0, 41), (B, 41, 100)], id="from the first failed probe"
        ),
        pytest.param([moved(41, B, A)], [(A, 0, 41), (B, 41, 100)], id="where it came from tells where it was"),
        pytest.param([], [(B, 0, 100)], id="without a decision it is where it is"),
        pytest.param(
            [moved(-900, A, None), moved(41, B, A), moved(90, A, B)],
            [(A, 0, 41), (B, 41, 90), (A, 90, 100)],
            id="it fails back",
        ),
        pytest.param([moved(-900, B, None), moved(50, B, B)], [(B, 0, 100)], id="a step on the way is no move"),
        pytest.param([moved(41, B, A, route="other")], [(B, 0, 100)], id="other routes are not ours"),
    ],
)
def test_where_a_route_pointed(decisions: list[Decision], expected: list[tuple[str, int, int]]) -> None:
    """Each stay with its begin and end, none of no length."""
    found = route_periods(incident(), decisions, at(100))
    assert [(one.target, one.since, one.until) for one in found] == [(t, at(a), at(b)) for t, a, b in expected]


@pytest.mark.parametrize(
    ("transitions", "expected"),
    [
        pytest.param(
            [changed(40, Health.DOWN, 0, 9, 30), changed(70, Health.RECOVERING)],
            [(0, 70)],
            id="from the first failed probe of its own until it recovers",
        ),
        pytest.param([changed(5, Health.SUSPECT), changed(40, Health.DOWN)], [(5, 100)], id="or from the suspicion"),
        pytest.param(
            [changed(5, Health.SUSPECT), changed(9, Health.UP), changed(40, Health.DOWN)],
            [(40, 100)],
            id="a suspicion that was withdrawn does not count",
        ),
        pytest.param(
            [changed(40, Health.DEGRADED), changed(50, Health.DOWN), changed(60, Health.UP)],
            [(40, 60)],
            id="what gets worse is one spell",
        ),
        pytest.param(
            [changed(40, Health.DOWN), changed(60, Health.RECOVERING), changed(70, Health.DOWN)],
            [(40, 60), (70, 100)],
            id="a relapse is a second one",
        ),
        pytest.param([changed(40, Health.SUSPECT)], [], id="a suspicion alone is none"),
    ],
)
def test_when_a_target_failed(transitions: list[Transition], expected: list[tuple[int, int]]) -> None:
    """In seconds from the first failed probe; what still fails does so until the end."""
    assert failure_periods(transitions, at(100)) == [(A, at(a), at(b)) for a, b in expected]


def test_the_time_on_what_failed_is_where_both_meet() -> None:
    """A route's stays at a target, as far as the target failed then; other targets and routes do not count."""
    failing = failure_periods(
        [changed(40, Health.DOWN, 10), changed(70, Health.RECOVERING), changed(80, Health.DOWN, target=B)], at(100)
    )
    there = [
        RoutePeriod(route="chat", target=A, since=at(0), until=at(41.5)),
        RoutePeriod(route="chat", target=B, since=at(41.5), until=at(90)),
        RoutePeriod(route="code", target=A, since=at(75), until=at(100)),
    ]
    assert seconds_on_failing(there, failing) == (("chat", 41.5),)
