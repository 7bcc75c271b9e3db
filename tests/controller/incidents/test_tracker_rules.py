"""When an incident comes back, whose headline it is told under, and the incidents that are no target's."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.alerts.severity import severity_of
from controller.alerts.slack.incident_message import action_line
from controller.incidents.incident import MAX_PERIODS, EntryKind, Incident, IncidentKind, TimelineEntry
from controller.incidents.text import status
from controller.incidents.tracker import REOPENS_WITHIN, lead_incident_id
from controller.routing.overrides import Override, OverrideKind, Overrides
from monitor.config.alert_settings import Severity
from monitor.config.owner import OwnerSection
from monitor.config.route import Route
from monitor.connectivity.messages import NetworkLoss
from monitor.health import Health, TargetHealth
from probes.target import Owner
from tests.support.incident_world import CHAT, HAIKU, LUNA, MINI, NOON, World, lines, seen, settings

SECOND = timedelta(seconds=1)


def over(world: World) -> Incident:
    """An outage of openai that began and ended."""
    world.cycle({LUNA: Health.DOWN})
    [resolved] = world.cycle({LUNA: Health.UP})
    return resolved


@pytest.mark.parametrize(
    ("pause_s", "ids"),
    [
        pytest.param(1, [1], id="at once"),
        pytest.param(15 * 60, [1], id="after fifteen minutes"),
        pytest.param(15 * 60 + 1, [1, 2], id="a second later it is another one"),
    ],
)
def test_a_failure_soon_after_the_resolution_opens_the_first_again(pause_s: float, ids: list[int]) -> None:
    """Its beginning stays, its resolution goes, it counts how often it came back, and its story says so."""
    world = World()
    resolved = over(world)
    world.now += timedelta(seconds=pause_s - 1)
    [opened] = world.cycle({LUNA: Health.DOWN})
    assert [one.id for one in (*world.closed, *world.open)] == ids
    if len(ids) == 1:
        assert (opened.opened_at, opened.resolved_at, opened.reopened) == (resolved.opened_at, None, 1)
        assert opened.revision == resolved.revision + 1
        assert opened.timeline[-1].text == "Reopened: openai/luna is down: 9 of 14 failed"
        assert opened.timeline[-1].kind is EntryKind.REOPENED


def test_only_the_same_slot_of_the_same_provider_comes_back() -> None:
    """A key that is refused after an outage, and another provider's outage, are incidents of their own."""
    world = World()
    over(world)
    opened = world.cycle({MINI: Health.MISCONFIGURED, HAIKU: Health.DOWN})
    assert [(one.kind, one.reopened) for one in opened] == [
        (IncidentKind.OUTAGE, 0),
        (IncidentKind.CONFIGURATION, 0),
    ]


def test_a_route_on_a_target_that_fails_for_another_reason_is_said() -> None:
    """Each of the two incidents knows that users are on a target that is down, whoever's it is."""
    world = World()
    world.cycle({LUNA: Health.DOWN}, move=HAIKU)
    [first] = world.open
    assert first.routes[0].failing is None
    world.cycle({HAIKU: Health.DOWN})
    assert [one.routes[0].failing for one in world.open] == [Health.DOWN, Health.DOWN]
    assert {action_line([one]) for one in world.open} == {
        f"Users of chat fail on {HAIKU} (down); no other candidate is better now."
    }


def test_a_refused_key_in_the_middle_of_an_outage_is_told_once() -> None:
    """By its own incident; the outage does not say it as well, and is over when the targets are well again."""
    world = World()
    world.cycle({LUNA: Health.DOWN})
    world.cycle({LUNA: Health.MISCONFIGURED})
    assert [one.kind for one in world.open] == [IncidentKind.OUTAGE, IncidentKind.CONFIGURATION]
    assert [[a.health for a in one.affected] for one in world.open] == [[Health.DOWN], [Health.MISCONFIGURED]]
    world.cycle({LUNA: Health.UP})
    assert world.open == []


def test_another_target_of_the_provider_comes_back_in_the_same_incident() -> None:
    """It is the provider's trouble; both targets are in it."""
    world = World()
    over(world)
    [again] = world.cycle({MINI: Health.DEGRADED})
    assert (again.kind, again.reopened) == (IncidentKind.DEGRADATION, 1), "as it is now"
    assert [(a.target, a.health) for a in again.affected] == [(LUNA, Health.UP), (MINI, Health.DEGRADED)]


def test_what_comes_back_needs_somebody_to_look_after_it_again() -> None:
    """Who acknowledged the first time may sleep by now; the figures of the first resolution are old."""
    world = World()
    resolved = over(world)
    world.closed = [replace(resolved, acknowledged_by="ana", request_ids=("req_1",), on_failing_s=(("chat", 3.0),))]
    [again] = world.cycle({LUNA: Health.DOWN})
    assert (again.acknowledged_by, again.request_ids, again.on_failing_s) == (None, (), ())


def test_only_the_first_fault_of_what_comes_back_says_reopened() -> None:
    """The rest of it are plain lines; coming back twice says so twice."""
    world = World()
    world.cycle({LUNA: Health.DOWN, MINI: Health.DOWN})
    world.cycle({LUNA: Health.UP, MINI: Health.UP})
    world.health[LUNA] = TargetHealth(target=LUNA, health=Health.DOWN, since=world.now + SECOND, reason="3 of 3")
    world.health[MINI] = TargetHealth(target=MINI, health=Health.DOWN, since=world.now + SECOND, reason="4 of 4")
    [again] = world.cycle()
    assert lines(again)[-2:] == ["Reopened: openai/luna is down: 3 of 3", "Relapse: openai/mini is down: 4 of 4"]
    world.cycle({LUNA: Health.UP, MINI: Health.UP})
    [twice] = world.cycle({LUNA: Health.DOWN})
    assert twice.reopened == 2
    assert sum(line.kind is EntryKind.REOPENED for line in twice.timeline) == 2


def test_a_fault_that_nobody_watched_meanwhile_comes_back_with_the_first_look() -> None:
    """A target that was taken out of the configuration while it failed, and put back while it still does."""
    world = World()
    world.cycle({LUNA: Health.DOWN})
    world.settings = settings(MINI, HAIKU, routes=[Route(name="chat", candidates=(MINI, HAIKU))])
    [resolved] = world.cycle()
    assert resolved.resolved_at == world.now
    world.settings = settings(LUNA, MINI, HAIKU)
    [again] = world.cycle()
    assert (again.id, again.reopened) == (resolved.id, 1)


def test_targets_of_which_the_same_is_said_at_once_share_a_line() -> None:
    """A provider that fails is one line with its targets, however many; the moves do not repeat the reason."""
    names = [f"openai/m{n}" for n in range(7)]
    world = World(settings(*names, HAIKU, routes=[Route(name="chat", candidates=(names[0], HAIKU))]))
    for name in names:
        reason = f"{name} is down: all of openai, as 9 of 14 failed"
        world.health[name] = TargetHealth(target=name, health=Health.DOWN, since=NOON + SECOND, reason=reason)
    [opened] = world.cycle(move=HAIKU)
    assert lines(opened) == [
        "openai/m0, openai/m1, openai/m2, openai/m3 and 3 more targets are down: all of openai, as 9 of 14 failed",
        "Route chat moved from openai/m0 to anthropic/haiku",
    ]


def test_a_story_begins_with_the_first_failed_probe() -> None:
    """Its time and outcome, then the suspicion; the onset of the incident is that probe."""
    world = World()
    world.health[LUNA] = TargetHealth(target=LUNA, health=Health.DOWN, since=NOON + 9 * SECOND, reason="9 of 14")
    first = TimelineEntry(
        at=NOON + SECOND, kind=EntryKind.FIRST_FAILURE, text=f"First failed probe: timeout from {MINI}"
    )
    suspect = TimelineEntry(at=NOON + 2 * SECOND, kind=EntryKind.SUSPECT, text=f"{LUNA} is suspect: 1 of 2")
    [opened] = world.ask(onsets={LUNA: [first, suspect]})
    assert [(line.at - NOON, line.kind, line.text) for line in opened.timeline] == [
        (SECOND, EntryKind.FIRST_FAILURE, "First failed probe: timeout from openai/mini"),
        (2 * SECOND, EntryKind.SUSPECT, "openai/luna is suspect: 1 of 2"),
        (9 * SECOND, EntryKind.HEALTH, "openai/luna is down: 9 of 14"),
    ]
    assert (opened.opened_at - NOON, opened.onset - NOON) == (9 * SECOND, SECOND)


def test_the_probe_that_made_it_suspect_is_told_once() -> None:
    """Where the first failed probe is the one that made it suspect, nothing more need be said of the suspicion."""
    world = World()
    world.cycle({LUNA: Health.DOWN})
    world.open, world.closed = [], []
    first = TimelineEntry(at=NOON, kind=EntryKind.FIRST_FAILURE, text=f"First failed probe: timeout from {LUNA}")
    suspect = TimelineEntry(at=NOON, kind=EntryKind.SUSPECT, text="luna is suspect")
    [opened] = world.look(onsets={LUNA: [first, suspect]})
    assert lines(opened)[0] == f"First failed probe: timeout from {LUNA}"
    assert len(opened.timeline) == 2


def hand(kind: OverrideKind, subject: str, at_s: float = 1.0, target: str | None = None) -> Override:
    """An override by ana, laid so many seconds after noon, for an hour."""
    at = NOON + timedelta(seconds=at_s)
    until = at + timedelta(hours=1)
    return Override(id=1, kind=kind, subject=subject, target=target, author="ana", reason="why", at=at, until=until)


@pytest.mark.parametrize(
    ("laid", "told"),
    [
        pytest.param(
            hand(OverrideKind.PIN, "chat", target=HAIKU),
            "ana pinned chat to anthropic/haiku until 13:00:01 UTC (1 h): why",
            id="a pin of a touched route",
        ),
        pytest.param(
            hand(OverrideKind.DRAIN, "openai"),
            "ana drained openai until 13:00:01 UTC (1 h): why",
            id="a drain of the provider",
        ),
        pytest.param(
            hand(OverrideKind.PAUSE, "all"), "ana paused all routes until 13:00:01 UTC (1 h): why", id="a pause of all"
        ),
        pytest.param(hand(OverrideKind.PAUSE, "other"), None, id="a pause of a route that is not touched"),
        pytest.param(hand(OverrideKind.DRAIN, "openai", at_s=-60), None, id="one that was laid before it began"),
    ],
)
def test_what_operators_do_meanwhile_is_part_of_the_story(laid: Override, told: str | None) -> None:
    """With the author, once, whatever became of it."""
    other = Route(name="other", candidates=("gemini/x",))
    world = World(settings(LUNA, MINI, HAIKU, "gemini/x", routes=[CHAT, other]))
    world.cycle({LUNA: Health.DOWN})
    world.ask(overrides=Overrides(active=(laid,)))
    hands = [(line.text, line.author) for line in world.open[0].timeline if line.kind is EntryKind.HAND]
    assert hands == ([(told, "ana")] if told else [])
    assert world.ask(overrides=Overrides(active=(laid,))) == []


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        pytest.param([], None, id="nothing else is open"),
        pytest.param([("openai", "outage", 2, None), ("gemini", "outage", 1, None)], 1, id="the earliest one leads"),
        pytest.param([("gemini", "degradation", 1, None)], 1, id="a degradation leads as well"),
        pytest.param([("gemini", "configuration", 1, None)], None, id="our own fault never leads"),
        pytest.param([("network", "blindness", 1, None)], None, id="nor does our own network"),
        pytest.param([("gemini", "outage", 2, 1)], 1, id="one that is told under another's headline brings it along"),
        pytest.param([("anthropic", "degradation", 1, None)], None, id="nor does the same provider's"),
    ],
)
def test_who_leads(others: list[tuple[str, str, int, int | None]], expected: int | None) -> None:
    """The headline under which a new outage of anthropic is told; ids grow with the time of the opening."""
    there = [
        Incident(
            id=number,
            provider=provider,
            kind=IncidentKind(kind),
            opened_at=NOON + number * SECOND,
            affected=(),
            timeline=(),
            routes=(),
            lead_id=lead_id,
        )
        for provider, kind, number, lead_id in others
    ]
    new = replace(over(World()), id=0, provider="anthropic", resolved_at=None)
    assert lead_incident_id(new, there) == expected
    assert lead_incident_id(replace(new, kind=IncidentKind.CONFIGURATION), there) is None


def lost(until_s: float | None = None, **held: int) -> NetworkLoss:
    """Our network is away since noon; a probe of openai is held for that, unless told otherwise."""
    until = None if until_s is None else NOON + timedelta(seconds=until_s)
    return NetworkLoss(since=NOON, until=until, uncounted=held or {"openai": 1})


def test_our_own_network_has_an_incident_once_it_is_away_for_a_minute() -> None:
    """Opened as of its beginning, told once, and resolved as of its end, with what was not counted."""
    world = World()
    assert world.ask(after_s=59, loss=lost()) == []
    [opened] = world.ask(after_s=1, loss=lost())
    assert (opened.provider, opened.kind, opened.opened_at) == ("network", IncidentKind.BLINDNESS, NOON)
    assert world.ask(after_s=30, loss=lost(openai=4)) == []
    assert world.ask(after_s=10, loss=lost(95, openai=4)) == [], "it may only flicker"
    [resolved] = world.ask(after_s=25, loss=lost(95, anthropic=3, openai=4))
    assert (resolved.id, resolved.resolved_at) == (1, NOON + timedelta(seconds=95))
    *_, back, last = lines(resolved)
    assert back.startswith("Our own network works again after 1 min 35 s: 7 failed probes")
    assert back.endswith("(anthropic 3, openai 4) not counted")
    assert last == "Resolved"
    assert world.ask(after_s=5, loss=lost(95, openai=4)) == [], "it is told"
    assert world.ask(after_s=60) == []


def test_a_short_loss_is_no_incident() -> None:
    """Those are told as events, where they held anything."""
    world = World()
    assert world.ask(after_s=50, loss=lost()) == []
    assert world.ask(after_s=40, loss=lost(55)) == []


def test_a_loss_that_touched_nobody_is_no_incident() -> None:
    """Nobody is woken for a silence that no probe ran into; once one does, it is told from its beginning."""
    world = World()
    assert world.ask(after_s=90, loss=replace(lost(), uncounted={})) == []
    [opened] = world.ask(loss=lost())
    assert opened.opened_at == NOON


def test_a_loss_that_went_by_unseen_is_told_as_over() -> None:
    """While the database was locked, say: opened and resolved at once."""
    [found] = World().ask(after_s=200, loss=lost(100))
    assert (found.id, found.opened_at, found.resolved_at) == (0, NOON, NOON + timedelta(seconds=100))


def test_a_loss_that_goes_on_after_all_opens_the_same_incident() -> None:
    """As everything does that comes back soon."""
    world = World()
    world.ask(after_s=60, loss=lost())
    world.ask(after_s=60, loss=lost(80))
    [again] = world.ask(after_s=1, loss=lost())
    assert (again.id, again.reopened, again.resolved_at) == (1, 1, None)


def test_an_incident_of_our_network_ends_when_nothing_is_known_of_a_loss() -> None:
    """After a restart, say, when it has been back for long."""
    world = World()
    world.ask(after_s=60, loss=lost())
    [resolved] = world.ask(after_s=600)
    assert resolved.resolved_at == world.now


def test_a_route_with_nowhere_to_go_is_told_in_its_providers_incident() -> None:
    """One message per trouble: no incident of its own where one says so."""
    world = World()
    [opened] = world.cycle({LUNA: Health.DOWN, HAIKU: Health.UP}, stuck=True)
    assert (opened.kind, opened.routes[0].stuck) == (IncidentKind.OUTAGE, True)
    assert len(world.open) == 1


def test_that_users_fail_is_told_by_the_incident_of_their_target_alone() -> None:
    """Of several that touch the route; an operator's pin that holds it there likewise."""
    world = World()
    world.cycle({LUNA: Health.DOWN, HAIKU: Health.UP}, move=HAIKU)
    world.now += SECOND
    world.health[HAIKU] = seen(HAIKU, Health.DOWN, world.now)
    world.ask(stuck={"chat": "it waits"}, warnings={"chat": "route chat is pinned"})
    stories = {one.provider: lines(one) for one in world.open}
    for text in (
        "Route chat has no healthy candidate left and stays on anthropic/haiku",
        "Route chat is pinned",
    ):
        assert [name for name, story in stories.items() if text in story] == ["anthropic"]
    assert [severity_of(one) for one in world.open] == [Severity.WARNING, Severity.CRITICAL]


def test_a_route_that_is_stuck_for_no_providers_fault_has_its_own_incident() -> None:
    """It is opened once, ends when the route is free, and comes back in the same one."""
    world = World()
    world.cycle({LUNA: Health.UP})
    [opened] = world.ask(stuck={"chat": "it waits"})
    assert (opened.kind, opened.provider) == (IncidentKind.NOTHING_ELIGIBLE, "route:chat")
    assert lines(opened) == ["Route chat has no healthy candidate left and stays on openai/luna"]
    assert world.ask(stuck={"chat": "it waits"}) == []
    [resolved] = world.ask()
    assert (resolved.resolved_at, resolved.routes[0].stuck) == (world.now, False)
    [again] = world.ask(stuck={"chat": "it waits"})
    assert (again.id, again.reopened, again.routes[0].stuck) == (1, 1, True)


def test_it_ends_where_a_providers_incident_begins_to_say_so() -> None:
    """The trouble has a name then."""
    world = World()
    world.cycle({LUNA: Health.UP})
    world.ask(stuck={"chat": "it waits"})
    changed = world.cycle({LUNA: Health.DOWN}, stuck=True)
    assert {(one.kind, one.resolved_at is None) for one in changed} == {
        (IncidentKind.OUTAGE, True),
        (IncidentKind.NOTHING_ELIGIBLE, False),
    }


def test_the_time_to_come_back_is_as_documented() -> None:
    """Fifteen minutes."""
    assert timedelta(minutes=15) == REOPENS_WITHIN


def test_a_refusal_of_every_request_is_no_outage_when_it_comes_back() -> None:
    """It recovers like a target that was down, and the provider was not."""
    world = World()
    world.cycle({LUNA: Health.UP, MINI: Health.UP, HAIKU: Health.UP})
    said = f"{LUNA} is unusable: answers nothing but HTTP 404 since 12:00 UTC: has changed; last: x"
    world.health[LUNA] = replace(seen(LUNA, Health.UNUSABLE, world.now), reason=said)
    [opened] = world.ask()
    [recovering] = world.cycle({LUNA: Health.RECOVERING})
    assert [opened.kind, recovering.kind] == [IncidentKind.DEGRADATION] * 2
    [fallen] = world.cycle({LUNA: Health.DOWN})
    assert fallen.kind is IncidentKind.OUTAGE


# --- bad periods


def test_an_incident_lasts_as_long_as_its_bad_periods() -> None:
    """The times between an end and a return do not count; the kind is that of the present period, in the end the worst.

    What a version without periods stored is read from the timeline.
    """
    world = World()
    world.cycle({LUNA: Health.DOWN})
    world.ask(after_s=60)
    world.cycle({LUNA: Health.UP})
    world.ask(after_s=600)
    world.cycle({LUNA: Health.DEGRADED})
    [throttled] = world.open
    world.ask(after_s=100)
    assert (throttled.kind, throttled.lasted_s(world.now)) == (IncidentKind.DEGRADATION, 61 + 100)
    assert status(throttled, world.now) == "open for 1 min 40 s, came back once: 2 periods, 2 min 41 s in all"
    [resolved] = world.cycle({LUNA: Health.UP})
    assert [(period.kind, period.lasted_s(world.now)) for period in resolved.periods] == [
        (IncidentKind.OUTAGE, 61),
        (IncidentKind.DEGRADATION, 101),
    ]
    assert resolved.kind is IncidentKind.OUTAGE
    assert status(resolved, world.now) == "resolved after 2 min 42 s in 2 periods"
    older = replace(resolved, periods=())
    assert older.lasted_s(world.now) == resolved.lasted_s(world.now)


def test_only_the_newest_periods_are_kept_one_by_one() -> None:
    """Of what flaps for days; how long it lasted in all is not lost."""
    world = World()
    for _ in range(MAX_PERIODS + 7):
        world.cycle({LUNA: Health.DOWN})
        [resolved] = world.cycle({LUNA: Health.UP})
    assert len(resolved.periods) == MAX_PERIODS
    assert resolved.lasted_s(world.now) == MAX_PERIODS + 7


def test_a_period_begins_with_its_own_first_failed_probe() -> None:
    """The provider's: that of a sibling counts which is only suspected as yet, where it is earlier."""
    world = World()
    for before_s in (30.0, 20.0):
        world.health[MINI] = seen(MINI, Health.SUSPECT, world.now)
        failed = {
            name: [TimelineEntry(at=world.now - timedelta(seconds=s), text=name, kind=EntryKind.FIRST_FAILURE)]
            for name, s in ((LUNA, 5.0), (MINI, before_s))
        }
        world.health[LUNA] = seen(LUNA, Health.DOWN, world.now)
        [opened] = world.ask(after_s=0, onsets=failed)
        assert opened.bad_periods[-1].began_at == world.now - timedelta(seconds=before_s)
        world.ask(after_s=60)
        world.cycle({LUNA: Health.UP, MINI: Health.UP})
        world.ask(after_s=60)
    assert len(opened.bad_periods) == 2


def test_a_move_while_it_was_closed_is_not_told_as_its_own() -> None:
    """One after it came back is, from where the route really was."""
    world = World(settings(LUNA, MINI, HAIKU, routes=[Route(name="chat", candidates=(LUNA, MINI, HAIKU))]))
    over(world)
    world.ask(after_s=60)
    world.routes["chat"] = replace(world.routes["chat"], before=LUNA, target=MINI, at=world.now)
    world.ask(after_s=60)
    [opened] = world.cycle({LUNA: Health.DOWN})
    assert not [line for line in lines(opened) if "moved" in line]
    world.now += SECOND
    world.routes["chat"] = replace(world.routes["chat"], before=MINI, target=HAIKU, at=world.now)
    [moved] = world.ask()
    assert lines(moved)[-1] == f"Route chat moved from {MINI} to {HAIKU}: no observations yet"
    assert world.ask() == []


def test_an_incident_names_the_runbooks_of_its_owners() -> None:
    """Of the provider and of the routes that it touches, each once; of a stuck route its own."""
    configured = settings(LUNA, HAIKU, routes=[replace(CHAT, owner=OwnerSection(runbook="https://w/chat"))])
    luna, haiku = configured.targets
    luna = replace(luna, provider=replace(luna.provider, owner=Owner(runbook="https://w/openai")))
    world = World(replace(configured, targets=(luna, haiku)))
    [incident] = world.cycle({LUNA: Health.DOWN})
    assert incident.runbooks == ("https://w/openai", "https://w/chat")
