"""What Slack and the network answer, as DeliveryError: a sentence, whose fault it is, and when to try again."""

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from http.client import HTTPException
from socket import gaierror
from typing import Any
from urllib.error import URLError

from slack_sdk.errors import SlackApiError, SlackClientError

from controller.alerts.channel import DeliveryError
from monitor.clock import utc_now
from probes.retry_after import retry_after_s

_NEW_WEBHOOK = "make a new webhook and set alerts.slack.webhook_url to its address"

#: The token will not do: nothing else can be said.
ABOUT_TOKEN = frozenset(
    {"access_denied", "account_inactive", "invalid_auth", "not_allowed_token_type", "not_authed"}
    | {"token_expired", "token_revoked"}
)

#: What Slack says when it would take no message of ours at all until a person acts, and what that person should do.
_ADVICE = {
    **dict.fromkeys(ABOUT_TOKEN, "set alerts.slack.token to the bot token (xoxb-…) of an installed app"),
    **dict.fromkeys(("no_permission", "missing_scope"), "give the bot the scope chat:write and install the app again"),
    "channel_not_found": "check alerts.slack.channel, and invite the bot when the channel is private",
    "is_archived": "check alerts.slack.channel: the channel is archived",
    "not_in_channel": "invite the bot to the channel, or give it the scope chat:write.public",
    "restricted_action": "the workspace does not let the bot post there: ask its administrator",
}


class SlackRefusal(Enum):
    """What Slack refuses: how that is said, and what a person should do about its words for it."""

    MESSAGE = "Slack refused the message", _ADVICE
    WEBHOOK = (
        "Slack refused the message",
        {
            **_ADVICE,
            **dict.fromkeys(("no_service", "no_service_id", "no_team", "team_disabled", "invalid_token"), _NEW_WEBHOOK),
            "action_prohibited": "the workspace does not let the webhook post: ask its administrator",
            "posting_to_general_channel_denied": (
                "the workspace does not let the webhook post there: ask its administrator"
            ),
            "channel_not_found": f"its channel is gone: {_NEW_WEBHOOK}",
            "channel_is_archived": f"its channel is archived: {_NEW_WEBHOOK}",
        },
    )
    SOCKET_MODE = (
        "Slack refuses Socket Mode",
        {
            **dict.fromkeys(ABOUT_TOKEN, "set alerts.slack.app_token to an app-level token (xapp-…) of the app"),
            **dict.fromkeys(("missing_scope", "no_permission"), "give the app-level token the scope connections:write"),
            "link_disabled": "switch Socket Mode on in the app's settings",
        },
    )


#: Trouble of Slack's own, which passes. Every other word is about this message, and holds until something changes.
_PASSING = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"})

#: What is wrong with one channel; another may do.
_ABOUT_CHANNEL = frozenset({"channel_not_found", "is_archived", "not_in_channel", "restricted_action"})

#: The message to edit, or to reply to, cannot be reached (deleted, or of an earlier app or channel): a new one can.
_GONE = frozenset(
    {"cannot_reply_to_message", "cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found"}
    | {"channel_not_found", "is_archived", "not_in_channel"}
)

_CODE = re.compile(r"[a-z_]{1,60}")
#: The connection was never made: nothing has been sent.
_NOT_SENT = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})


@contextmanager
def as_delivery_errors(refusal: SlackRefusal = SlackRefusal.MESSAGE) -> Iterator[None]:
    """Raise what slack_sdk and the network below it raise as DeliveryError."""
    try:
        yield
    except (SlackClientError, OSError, HTTPException, ValueError, LookupError, AttributeError) as error:
        # Without the cause: it may quote the request, and that holds the token or the webhook's address.
        raise delivery_error(error, refusal) from None


def delivery_error(error: Exception, refusal: SlackRefusal = SlackRefusal.MESSAGE) -> DeliveryError:
    """The error of Slack's library, or of the network below it, as ours, in words that hold nothing of the request."""
    if isinstance(error, SlackApiError):
        response = error.response
        data = response.data if isinstance(response.data, dict) else {}
        return refusal_error(str(data.get("error", "")), response.status_code, response.headers, refusal)
    if isinstance(error, OSError | HTTPException):
        reason = error.reason if isinstance(error, URLError) else error
        is_unsent = isinstance(reason, OSError) and (reason.errno in _NOT_SENT or isinstance(reason, gaierror))
        return DeliveryError(f"Slack could not be reached: {_network_fault(reason)}", maybe_arrived=not is_unsent)
    # A token that cannot stand in a header, an answer in a character set that does not exist: never quoted.
    return DeliveryError(
        f"Slack could not be asked ({type(error).__name__}): check alerts.slack.token and alerts.slack.api_url",
        maybe_arrived=False,
    )


def _network_fault(reason: BaseException | str) -> str:
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return f"the connection broke ({type(reason).__name__})"


def refusal_error(
    code: str, status: int = 200, headers: Mapping[str, Any] | None = None, refusal: SlackRefusal = SlackRefusal.MESSAGE
) -> DeliveryError:
    """What Slack's refusal means: its word for it, its status, its headers."""
    wait_s = retry_after_s({name.lower(): str(value) for name, value in (headers or {}).items()}, now=utc_now())
    if wait_s is not None and wait_s > 3600.0:
        wait_s = None  # that makes no sense
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        asked = f" and asks to wait {wait_s:g} s" if wait_s is not None else ""
        return DeliveryError(
            f"Slack limits our rate{asked}", code="ratelimited", maybe_arrived=False, retry_after_s=wait_s
        )
    if status >= 500:
        return DeliveryError(f"Slack answered HTTP {status}", retry_after_s=wait_s)
    if not _CODE.fullmatch(code):
        return DeliveryError(
            f"something that is not Slack answered (HTTP {status}): check alerts.slack.api_url and the proxy"
        )
    if code == "too_many_websockets":
        return DeliveryError("Slack has too many connections of this app: is another program using its token?")
    refused, advice = refusal.value
    return DeliveryError(
        f"{refused} ({code})" + (f": {advice[code]}" if code in advice else ""),
        code=code,
        permanent=code not in _PASSING,
        one_message=code not in _PASSING and code not in advice,
        one_place=code in _ABOUT_CHANNEL,
        gone=code in _GONE,
        maybe_arrived=code in _PASSING,
    )
