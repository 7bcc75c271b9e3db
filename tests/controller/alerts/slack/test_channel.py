"""Slack: the real slack_sdk against a Slack-shaped server: what is sent, found again, and refused in which words."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.alerts.channel import DeliveryError, LookupImpossibleError
from controller.alerts.delivery import Action, Delivery, DeliveryKind, PlannedMessage, Receipt
from controller.alerts.slack.blocks import Message
from controller.alerts.slack.channel import SlackChannel
from monitor.config.alert_settings import SlackSettings
from monitor.config.settings import NetworkSettings
from probes.target import Secret
from tests.support.slack_server import Fault, FaultKind, SlackServer

NOW = datetime.now(UTC)
TOKEN = "xoxb-very-secret"
HELLO = Message(text="hello", blocks=({"type": "header", "text": {"type": "plain_text", "text": "Hello"}},))
EDITED = replace(HELLO, text="hello again")
KEY = "slack incident 7"


@pytest.fixture
def server() -> Iterator[SlackServer]:
    """A workspace with one channel, on loopback."""
    with SlackServer(token=TOKEN) as running:
        yield running


class Sender:
    """Slack's channel, asked by hand."""

    def __init__(self, slack: SlackSettings, **more: Any) -> None:
        self.channel = SlackChannel(slack, in_thread=asyncio.to_thread, **more)

    def post(self, message: PlannedMessage, begun_at: datetime = NOW) -> Receipt:
        return asyncio.run(self.channel.deliver(message, begun_at))

    def update(self, message: PlannedMessage) -> Receipt:
        return self.post(replace(message, action=Action.EDIT))

    def find(self, delivery: Delivery) -> Receipt | None:
        return asyncio.run(self.channel.find(delivery))


def sender(server: SlackServer, *, token: str = TOKEN, timeout_s: float = 5.0) -> Sender:
    """A sender for that server."""
    slack = SlackSettings(token=Secret(token), channel="#llm-status", api_url=server.url)
    return Sender(slack, timeout_s=timeout_s)


def webhook(server: SlackServer) -> Sender:
    """A sender by its incoming webhook."""
    return Sender(SlackSettings(webhook_url=Secret(server.webhook_url)))


def planned(message: Message = HELLO, channel: str = "#llm-status", **values: Any) -> PlannedMessage:
    """A message for that channel."""
    given = {"key": KEY, "kind": DeliveryKind.HEADLINE, **values}
    return PlannedMessage(message=lambda: message, channel=channel, **given)


def edited(posted: Receipt) -> PlannedMessage:
    """The edit of that message."""
    return planned(EDITED, posted.channel or "", ts=posted.ts)


def begun(channel: str = "#llm-status", *, at: datetime = NOW, thread: str | None = None) -> Delivery:
    """A delivery of which nobody knows whether it arrived."""
    return Delivery(key=KEY, kind=DeliveryKind.HEADLINE, begun_at=at, channel=channel, ts=thread)


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
    posted = slack.post(planned(), NOW)
    slack.update(edited(posted))
    (message,) = server.messages
    assert (message.channel, message.ts) == (posted.channel, posted.ts)
    assert [version.text for version in message.versions] == ["hello", "hello again"]
    assert message.versions[0].blocks == HELLO.blocks


@pytest.mark.slow
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
    error = failure(lambda: sender(server, timeout_s=0.3).post(planned(), NOW))
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
    error = failure(lambda: sender(server, token=token).post(planned(channel=channel), NOW))
    assert error.permanent
    assert error.code == code
    assert "alerts.slack." in str(error)


def test_nobody_listening_is_a_passing_fault() -> None:
    """A refused connection is said in the words of the system."""
    with SlackServer(token=TOKEN) as server:
        slack = sender(server)
    error = failure(lambda: slack.post(planned(), NOW))
    assert str(error) == "Slack could not be reached: Connection refused"
    assert not error.permanent


def test_a_token_that_no_header_can_hold_is_not_shown(server: SlackServer) -> None:
    """The HTTP library would quote the header, and with it the token."""
    error = failure(lambda: sender(server, token=f"{TOKEN}\nX").post(planned(), NOW))
    assert "check alerts.slack.token" in str(error)
    assert server.calls == []


def test_a_lost_reply_is_not_sent_again_by_the_library(server: SlackServer) -> None:
    """Only the worker tries again; the SDK's own retry would post twice behind its back."""
    server.fail(Fault(kind=FaultKind.LOST_REPLY))
    failure(lambda: sender(server).post(planned(), NOW))
    assert server.calls == ["chat.postMessage"]


def test_the_configured_proxy_is_used(server: SlackServer) -> None:
    """Where probes need a proxy to leave the machine, Slack does as well."""
    slack = SlackSettings(token=Secret(TOKEN), channel="#llm-status", api_url="http://slack.invalid/api/")
    proxy = server.url.removesuffix("/api/")
    assert Sender(slack, network=NetworkSettings(proxy=proxy)).post(planned(), NOW).channel == server.channel_id


def test_the_message_to_edit_may_be_gone(server: SlackServer) -> None:
    """Slack's words for a message that cannot be edited any more are passed on, for the worker to post it anew."""
    posted = sender(server).post(planned(), NOW)
    server.delete(posted.ts or "")
    assert failure(lambda: sender(server).update(edited(posted))).code == "message_not_found"
    old = Receipt(channel="C0LD", ts=posted.ts)
    assert failure(lambda: sender(server).update(edited(old))).code == "channel_not_found"


def test_a_reply_stands_in_its_thread(server: SlackServer) -> None:
    """It names the message that it answers, and is shown in the channel only where that is wanted."""
    slack = sender(server)
    parent = slack.post(planned(), NOW)
    slack.post(planned(EDITED, ts=parent.ts), NOW)
    slack.post(planned(EDITED, ts=parent.ts, broadcast=True), NOW)
    assert [bool(reply.post.get("reply_broadcast")) for reply in server.thread(parent.ts or "")] == [False, True]
    gone = planned(EDITED, ts="1.000001")
    assert failure(lambda: slack.post(gone, NOW)).code == "thread_not_found"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        pytest.param(Fault(kind=FaultKind.LOST_REPLY), True, id="the reply was lost"),
        pytest.param(Fault(kind=FaultKind.LATE_REPLY), True, id="the reply came too late"),
        pytest.param(Fault(kind=FaultKind.SERVER_ERROR), True, id="an error of Slack's own may come after the message"),
        pytest.param(Fault(kind=FaultKind.REFUSED, code="fatal_error"), True, id="and says so itself"),
        pytest.param(Fault(kind=FaultKind.RATE_LIMITED), False, id="too many messages"),
        pytest.param(Fault(kind=FaultKind.REFUSED, code="is_archived"), False, id="a clear no"),
    ],
)
def test_it_is_known_whether_slack_may_have_taken_it(server: SlackServer, fault: Fault, sent: bool) -> None:
    """Only what it certainly has not taken may be sent again unseen."""
    server.fail(fault)
    assert failure(lambda: sender(server, timeout_s=0.3).post(planned(), NOW)).maybe_arrived is sent


def test_a_message_is_found_by_its_stamp(server: SlackServer) -> None:
    """By the key and the time of that one sending, in the channel and in a thread, with what travels with it."""
    slack = sender(server)
    earlier = NOW - timedelta(seconds=1)
    first = slack.post(planned(receipt=Receipt(home=7)), NOW)
    reply = slack.post(planned(ts=first.ts), earlier)
    for asked in ("#llm-status", server.channel_id):
        found = slack.find(begun(asked))
        assert found is not None
        assert (found, found.home) == (first, 7)
    assert slack.find(begun(at=earlier)) is None, "a reply is not in the channel"
    assert slack.find(begun(at=earlier, thread=first.ts)) == reply


def test_a_channel_is_looked_up_by_its_name_once(server: SlackServer) -> None:
    """Slack looks by id only; the name of the configuration is listed, unless a message has told its id already."""
    slack = sender(server)
    assert slack.find(begun()) is None
    assert slack.find(begun("llm-status")) is None
    assert server.calls == ["conversations.list", "conversations.history", "conversations.history"]


@pytest.mark.slow
def test_looking_goes_page_by_page(server: SlackServer) -> None:
    """A message below many others is found all the same."""
    slack = sender(server)
    slack.post(planned(), NOW)
    for number in range(205):
        slack.post(planned(key=f"other {number}"), NOW)
    assert slack.find(begun()) is not None


@pytest.mark.parametrize(
    ("scopes", "not_in", "code"),
    [
        pytest.param({"chat:write"}, False, "missing_scope", id="without the scopes"),
        pytest.param({"chat:write", "channels:read", "channels:history"}, True, "not_in_channel", id="from outside"),
    ],
)
def test_what_cannot_be_looked_for(scopes: set[str], not_in: bool, code: str) -> None:
    """The bot says which scopes it needs, instead of never sending anything again."""
    with SlackServer(token=TOKEN, scopes=frozenset(scopes)) as server:
        if not_in:
            server.not_in.add(server.channel_id)
        with pytest.raises(LookupImpossibleError, match=rf"\({code}\).*channels:history"):
            sender(server).find(begun())


def test_a_passing_fault_while_looking_is_no_answer(server: SlackServer) -> None:
    """Then nobody knows, and nothing may be sent again yet; a refused token is no answer either."""
    for fault in (Fault(kind=FaultKind.SERVER_ERROR), Fault(kind=FaultKind.REFUSED, code="token_revoked")):
        server.fail(fault)
        failure(lambda: sender(server).find(begun("C0LLMSTATUS")))


def test_our_own_keys_are_masked(server: SlackServer) -> None:
    """Whatever text they come in, they do not leave, and neither does the token."""
    key = Secret("sk-our-own-0123456789")
    slack = Sender(SlackSettings(token=Secret(TOKEN), channel="#llm-status", api_url=server.url), secrets=[key])
    block = {"type": "section", "text": {"type": "mrkdwn", "text": f"it said {key.reveal()} and {TOKEN}"}}
    slack.post(planned(Message(text=f"key {key.reveal()}", blocks=(block,))), NOW)
    (version,) = server.messages[0].versions
    assert version.text == "key ***"
    assert version.blocks[0]["text"]["text"] == "it said *** and ***"


# --- by webhook


def test_a_webhook_posts(server: SlackServer) -> None:
    """Text and blocks arrive; it does not say where."""
    assert webhook(server).post(planned(), NOW) == Receipt()
    (message,) = server.messages
    assert (message.versions[0].text, message.versions[0].blocks) == (HELLO.text, HELLO.blocks)


def test_a_leader_says_its_epoch_by_webhook(server: SlackServer) -> None:
    """In a small line at the end: a webhook takes no metadata."""
    Sender(SlackSettings(webhook_url=Secret(server.webhook_url)), epoch=7).post(planned(), NOW)
    (message,) = server.messages
    *blocks, last = message.versions[0].blocks
    assert (blocks, last["elements"][0]["text"]) == (list(HELLO.blocks), "epoch 7")


@pytest.mark.parametrize(
    ("fault", "text", "permanent", "sent"),
    [
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="no_service"),
            "Slack refused the message (no_service): make a new webhook and set alerts.slack.webhook_url to its "
            "address",
            True,
            False,
            id="a webhook that was taken back",
        ),
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="invalid_blocks"),
            "Slack refused the message (invalid_blocks)",
            True,
            False,
            id="blocks that Slack does not take",
        ),
        pytest.param(
            Fault(kind=FaultKind.RATE_LIMITED, retry_after_s=7),
            "Slack limits our rate and asks to wait 7 s",
            False,
            False,
            id="too many messages",
        ),
        pytest.param(
            Fault(kind=FaultKind.LOST_REPLY),
            "Slack could not be reached: the connection broke (RemoteDisconnected)",
            False,
            True,
            id="a lost reply",
        ),
    ],
)
def test_a_webhook_s_faults(server: SlackServer, fault: Fault, text: str, permanent: bool, sent: bool) -> None:
    """In the same words as a bot's, and its address, which lets anybody post, is in none of them."""
    server.fail(fault)
    error = failure(lambda: webhook(server).post(planned(), NOW))
    assert "made-up-webhook" not in str(error)
    said = str(error) if fault.kind is not FaultKind.LOST_REPLY else text
    assert (said, error.permanent, error.maybe_arrived) == (text, permanent, sent)
