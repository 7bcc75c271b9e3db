"""Whether a person must act: by the worst that users feel, with what to do."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.alerts.next_action import NextAction, RouteStanding, Urgency, incident_action, next_action
from controller.alerts.severity import severity_of
from controller.alerts.slack.incident_message import headline_of
from controller.incidents.incident import Incident, RouteImpact
from monitor.config.alert_settings import Severity
from monitor.health import FAILING, Health
from tests.support.alert_world import misconfigured, outage, over, stuck

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINE, OTHER = "openai/m", "azure/h"
PIN = {"held": "pinned by ana until 13:00:00 UTC", "command": "hotspare unpin chat"}


def route(health: Health = Health.UP, *, at: str = MINE, **values: object) -> RouteStanding:
    """The route `chat`, whose target has this health."""
    return RouteStanding(route="chat", target=at, health=health, moved=at != MINE, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("routes", "incidents", "urgency", "part"),
    [
        ([route()], [], Urgency.NOBODY, "Nobody has to act."),
        ([route(at=OTHER)], [outage()], Urgency.NOBODY, "users of chat are served by azure/h"),
        (
            [route(Health.DOWN, stuck=True, waits="it moves at good probes of azure/h")],
            [outage()],
            Urgency.NOW,
            "no candidate is healthy. Ask openai, or add a candidate; it moves at good probes of azure/h",
        ),
        ([route(Health.DOWN, **PIN)], [outage()], Urgency.NOW, "`hotspare unpin chat` lets it move"),
        ([route(unpublished=True)], [], Urgency.NOW, "make the routing file writable"),
        (
            [route(Health.MISCONFIGURED)],
            [misconfigured(on_it=True)],
            Urgency.NOW,
            "Act now: set KEY and restart Hotspare",
        ),
        ([route(at=OTHER)], [misconfigured()], Urgency.LATER, "Act when you can: set KEY and restart Hotspare"),
        (
            [route(Health.DOWN, waits="it moves at 12:00:15 UTC")],
            [outage()],
            Urgency.LATER,
            "Users of chat fail on openai/m (down); it moves at 12:00:15 UTC.",
        ),
        ([route(Health.DEGRADED)], [], Urgency.LATER, "get slow, wrong or refused answers on openai/m (degraded)"),
    ],
)
def test_what_a_person_must_do(
    routes: list[RouteStanding], incidents: list[Incident], urgency: Urgency, part: str
) -> None:
    """The most urgent thing alone, in the reader's words."""
    action = next_action(routes, incidents)
    assert action.urgency is urgency
    assert part in action.sentence


@pytest.mark.parametrize("health", [*sorted(FAILING), Health.DEGRADED])
def test_nobody_is_never_said_while_users_are_harmed(health: Health) -> None:
    """Whatever else is the case."""
    for values in ({}, {"stuck": True}, PIN, {"waits": "something"}, {"would": OTHER}):
        for incidents in ([], [outage()], [misconfigured()]):
            action = next_action([route(), route(health, **values)], incidents)
            assert action.urgency is not Urgency.NOBODY


def test_without_the_monitor_it_must_be_started() -> None:
    """Whatever the last state was."""
    assert next_action([route()], [], watched=False).sentence.startswith("Act now: start the monitor (`hotspare run`)")


def test_what_can_wait_is_for_later() -> None:
    """No user is harmed by alerts that are not taken, by a spent budget, or by a failback that waits."""
    for values in ({"todo": ["Slack takes nothing"]}, {"blind": True}):
        assert next_action([route()], [], **values).urgency is Urgency.LATER
    manual = next_action([route(at=OTHER, waiting=MINE)], [])
    assert "hotspare pin chat openai/m --for 1m --reason … brings it back" in manual.sentence


def test_a_suspicion_says_when_the_route_would_move() -> None:
    """Users may be failing before there is a verdict."""
    action = next_action([route(Health.SUSPECT, waits="it moves at the next failed probe, due 12:00:15 UTC")], [])
    assert action.sentence.endswith("may be failing on openai/m; it moves at the next failed probe, due 12:00:15 UTC.")
    assert action.urgency is Urgency.LATER


def impact(on: str, **values: object) -> RouteImpact:
    """The same route inside an incident."""
    return RouteImpact(route="chat", target=on, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("on", [MINE, OTHER])
@pytest.mark.parametrize("health", [Health.DOWN, Health.UNUSABLE, Health.DEGRADED, Health.MISCONFIGURED, Health.UP])
@pytest.mark.parametrize("values", [{}, {"stuck": True}, {"unpublished": True}, PIN])
def test_a_message_is_critical_where_a_person_must_act_now(health: Health, on: str, values: dict[str, object]) -> None:
    """The line below the headline and the mention never disagree, whichever incident is told."""
    for incident in (outage(), misconfigured()):
        bad = tuple(replace(affected, health=health) for affected in incident.affected)
        told = replace(incident, affected=bad, routes=(impact(on, **values),))
        is_now = incident_action([told]).urgency is Urgency.NOW
        assert is_now == (severity_of(told) is Severity.CRITICAL)


def test_the_headline_names_a_pin_that_holds_a_failing_route() -> None:
    """Whoever is called sees at once that an operator's pin is in the way."""
    held = replace(outage(), routes=(impact(MINE, **PIN),))
    assert headline_of(held).endswith("openai/m is down and route chat is pinned by ana until 13:00:00 UTC")


def test_one_cause_is_one_call() -> None:
    """Of several providers that fail, only that of the target that users are on says that they fail."""
    there, elsewhere = stuck(outage(), at=NOW), replace(outage("azure"), routes=(impact(MINE, stuck=True),))
    assert [severity_of(one) for one in (there, elsewhere)] == [Severity.CRITICAL, Severity.WARNING]
    both: NextAction = incident_action([elsewhere, there])
    assert both.sentence.startswith("Act now: users of chat fail and no candidate is healthy. Ask openai")


def test_the_end_says_what_is_left() -> None:
    """Not that all is well while users fail by another incident."""
    assert incident_action([over(outage())]).sentence == "It is over. Nobody has to act."
    left = replace(over(outage()), routes=(impact(OTHER, failing=Health.DOWN),))
    assert incident_action([left]).sentence == "This is over, but users of chat fail by another incident."


def test_runbooks_go_with_what_must_be_done() -> None:
    """Of the open incidents, each once, where somebody has to act; as plain text they end the line."""
    books = ("https://wiki.example/a", "https://wiki.example/b")
    incidents = [replace(outage(), runbooks=books), replace(outage("azure"), runbooks=books[:1])]
    action = next_action([route(Health.DOWN, stuck=True)], incidents)
    assert action.runbooks == books
    assert action.line == f"{action.sentence} Runbook: {books[0]} Runbook: {books[1]}"
    assert next_action([route(at=OTHER)], incidents[:1]).runbooks == ()
