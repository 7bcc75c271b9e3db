"""Slack: the real slack_sdk against a Slack-shaped server, and the outbox that loses nothing."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from controller.demo.slack_server import Fault, FaultKind, SlackServer
from controller.incident import Affected, Happening, Incident, IncidentKind, RouteNow
from controller.journal import Journal
from controller.messages import Message, incident_message
from controller.outbox import Delivered, Outbox, Runs
from controller.slack import DeliveryError, Posted, SlackSender
from monitor.database import DatabaseError, open_writer
from monitor.health import Health
from monitor.settings import Network, Slack
from monitor.store import Store
from probes.target import Secret

T = TypeVar("T")

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOKEN = "xoxb-very-secret"
HELLO = Message(text="hello", blocks=({"type": "header", "text": {"type": "plain_text", "text": "Hello"}},))
EDITED = replace(HELLO, text="hello again")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine must not stand between the SDK and a server on loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[SlackServer]:
    """A workspace with one channel, on loopback."""
    with SlackServer(token=TOKEN) as running:
        yield running


def sender(
    server: SlackServer, *, token: str = TOKEN, channel: str = "#llm-status", timeout_s: float = 5.0
) -> SlackSender:
    """A sender for that server."""
    slack = Slack(token=Secret(token), channel=channel, api_url=server.url)
    return SlackSender(slack, timeout_s=timeout_s)


def failure(call: Callable[[], object]) -> DeliveryError:
    """The error that a delivery ends in."""
    with pytest.raises(DeliveryError) as caught:
        call()
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None, "a chained error may quote the request and its token"
    return caught.value


def test_post_and_edit(server: SlackServer) -> None:
    """A post stands in the channel, an edit changes that message and no other."""
    slack = sender(server)
    posted = slack.post(HELLO)
    assert slack.update(posted, EDITED) == posted
    (message,) = server.messages
    assert (message.channel, message.ts) == (posted.channel, posted.ts)
    assert [version.text for version in message.versions] == ["hello", "hello again"]
    assert message.versions[0].blocks == HELLO.blocks


def test_a_deleted_message_is_posted_anew(server: SlackServer) -> None:
    """What a person deleted cannot be edited; people are told all the same."""
    slack = sender(server)
    posted = slack.post(HELLO)
    server.delete(posted.ts)
    again = slack.update(posted, EDITED)
    assert again.ts != posted.ts
    assert [message.versions[-1].text for message in server.messages] == ["hello again"]


def test_a_message_of_another_channel_is_posted_anew(server: SlackServer) -> None:
    """After the channel was changed in the configuration, people are told in the new one."""
    again = sender(server).update(Posted(channel="C0LD", ts="1.1"), EDITED)
    assert again.channel == server.channel_id
    assert len(server.messages) == 1


@pytest.mark.parametrize(
    ("fault", "text", "permanent", "one_message", "retry_after_s"),
    [
        pytest.param(
            Fault(kind=FaultKind.RATE_LIMITED, retry_after_s=30),
            "Slack limits our rate and asks to wait 30 s",
            False,
            False,
            30.0,
            id="429 says how long to wait",
        ),
        pytest.param(
            Fault(kind=FaultKind.SERVER_ERROR), "Slack answered HTTP 500", False, False, None, id="500 passes"
        ),
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="internal_error"),
            "Slack refused the message (internal_error)",
            False,
            False,
            None,
            id="Slack's own trouble passes",
        ),
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="ratelimited"),
            "Slack limits our rate",
            False,
            False,
            None,
            id="a rate limit said in the body",
        ),
        pytest.param(
            Fault(kind=FaultKind.RESET),
            "Slack could not be reached: Connection reset by peer",
            False,
            False,
            None,
            id="a reset connection passes",
        ),
        pytest.param(
            Fault(kind=FaultKind.HANG),
            "Slack could not be reached: no answer in time",
            False,
            False,
            None,
            id="a silent server passes",
        ),
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="missing_scope"),
            "Slack refused the message (missing_scope): give the bot the scope chat:write and install the app again",
            True,
            False,
            None,
            id="a missing scope needs a person",
        ),
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="not_in_channel"),
            "Slack refused the message (not_in_channel): invite the bot to the channel, or give it the scope "
            "chat:write.public",
            True,
            False,
            None,
            id="an uninvited bot needs a person",
        ),
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="invalid_blocks"),
            "Slack refused the message (invalid_blocks)",
            True,
            True,
            None,
            id="blocks that Slack does not take are this message's fault",
        ),
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="<html>a portal</html>"),
            "something that is not Slack answered (HTTP 200): check alerts.slack.api_url and the proxy",
            False,
            False,
            None,
            id="an answer in other words is not Slack's and is not quoted",
        ),
    ],
)
def test_faults_are_told_apart(
    server: SlackServer, fault: Fault, text: str, permanent: bool, one_message: bool, retry_after_s: float | None
) -> None:
    """Each fault becomes one sentence, with whether and when trying again can help; nothing is tried twice."""
    server.fail(fault)
    error = failure(lambda: sender(server, timeout_s=0.3).post(HELLO))
    assert str(error) == text
    assert (error.permanent, error.one_message, error.retry_after_s) == (permanent, one_message, retry_after_s)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("token", "channel", "code"),
    [
        pytest.param("xoxb-wrong", "#llm-status", "invalid_auth", id="a wrong token"),
        pytest.param(TOKEN, "#elsewhere", "channel_not_found", id="a channel that does not exist"),
    ],
)
def test_configuration_faults_are_permanent(server: SlackServer, token: str, channel: str, code: str) -> None:
    """Slack's refusal says which setting to change."""
    error = failure(lambda: sender(server, token=token, channel=channel).post(HELLO))
    assert error.permanent
    assert error.code == code
    assert "alerts.slack." in str(error)


def test_nobody_listening_is_a_passing_fault() -> None:
    """A refused connection is said in the words of the system."""
    with SlackServer(token=TOKEN) as server:
        slack = sender(server)
    error = failure(lambda: slack.post(HELLO))
    assert str(error) == "Slack could not be reached: Connection refused"
    assert not error.permanent


def test_a_token_that_no_header_can_hold_is_not_shown(server: SlackServer) -> None:
    """The HTTP library would quote the header, and with it the token."""
    error = failure(lambda: sender(server, token=f"{TOKEN}\nX").post(HELLO))
    assert "check alerts.slack.token" in str(error)
    assert server.calls == []


def test_a_lost_reply_is_not_sent_again_by_the_library(server: SlackServer) -> None:
    """Only the outbox tries again; the SDK's own retry would post twice behind its back."""
    server.fail(Fault(kind=FaultKind.LOST_REPLY))
    failure(lambda: sender(server).post(HELLO))
    assert server.calls == ["chat.postMessage"]


def test_the_configured_proxy_is_used(server: SlackServer) -> None:
    """Where probes need a proxy to leave the machine, Slack does as well."""
    slack = Slack(token=Secret(TOKEN), channel="#llm-status", api_url="http://slack.invalid/api/")
    proxy = server.url.removesuffix("/api/")
    assert SlackSender(slack, network=Network(proxy=proxy)).post(HELLO).channel == server.channel_id


# --- the server itself: what Slack would refuse, it refuses


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param({"channel": "#llm-status"}, "no_text", id="an empty message"),
        pytest.param(
            {"channel": "#llm-status", "text": "x", "blocks": [{"type": "divider"}] * 51},
            "invalid_blocks",
            id="51 blocks",
        ),
        pytest.param(
            {
                "channel": "#llm-status",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}],
            },
            "invalid_blocks",
            id="a section past 3,000 characters",
        ),
        pytest.param(
            {
                "channel": "#llm-status",
                "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            },
            "invalid_blocks",
            id="a header past 150 characters",
        ),
        pytest.param(
            {
                "channel": "#llm-status",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2_900}}] * 4,
            },
            "msg_blocks_too_long",
            id="blocks past 10,000 characters together",
        ),
        pytest.param(
            {"channel": "#llm-status", "blocks": "nonsense"}, "invalid_blocks_format", id="blocks that are no list"
        ),
    ],
)
def test_the_server_checks_what_slack_checks(server: SlackServer, arguments: dict[str, object], code: str) -> None:
    """A message past Slack's limits does not pass here either, or the tests above would prove little."""
    client = WebClient(token=TOKEN, base_url=server.url, retry_handlers=[])
    with pytest.raises(SlackApiError) as refused:
        client.api_call("chat.postMessage", json=arguments)
    assert refused.value.response["error"] == code
    assert server.messages == []


def test_the_server_takes_forms_and_knows_its_caller(server: SlackServer) -> None:
    """Form bodies work as well as JSON; auth.test answers."""
    client = WebClient(token=TOKEN, base_url=server.url, retry_handlers=[])
    assert client.auth_test()["ok"]
    client.api_call("chat.postMessage", params={"channel": "llm-status", "text": "a form"})
    assert [message.versions[0].text for message in server.messages] == ["a form"]


# --- the outbox


class LockedJournal(Journal):
    """A journal that is locked by someone else the next time that a delivery is to be noted."""

    locked = False

    def told(self, incident_id: int, *, revision: int, channel: str, ts: str) -> None:
        if self.locked:
            self.locked = False
            raise DatabaseError("database is locked")
        super().told(incident_id, revision=revision, channel=channel, ts=ts)


class Desk:
    """A journal on disk, a Slack server, a clock that is set by hand, and the outbox between them."""

    def __init__(self, folder: Path, server: SlackServer) -> None:
        self.engine = open_writer(f"sqlite:///{folder}/hotspare.db")
        self.journal = LockedJournal(self.engine)
        self.server = server
        self.now_s = 0.0
        self.restart()

    def restart(self) -> None:
        """A new outbox that knows nothing but the journal."""
        self.outbox = self.new_outbox(asyncio.to_thread)

    def new_outbox(self, in_thread: Runs) -> Outbox:
        """An outbox that calls Slack this way."""
        return Outbox(
            self.journal,
            sender(self.server, timeout_s=1.0),
            in_database=self._in_database,
            in_thread=in_thread,
            clock=lambda: NOON,
            monotonic=lambda: self.now_s,
        )

    async def _in_database(self, function: Callable[[], T], /) -> T:
        return function()

    def keep(self, incident: Incident) -> Incident:
        """Journal an incident as the cycle does."""
        (kept,) = self.journal.commit([], [incident])
        return kept

    def happen(self, text: str = "ana pinned chat", *, at: datetime = NOON) -> None:
        """Journal an event that people must be told of."""
        Store(self.engine).add_event(at, "pinned", "chat", text, tell=True)

    def round(self, at_s: float = 0.0) -> Delivered:
        """One round at this second."""
        self.now_s = at_s
        return asyncio.run(self.outbox.deliver_once())

    def texts(self) -> list[list[str]]:
        """The first line of every version of every message that stands in Slack."""
        return [[version.text.splitlines()[0] for version in message.versions] for message in self.server.messages]


@pytest.fixture
def desk(tmp_path: Path, server: SlackServer) -> Iterator[Desk]:
    """A desk with an empty journal."""
    desk = Desk(tmp_path, server)
    yield desk
    desk.engine.dispose()


def outage(provider: str = "openai") -> Incident:
    """A model of this provider is down."""
    reason = f"{provider}/m is down: 9 of 14 probes failed in 41 s (server_error)"
    return Incident(
        id=0,
        provider=provider,
        kind=IncidentKind.OUTAGE,
        opened_at=NOON,
        affected=(Affected(target=f"{provider}/m", health=Health.DOWN, since=NOON, reason=reason),),
        timeline=(Happening(at=NOON, text=reason),),
        routes=(RouteNow(route="chat", target="anthropic/h"),),
    )


def over(incident: Incident) -> Incident:
    """The same, resolved."""
    well = replace(incident.affected[0], health=Health.UP)
    end = NOON + timedelta(minutes=12)
    return replace(incident, affected=(well,), resolved_at=end, revision=incident.revision + 1)


DOWN = "🔴 openai/m is down"
OVER = "✅ Resolved after 12 min: openai/m is up again"
RESET = Fault(kind=FaultKind.RESET)


def test_an_incident_is_one_message_edited_at_its_end(desk: Desk) -> None:
    """Opened, told; resolved, the same message edited; then nothing more to do."""
    incident = desk.keep(outage())
    assert desk.round() == Delivered(told=1)
    assert desk.round() == Delivered()
    desk.keep(over(incident))
    assert desk.round() == Delivered(told=1)
    assert desk.texts() == [[DOWN, OVER]]
    assert desk.journal.undelivered() == []


def test_the_posted_message_is_what_the_incident_says(desk: Desk) -> None:
    """Slack holds exactly the words that messages.py wrote."""
    incident = desk.keep(outage())
    desk.round()
    message = incident_message(incident, now=NOON)
    (standing,) = desk.server.messages
    assert (standing.versions[0].text, standing.versions[0].blocks) == (message.text, message.blocks)


def test_after_an_outage_of_slack_the_newest_state_arrives_once(desk: Desk) -> None:
    """What opened and ended while Slack was away is one message with the end, not two; waits double meanwhile."""
    desk.server.fail(*[RESET] * 3)
    incident = desk.keep(outage())
    assert desk.round(at_s=0) == Delivered(failed=1)
    assert desk.round(at_s=0.9) == Delivered()
    assert desk.round(at_s=1) == Delivered(failed=1)
    desk.keep(over(incident))
    assert desk.round(at_s=2.9) == Delivered()
    assert desk.round(at_s=3) == Delivered(failed=1)
    (waiting,) = desk.journal.undelivered()
    assert waiting.error == "Slack could not be reached: Connection reset by peer"
    assert desk.round(at_s=7) == Delivered(told=1)
    assert desk.texts() == [[OVER]]


def test_waits_are_at_most_a_minute_and_start_anew_after_a_success(desk: Desk) -> None:
    """After an hour without Slack, it is noticed within a minute that Slack is back."""
    desk.server.fail(*[RESET] * 10)
    incident = desk.keep(outage())
    at_s = 0.0
    for wait_s in [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]:
        assert desk.round(at_s) == Delivered(failed=1)
        assert desk.round(at_s + wait_s - 0.1) == Delivered()
        at_s += wait_s
    assert desk.round(at_s) == Delivered(told=1)
    desk.server.fail(RESET)
    desk.keep(over(incident))
    assert desk.round(at_s) == Delivered(failed=1)
    assert desk.round(at_s + 1) == Delivered(told=1)


def test_undelivered_messages_survive_a_restart(desk: Desk) -> None:
    """The journal, not the memory, says what people must still be told, and which message to edit."""
    told = desk.keep(outage("gemini"))
    desk.round()
    desk.server.fail(RESET)
    desk.keep(outage())
    desk.keep(over(told))
    assert desk.round().failed == 1
    desk.restart()
    assert desk.round() == Delivered(told=2)
    assert desk.texts() == [["🔴 gemini/m is down", "✅ Resolved after 12 min: gemini/m is up again"], [DOWN]]


def test_retry_after_is_honoured(desk: Desk) -> None:
    """When Slack asks for 90 s it gets 90 s, for every message."""
    desk.server.fail(Fault(kind=FaultKind.RATE_LIMITED, retry_after_s=90))
    desk.keep(outage())
    desk.keep(outage("gemini"))
    assert desk.round(at_s=0) == Delivered(failed=1)
    assert desk.round(at_s=89.9) == Delivered()
    assert len(desk.server.calls) == 1
    assert desk.round(at_s=90) == Delivered(told=2)


def test_one_refused_message_holds_up_no_other(desk: Desk) -> None:
    """A fault of one message is tried again after a minute; the others arrive at once."""
    desk.server.fail(Fault(kind=FaultKind.REFUSED, code="invalid_blocks"))
    desk.keep(outage())
    desk.keep(outage("gemini"))
    assert desk.round(at_s=0) == Delivered(told=1, failed=1)
    assert desk.texts() == [["🔴 gemini/m is down"]]
    assert desk.round(at_s=59) == Delivered()
    assert desk.round(at_s=60) == Delivered(told=1)


def test_a_refused_token_is_asked_for_once_a_minute(desk: Desk) -> None:
    """What only a person can put right is not hammered, and the journal says what it is."""
    desk.server.fail(Fault(kind=FaultKind.REFUSED, code="token_revoked"))
    desk.keep(outage())
    desk.keep(outage("gemini"))
    assert desk.round(at_s=0) == Delivered(failed=1)
    assert "token_revoked" in (desk.journal.undelivered()[0].error or "")
    assert desk.round(at_s=59) == Delivered()
    assert desk.round(at_s=60) == Delivered(told=2)


def test_a_journal_that_cannot_note_the_delivery_does_not_double_it(desk: Desk) -> None:
    """When Slack took the message and the database was locked, the next round edits that message."""
    desk.journal.locked = True
    desk.keep(outage())
    with pytest.raises(DatabaseError):
        desk.round()
    assert desk.round() == Delivered(told=1)
    assert desk.texts() == [[DOWN, DOWN]]


def test_a_change_while_telling_is_told_next(desk: Desk) -> None:
    """A revision that came while the former one was on its way to Slack is not taken for told."""
    incident = desk.keep(outage())
    (item,) = desk.journal.undelivered()
    desk.keep(over(incident))
    desk.journal.told(item.incident.id, revision=item.incident.revision, channel="C0LD", ts="1.1")
    assert desk.round() == Delivered(told=1)
    assert desk.texts() == [[OVER]]


def test_the_loop_tells_and_stops(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Running as the service runs it: what is journalled arrives, a locked database is survived, stop ends it."""
    caplog.set_level(logging.INFO, logger="controller.outbox")
    desk.journal.locked = True
    desk.keep(outage())

    async def until_told() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(desk.outbox.run(stop))
        while desk.journal.undelivered():
            desk.now_s += 1
            await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(until_told())
    assert desk.texts() == [[DOWN, DOWN]]
    assert "outbox_not_read" in caplog.text
    assert "incident_told incident=1 revision=1" in caplog.text


def test_cancelling_notes_what_slack_already_took(desk: Desk) -> None:
    """A service that stops while a message is on its way does not send it again after the restart."""
    desk.keep(outage())

    async def cancel_under_way() -> None:
        under_way = asyncio.Event()

        async def in_thread(function: Callable[[], T], /) -> T:
            under_way.set()
            return await asyncio.to_thread(function)

        telling = asyncio.create_task(desk.new_outbox(in_thread).deliver_once())
        await under_way.wait()
        telling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await telling

    asyncio.run(cancel_under_way())
    assert desk.journal.undelivered() == []
    assert desk.texts() == [[DOWN]]


PINNED = "✋ Pinned: chat"


def test_an_event_is_told_once(desk: Desk) -> None:
    """A message of its own, after new incidents and before edits; what is only an event stays in the database."""
    kept = desk.keep(outage())
    desk.round()
    desk.keep(over(kept))
    desk.happen()
    Store(desk.engine).add_event(NOON, "service_started", "watch-1", "not for Slack")
    desk.keep(outage("gemini"))
    assert desk.round() == Delivered(told=3)
    assert desk.round() == Delivered()
    assert [texts[0] for texts in desk.texts()] == [DOWN, "🔴 gemini/m is down", PINNED]
    assert desk.server.calls[-1] == "chat.update"


def test_an_event_survives_faults_and_restarts(desk: Desk) -> None:
    """It is told when Slack is back; one that Slack refuses holds up no other, and the database says why."""
    desk.server.fail(Fault(kind=FaultKind.SERVER_ERROR))
    desk.happen()
    assert desk.round(at_s=0) == Delivered(failed=1)
    desk.restart()
    desk.server.fail(Fault(kind=FaultKind.REFUSED, code="invalid_blocks"))
    desk.happen("bob pinned chat")
    assert desk.round(at_s=0) == Delivered(told=1, failed=1)
    with desk.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT telling, delivery_error FROM events ORDER BY id").all()
    assert [tuple(row) for row in rows] == [("due", "Slack refused the message (invalid_blocks)"), ("told", None)]
    assert desk.round(at_s=60) == Delivered(told=1)


def test_old_events_are_not_told(desk: Desk) -> None:
    """The day Slack is configured, nobody wants to hear of last month's pins."""
    desk.happen(at=NOON - timedelta(hours=25))
    desk.happen(at=NOON - timedelta(hours=23))
    desk.journal.forget_untold(NOON - timedelta(hours=24))
    assert desk.round() == Delivered(told=1)


def test_what_an_operator_typed_is_harmless(desk: Desk) -> None:
    """It mentions nobody, links nowhere, formats nothing, and fits."""
    desk.happen("<!channel> *now* <https://evil.example|click> " + "x" * 10_000)
    assert desk.round() == Delivered(told=1)
    [message] = desk.server.messages
    said = str(message.versions[0])
    assert "<!" not in said
    assert "<http" not in said
    assert "*now*" not in said
    assert len(said) < 4_000
