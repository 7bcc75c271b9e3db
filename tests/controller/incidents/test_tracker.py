"""Incidents: what opens them, what joins, what changes them, and what ends them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.alerts.next_action import incident_action
from controller.alerts.slack.blocks import code_span
from controller.alerts.slack.incident_message import headline_of, route_lines
from controller.incidents.incident import IncidentKind
from controller.incidents.json_document import incident_summary
from controller.incidents.text import route_users
from controller.incidents.timeline import MAX_ENTRIES
from controller.routing.decision import Decision, MoveKind
from controller.routing.overrides import Override, OverrideKind, Overrides
from monitor.config.route import Route
from monitor.health import Health, TargetHealth
from tests.support.incident_world import CHAT, HAIKU, LETTERS, LUNA, MINI, NOON, World, lines, seen, settings
from ui.incidents import users


@pytest.mark.parametrize(
    ("timeline", "incidents"),
    [
        pytest.param("?US?US", "------", id="nothing bad opens nothing"),
        pytest.param("UDDDRRU", "-OOOOO-", id="an outage lasts until the target is up"),
        pytest.param("UDRS", "-OO-", id="suspect is well enough to end it"),
        pytest.param("UdduuU", "-dddd-", id="slow and unusable are a degradation"),
        pytest.param("UdDdU", "-dOO-", id="a degradation that goes down is an outage and stays one"),
        pytest.param("UMMRU", "-CCC-", id="a misconfiguration is an incident of its own kind until the target is up"),
        pytest.param("UD???D", "-OOOOO", id="unknown does not end an outage"),
        pytest.param("UDRDRU", "-OOOO-", id="a relapse while recovering is the same incident"),
        pytest.param("UDUD", "-O-O", id="going down after the end is an outage again"),
        pytest.param("UDUd", "-O-d", id="an outage that comes back as a rate limit is no outage any more"),
        pytest.param("UdUD", "-d-O", id="a degradation that comes back worse is an outage"),
        pytest.param("R", "O", id="a recovering target that nobody was told of has been down"),
    ],
)
def test_one_target(timeline: str, incidents: str) -> None:
    """After each health the open incident is the expected one: none, degradation, outage or configuration."""
    world = World()
    found = ""
    for letter in timeline:
        world.cycle({LUNA: LETTERS[letter]})
        assert len(world.open) <= 1
        found += {"outage": "O", "degradation": "d", "configuration": "C"}[world.open[0].kind] if world.open else "-"
    assert found == incidents


def test_the_first_message_says_what_was_done() -> None:
    """The decision of the cycle that opens the incident is part of its first revision."""
    world = World()
    world.cycle({LUNA: Health.UP})
    (opened,) = world.cycle({LUNA: Health.DOWN}, move=HAIKU)
    assert opened.revision == 1
    assert opened.opened_at == world.now
    assert lines(opened) == [
        "openai/luna is down: 9 of 14 failed",
        "Route chat moved from openai/luna to anthropic/haiku",
    ]
    assert [(r.route, r.target, r.stuck) for r in opened.routes] == [("chat", HAIKU, False)]


def test_the_whole_story_of_an_outage() -> None:
    """From the verdict to the resolution: every step is a line, and the routes are where users are."""
    world = World()
    world.cycle({LUNA: Health.DOWN}, move=HAIKU)
    world.cycle({LUNA: Health.RECOVERING})
    world.cycle({LUNA: Health.DOWN})
    world.cycle({LUNA: Health.RECOVERING})
    (resolved,) = world.cycle({LUNA: Health.UP})
    assert resolved.resolved_at == world.now
    assert lines(resolved) == [
        "openai/luna is down: 9 of 14 failed",
        "Route chat moved from openai/luna to anthropic/haiku",
        "openai/luna is recovering: 9 of 14 failed",
        "Relapse: openai/luna is down: 9 of 14 failed",
        "openai/luna is recovering: 9 of 14 failed",
        "openai/luna is up: 9 of 14 failed",
        "Resolved",
    ]
    assert resolved.affected[0].health is Health.UP
    assert resolved.affected[0].reason == "openai/luna is down: 9 of 14 failed"
    assert resolved.routes[0].target == HAIKU


def test_the_move_back_is_told_in_the_cycle_that_ends_it() -> None:
    """The failback's reason is the sentence that made the target up: it is told once, and users are back."""
    world = World()
    world.cycle({LUNA: Health.DOWN, HAIKU: Health.UP}, move=HAIKU)
    world.cycle({LUNA: Health.RECOVERING})
    world.now += timedelta(seconds=1)
    world.health[LUNA] = replace(seen(LUNA, Health.UP, world.now), reason="openai/luna is up: clean for 5 min")
    world.health[HAIKU] = replace(world.health[HAIKU], reason="openai/luna is up: clean for 5 min")
    (resolved,) = world.cycle(move=LUNA)
    assert lines(resolved)[-3:] == [
        "openai/luna is up: clean for 5 min",
        "Route chat moved from anthropic/haiku to openai/luna",
        "Resolved",
    ]
    assert resolved.routes[0].target == LUNA


def test_numbers_that_move_are_no_change() -> None:
    """A new reason, new evidence or a rounded instant for the same health does not make a revision."""
    world = World()
    world.cycle({LUNA: Health.DOWN})
    world.health[LUNA] = replace(
        world.health[LUNA],
        reason="openai/luna is down: 30 of 60 failed",
        evidence=99.0,
        since=world.health[LUNA].since + timedelta(microseconds=400),
    )
    assert world.cycle() == []


def test_the_same_facts_twice_change_nothing() -> None:
    """A cycle that is repeated after a crash, decisions included, finds nothing to say."""
    world = World()
    world.cycle({LUNA: Health.UP})
    world.cycle({LUNA: Health.DOWN}, move=HAIKU)
    repeated = Decision(
        route="chat",
        at=world.now,
        move=MoveKind.FAILOVER,
        before=LUNA,
        target=HAIKU,
        reason=world.health[LUNA].reason,
        generation=2,
    )
    assert world.look(decisions=[repeated], resolved=(), now=world.now + timedelta(seconds=1)) == []


def test_a_crash_before_the_incident_loses_nothing() -> None:
    """When health and route were stored but the incident was not, the next start opens it with both."""
    world = World()
    world.cycle({LUNA: Health.UP})
    world.cycle({LUNA: Health.DOWN}, move=HAIKU)
    world.open = []
    (opened,) = world.cycle()
    assert opened.opened_at == world.health[LUNA].since
    moved = "Route chat moved from openai/luna to anthropic/haiku"
    assert lines(opened) == ["openai/luna is down: 9 of 14 failed", moved]


def test_a_move_that_no_decision_tells_is_told_from_the_route() -> None:
    """When the incident is open and the decision was lost in a crash, the timeline still has the move."""
    world = World()
    world.cycle({LUNA: Health.DOWN})
    (changed,) = world.cycle(move=HAIKU, forget_decision=True)
    assert lines(changed)[-1] == "Route chat moved from openai/luna to anthropic/haiku"


def test_targets_of_one_provider_share_an_incident() -> None:
    """A second model that goes bad joins; the incident ends with the last of them."""
    world = World()
    world.cycle({LUNA: Health.DOWN})
    (joined,) = world.cycle({MINI: Health.DEGRADED})
    assert joined.id == 1
    assert joined.revision == 2
    assert [a.target for a in joined.affected] == [LUNA, MINI]
    (still_open,) = world.cycle({LUNA: Health.UP})
    assert still_open.resolved_at is None
    (resolved,) = world.cycle({MINI: Health.UP})
    assert resolved.resolved_at is not None


def test_a_target_that_is_well_again_may_relapse_inside_the_incident() -> None:
    """While another target keeps the incident open, going down again is a line of it, not a new incident."""
    world = World()
    world.cycle({LUNA: Health.DOWN, MINI: Health.DOWN})
    world.cycle({LUNA: Health.UP})
    assert world.cycle({LUNA: Health.SUSPECT}) == []
    (relapsed,) = world.cycle({LUNA: Health.DOWN})
    assert relapsed.id == 1
    assert lines(relapsed)[-1] == "Relapse: openai/luna is down: 9 of 14 failed"


def test_providers_and_slots_are_apart() -> None:
    """Each provider has its incident, and a misconfigured model does not hide in its sibling's outage."""
    world = World()
    opened = world.cycle({LUNA: Health.DOWN, MINI: Health.MISCONFIGURED, HAIKU: Health.DEGRADED})
    assert {(i.provider, i.kind, i.affected[0].target) for i in opened} == {
        ("openai", IncidentKind.OUTAGE, LUNA),
        ("openai", IncidentKind.CONFIGURATION, MINI),
        ("anthropic", IncidentKind.DEGRADATION, HAIKU),
    }


def test_a_misconfiguration_that_becomes_another_one_says_what_to_do_now() -> None:
    """The key was mended, and the account is empty; figures that move are no change."""
    world, prefix = World(), f"{LUNA} is misconfigured: "
    refused = "auth, the provider refuses the key: check the variable KEY"
    empty = "quota, the account behind the variable KEY has no money or quota left: see to its billing"
    world.cycle({LUNA: Health.MISCONFIGURED})
    changes = []
    for reason in (refused, f"{refused} (2 of 2)", empty):
        world.health[LUNA] = replace(world.health[LUNA], reason=reason)
        changes.append(world.ask())
    assert [len(change) for change in changes] == [1, 0, 1]
    [told] = changes[-1]
    assert told.affected[0].reason == prefix + empty
    assert lines(told)[-1] == prefix + empty
    assert "see to the billing of the account behind KEY" in incident_action([told]).sentence


def test_recovering_stays_where_the_fault_was() -> None:
    """A target that recovers from a misconfiguration does not open an outage."""
    world = World()
    world.cycle({LUNA: Health.MISCONFIGURED})
    (changed,) = world.cycle({LUNA: Health.RECOVERING})
    assert changed.kind is IncidentKind.CONFIGURATION
    assert len(world.open) == 1


def test_a_target_removed_from_the_configuration_ends_its_part() -> None:
    """An incident does not stay open for a target that nobody watches any more, and says why it ended."""
    world = World()
    world.cycle({LUNA: Health.DOWN, MINI: Health.DOWN})
    world.settings = settings(MINI, HAIKU, routes=[Route(name="chat", candidates=(MINI, HAIKU))])
    (changed,) = world.cycle()
    assert changed.resolved_at is None
    assert lines(changed)[-1] == "openai/luna was removed from the configuration"
    assert world.cycle() == []
    (resolved,) = world.cycle({MINI: Health.UP})
    assert lines(resolved)[-2:] == ["openai/mini is up: 9 of 14 failed", "Resolved"]


def test_stuck_is_told_when_it_begins_and_changes_the_incident_when_it_ends() -> None:
    """Nothing eligible is a line and a mark on the route; the mark goes when it is over."""
    world = World()
    (opened,) = world.cycle({LUNA: Health.DOWN, HAIKU: Health.UP}, stuck=True)
    assert opened.routes[0].stuck
    assert lines(opened)[-1] == "Route chat has no healthy candidate left and stays on openai/luna"
    assert world.cycle(stuck=True) == []
    (freed,) = world.cycle()
    assert not freed.routes[0].stuck


FAILS = "fails 18 % of the time, the other all"


@pytest.mark.parametrize("alone", [False, True], ids=["in the provider's incident", "in one of its own"])
def test_a_stuck_route_tells_that_it_is_on_the_least_bad(*, alone: bool) -> None:
    """Where it stands, how often that fails and the others do; in the incident, Slack, the page and JSON."""
    world = World()
    health = Health.UP if alone else Health.DOWN
    world.cycle({LUNA: health, HAIKU: health}, stuck=True)
    changed = min(world.settle_on_least_bad(HAIKU, FAILS), key=lambda one: one.id)
    (impact,) = changed.routes
    assert (impact.target, impact.stuck, impact.least_bad) == (HAIKU, True, FAILS)
    assert lines(changed)[-1] == f"Route chat moved from {LUNA} to {HAIKU}: least bad: {FAILS}"
    assert f"chat → {HAIKU}, the least bad of its candidates: {FAILS}; it waits" in route_users(impact)
    assert f"`chat` are on `{HAIKU}`" in route_lines(changed, code_span)[0]
    assert f"the least bad of its candidates: {FAILS}" in route_lines(changed, code_span)[0]
    assert headline_of(changed).endswith("route chat has no good candidate")
    assert f"stuck: the least bad of its candidates: {FAILS}" in users(changed)
    assert incident_summary(changed, world.now)["routes"][0]["least_bad"] == FAILS
    assert not any(route.least_bad for freed in world.cycle() for route in freed.routes)


def test_users_that_a_move_did_not_reach_are_not_on_the_least_bad() -> None:
    """A dry run, and a routing file that cannot be written, leave them where they were."""
    unwritable: dict[str, Any] = {"unpublished": {"chat": LUNA}}
    for facts in (unwritable, dict[str, Any]()):
        world = World()
        world.cycle({LUNA: Health.DOWN, HAIKU: Health.DOWN}, stuck=True)
        world.settle_on_least_bad(HAIKU, FAILS)
        world.routes["chat"] = replace(world.routes["chat"], dry_run=not facts)
        assert not any(route.least_bad for one in world.ask(stuck={"chat": ""}, **facts) for route in one.routes)


def test_an_incident_that_begins_on_the_least_bad_says_so() -> None:
    """The line names no route that stays for want of anything better."""
    world = World()
    world.cycle({LUNA: Health.UP, HAIKU: Health.UP})
    world.settle_on_least_bad(HAIKU, FAILS)
    (opened,) = world.open
    stays = f"Route chat has no healthy candidate left and stays on {HAIKU}, the least bad of its candidates: {FAILS}"
    assert stays in lines(opened)


def test_both_incidents_tell_of_a_route_that_both_touch() -> None:
    """When the standby fails as well, the move is told in the incident of either provider."""
    world = World()
    world.cycle({LUNA: Health.DOWN, HAIKU: Health.UP}, move=HAIKU)
    changed = world.cycle({HAIKU: Health.DOWN, LUNA: Health.RECOVERING}, move=LUNA)
    assert {incident.provider for incident in changed} == {"openai", "anthropic"}
    for incident in changed:
        assert any("Route chat moved from anthropic/haiku to openai/luna" in line for line in lines(incident))


def test_routes_without_an_affected_candidate_are_left_out() -> None:
    """Only routes that the trouble can touch are listed."""
    other = Route(name="other", candidates=(HAIKU,))
    world = World(settings(LUNA, MINI, HAIKU, routes=[CHAT, other]))
    (opened,) = world.cycle({MINI: Health.DOWN})
    assert opened.routes == ()
    (chat,) = World(settings(LUNA, HAIKU, routes=[CHAT, other])).cycle({LUNA: Health.DOWN})
    assert [route.route for route in chat.routes] == ["chat"]


def test_health_of_targets_that_are_not_configured_is_ignored() -> None:
    """What an earlier configuration left in the store opens nothing."""
    world = World()
    assert world.cycle({"gone/model": Health.DOWN}) == []


def test_a_reason_that_does_not_name_its_target_becomes_a_sentence_that_does() -> None:
    """Every line of the timeline can be read alone."""
    world = World()
    world.health[LUNA] = TargetHealth(target=LUNA, health=Health.DOWN, since=NOON, reason="9 of 14 failed")
    (opened,) = world.cycle()
    assert lines(opened) == ["openai/luna is down: 9 of 14 failed"]


def test_the_timeline_is_bounded_and_keeps_its_end() -> None:
    """A target that flaps for hours does not grow the incident; the beginning and the resolution are there."""
    world = World()
    for _ in range(300):
        world.cycle({LUNA: Health.DOWN})
        world.cycle({LUNA: Health.RECOVERING})
    (resolved,) = world.cycle({LUNA: Health.UP})
    assert len(resolved.timeline) == MAX_ENTRIES
    assert lines(resolved)[0] == "openai/luna is down: 9 of 14 failed"
    assert lines(resolved)[-1] == "Resolved"
    assert resolved.revision == 601


def test_an_incident_stays_open_until_the_steps_are_over() -> None:
    """The target is well, its users are not all back: people follow it in the same message."""
    world = World()
    world.cycle({LUNA: Health.DOWN, HAIKU: Health.UP})
    world.cycle(move=HAIKU)
    stepping = replace(world.routes["chat"], weights=((LUNA, 10.0), (HAIKU, 90.0)))
    world.health[LUNA] = seen(LUNA, Health.UP, world.now)
    [changed] = world.look(routes={"chat": stepping})
    assert (changed.resolved_at, changed.routes[0].weights) == (None, stepping.weights)
    [over] = world.look()
    assert over.resolved_at == world.now


def test_what_a_pin_costs_is_said_once() -> None:
    """A line of the incident that it keeps users in, not one in every cycle; and no incident by itself."""
    world = World()
    world.cycle({LUNA: Health.UP, HAIKU: Health.UP})
    assert world.look(warnings={"chat": "route chat is pinned"}) == []
    world.cycle({LUNA: Health.DOWN})
    [changed] = world.look(warnings={"chat": "route chat is pinned"})
    assert lines(changed)[-1] == "Route chat is pinned"
    world.open = [changed]
    assert world.look(warnings={"chat": "route chat is pinned"}) == []


def test_maintenance_neither_opens_nor_grows_an_incident() -> None:
    """What fails meanwhile is not told, nor a route stuck there; what is well again is; afterwards all of it is."""
    world, at = World(), NOON
    work = Override(
        kind=OverrideKind.MAINTENANCE, subject="openai", author="ana", reason="why", at=at, until=at + timedelta(days=1)
    )
    during = Overrides(active=(work,))
    world.cycle({LUNA: Health.UP, MINI: Health.DOWN, HAIKU: Health.UP})
    assert [incident.kind for incident in world.open] == [IncidentKind.OUTAGE]
    world.health[LUNA] = seen(LUNA, Health.DOWN, world.now)
    assert world.ask(overrides=during, stuck={"chat": "it waits"}) == []
    world.health[MINI] = seen(MINI, Health.UP, world.now)
    (resolved,) = world.ask(overrides=during)
    assert resolved.resolved_at is not None
    (again,) = world.ask()
    assert {target.target for target in again.affected if target.health is Health.DOWN} == {LUNA}
