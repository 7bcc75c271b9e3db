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
from controller.alerts.delivery_worker import RoundResult
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.message_input import SINK
from controller.incidents.incident import EntryKind, TimelineEntry
from monitor.storage.database import DatabaseError
from monitor.storage.store import Store
from tests.support.alert_world import NOON, TOKEN, Desk, changed, misconfigured, outage, over
from tests.support.slack_server import Fault, FaultKind, SlackServer
from tests.support.untold import untold_incidents

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
def desk(tmp_path: Path, server: SlackServer) -> Iterator[Desk]:
    """A desk with an empty journal."""
    desk = Desk(tmp_path, server)
    yield desk
    desk.engine.dispose()


def test_one_outage_from_start_to_end(desk: Desk) -> None:
    """One message, edited to stay true; its thread tells what happened since, and at the end how long it took."""
    incident = desk.keep(outage())
    assert desk.round(1) == RoundResult(delivered=1)
    assert desk.round(2) == RoundResult()
    incident = desk.keep(changed(incident, MOVED))
    assert desk.round(42) == RoundResult(delivered=2)
    desk.journal.comments.note(incident.id, "I called them", author="ana", at=desk.now)
    desk.round(300)
    stored = desk.journal.incident(incident.id)
    assert stored is not None
    desk.keep(over(replace(stored, on_failing_s=(("chat", 41.0),))))
    assert desk.round(721) == RoundResult(delivered=2)
    assert desk.texts() == [[DOWN, DOWN, DOWN, OVER]]
    assert desk.replies() == [
        "🔀 `12:00:41` Route chat moved from openai/m to azure/h",
        "📝 `12:00:42` ana: I called them",
        (
            f"*{OVER}*\nIt is over. Nobody has to act.\n"
            "It ended at `12:12:00`.\n"
            "The first route moved 41 s after the opening.\n"
            "Time that routes pointed at a failing target: `chat` 41 s (6%).\n"
            "Only the applications know how many requests failed meanwhile."
        ),
    ]
    assert desk.round(722) == RoundResult()
    assert desk.told()


def test_the_posted_message_is_what_the_incident_says(desk: Desk) -> None:
    """Slack holds exactly the words that messages.py wrote."""
    incident = desk.keep(outage())
    desk.round()
    message = incident_headline(incident, now=NOON)
    (standing,) = desk.server.messages
    assert (standing.versions[0].text, standing.versions[0].blocks) == (message.text, message.blocks)


def test_lines_that_are_due_at_once_are_one_reply(desk: Desk) -> None:
    """In their order, each with its clock."""
    incident = desk.keep(outage())
    desk.round()
    lines = [
        TimelineEntry(at=NOON + timedelta(seconds=i), text=f"line {i}", kind=EntryKind.HEALTH) for i in range(1, 4)
    ]
    desk.keep(changed(incident, *lines))
    assert desk.round() == RoundResult(delivered=2)
    assert desk.replies() == ["\n".join(f"🩺 `12:00:0{i}` line {i}" for i in range(1, 4))]


def test_a_second_provider_is_told_under_the_first(desk: Desk) -> None:
    """One headline that names both, one thread; it stands until both are over, and is called out when it joins late."""
    first = desk.keep(outage())
    desk.round()
    second = desk.keep(outage("gemini", at=NOON + timedelta(minutes=9)))
    assert second.lead_id == first.id
    assert desk.round(541) == RoundResult(delivered=2)
    assert desk.texts() == [[DOWN, DOWN]]
    assert "Also failing: 🔴 gemini/m is down (incident 2)" in str(desk.server.messages[0].versions[-1].blocks)
    desk.keep(over(first))
    desk.round(721)
    assert desk.texts()[0][-1] == GEMINI, "what is still open leads"
    desk.keep(over(second, at=NOON + timedelta(minutes=20)))
    desk.round(1201)
    assert desk.texts()[0][-1] == OVER
    assert [reply.splitlines()[0] for reply in desk.replies()] == [
        "*gemini, incident 2*",
        "*openai, incident 1*",
        "*gemini, incident 2*",
    ]
    assert [one.broadcast for one in desk.server.thread(desk.server.messages[0].ts)] == [True, False, False]
    assert desk.told()


def test_two_incidents_keep_their_orders(desk: Desk) -> None:
    """Interleaved, and with Slack failing now and then: each headline before its replies, each reply once, in order."""
    kept = [desk.keep(outage()), desk.keep(misconfigured("gemini"))]
    for step in range(1, 9):
        desk.server.fail(*([RESET, LOST, Fault(kind=FaultKind.SERVER_ERROR)][step % 3 :]))
        line = TimelineEntry(at=NOON + timedelta(minutes=step), text=f"line {step}", kind=EntryKind.HEALTH)
        kept[step % 2] = desk.keep(changed(kept[step % 2], line))
        desk.round(step * 60.0)
    for again in range(20):
        desk.round(600.0 + again * 60)
    assert len(desk.server.messages) == 2
    for number, expected in ((0, (2, 4, 6, 8)), (1, (1, 3, 5, 7))):
        (standing,) = [one for one in desk.server.messages if ("openai" in one.versions[0].text) == (number == 0)]
        thread = "\n".join(str(one.versions[0].blocks) for one in desk.server.thread(standing.ts))
        whole = str(standing.versions[0].blocks) + thread
        places = [whole.find(f"line {step}") for step in expected]
        assert -1 not in places
        assert places == sorted(places)
        assert [whole.count(f"line {step}") for step in expected] == [1] * 4
    assert desk.told()


# --- Slack that fails


def test_an_hour_without_slack(desk: Desk) -> None:
    """What is still true arrives once: what is over as one message that says so, what is open in its present state."""
    desk.server.fail(*[RESET] * 200)
    passed = desk.keep(outage())
    assert desk.round(0) == RoundResult(failed=1)
    desk.keep(over(passed))
    desk.happen()
    still = desk.keep(outage("gemini", at=NOON + timedelta(minutes=20)))
    desk.keep(changed(still, replace(MOVED, at=NOON + timedelta(minutes=21))))
    for minute in range(1, 61):
        desk.round(minute * 60.0)
    assert desk.server.everything == []
    desk.server.recover()
    desk.round(3700)
    assert desk.texts() == [[GEMINI], [OVER], [PINNED]]
    said = [message.versions[0].text for message in desk.server.messages]
    assert "Opened 12:20 while Slack was unreachable." in said[0]
    assert "Opened 12:00, resolved 12:12 while Slack was unreachable." in said[1]
    assert len(desk.server.everything) == 3, "nothing is told again in a thread"
    assert desk.told()


def test_much_that_passed_without_slack_is_one_message(desk: Desk) -> None:
    """Twelve incidents and twelve notices of an hour without Slack are two messages, not twenty-four."""
    desk.server.fail(*[RESET] * 200)
    desk.round(0)
    for number in range(12):
        at = NOON + timedelta(minutes=4 * number)
        desk.keep(over(desk.keep(outage(f"p{number}", at=at)), at=at + timedelta(minutes=3)))
        desk.happen(f"ana did something {number}", at=at)
        desk.round(at_s=4 * 60.0 * number + 200)
    desk.server.recover()
    desk.round(3600)
    assert [texts[-1] for texts in desk.texts()] == [
        "✅ 12 incidents came and went while Slack was unreachable",
        "🔔 12 notices while Slack was unreachable",
    ]
    said = str(desk.server.messages[0].versions[0].blocks)
    assert all(f"outage of p{number} (p{number}/m), 3 min" in said for number in range(12))
    assert desk.told()


def test_waits_double_up_to_a_minute_and_start_anew_after_a_success(desk: Desk) -> None:
    """A long outage of Slack costs one call a minute; the next fault waits a second again."""
    desk.server.fail(*[RESET] * 8)
    incident = desk.keep(outage())
    due = [0, 1, 3, 7, 15, 31, 63, 123]
    for at_s in due:
        assert at_s == 0 or desk.round(at_s - 0.1) == RoundResult()
        assert desk.round(at_s) == RoundResult(failed=1)
    assert desk.round(183) == RoundResult(delivered=1)
    desk.server.fail(RESET)
    desk.keep(over(incident))
    assert desk.round(200) == RoundResult(failed=1)
    assert desk.round(201) == RoundResult(delivered=2)


def test_retry_after_is_honoured(desk: Desk) -> None:
    """When Slack asks for 90 s it gets 90 s, for every message; what it refused so needs no looking for."""
    desk.server.fail(Fault(kind=FaultKind.RATE_LIMITED, retry_after_s=90))
    desk.keep(outage())
    desk.happen()
    assert desk.round(0) == RoundResult(failed=1)
    assert desk.round(89.9) == RoundResult()
    assert len(desk.server.calls) == 1
    assert desk.round(90) == RoundResult(delivered=2)
    assert set(desk.server.calls) == {"chat.postMessage"}


def test_a_rate_limit_of_the_channel_loses_nothing(tmp_path: Path) -> None:
    """One message a second: those that come too soon are sent after what Slack asks for."""
    with SlackServer(token=TOKEN, per_s=20.0) as server:
        desk = Desk(tmp_path, server)
        for number in range(4):
            desk.happen(f"event {number}")
        while not desk.told():
            desk.round(desk.at_s + 1)
        desk.engine.dispose()
        assert [str(message.versions[0].text).count("event") for message in server.messages] == [1] * 4


def test_one_refused_message_holds_up_no_other(desk: Desk) -> None:
    """A fault of one message is tried again after a minute; the others arrive at once."""
    desk.server.fail(Fault(kind=FaultKind.REFUSED, code="invalid_blocks"))
    desk.keep(outage())
    desk.happen()
    assert desk.round(0) == RoundResult(delivered=1, failed=1)
    assert desk.texts() == [[PINNED]]
    assert desk.round(59) == RoundResult()
    assert desk.round(60) == RoundResult(delivered=1)


def test_a_refused_token_is_asked_for_once_a_minute(desk: Desk) -> None:
    """What only a person can put right is not hammered, and the database says what it is until it works."""
    desk.server.fail(Fault(kind=FaultKind.REFUSED, code="token_revoked"))
    desk.keep(outage())
    desk.happen()
    assert desk.round(0) == RoundResult(failed=1)
    assert "token_revoked" in (untold_incidents(desk.journal)[0].delivery_error or "")
    deliveries = DeliveryStore(desk.engine, SINK)
    state = deliveries.state()
    assert state is not None
    assert "token_revoked" in state.error
    assert desk.round(59) == RoundResult()
    assert desk.round(60) == RoundResult(delivered=2)
    assert deliveries.failing() == []


# --- nothing doubled


@pytest.mark.slow
@pytest.mark.parametrize("kind", [FaultKind.LOST_REPLY, FaultKind.LATE_REPLY])
def test_a_lost_reply_doubles_nothing(desk: Desk, kind: FaultKind) -> None:
    """What Slack took without our hearing of it is found there, and not sent again: headline, reply, and notice."""
    lost = Fault(kind=kind)
    desk.server.fail(lost)
    incident = desk.keep(outage())
    desk.round(0)
    desk.round(2)
    assert desk.texts() == [[DOWN]]
    desk.keep(changed(incident, MOVED))
    desk.happen()
    desk.server.fail(lost)
    for at_s in (10.0, 12.0, 20.0):
        desk.round(at_s)
    desk.server.fail(Fault(kind=FaultKind.RATE_LIMITED))
    desk.keep(over(changed(incident, MOVED)))
    for at_s in (730.0, 740.0, 750.0):
        desk.round(at_s)
    assert [texts[-1] for texts in desk.texts()] == [OVER, PINNED]
    assert len(desk.replies()) == 2
    assert desk.told()


def test_what_slack_did_not_take_is_sent_again(desk: Desk) -> None:
    """A reset before Slack looked at it: it is looked for, not found, and posted."""
    desk.server.fail(RESET)
    desk.keep(outage())
    desk.round(0)
    assert desk.round(1) == RoundResult(delivered=1)
    assert desk.server.calls[1:] == ["conversations.list", "conversations.history", "chat.postMessage"]


def test_where_slack_does_not_let_us_look_it_is_sent_again(tmp_path: Path) -> None:
    """Rather twice than never; and that it may come twice is kept for the page and `status`."""
    with SlackServer(token=TOKEN, scopes=frozenset({"chat:write"})) as server:
        desk = Desk(tmp_path, server)
        server.fail(LOST)
        desk.keep(outage())
        desk.round(0)
        desk.round(1)
        assert desk.texts() == [[DOWN], [DOWN]]
        assert DeliveryStore(desk.engine, SINK).failing() == ["lookup"]
        desk.keep(changed(desk.journal.open_incidents()[0], MOVED))
        desk.round(2)
        assert [len(texts) for texts in desk.texts()] == [1, 2], "one of them is kept true"
        desk.engine.dispose()


class Dead(BaseException):
    """The machine loses power: nothing that comes after is done."""


@pytest.mark.slow
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


def test_dying_at_any_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Whatever the database or Slack did last, the next process goes on from there."""
    for steps in range(100):
        folder = tmp_path / str(steps)
        folder.mkdir()
        with SlackServer(token=TOKEN) as server:
            desk = Desk(folder, server)
            died = one_outage(desk, PowerCut(steps))
            desk.engine.dispose()
        assert [texts[0] for texts in desk.texts()] == [DOWN, PINNED], steps
        assert desk.texts()[0][-1] == OVER
        thread = "\n".join(desk.replies())
        assert (thread.count(MOVED.text), thread.count("It is over")) == (1, 1), steps
        if not died:
            assert steps > 20
            return
    pytest.fail("it takes more steps than these")


def one_outage(desk: Desk, cut: PowerCut) -> bool:
    """An outage and a pin, told as they happen by one process and, when it has died, by another; says if it has."""

    async def risky(function: Callable[[], T], /) -> T:
        return cut.step(function)

    desk.worker = desk.new_worker(risky, risky)
    died = False
    incident = outage()
    for stage in range(3):
        incident = desk.keep([incident, changed(incident, MOVED), over(changed(incident))][stage])
        if stage == 1:
            desk.happen()
        try:
            desk.round(stage * 300.0)
        except Dead:
            died = True
            desk.restart()
            desk.round()
    assert desk.told()
    return died


def test_cancelling_notes_what_slack_already_took(desk: Desk) -> None:
    """A service that stops while a message is on its way does not even have to look for it after the restart."""
    desk.keep(outage())

    async def cancel_under_way() -> None:
        under_way = asyncio.Event()

        async def in_thread(function: Callable[[], T], /) -> T:
            under_way.set()
            return await asyncio.to_thread(function)

        telling = asyncio.create_task(desk.new_worker(in_thread).deliver_once())
        await under_way.wait()
        telling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await telling

    asyncio.run(cancel_under_way())
    assert desk.told()
    assert desk.texts() == [[DOWN]]


def test_the_loop_tells_and_stops(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Running as the service runs it: what is journalled arrives, a locked database is survived, stop ends it."""
    caplog.set_level(logging.INFO, logger="controller.alerts.delivery_worker")
    desk.keep(outage())
    locked = [True]

    async def in_database(function: Callable[[], T], /) -> T:
        if locked.pop() if locked else False:
            raise DatabaseError("database is locked")
        return function()

    async def until_told() -> None:
        stop = asyncio.Event()
        worker = desk.new_worker(asyncio.to_thread, in_database)
        running = asyncio.create_task(worker.run(stop))
        while not desk.told():
            desk.at_s += 1
            await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(until_told())
    assert desk.texts() == [[DOWN]]
    assert "outbox_not_read" in caplog.text
    assert "slack_told key='slack incident 1'" in caplog.text


# --- what people do to messages


def test_a_deleted_message_comes_back(desk: Desk) -> None:
    """With the next change, as a new message that is kept true from then on."""
    incident = desk.keep(outage())
    desk.round()
    desk.server.delete(desk.server.messages[0].ts)
    incident = desk.keep(changed(incident, MOVED))
    desk.round(60)
    assert desk.texts() == [[DOWN]]
    desk.keep(over(incident))
    desk.round(721)
    assert desk.texts() == [[DOWN, OVER]]
    assert desk.told()


def test_a_deleted_message_is_missed_by_a_reply_too(desk: Desk) -> None:
    """Edited, then deleted before the reply: what the reply would say is in the new message."""
    incident = desk.keep(outage())
    desk.round()
    incident = desk.keep(changed(incident, MOVED))
    edits = 0

    async def in_thread(function: Callable[[], T], /) -> T:
        nonlocal edits
        done = function()
        if desk.server.calls[-1] == "chat.update" and not edits:
            edits += 1
            desk.server.delete(desk.server.messages[0].ts)
        return done

    desk.worker = desk.new_worker(in_thread)
    desk.round(60)
    assert desk.texts() == [[DOWN]]
    assert MOVED.text in str(desk.server.messages[0].versions[0].blocks)
    assert desk.told()


# --- events


def test_an_event_is_told_once(desk: Desk) -> None:
    """A message of its own, after new incidents and before edits; what is only an event stays in the database."""
    kept = desk.keep(outage())
    desk.round()
    desk.keep(over(kept))
    desk.happen()
    Store(desk.engine).add_event(NOON, "service_started", "watch-1", "not for Slack")
    assert desk.round() == RoundResult(delivered=3)
    assert desk.round() == RoundResult()
    assert [texts[0] for texts in desk.texts()] == [DOWN, PINNED]
    assert desk.server.calls[1:3] == ["chat.postMessage", "chat.update"]


def test_old_events_are_not_told(desk: Desk) -> None:
    """The day Slack is configured, nobody wants to hear of last month's pins."""
    desk.happen(at=NOON - timedelta(hours=25))
    desk.happen(at=NOON - timedelta(hours=23))
    desk.journal.skip_stale_alerts(NOON - timedelta(hours=24))
    assert desk.round() == RoundResult(delivered=1)


def test_what_an_operator_typed_is_harmless(desk: Desk) -> None:
    """It mentions nobody, links nowhere, formats nothing, and fits."""
    desk.happen("<!channel> *now* <https://evil.example|click> " + "x" * 10_000)
    assert desk.round() == RoundResult(delivered=1)
    [message] = desk.server.messages
    said = str(message.versions[0])
    assert "<!" not in said
    assert "<http" not in said
    assert "*now*" not in said
    assert len(said) < 4_000
