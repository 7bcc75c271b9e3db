"""Delivers messages to Slack by an incoming webhook, which can only post."""

import ssl
from collections.abc import Iterable
from http.client import HTTPException
from typing import Final

from slack_sdk import WebhookClient
from slack_sdk.errors import SlackClientError
from slack_sdk.webhook import WebhookResponse

from controller.alerts.slack.client import TIMEOUT_S, OutgoingMessage, PostedMessage, quiet_logger, without
from controller.alerts.slack.errors import DeliveryError, refused, translated
from monitor.settings import NetworkSettings
from probes.target import Secret

_FIX: Final = "make a new webhook and set alerts.slack.webhook_url to its address"
#: What Slack answers in plain text where the webhook itself will not do any more.
_BROKEN: Final = {
    "no_service": _FIX,
    "no_service_id": _FIX,
    "no_team": _FIX,
    "team_disabled": _FIX,
    "invalid_token": _FIX,
    "action_prohibited": "the workspace does not let the webhook post: ask its administrator",
    "posting_to_general_channel_denied": "the workspace does not let the webhook post there: ask its administrator",
    "channel_not_found": f"its channel is gone: {_FIX}",
    "channel_is_archived": f"its channel is archived: {_FIX}",
}


class SlackWebhookSender:
    """Posts messages; the same promises as `SlackSender`, but a message cannot be edited, threaded or found again."""

    def __init__(
        self,
        url: Secret,
        *,
        network: NetworkSettings | None = None,
        secrets: Iterable[Secret] = (),
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        network = network or NetworkSettings()
        self._secrets = (url, *secrets)
        self._client = WebhookClient(
            url.reveal(),
            timeout=timeout_s,  # type: ignore[arg-type]  # declared int, handed to the socket, which takes floats
            ssl=ssl.create_default_context(cafile=str(network.ca_bundle)) if network.ca_bundle else None,
            proxy=network.proxy,
            retry_handlers=[],
            logger=quiet_logger(),
        )

    def post(self, sending: OutgoingMessage) -> PostedMessage:
        """Post its message, and nothing else of it; a webhook does not say where it stands."""
        words = without(sending.message, self._secrets)
        try:
            answer = self._client.send_dict(
                {"text": words.text, "blocks": list(words.blocks), "unfurl_links": False, "unfurl_media": False}
            )
        except (SlackClientError, OSError, HTTPException, ValueError, LookupError, AttributeError) as error:
            # Without the cause: it may quote the address, which lets anybody post.
            raise translated(error) from None
        if answer.status_code != 200 or answer.body.strip() != "ok":
            raise _fault(answer)
        return PostedMessage(channel="", ts="")


def _fault(answer: WebhookResponse) -> DeliveryError:
    code = answer.body.strip()[:80]
    if code in _BROKEN:
        return DeliveryError(
            f"Slack refused the message ({code}): {_BROKEN[code]}", code=code, permanent=True, sent=False
        )
    return refused(answer.status_code, answer.headers, code)
