"""Delivers messages to Slack; the only place that knows slack_sdk, and that turns its errors into ours."""

import logging
import re
import ssl
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from controller.messages import Message
from monitor.settings import Network, Slack

TIMEOUT_S = 10.0

_TOKEN = "set alerts.slack.token to the bot token (xoxb-…) of an installed app"  # noqa: S105 - advice, not a token
_CHANNEL = "check alerts.slack.channel"

#: What Slack says when it would take no message of ours at all until a person acts, and what that person should do.
_ADVICE = {
    "access_denied": _TOKEN,
    "account_inactive": _TOKEN,
    "invalid_auth": _TOKEN,
    "not_allowed_token_type": _TOKEN,
    "not_authed": _TOKEN,
    "token_expired": _TOKEN,
    "token_revoked": _TOKEN,
    "no_permission": "give the bot the scope chat:write and install the app again",
    "missing_scope": "give the bot the scope chat:write and install the app again",
    "channel_not_found": f"{_CHANNEL}, and invite the bot when the channel is private",
    "is_archived": f"{_CHANNEL}: the channel is archived",
    "not_in_channel": "invite the bot to the channel, or give it the scope chat:write.public",
    "restricted_action": "the workspace does not let the bot post there: ask its administrator",
}

#: Trouble of Slack's own, which passes. Every other word is about this message, and holds until something changes.
_PASSING = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"})

#: The message that should be edited cannot be reached (deleted, or of an earlier app or channel): a new one can.
_GONE = frozenset(
    {
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "is_archived",
        "message_not_found",
        "not_in_channel",
    }
)

_CODE = re.compile(r"[a-z_]{1,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Where a message stands."""

    channel: str
    """Slack's id of the channel, which edits need; not its name."""
    ts: str
    """Slack's id of the message in that channel."""


class DeliveryError(Exception):
    """Slack did not take a message. The text is one sentence for people, without the token."""

    def __init__(
        self,
        text: str,
        *,
        code: str = "",
        permanent: bool = False,
        one_message: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        """Slack's own word, such as `invalid_auth`; empty when Slack was not reached or did not say."""
        self.permanent = permanent
        """A person must change something before trying again can help."""
        self.one_message = one_message
        """The fault is this message's; when False, no other message would get through either."""
        self.retry_after_s = retry_after_s
        """How long Slack asked us to wait."""


class SlackSender:
    """Posts and edits messages in the channel of the settings. Blocking; every call raises DeliveryError or succeeds.

    It never tries twice by itself: when to try again is the outbox's business, and after a lost reply a blind second
    try would post a second message. Each wait for the network is bounded by `timeout_s`.
    """

    def __init__(self, slack: Slack, *, network: Network | None = None, timeout_s: float = TIMEOUT_S) -> None:
        network = network or Network()
        quiet = logging.getLogger(f"{__name__}.sdk")
        # Its errors reach the log through DeliveryError; below that it would log whole messages.
        quiet.setLevel(logging.CRITICAL)
        self._channel = slack.channel
        self._client = WebClient(
            token=slack.token.reveal(),
            base_url=slack.api_url,
            timeout=timeout_s,  # type: ignore[arg-type]  # declared int, handed to the socket, which takes floats
            ssl=ssl.create_default_context(cafile=str(network.ca_bundle)) if network.ca_bundle else None,
            proxy=network.proxy,
            retry_handlers=[],
            logger=quiet,
        )

    def post(self, message: Message) -> Posted:
        """Post a new message; says where it stands now."""
        response = self._call("chat.postMessage", self._channel, message, unfurl_links=False, unfurl_media=False)
        return Posted(channel=str(response["channel"]), ts=str(response["ts"]))

    def update(self, posted: Posted, message: Message) -> Posted:
        """Edit a message in place; posts it anew when it can no longer be edited (somebody deleted it, say)."""
        try:
            self._call("chat.update", posted.channel, message, ts=posted.ts)
        except DeliveryError as error:
            if error.code in _GONE:
                return self.post(message)
            raise
        return posted

    def _call(self, method: str, channel: str, message: Message, **more: Any) -> SlackResponse:
        # parse and link_names: what looks like a mention or an address in the text stays text.
        words = {"text": message.text, "blocks": list(message.blocks), "parse": "none", "link_names": False}
        try:
            return self._client.api_call(method, json={"channel": channel, **words, **more})
        except (SlackClientError, OSError, HTTPException, ValueError, LookupError, AttributeError) as error:
            # Without the cause: it may quote the request, and that holds the token.
            raise _translated(error) from None


def _translated(error: Exception) -> DeliveryError:
    if isinstance(error, SlackApiError):
        return _refused(error.response)
    if isinstance(error, OSError | HTTPException):
        return DeliveryError(f"Slack could not be reached: {_network_fault(error)}")
    # A token that cannot stand in a header, an answer in a character set that does not exist: never quoted.
    return DeliveryError(
        f"Slack could not be asked ({type(error).__name__}): check alerts.slack.token and alerts.slack.api_url"
    )


def _network_fault(error: OSError | HTTPException) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return f"the connection broke ({type(reason).__name__})"


def _refused(response: SlackResponse) -> DeliveryError:
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error", ""))
    if response.status_code == 429 or code in {"ratelimited", "rate_limited"}:
        wait = _seconds(response.headers)
        asked = f" and asks to wait {wait:g} s" if wait is not None else ""
        return DeliveryError(f"Slack limits our rate{asked}", code="ratelimited", retry_after_s=wait)
    if response.status_code >= 500:
        return DeliveryError(f"Slack answered HTTP {response.status_code}", retry_after_s=_seconds(response.headers))
    if not _CODE.fullmatch(code):
        return DeliveryError(
            f"something that is not Slack answered (HTTP {response.status_code}): "
            "check alerts.slack.api_url and the proxy"
        )
    advice = f": {_ADVICE[code]}" if code in _ADVICE else ""
    return DeliveryError(
        f"Slack refused the message ({code}){advice}",
        code=code,
        permanent=code not in _PASSING,
        one_message=code not in _PASSING and code not in _ADVICE,
    )


def _seconds(headers: dict[str, Any]) -> float | None:
    """Retry-After, when it is a number of seconds that makes sense."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    try:
        seconds = float(value) if value is not None else -1.0
    except (TypeError, ValueError):
        return None
    return seconds if 0 <= seconds <= 3600 else None
