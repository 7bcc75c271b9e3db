"""Slack that never cries wolf: whom a message calls and when, what waits for the morning, and what a storm may cost."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from controller.alerts.quiet_hours import quiet_until
from controller.incidents.incident import EntryKind, Incident, RouteImpact, TimelineEntry
from monitor.config.alert_settings import QuietHours, SlackChannels
from probes.target import Secret
from tests.support.alert_world import (
    NOON,
    TOKEN,
    AlertWorld,
    RoundResult,
    changed,
    misconfigured,
    outage,
    over,
    shown,
    stuck,
)
from tests.support.incident_builders import reopened
from tests.support.pending_reports import untold_incidents
from tests.support.slack_server import Fault, FaultKind, SlackServer

DOWN = "🔴 openai/m is down"
STUCK = "🚨 Act now: openai/m is down and route chat has nowhere to go"
HERE = "<!here>"
NIGHT = QuietHours(begin=time(22), end=time(7), zone="Europe/Berlin")


@pytest.fixture
def server() -> Iterator[SlackServer]:
    """A workspace with two channels, on loopback."""
    with SlackServer(token=TOKEN, others=["#oncall"]) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: SlackServer) -> Iterator[AlertWorld]:
    """A workspace whose critical messages call everybody who is there."""
    world = AlertWorld(tmp_path, server, mention=(HERE,))
    yield world
    world.engine.dispose()


def mentions(server: SlackServer) -> list[bool]:
    """Of every message and reply, whether it called somebody when it was new."""
    return [HERE in message.versions[0].text + shown(message.versions[0].blocks) for message in server.everything]


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


# --- who is called


@pytest.mark.slow
@pytest.mark.parametrize(
    ("incident", "called"),
    [
        pytest.param(outage(), False, id="an outage that was handled"),
        pytest.param(stuck(outage(), at=NOON), True, id="a route with nowhere to go"),
        pytest.param(misconfigured(), False, id="a refused key of a standby"),
        pytest.param(misconfigured(on_it=True), True, id="a refused key under users"),
        pytest.param(
            replace(outage(), routes=(RouteImpact(route="chat", target="azure/h", unpublished=True),)),
            True,
            id="a routing file that cannot be written",
        ),
    ],
)
def test_only_what_needs_a_person_calls_one(world: AlertWorld, incident: Incident, called: bool) -> None:
    """Everything else is told to whoever looks."""
    world.keep(incident)
    world.round()
    assert mentions(world.server) == [called]


def test_what_becomes_critical_is_called_out(world: AlertWorld) -> None:
    """An edit calls nobody, so a reply does, in the channel too; the resolution is shown there as well."""
    incident = world.keep(outage())
    world.round(1)
    incident = world.keep(stuck(incident, at=at(10)))
    assert world.round(601) == RoundResult(delivered=3)
    assert world.texts() == [[DOWN, STUCK]]
    call, line = world.server.thread(world.server.messages[0].ts)
    assert [bool(each.post.get("reply_broadcast")) for each in (call, line)] == [True, False]
    assert HERE in shown(call.versions[0].blocks)
    world.keep(over(incident, at=at(20)))
    world.round(1201)
    assert world.server.thread(world.server.messages[0].ts)[-1].post["reply_broadcast"]
    assert HERE not in str(world.server.messages[0].versions[-1])


@pytest.mark.slow
def test_reminders_stop_when_somebody_looks_after_it(world: AlertWorld) -> None:
    """Every half hour while it is critical; not any more once it is acknowledged."""
    incident = world.keep(stuck(outage(), at=NOON))
    world.round(0)
    assert world.round(29 * 60) == RoundResult()
    assert world.round(30 * 60) == RoundResult(delivered=1)
    assert world.replies()[0].startswith(
        f"{HERE} *⏰ Still open after 30 min, and nobody has acknowledged it: {STUCK}*"
    )
    assert world.round(59 * 60) == RoundResult()
    assert world.round(60 * 60) == RoundResult(delivered=1)
    world.journal.comments.acknowledge(incident.id, author="ana", at=at(61))
    world.round(62 * 60)
    assert "ana looks after it." in shown(world.server.messages[0].versions[-1].blocks)
    assert world.round(300 * 60) == RoundResult()


def test_reminders_go_on_after_the_clock_was_set_back(world: AlertWorld) -> None:
    """A reminder of the future holds nobody: people are called once by the new time, then as usual."""
    world.keep(stuck(outage(), at=NOON))
    world.round(0)
    hours_back = -20 * 3600
    assert world.round(hours_back) == RoundResult(delivered=1)
    assert world.round(hours_back + 60) == RoundResult()


def test_reminders_can_be_switched_off(tmp_path: Path, server: SlackServer) -> None:
    """`remind: 0s`."""
    world = AlertWorld(tmp_path, server, remind_s=0.0)
    world.keep(stuck(outage(), at=NOON))
    world.round(0)
    assert world.round(86_400) == RoundResult()
    world.engine.dispose()


def test_a_second_emergency_is_a_call_of_its_own(world: AlertWorld) -> None:
    """It was handled meanwhile: whoever slept again is called, but not every minute."""
    incident = world.keep(stuck(outage(), at=NOON))
    world.round(0)
    for minute in (1, 2, 3):
        handled = world.keep(changed(incident, routes=(RouteImpact(route="chat", target="azure/h"),)))
        world.round(minute * 60.0)
        incident = world.keep(stuck(handled, at=at(minute + 0.5)))
        world.round(minute * 60.0 + 30)
    assert sum(mentions(world.server)) == 1
    world.round(6 * 60)
    assert sum(mentions(world.server)) == 2
    assert "⏰" not in world.replies()[-1]


def test_severities_have_channels_of_their_own(tmp_path: Path, server: SlackServer) -> None:
    """What becomes critical is told where people are on call as well, and both messages are kept true."""
    world = AlertWorld(tmp_path, server, mention=(HERE,), channels=SlackChannels(critical="#oncall"))
    incident = world.keep(outage())
    world.round(0)
    incident = world.keep(stuck(incident, at=at(10)))
    world.round(601)
    world.round(601 + 1800)
    world.keep(over(incident, at=at(50)))
    world.round(3001)
    general, oncall = world.server.messages
    assert (general.channel, oncall.channel) == (server.ids["#llm-status"], server.ids["#oncall"])
    assert oncall.versions[0].text.startswith(f"{STUCK}\n{HERE}")
    assert {message.versions[-1].text.splitlines()[0] for message in (general, oncall)} == {
        "✅ Resolved after 50 min: openai/m is up again"
    }
    reminder, end = server.thread(oncall.ts)
    assert "⏰" in reminder.versions[0].text
    assert end.post["reply_broadcast"], "an edit notifies nobody"
    assert shown(end.versions[0].blocks).startswith("*✅ Resolved after 50 min")
    world.round(3002)
    assert len(server.thread(oncall.ts)) == 2
    world.engine.dispose()


def test_a_channel_that_is_missing_holds_up_no_other(tmp_path: Path, server: SlackServer) -> None:
    """It is asked for once a minute, and the database says why; what goes elsewhere arrives."""
    world = AlertWorld(tmp_path, server, channels=SlackChannels(critical="#typo"))
    world.keep(stuck(outage(), at=NOON))
    world.happen()
    assert world.round(0) == RoundResult(delivered=1, failed=1)
    assert world.round(59) == RoundResult()
    (waiting,) = untold_incidents(world.journal)
    assert waiting.delivery_error == (
        "Slack refused the message (channel_not_found): check alerts.slack.channel, and invite the bot when the "
        "channel is private"
    )
    world.engine.dispose()


# --- quiet hours


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        pytest.param(None, "2026-11-21T23:00", None, id="none"),
        pytest.param(NIGHT, "2026-11-21T20:59", None, id="a minute before ten in Berlin"),
        pytest.param(NIGHT, "2026-11-21T21:00", "2026-11-22T06:00", id="ten in Berlin"),
        pytest.param(NIGHT, "2026-11-22T05:59", "2026-11-22T06:00", id="a minute to seven"),
        pytest.param(NIGHT, "2026-11-22T06:00", None, id="seven in Berlin"),
        pytest.param(NIGHT, "2026-07-01T20:30", "2026-07-02T05:00", id="in summer it is another hour of UTC"),
        pytest.param(
            replace(NIGHT, begin=time(12), end=time(13)), "2026-11-21T11:30", "2026-11-21T12:00", id="within a day"
        ),
        pytest.param(replace(NIGHT, begin=time(12), end=time(13)), "2026-11-21T12:00", None, id="after lunch"),
        pytest.param(
            replace(NIGHT, end=time(2, 30)), "2026-10-25T01:10", "2026-10-25T01:30", id="in the hour that comes twice"
        ),
    ],
)
def test_quiet_hours_follow_the_clock_on_the_wall(hours: QuietHours | None, now: str, until: str | None) -> None:
    """Also over midnight, and in the summer time of their zone."""
    found = quiet_until(hours, datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == (datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None)


def test_who_was_called_at_night_is_told_that_it_is_over(tmp_path: Path, server: SlackServer) -> None:
    """In quiet hours as well: whoever got up may go to bed again."""
    world = AlertWorld(tmp_path, server, quiet_hours=QuietHours(begin=time(11), end=time(20), zone="UTC"))
    incident = world.keep(stuck(outage(), at=NOON))
    world.round(0)
    world.keep(over(incident, at=at(30)))
    world.round(31 * 60)
    assert "✅ Resolved after 30 min" in world.replies()[-1]


def test_quiet_hours_hold_back_what_can_wait(tmp_path: Path, server: SlackServer) -> None:
    """At their end what is still true arrives once; what is standing is kept true meanwhile, which wakes nobody."""
    quiet = QuietHours(begin=time(13), end=time(20), zone="UTC")
    world = AlertWorld(tmp_path, server, quiet_hours=quiet)
    before = world.keep(outage())
    world.round(0)
    world.keep(over(before, at=at(90)))
    for number in range(5):
        passed = world.keep(misconfigured(f"p{number}", at=at(100 + number)))
        world.keep(over(passed, at=at(110 + number)))
        world.happen(f"ana did something {number}", at=at(120 + number))
    world.keep(misconfigured("gemini", at=at(200)))
    world.round(200 * 60)
    assert [len(texts) for texts in world.texts()] == [2], "an edit notifies nobody"
    assert len(server.everything) == 1
    world.round(8 * 3600 - 1)
    assert len(server.everything) == 1
    world.round(8 * 3600)
    assert [texts[-1] for texts in world.texts()[1:]] == [
        "🔧 To fix: gemini/m is misconfigured",
        "✅ 5 incidents came and went during quiet hours",
        "🔔 5 notices during quiet hours",
    ]
    assert "Opened 15:20 during quiet hours." in shown(server.messages[1].versions[0].blocks)
    assert world.replies(0) == [], "what has been over for hours is not told again in a thread"
    assert world.told()
    world.engine.dispose()


def test_quiet_hours_do_not_hold_back_an_emergency(tmp_path: Path, server: SlackServer) -> None:
    """Nobody sleeps through a route that has nowhere to go."""
    world = AlertWorld(
        tmp_path, server, mention=(HERE,), quiet_hours=QuietHours(begin=time(11), end=time(20), zone="UTC")
    )
    incident = world.keep(outage())
    assert world.round(60) == RoundResult()
    world.keep(stuck(incident, at=at(2)))
    world.round(121)
    assert mentions(server) == [True]
    world.engine.dispose()


# --- what comes back


def test_what_comes_back_is_news(world: AlertWorld, server: SlackServer) -> None:
    """The second outage is a message of its own that links to the first; the third within the hour says that it flaps.

    Further ones are told in the thread of the newest, until an hour has passed.
    """
    incident = world.keep(outage())
    world.round(0)
    for again in range(1, 6):
        world.keep(incident := over(incident, at=at(10 * again - 6)))
        world.round(600 * again - 360)
        world.keep(incident := reopened(incident, at(10 * again)))
        world.round(600 * again)
    first, second, third = server.messages
    assert [one.versions[0].text.splitlines()[0] for one in (first, second, third)] == [
        DOWN,
        f"🔁 Again: {DOWN}",
        f"🔁 Flapping: {DOWN}",
    ]
    link = f"<https://slack.com/archives/{first.channel}/p{first.ts.replace('.', '')}|The first message>"
    assert link in shown(second.versions[0].blocks)
    assert "It came back; it was over at 12:04 UTC." in shown(second.versions[0].blocks)
    assert "*What happened* (UTC)\n… 2 lines of earlier periods left out …\n🔁" in shown(second.versions[0].blocks)
    assert "It is flapping: it began 3 times within an hour." in shown(third.versions[0].blocks)
    assert "began 6 times within an hour" in shown(third.versions[-1].blocks), "all of them are kept up to date"
    assert "began 6 times within an hour" in shown(first.versions[-1].blocks)
    assert any("It came back" in reply for reply in world.replies(2)), "the story goes on below the newest"
    world.keep(over(incident, at=at(56)))
    world.round(3360)
    assert {texts[-1] for texts in world.texts()} == {"✅ Resolved after 26 min in 6 periods: openai/m is up again"}
    assert world.told()


def test_what_comes_back_with_nowhere_to_go_calls_once_while_it_flaps(world: AlertWorld, server: SlackServer) -> None:
    """The second outage calls in the channel for what is urgent; from the third on only a reminder is due."""
    incident = world.keep(outage())
    world.round(0)
    for again in range(1, 6):
        world.keep(incident := over(incident, at=at(6 * again - 3)))
        world.round(360 * again - 180)
        world.keep(incident := stuck(reopened(incident, at(6 * again)), at=at(6 * again)))
        world.round(360 * again)
    called = [
        float(one.ts) - NOON.timestamp()
        for one, calls in zip(server.everything, mentions(server), strict=True)
        if calls
    ]
    assert [round(at_s) for at_s in called] == [360]
    world.round(360 + 1801)
    assert len([calls for calls in mentions(server) if calls]) == 2


def test_a_neighbour_that_flaps_silences_nobody(world: AlertWorld, server: SlackServer) -> None:
    """Under the headline of what flaps, another provider's return is news, and its stuck route calls."""
    incident = world.keep(outage())
    world.round(0)
    for again in (1, 2):
        world.keep(incident := over(incident, at=at(6 * again - 3)))
        world.round(360 * again - 180)
        world.keep(incident := stuck(reopened(incident, at(6 * again)), at=at(6 * again)))
        world.round(360 * again)
    neighbour = world.keep(outage("anthropic", at=at(13)))
    world.keep(over(incident, at=at(14)))
    world.round(840)
    world.keep(neighbour := over(neighbour, at=at(17)))
    world.round(1020)
    told = len(server.messages)
    world.keep(neighbour := reopened(neighbour, at(19)))
    world.round(1140)
    assert [one.versions[0].text[:7] for one in server.messages[told:]] == ["🔁 Again"]
    called = mentions(server).count(True)
    world.keep(stuck(neighbour, at=at(20)))
    world.round(1200)
    assert mentions(server).count(True) == called + 1


def test_a_further_route_without_a_candidate_calls_again(world: AlertWorld, server: SlackServer) -> None:
    """Not only the next reminder does; the same route calls once."""
    incident = world.keep(stuck(outage(), at=at(1)))
    world.round(60)
    held = TimelineEntry(at=at(10), text="Route summaries has no healthy candidate left", kind=EntryKind.HELD)
    routes = (*incident.routes, RouteImpact(route="summaries", target="openai/m", stuck=True))
    world.keep(changed(incident, held, routes=routes))
    world.round(600)
    assert mentions(server).count(True) == 2
    world.round(900)
    assert mentions(server).count(True) == 2


def test_by_webhook_what_flaps_is_told_three_times(tmp_path: Path, server: SlackServer) -> None:
    """Then once an hour: its ends too, for where it was not told that it began, it did not end."""
    world = AlertWorld(tmp_path, server, webhook_url=Secret(server.webhook_url), token=Secret(""))
    incident = world.keep(outage())
    world.round(15)
    for again in range(1, 12):
        world.keep(incident := over(incident, at=at(10 * again - 6)))
        world.round(600 * again - 360)
        world.keep(incident := reopened(incident, at(10 * again)))
        world.round(600 * again + 15)
    begun = [texts[0] for texts in world.texts() if texts[0] == DOWN]
    assert len(begun) == 4
    assert len(world.texts()) == 8, "each with its end"
    assert world.told()
    world.engine.dispose()


# --- a storm


def flapping(world: AlertWorld, dice: random.Random, minute: int, present: dict[str, Incident]) -> None:
    """One minute of ten providers that go down and come back as they please, and of an operator who pins routes."""
    for number in range(10):
        name = f"p{number}"
        incident = present.get(name)
        if incident is None and dice.random() < 0.25:
            last = world.journal.resolved_since(at(minute - 15))
            old = next((one for one in last if one.provider == name), None)
            if old:
                line = TimelineEntry(at=at(minute), text="Reopened", kind=EntryKind.REOPENED)
                incident = changed(
                    old, line, resolved_at=None, reopened=old.reopened + 1, affected=outage(name).affected
                )
            else:
                make = dice.choice([outage, misconfigured])
                incident = make(name, at=at(minute))
            present[name] = world.keep(incident)
        elif incident is not None and dice.random() < 0.35:
            world.keep(over(incident, at=at(minute)))
            del present[name]
        elif incident is not None and dice.random() < 0.3:
            line = TimelineEntry(at=at(minute), text=f"{name} relapsed in minute {minute}", kind=EntryKind.HEALTH)
            present[name] = world.keep(changed(incident, line))
    if dice.random() < 0.2:
        world.happen(f"ana pinned chat in minute {minute}")


@pytest.mark.slow
@pytest.mark.parametrize("most", [8, 3])
def test_ten_providers_flapping_for_half_a_day(tmp_path: Path, server: SlackServer, most: int) -> None:
    """In no hour are there more new messages than allowed; and in the end everything has been told."""
    world = AlertWorld(tmp_path, server, most_per_hour=most)
    dice = random.Random(7)
    present: dict[str, Incident] = {}
    for minute in range(0, 12 * 60, 5):
        world.at_s = minute * 60.0
        flapping(world, dice, minute, present)
        world.round()
    lists = ("⏸️", "▶️ All")
    sent = [float(one.ts) for one in server.messages if not one.versions[0].text.startswith(lists)]
    busiest = max(sum(before <= one < before + 3600 for one in sent) for before in sent)
    assert busiest <= most
    assert len(sent) > most * 6, "the bound was used"
    for incident in list(present.values()):
        world.keep(over(incident, at=world.now))
    for _ in range(300):
        if world.told():
            break
        world.round(world.at_s + 600)
    assert world.told(), "nothing was dropped"
    world.engine.dispose()


@pytest.mark.slow
def test_what_is_held_back_is_listed(tmp_path: Path, server: SlackServer) -> None:
    """One message says what waits, is kept true, and says when all has been told; an emergency waits for nothing."""
    world = AlertWorld(tmp_path, server, most_per_hour=3)
    for number in range(4):
        world.happen(f"ana pinned route {number}")
    world.keep(misconfigured(on_it=True))
    world.keep(misconfigured("gemini", variable="GEMINI_KEY"))
    world.round(0)
    assert [texts[-1] for texts in world.texts()] == [
        "🔧 To fix: openai/m is misconfigured",
        "🔧 To fix: gemini/m is misconfigured",
        "✋ Pinned: chat",
        "✋ Pinned: chat",
        "⏸️ 2 messages held back: the limit is 3 an hour (most_per_hour)",
    ]
    held = shown(world.server.messages[-1].versions[0].blocks)
    assert "• ✋ Pinned: chat: ana pinned route 3" in held
    assert "The first comes at 13:00 UTC." in held
    for minute in range(0, 400, 10):
        world.round(minute * 60.0)
    assert world.texts()[4][-1] == "▶️ All messages that were held back have been sent"
    assert world.told()
    world.engine.dispose()


# --- by webhook


def test_a_webhook_tells_the_beginning_and_the_end(tmp_path: Path, server: SlackServer) -> None:
    """No edits and no replies: what changes in between is not told; reminders and notices are messages."""
    world = AlertWorld(tmp_path, server, mention=(HERE,), webhook_url=Secret(server.webhook_url), token=Secret(""))
    incident = world.keep(outage())
    world.round(14)
    assert world.texts() == [], "others of the same headline may follow"
    world.happen()
    world.round(15)
    incident = world.keep(changed(incident, TimelineEntry(at=at(1), text="Route chat moved", kind=EntryKind.MOVED)))
    assert world.round(61) == RoundResult()
    incident = world.keep(stuck(incident, at=at(10)))
    world.round(601)
    world.round(601 + 1800)
    world.keep(over(incident, at=at(50)))
    world.round(3001)
    assert [texts[0] for texts in world.texts()] == [
        DOWN,
        "✋ Pinned: chat",
        f"{HERE} {STUCK}",
        f"{HERE} ⏰ Still open after 40 min 1 s, and nobody has acknowledged it: {STUCK}",
        "✅ Resolved after 50 min: openai/m is up again",
    ]
    assert "This message will not change." in shown(server.messages[0].versions[0].blocks)
    assert "This message is final." in shown(server.messages[-1].versions[0].blocks)
    assert set(server.calls) == {"webhook"}
    assert world.told()
    world.engine.dispose()


def test_by_webhook_all_providers_that_fail_are_one_call(tmp_path: Path, server: SlackServer) -> None:
    """Sent at once when it is critical, and the others with it; each has its end."""
    world = AlertWorld(tmp_path, server, mention=(HERE,), webhook_url=Secret(server.webhook_url), token=Secret(""))
    first = world.keep(outage())
    second = world.keep(replace(outage("b"), lead_id=first.id, opened_at=at(0.1)))
    world.round(7)
    third = world.keep(stuck(replace(outage("c"), lead_id=first.id, opened_at=at(0.15)), at=at(0.15)))
    for second_s in range(9, 40):
        world.round(second_s)
    [message] = server.messages
    assert "3 providers fail (c, openai, b)" in message.versions[0].text
    assert shown(message.versions[0].blocks).count("Also failing") == 2
    for incident in (first, second, third):
        world.keep(over(incident, at=at(5)))
    world.round(300)
    assert [texts[0].partition(" after")[0] for texts in world.texts()[1:]] == ["✅ Resolved"] * 3
    assert world.told()
    world.engine.dispose()


def test_a_call_by_webhook_exempts_no_other_message(tmp_path: Path, server: SlackServer) -> None:
    """Of five notices as many are sent as an hour allows, whether somebody was called in it or not."""
    world = AlertWorld(tmp_path, server, most_per_hour=2, webhook_url=Secret(server.webhook_url), token=Secret(""))
    world.keep(stuck(outage(), at=NOON))
    for number in range(5):
        world.happen(f"ana pinned route {number}")
    world.round(0)
    world.round(60)
    assert len(server.messages) == 3
    world.engine.dispose()


def test_a_webhook_s_lost_reply_is_sent_again(tmp_path: Path, server: SlackServer) -> None:
    """Nothing can be looked for: rather twice than never, as the documentation says."""
    world = AlertWorld(tmp_path, server, webhook_url=Secret(server.webhook_url), token=Secret(""))
    server.fail(Fault(kind=FaultKind.LOST_REPLY))
    world.keep(outage())
    world.round(15)
    world.round(16)
    assert world.texts() == [[DOWN], [DOWN]]
    world.engine.dispose()
