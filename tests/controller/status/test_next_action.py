"""Whether a person must act: by the worst that users feel, with what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.incidents.incident import Incident
from controller.routing.overrides import Override, OverrideKind
from controller.status.headline import CandidateStatus, RouteView
from controller.status.next_action import Urgency, next_action
from monitor.health import FAILING, Health
from monitor.liveness import Liveness, ServiceStatus
from tests.support.alert_world import misconfigured, outage

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RUNNING = ServiceStatus(beat=None, liveness=Liveness.RUNNING)
MINE, OTHER = "openai/m", "azure/h"
PIN = Override(
    id=1,
    at=NOW,
    kind=OverrideKind.PIN,
    subject="chat",
    target=MINE,
    until=NOW + timedelta(hours=1),
    author="ana",
    reason="a test",
)


def route(health: Health = Health.UP, *, at: str = MINE, **values: object) -> RouteView:
    """The route `chat`, whose target has this health."""
    candidates = tuple(
        CandidateStatus(target=name, health=health if name == at else Health.DOWN, serving=name == at)
        for name in (MINE, OTHER)
    )
    view = RouteView(
        name="chat", target=at, since=NOW, reason="", candidates=candidates, failed_over=at != MINE, stuck=False
    )
    return replace(view, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("routes", "incidents", "urgency", "part"),
    [
        ([route()], [], Urgency.NOBODY, "Nobody has to act."),
        ([route(at=OTHER)], [outage()], Urgency.NOBODY, "users of chat are served by another candidate"),
        (
            [route(Health.DOWN, stuck=True, waits_for="it moves at good probes of azure/h")],
            [outage()],
            Urgency.NOW,
            "Act now: users of chat fail and no candidate is healthy; it moves at good probes of azure/h",
        ),
        ([route(Health.DOWN, override=PIN)], [outage()], Urgency.NOW, "`hotspare unpin chat --reason …` lets it move"),
        ([route(published=OTHER)], [], Urgency.NOW, "make the routing file writable"),
        ([route(Health.MISCONFIGURED)], [misconfigured(on_it=True)], Urgency.NOW, "check the variable KEY"),
        ([route(at=OTHER)], [misconfigured()], Urgency.LATER, "check the variable KEY; no user is on it"),
        (
            [route(Health.DOWN, waits_for="it moves at 12:00:15 UTC")],
            [outage()],
            Urgency.LATER,
            "Users of chat fail on openai/m (down); it moves at 12:00:15 UTC.",
        ),
        ([route(Health.DEGRADED)], [], Urgency.LATER, "get slow, wrong or refused answers on openai/m (degraded)"),
    ],
)
def test_what_a_person_must_do(routes: list[RouteView], incidents: list[Incident], urgency: Urgency, part: str) -> None:
    """The most urgent thing alone, in the reader's words."""
    action = next_action(RUNNING, routes, incidents)
    assert action.urgency is urgency
    assert part in action.sentence


@pytest.mark.parametrize("health", [*sorted(FAILING), Health.DEGRADED])
def test_nobody_is_never_said_while_users_are_harmed(health: Health) -> None:
    """Whatever else is the case."""
    for values in ({}, {"stuck": True}, {"override": PIN}, {"waits_for": "something"}, {"dry_run": True}):
        for incidents in ([], [outage()], [misconfigured()]):
            action = next_action(RUNNING, [route(), route(health, **values)], incidents)
            assert action.urgency is not Urgency.NOBODY


def test_without_the_monitor_it_must_be_started() -> None:
    """Whatever the last state was."""
    for liveness in (Liveness.SILENT, Liveness.STOPPED):
        action = next_action(ServiceStatus(beat=None, liveness=liveness), [route()], [])
        assert action.sentence.startswith("Act now: start the monitor")


def test_alerts_that_are_not_taken_and_a_spent_budget_are_for_later() -> None:
    """No user is harmed by either."""
    unheard = next_action(RUNNING, [route()], [], failing_channels=["Slack takes nothing"])
    assert unheard.sentence == "Act when you can: Slack takes nothing; `hotspare alerts test` tries it."
    spent = next_action(RUNNING, [route()], [], budget_alarm="paid targets are not probed any more")
    assert (spent.urgency, "not probed" in spent.sentence) == (Urgency.LATER, True)
