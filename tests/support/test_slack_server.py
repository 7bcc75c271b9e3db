"""The Slack-shaped server: what Slack would refuse, it refuses, or the tests that use it would prove little."""

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.support.slack_server import SlackServer

TOKEN = "xoxb-very-secret"


@pytest.fixture
def server() -> Iterator[SlackServer]:
    """A workspace with one channel, on loopback."""
    with SlackServer(token=TOKEN) as running:
        yield running


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


def refused(server: SlackServer, method: str, **arguments: object) -> str:
    """Slack's word for why it does not do this."""
    client = WebClient(token=TOKEN, base_url=server.url, retry_handlers=[])
    with pytest.raises(SlackApiError) as caught:
        client.api_call(method, json=arguments)
    return str(caught.value.response["error"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param({"metadata": "nonsense"}, "invalid_metadata_format", id="metadata that is no object"),
        pytest.param(
            {"metadata": {"event_type": "a b", "event_payload": {}}},
            "invalid_metadata_schema",
            id="a type with a space",
        ),
        pytest.param(
            {"metadata": {"event_type": "a", "event_payload": {"key": "x" * 9_000}}},
            "metadata_too_large",
            id="too much",
        ),
        pytest.param({"thread_ts": "1.000001"}, "thread_not_found", id="a thread that does not exist"),
    ],
)
def test_metadata_and_threads_are_checked(server: SlackServer, arguments: dict[str, object], code: str) -> None:
    """What would not be kept is refused."""
    assert refused(server, "chat.postMessage", channel="#llm-status", text="x", **arguments) == code
    assert server.everything == []


def test_scopes_and_membership_are_checked() -> None:
    """What the app was not given it cannot do."""
    with SlackServer(token=TOKEN, scopes=frozenset({"chat:write"})) as server:
        assert refused(server, "conversations.history", channel=server.channel_id) == "missing_scope"
        server.not_in.add(server.channel_id)
        assert refused(server, "chat.postMessage", channel="#llm-status", text="x") == "not_in_channel"
        assert refused(server, "chat.postMessage", channel="#elsewhere", text="x") == "channel_not_found"
        assert refused(server, "chat.update", channel="#llm-status", ts="1.1", text="x") == "channel_not_found"
        assert refused(server, "files.upload") == "unknown_method"


def test_the_rate_is_limited_in_each_channel() -> None:
    """One message a second; the next is told how long to wait, and one in another channel is not."""
    with SlackServer(token=TOKEN, others=["#oncall"], per_s=0.1) as server:
        client = WebClient(token=TOKEN, base_url=server.url, retry_handlers=[])
        client.chat_postMessage(channel="#llm-status", text="one")
        client.chat_postMessage(channel="#oncall", text="another")
        with pytest.raises(SlackApiError) as caught:
            client.chat_postMessage(channel="#llm-status", text="two")
        assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "1")
        assert len(server.messages) == 2
