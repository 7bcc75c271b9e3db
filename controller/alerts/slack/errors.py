"""What Slack and the network answer, as DeliveryError: a sentence, whose fault it is, and when to try again."""

import errno
import re
from collections.abc import Mapping
from http.client import HTTPException
from socket import gaierror
from typing import Any, Final
from urllib.error import URLError

from slack_sdk.errors import SlackApiError, SlackClientError

from controller.alerts.channel import DeliveryError

#: What slack_sdk and the network below it raise.
WEB_ERRORS: Final = (SlackClientError, OSError, HTTPException, ValueError, LookupError, AttributeError)

_TOKEN = "set alerts.slack.token to the bot token (xoxb-…) of an installed app"  # noqa: S105 - advice, not a token
_CHANNEL = "check alerts.slack.channel"

#: The token will not do: nothing else can be said.
ABOUT_TOKEN = frozenset(
    {"access_denied", "account_inactive", "invalid_auth", "not_allowed_token_type", "not_authed"}
    | {"token_expired", "token_revoked"}
)

#: What Slack says when it would take no message of ours at all until a person acts, and what that person should do.
_ADVICE = {
    **dict.fromkeys(ABOUT_TOKEN, _TOKEN),
    **dict.fromkeys(("no_permission", "missing_scope"), "give the bot the scope chat:write and install the app again"),
    "channel_not_found": f"{_CHANNEL}, and invite the bot when the channel is private",
    "is_archived": f"{_CHANNEL}: the channel is archived",
    "not_in_channel": "invite the bot to the channel, or give it the scope chat:write.public",
    "restricted_action": "the workspace does not let the bot post there: ask its administrator",
}

#: Trouble of Slack's own, which passes. Every other word is about this message, and holds until something changes.
_PASSING = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"})

#: The message to edit, or to reply to, cannot be reached (deleted, or of an earlier app or channel): a new one can.
_GONE = frozenset(
    {
        "cannot_reply_to_message",
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "is_archived",
        "message_not_found",
        "not_in_channel",
        "thread_not_found",
    }
)

#: What is wrong with one channel; another may do.
_ABOUT_CHANNEL = frozenset({"channel_not_found", "is_archived", "not_in_channel", "restricted_action"})

_APP_TOKEN = "set alerts.slack.app_token to an app-level token (xapp-…) of the app"  # noqa: S105 - advice, not a token
_APP_SCOPE = "give the app-level token the scope connections:write"
#: The same for Socket Mode, through which presses of buttons come.
_SOCKET_MODE_ADVICE = {
    **dict.fromkeys(ABOUT_TOKEN, _APP_TOKEN),
    **dict.fromkeys(("missing_scope", "no_permission"), _APP_SCOPE),
    "link_disabled": "switch Socket Mode on in the app's settings",
}

_CODE = re.compile(r"[a-z_]{1,60}")
#: The connection was never made: nothing has been sent.
_NOT_SENT = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})


class SocketModeError(DeliveryError):
    """Presses of buttons do not come in. The text is a sentence without its end, for people, without the token."""


def delivery_error(error: Exception) -> DeliveryError:
    """The error of Slack's library, or of the network below it, as ours."""
    if isinstance(error, SlackApiError):
        response = error.response
        data = response.data if isinstance(response.data, dict) else {}
        return refusal_error(response.status_code, response.headers, str(data.get("error", "")))
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


def refusal_error(status: int, headers: Mapping[str, Any], code: str) -> DeliveryError:
    """What Slack's refusal means: its status, its headers, and its word for it."""
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        wait = _seconds(headers)
        asked = f" and asks to wait {wait:g} s" if wait is not None else ""
        return DeliveryError(
            f"Slack limits our rate{asked}", code="ratelimited", maybe_arrived=False, retry_after_s=wait
        )
    if status >= 500:
        return DeliveryError(f"Slack answered HTTP {status}", retry_after_s=_seconds(headers))
    if not _CODE.fullmatch(code):
        return DeliveryError(
            f"something that is not Slack answered (HTTP {status}): check alerts.slack.api_url and the proxy"
        )
    advice = f": {_ADVICE[code]}" if code in _ADVICE else ""
    return DeliveryError(
        f"Slack refused the message ({code}){advice}",
        code=code,
        permanent=code not in _PASSING,
        one_message=code not in _PASSING and code not in _ADVICE,
        one_place=code in _ABOUT_CHANNEL,
        gone=code in _GONE,
        maybe_arrived=code in _PASSING,
    )


def _seconds(headers: Mapping[str, Any]) -> float | None:
    """Retry-After, when it is a number of seconds that makes sense."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    try:
        seconds = float(value) if value is not None else -1.0
    except (TypeError, ValueError):
        return None
    return seconds if 0 <= seconds <= 3600 else None


def socket_mode_error(error: Exception) -> SocketModeError:
    """What slack_sdk, the WebSocket or the network raised, in words that hold nothing of the request."""
    if isinstance(error, SocketModeError):
        return error
    failure = delivery_error(error)
    if failure.code and failure.code != "ratelimited":
        return socket_mode_refusal(failure.code, permanent=failure.permanent)
    return SocketModeError(str(failure), retry_after_s=failure.retry_after_s)


def socket_mode_refusal(code: str, *, permanent: bool = True) -> SocketModeError:
    """What Slack's code for a refusal of Socket Mode means, with what a person should do."""
    if code == "too_many_websockets":
        return SocketModeError("Slack has too many connections of this app: is another program using its token?")
    advice = f": {_SOCKET_MODE_ADVICE[code]}" if code in _SOCKET_MODE_ADVICE else ""
    return SocketModeError(f"Slack refuses Socket Mode ({code}){advice}", permanent=permanent)
