"""Delivery to Slack: nothing is lost, nothing is doubled, the order is kept, whatever Slack and the machine do."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.planning_input import SINK
from controller.incidents.incident import EntryKind, TimelineEntry
from monitor.storage.database import DatabaseError
from monitor.storage.store import Store
from tests.support.alert_world import NOON, TOKEN, AlertWorld, RoundResult, changed, misconfigured, outage, over
from tests.support.pending_reports import untold_incidents
from tests.support.slack_server import Fault, FaultKind, SlackServer

T = TypeVar("T")

DOWN = "🔴 openai/m is down"
OVER = "✅ Resolved after 12 min: openai/m is up again"
GEMINI = "🔴 gemini/m is down"
PINNED = "✋ Pinned: chat"
RESET = Fault(kind=FaultKind.RESET)
LOST = Fault(kind=FaultKind.LOST_REPLY)
MOVED = TimelineEntry(
    at=NOON + timedelta(seconds=41), text="Route chat moved from openai/m to azure/h", kind=EntryKind.MOVED
)


@pytest.fixture
def server() -> Iterator[SlackServer]:
    """A workspace with one channel, on loopback."""
    with SlackServer(token=TOKEN) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: SlackServer) -> Iterator[AlertWorld]:
    """Alerts with an empty journal."""
    world = AlertWorld(tmp_path, server)
    yield world
    world.engine.dispose()


@pytest.mark.slow
def test_one_outage_from_start_to_end(world: AlertWorld) -> None:
    """One message, edited to stay true; its thread tells what happened since, and at the end how long it took."""
    incident = world.keep(outage())
    assert world.round(1) == RoundResult(delivered=1)
    assert world.round(2) == RoundResult()
    incident = world.keep(changed(incident, MOVED))
    assert world.round(42) == RoundResult(delivered=2)
    world.journal.comments.note(incident.id, "I called them", author="ana", at=world.now)
    world.round(300)
    stored = world.journal.incident(incident.id)
    assert stored is not None
    world.keep(over(replace(stored, on_failing_s=(("chat", 41.0),))))
    assert world.round(721) == RoundResult(delivered=2)
    assert world.texts() == [[DOWN, DOWN, DOWN, OVER]]
    assert world.replies() == [
        "🔀 `12:00:41` Route chat moved from openai/m to azure/h",
        "📝 `12:00:42` ana: I called them",
        (
            f"*{OVER}*\nIt is over. Nobody has to act.\n"
            "It ended at `12:12:00`.\n"
            "The first route moved 41 s after the opening.\n"
            "Time that routes pointed at a failing target: `chat` 41 s (5.7 %).\n"
            "Only the applications know how many requests failed meanwhile."
        ),
    ]
    assert world.round(722) == RoundResult()
    assert world.told()


def test_the_posted_message_is_what_the_incident_says(world: AlertWorld) -> None:
    """Slack holds exactly the words that messages.py wrote."""
    incident = world.keep(outage())
    world.round()
    message = incident_headline(incident, now=NOON)
    (standing,) = world.server.messages
    assert (standing.versions[0].text, standing.versions[0].blocks) == (message.text, message.blocks)


def test_lines_that_are_due_at_once_are_one_reply(world: AlertWorld) -> None:
    """In their order, each with its clock."""
    incident = world.keep(outage())
    world.round()
    lines = [
        TimelineEntry(at=NOON + timedelta(seconds=i), text=f"line {i}", kind=EntryKind.HEALTH) for i in range(1, 4)
    ]
    world.keep(changed(incident, *lines))
    assert world.round() == RoundResult(delivered=2)
    assert world.replies() == ["\n".join(f"🩺 `12:00:0{i}` line {i}" for i in range(1, 4))]


@pytest.mark.parametrize("minutes", [1, 9])
def test_a_second_provider_is_told_under_the_first(world: AlertWorld, minutes: int) -> None:
    """One headline that names both, one thread; it stands until both are over, and is called out when it joins."""
    first = world.keep(outage())
    world.round()
    second = world.keep(outage("gemini", at=NOON + timedelta(minutes=minutes)))
    assert second.lead_id == first.id
    assert world.round(60 * minutes + 1) == RoundResult(delivered=2)
    assert world.texts() == [[DOWN, "🔴 2 providers fail (openai, gemini), 2 targets down"]]
    assert "Also failing: 🔴 gemini/m is down (incident 2)" in str(world.server.messages[0].versions[-1].blocks)
    world.keep(over(first))
    world.round(721)
    assert world.texts()[0][-1] == GEMINI, "what is still open leads"
    world.keep(over(second, at=NOON + timedelta(minutes=20)))
    world.round(1201)
    assert world.texts()[0][-1] == OVER
    assert [reply.splitlines()[0] for reply in world.replies()] == [
        "*gemini, incident 2*",
        "*openai, incident 1*",
        "*gemini, incident 2*",
    ]
    replies = world.server.thread(world.server.messages[0].ts)
    assert [bool(reply.post.get("reply_broadcast")) for reply in replies] == [True, False, False]
    assert world.told()


def test_one_refused_key_is_one_call_however_many_providers_it_opens(world: AlertWorld) -> None:
    """One headline for all whom the same fix mends; what is mended by another is told by itself."""
    first = world.keep(misconfigured())
    second = world.keep(misconfigured("gemini", on_it=True, at=NOON + timedelta(seconds=5)))
    third = world.keep(misconfigured("azure", at=NOON + timedelta(seconds=9), variable="AZURE_KEY"))
    assert (second.lead_id, third.lead_id) == (first.id, None)
    world.round(10)
    assert len(world.server.messages) == 2
    told = str(world.server.messages[0].versions[-1].blocks)
    assert "Also failing: 🔧 To fix: openai/m is misconfigured" in told


def test_what_two_incidents_share_is_told_once(world: AlertWorld) -> None:
    """A route that both touch moves once, and one thread says it once; each keeps it in its own timeline."""
    first, second = world.keep(outage()), world.keep(outage("gemini"))
    world.round()
    world.round(1)
    at = NOON + timedelta(seconds=30)
    for one, text in ((first, "Route chat moved from a to b"), (second, "Route chat moved from a to b: a is down")):
        world.keep(changed(one, TimelineEntry(at=at, text=text, kind=EntryKind.MOVED)))
    world.round(31)
    assert sum("Route chat moved" in reply for reply in world.replies()) == 1
    assert world.told()


@pytest.mark.slow
def test_two_incidents_keep_their_orders(world: AlertWorld) -> None:
    """Interleaved, and with Slack failing now and then: each headline before its replies, each reply once, in order."""
    kept = [world.keep(outage()), world.keep(misconfigured("gemini"))]
    for step in range(1, 9):
        world.server.fail(*([RESET, LOST, Fault(kind=FaultKind.SERVER_ERROR)][step % 3 :]))
        line = TimelineEntry(at=NOON + timedelta(minutes=step), text=f"line {step}", kind=EntryKind.HEALTH)
        kept[step % 2] = world.keep(changed(kept[step % 2], line))
        world.round(step * 60.0)
    for again in range(20):
        world.round(600.0 + again * 60)
    assert len(world.server.messages) == 2
    for number, expected in ((0, (2, 4, 6, 8)), (1, (1, 3, 5, 7))):
        (standing,) = [one for one in world.server.messages if ("openai" in one.versions[0].text) == (number == 0)]
        thread = "\n".join(str(one.versions[0].blocks) for one in world.server.thread(standing.ts))
        whole = str(standing.versions[0].blocks) + thread
        places = [whole.find(f"line {step}") for step in expected]
        assert -1 not in places
        assert places == sorted(places)
        assert [whole.count(f"line {step}") for step in expected] == [1] * 4
    assert world.told()


# --- Slack that fails


@pytest.mark.slow
def test_an_hour_without_slack(world: AlertWorld) -> None:
    """What is still true arrives once: what is over as one message that says so, what is open in its present state."""
    world.server.fail(*[RESET] * 200)
    passed = world.keep(outage())
    assert world.round(0) == RoundResult(failed=1)
    world.keep(over(passed))
    world.happen()
    still = world.keep(outage("gemini", at=NOON + timedelta(minutes=20)))
    world.keep(changed(still, replace(MOVED, at=NOON + timedelta(minutes=21))))
    for minute in range(1, 61):
        world.round(minute * 60.0)
    assert world.server.everything == []
    world.server.recover()
    world.round(3700)
    assert world.texts() == [[GEMINI], [OVER], [PINNED]]
    said = [message.versions[0].text for message in world.server.messages]
    assert "Opened 12:20 while Slack was unreachable." in said[0]
    assert "Opened 12:00, resolved 12:12 while Slack was unreachable." in said[1]
    assert len(world.server.everything) == 3, "nothing is told again in a thread"
    assert world.told()


@pytest.mark.slow
def test_much_that_passed_without_slack_is_one_message(world: AlertWorld) -> None:
    """Twelve incidents and twelve notices of an hour without Slack are two messages, not twenty-four."""
    world.server.fail(*[RESET] * 200)
    world.round(0)
    for number in range(12):
        at = NOON + timedelta(minutes=4 * number)
        world.keep(over(world.keep(outage(f"p{number}", at=at)), at=at + timedelta(minutes=3)))
        world.happen(f"ana did something {number}", at=at)
        world.round(at_s=4 * 60.0 * number + 200)
    world.server.recover()
    world.round(3600)
    assert [texts[-1] for texts in world.texts()] == [
        "✅ 12 incidents came and went while Slack was unreachable",
        "🔔 12 notices while Slack was unreachable",
    ]
    said = str(world.server.messages[0].versions[0].blocks)
    assert all(f"outage of p{number} (p{number}/m), 3 min" in said for number in range(12))
    assert world.told()


def test_waits_double_up_to_a_minute_and_start_anew_after_a_success(world: AlertWorld) -> None:
    """A long outage of Slack costs one call a minute; the next fault waits a second again."""
    world.server.fail(*[RESET] * 8)
    incident = world.keep(outage())
    due = [0, 1, 3, 7, 15, 31, 63, 123]
    for at_s in due:
        assert at_s == 0 or world.round(at_s - 0.1) == RoundResult()
        assert world.round(at_s) == RoundResult(failed=1)
    assert world.round(183) == RoundResult(delivered=1)
    world.server.fail(RESET)
    world.keep(over(incident))
    assert world.round(200) == RoundResult(failed=1)
    assert world.round(201) == RoundResult(delivered=2)


def test_retry_after_is_honoured(world: AlertWorld) -> None:
    """When Slack asks for 90 s it gets 90 s, for every message; what it refused so needs no looking for."""
    world.server.fail(Fault(kind=FaultKind.RATE_LIMITED, retry_after_s=90))
    world.keep(outage())
    world.happen()
    assert world.round(0) == RoundResult(failed=1)
    assert world.round(89.9) == RoundResult()
    assert len(world.server.calls) == 1
    assert world.round(90) == RoundResult(delivered=2)
    assert set(world.server.calls) == {"chat.postMessage"}


def test_a_rate_limit_of_the_channel_loses_nothing(tmp_path: Path) -> None:
    """One message a second: those that come too soon are sent after what Slack asks for."""
    with SlackServer(token=TOKEN, per_s=20.0) as server:
        world = AlertWorld(tmp_path, server)
        for number in range(4):
            world.happen(f"event {number}")
        while not world.told():
            world.round(world.at_s + 1)
        world.engine.dispose()
        assert [str(message.versions[0].text).count("event") for message in server.messages] == [1] * 4


def test_one_refused_message_holds_up_no_other(world: AlertWorld) -> None:
    """A fault of one message is tried again after a minute; the others arrive at once."""
    world.server.fail(Fault(kind=FaultKind.REFUSED, code="invalid_blocks"))
    world.keep(outage())
    world.happen()
    assert world.round(0) == RoundResult(delivered=1, failed=1)
    assert world.texts() == [[PINNED]]
    assert world.round(59) == RoundResult()
    assert world.round(60) == RoundResult(delivered=1)


def test_a_refused_token_is_asked_for_once_a_minute(world: AlertWorld) -> None:
    """What only a person can put right is not hammered, and the database says what it is until it works."""
    world.server.fail(Fault(kind=FaultKind.REFUSED, code="token_revoked"))
    world.keep(outage())
    world.happen()
    assert world.round(0) == RoundResult(failed=1)
    assert "token_revoked" in (untold_incidents(world.journal)[0].delivery_error or "")
    deliveries = DeliveryStore(world.engine, SINK)
    state = deliveries.snapshot(world.now).outage
    assert state is not None
    assert "token_revoked" in state.error
    assert world.round(59) == RoundResult()
    assert world.round(60) == RoundResult(delivered=2)
    assert deliveries.failing() == []


# --- nothing doubled


@pytest.mark.slow
@pytest.mark.parametrize("kind", [FaultKind.LOST_REPLY, FaultKind.LATE_REPLY])
def test_a_lost_reply_doubles_nothing(world: AlertWorld, kind: FaultKind) -> None:
    """What Slack took without our hearing of it is found there, and not sent again: headline, reply, and notice."""
    lost = Fault(kind=kind)
    world.server.fail(lost)
    incident = world.keep(outage())
    world.round(0)
    world.round(2)
    assert world.texts() == [[DOWN]]
    world.keep(changed(incident, MOVED))
    world.happen()
    world.server.fail(lost)
    for at_s in (10.0, 12.0, 20.0):
        world.round(at_s)
    world.server.fail(Fault(kind=FaultKind.RATE_LIMITED))
    world.keep(over(changed(incident, MOVED)))
    for at_s in (730.0, 740.0, 750.0):
        world.round(at_s)
    assert [texts[-1] for texts in world.texts()] == [OVER, PINNED]
    assert len(world.replies()) == 2
    assert world.told()


def test_what_slack_did_not_take_is_sent_again(world: AlertWorld) -> None:
    """A reset before Slack looked at it: it is looked for, not found, and posted."""
    world.server.fail(RESET)
    world.keep(outage())
    world.round(0)
    assert world.round(1) == RoundResult(delivered=1)
    assert world.server.calls[1:] == ["conversations.list", "conversations.history", "chat.postMessage"]


def test_where_slack_does_not_let_us_look_it_is_sent_again(tmp_path: Path) -> None:
    """Rather twice than never; and that it may come twice is kept for the page and `status`."""
    with SlackServer(token=TOKEN, scopes=frozenset({"chat:write"})) as server:
        world = AlertWorld(tmp_path, server)
        server.fail(LOST)
        world.keep(outage())
        world.round(0)
        world.round(1)
        assert world.texts() == [[DOWN], [DOWN]]
        assert DeliveryStore(world.engine, SINK).failing() == ["lookup"]
        world.keep(changed(world.journal.open_incidents()[0], MOVED))
        world.round(2)
        assert [len(texts) for texts in world.texts()] == [1, 2], "one of them is kept true"
        world.engine.dispose()


class Dead(BaseException):
    """The machine loses power: nothing that comes after is done."""


class PowerCut:
    """Lets so many steps of a delivery happen, then dies before the next, which is just after the last."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, function: Callable[[], T]) -> T:
        """One call of the database or of Slack."""
        self.left -= 1
        if self.left < 0:
            raise Dead
        return function()


@pytest.mark.slow
def test_dying_at_any_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Whatever the database or Slack did last, the next process goes on from there."""
    for steps in range(100):
        folder = tmp_path / str(steps)
        folder.mkdir()
        with SlackServer(token=TOKEN) as server:
            world = AlertWorld(folder, server)
            died = one_outage(world, PowerCut(steps))
            world.engine.dispose()
        assert [texts[0] for texts in world.texts()] == [DOWN, PINNED], steps
        assert world.texts()[0][-1] == OVER
        thread = "\n".join(world.replies())
        assert (thread.count(MOVED.text), thread.count("It is over")) == (1, 1), steps
        if not died:
            assert steps > 20
            return
    pytest.fail("it takes more steps than these")


def one_outage(world: AlertWorld, cut: PowerCut) -> bool:
    """An outage and a pin, told as they happen by one process and, when it has died, by another; says if it has."""

    async def risky(function: Callable[[], T], /) -> T:
        return cut.step(function)

    world.worker = world.new_worker(risky, risky)
    died = False
    incident = outage()
    for stage in range(3):
        incident = world.keep([incident, changed(incident, MOVED), over(changed(incident))][stage])
        if stage == 1:
            world.happen()
        try:
            world.round(stage * 300.0)
        except Dead:
            died = True
            world.restart()
            world.round()
    assert world.told()
    return died


def test_cancelling_notes_what_slack_already_took(world: AlertWorld) -> None:
    """A service that stops while a message is on its way does not even have to look for it after the restart."""
    world.keep(outage())

    async def cancel_under_way() -> None:
        under_way = asyncio.Event()

        async def in_thread(function: Callable[[], T], /) -> T:
            under_way.set()
            return await asyncio.to_thread(function)

        telling = asyncio.create_task(world.new_worker(in_thread).deliver_once())
        await under_way.wait()
        telling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await telling

    asyncio.run(cancel_under_way())
    assert world.told()
    assert world.texts() == [[DOWN]]


@pytest.mark.slow
def test_the_loop_tells_and_stops(world: AlertWorld, caplog: pytest.LogCaptureFixture) -> None:
    """Running as the service runs it: what is journalled arrives, a locked database is survived, stop ends it."""
    caplog.set_level(logging.INFO, logger="controller.alerts.delivery_worker")
    world.keep(outage())
    locked = [True]

    async def in_database(function: Callable[[], T], /) -> T:
        if locked.pop() if locked else False:
            raise DatabaseError("database is locked")
        return function()

    async def until_told() -> None:
        stop = asyncio.Event()
        worker = world.new_worker(asyncio.to_thread, in_database)
        running = asyncio.create_task(worker.run(stop))
        while not world.told():
            world.at_s += 1
            await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(until_told())
    assert world.texts() == [[DOWN]]
    assert "outbox_not_read" in caplog.text
    assert "slack_told key='slack incident 1'" in caplog.text


# --- what people do to messages


def test_a_deleted_message_comes_back(world: AlertWorld) -> None:
    """With the next change, as a new message that is kept true from then on."""
    incident = world.keep(outage())
    world.round()
    world.server.delete(world.server.messages[0].ts)
    incident = world.keep(changed(incident, MOVED))
    world.round(60)
    assert world.texts() == [[DOWN]]
    world.keep(over(incident))
    world.round(721)
    assert world.texts() == [[DOWN, OVER]]
    assert world.told()


def test_a_deleted_message_is_missed_by_a_reply_too(world: AlertWorld) -> None:
    """Edited, then deleted before the reply: what the reply would say is in the new message."""
    incident = world.keep(outage())
    world.round()
    incident = world.keep(changed(incident, MOVED))
    edits = 0

    async def in_thread(function: Callable[[], T], /) -> T:
        nonlocal edits
        done = function()
        if world.server.calls[-1] == "chat.update" and not edits:
            edits += 1
            world.server.delete(world.server.messages[0].ts)
        return done

    world.worker = world.new_worker(in_thread)
    world.round(60)
    assert world.texts() == [[DOWN]]
    assert MOVED.text in str(world.server.messages[0].versions[0].blocks)
    assert world.told()


# --- events


def test_an_event_is_told_once(world: AlertWorld) -> None:
    """A message of its own, after new incidents and before edits; what is only an event stays in the database."""
    kept = world.keep(outage())
    world.round()
    world.keep(over(kept))
    world.happen()
    Store(world.engine).add_event(NOON, "service_started", "watch-1", "not for Slack")
    assert world.round() == RoundResult(delivered=3)
    assert world.round() == RoundResult()
    assert [texts[0] for texts in world.texts()] == [DOWN, PINNED]
    assert world.server.calls[1:3] == ["chat.postMessage", "chat.update"]


def test_old_events_are_not_told(world: AlertWorld) -> None:
    """The day Slack is configured, nobody wants to hear of last month's pins."""
    world.happen(at=NOON - timedelta(hours=25))
    world.happen(at=NOON - timedelta(hours=23))
    world.journal.skip_stale_alerts(NOON - timedelta(hours=24))
    assert world.round() == RoundResult(delivered=1)


def test_what_an_operator_typed_is_harmless(world: AlertWorld) -> None:
    """It mentions nobody, links nowhere, formats nothing, and fits."""
    world.happen("<!channel> *now* <https://evil.example|click> " + "x" * 10_000)
    assert world.round() == RoundResult(delivered=1)
    [message] = world.server.messages
    said = str(message.versions[0])
    assert "<!" not in said
    assert "<http" not in said
    assert "*now*" not in said
    assert len(said) < 4_000
