"""Why presses do not come in: what Slack and the network say, in words of ours, without a token."""

from typing import Final

from controller.alerts.slack import errors as slack_errors

_TOKEN = "set alerts.slack.app_token to an app-level token (xapp-…) of the app"  # noqa: S105 - advice, not a token
_SCOPE = "give the app-level token the scope connections:write"
_SWITCH = "switch Socket Mode on in the app's settings"
#: What Slack says when nothing helps until a person acts, and what that person should do.
_ADVICE: Final = {
    "access_denied": _TOKEN,
    "account_inactive": _TOKEN,
    "invalid_auth": _TOKEN,
    "not_allowed_token_type": _TOKEN,
    "not_authed": _TOKEN,
    "token_expired": _TOKEN,
    "token_revoked": _TOKEN,
    "missing_scope": _SCOPE,
    "no_permission": _SCOPE,
    "link_disabled": _SWITCH,
}


class NotListeningError(Exception):
    """Presses do not come in. The text is a sentence without its end, for people, without the token."""

    def __init__(self, text: str, *, permanent: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.permanent = permanent
        """A person must change something before trying again can help."""
        self.retry_after_s = retry_after_s


def translated(error: Exception) -> NotListeningError:
    """What slack_sdk or the network raised, in words that hold nothing of the request."""
    if isinstance(error, NotListeningError):
        return error
    said = slack_errors.translated(error)
    if said.code and said.code != "ratelimited":
        return refused(said.code, permanent=said.permanent)
    return NotListeningError(str(said), retry_after_s=said.retry_after_s or 0.0)


def refused(code: str, *, permanent: bool = True) -> NotListeningError:
    """Slack's own word for it, with what a person should do."""
    advice = f": {_ADVICE[code]}" if code in _ADVICE else ""
    return NotListeningError(f"Slack refuses Socket Mode ({code}){advice}", permanent=permanent)
