"""Asks Slack whether it knows us, without a message to anybody."""

import json
from typing import Any, Final

from controller.alerts.channel import DeliveryError
from controller.alerts.slack.errors import SlackRefusal, refusal_error
from monitor.config.alert_settings import SlackSettings
from monitor.config.settings import NetworkSettings
from probes.redaction import clean
from probes.transport.fetch import FetchResult, fetch
from probes.transport.http_transport import tls_context

_MOST_BYTES: Final = 16 * 1024
_LONGEST_NAME: Final = 80
#: How a webhook that is known refuses a message without a text (docs.slack.dev, "Sending messages using incoming
#: webhooks", errors).
_TAKES_NO_EMPTY_MESSAGE: Final = frozenset({"no_text", "invalid_payload", "missing_text_or_fallback_or_attachments"})


async def reach_bot(slack: SlackSettings, network: NetworkSettings, *, timeout_s: float) -> str:
    """Ask `auth.test` whose token it is; raises DeliveryError, within `timeout_s`."""
    token = slack.token.reveal()
    url = f"{slack.api_url.rstrip('/')}/auth.test"
    answer = await _post(url, network, timeout_s, {"authorization": f"Bearer {token}"})
    document = _read_object(answer.body)
    if document.get("ok") is not True:
        raise refusal_error(str(document.get("error", "")), answer.status or 0, answer.headers)
    who, where = (clean(str(document.get(name, "")), slack.token, limit=_LONGEST_NAME) for name in ("user", "team"))
    return f"the bot is {who} in {where}"


async def reach_webhook(slack: SlackSettings, network: NetworkSettings, *, timeout_s: float) -> str:
    """Post a message without a text, which a webhook that Slack knows refuses; raises DeliveryError."""
    url = slack.webhook_url.reveal() if slack.webhook_url else ""
    answer = await _post(url, network, timeout_s, {"content-type": "application/json"})
    word = answer.body.decode(errors="replace").strip()
    if word not in _TAKES_NO_EMPTY_MESSAGE:
        raise refusal_error(word, answer.status or 0, answer.headers, SlackRefusal.WEBHOOK)
    return "Slack knows the webhook"


async def _post(url: str, network: NetworkSettings, timeout_s: float, headers: dict[str, str]) -> FetchResult:
    answer = await fetch(
        "POST",
        url,
        content=b"{}",
        headers=headers,
        timeout_s=timeout_s,
        tls=tls_context(network.ca_bundle),
        proxy=network.proxy,
        max_bytes=_MOST_BYTES,
        max_error_bytes=_MOST_BYTES,
    )
    if answer.status is None:
        raise DeliveryError(f"Slack could not be reached: {answer.error}")
    return answer


def _read_object(body: bytes) -> dict[str, Any]:
    """The JSON object, empty where it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
