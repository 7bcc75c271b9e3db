"""Delivers messages to Slack by an incoming webhook, which can only post."""

from collections.abc import Iterable
from datetime import datetime
from http.client import HTTPException
from typing import Final

from slack_sdk import WebhookClient
from slack_sdk.errors import SlackClientError
from slack_sdk.webhook import WebhookResponse

from controller.alerts.channel import DeliveryError
from controller.alerts.delivery import Delivery, PlannedMessage, Receipt
from controller.alerts.slack.client import TIMEOUT_S, clean_message, sdk_options
from controller.alerts.slack.errors import delivery_error, refusal_error
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


class SlackWebhookClient:
    """Posts messages; the same promises as `SlackClient`, but a message cannot be edited, threaded or found again."""

    def __init__(
        self,
        url: Secret,
        *,
        network: NetworkSettings | None = None,
        secrets: Iterable[Secret] = (),
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._secrets = (url, *secrets)
        self._client = WebhookClient(url.reveal(), **sdk_options(network, timeout_s))

    def post(self, planned: PlannedMessage, _begun_at: datetime) -> Receipt:
        """Post its message, and nothing else of it; a webhook does not say where it stands."""
        clean = clean_message(planned, self._secrets)
        try:
            answer = self._client.send_dict(
                {"text": clean.text, "blocks": list(clean.blocks), "unfurl_links": False, "unfurl_media": False}
            )
        except (SlackClientError, OSError, HTTPException, ValueError, LookupError, AttributeError) as error:
            # Without the cause: it may quote the address, which lets anybody post.
            raise delivery_error(error) from None
        if answer.status_code != 200 or answer.body.strip() != "ok":
            raise _fault(answer)
        return planned.receipt

    def update(self, planned: PlannedMessage) -> Receipt:
        """Impossible: nothing is planned to be edited."""
        raise NotImplementedError(f"a webhook cannot edit {planned.key}")

    def find(self, _delivery: Delivery) -> Receipt | None:
        """Nobody can know; the message is sent again."""
        return None


def _fault(answer: WebhookResponse) -> DeliveryError:
    code = answer.body.strip()[:80]
    if code in _BROKEN:
        return DeliveryError(
            f"Slack refused the message ({code}): {_BROKEN[code]}", code=code, permanent=True, maybe_arrived=False
        )
    return refusal_error(answer.status_code, answer.headers, code)
