"""Posts alerts as signed JSON documents to an address of people's own."""

import hashlib
import hmac
import ssl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.alerts.alert import FORMAT, Alert, encode_alert
from controller.alerts.channel import AlertChannel, ChannelContext, DeliveryError, PerAlertChannel
from monitor.clock import utc_now
from probes.retry_after import retry_after_s
from probes.target import Secret
from probes.transport.fetch import FetchResult, fetch

TIMEOUT_S: Final = 10.0
SIGNATURE: Final = "X-Hotspare-Signature"
DELIVERY: Final = "X-Hotspare-Delivery"
#: What passes by itself, besides the server's own errors.
_PASSING: Final = frozenset({408, 425, 429})
#: What is wrong with this document, and need not be with the next one.
_THIS_ONE: Final = frozenset({400, 413, 422})
_LONGEST_WAIT_S: Final = 3600.0
#: Of an error's body, for the excerpt that people see.
_MOST_ERROR_BYTES: Final = 2000
_ADVICE: Final = {
    **dict.fromkeys((401, 403), "the receiver refuses us: do alerts.webhook_secret and its own secret match?"),
    404: "nothing is at that address: check alerts.webhook_url",
    410: "the receiver is gone for good: change alerts.webhook_url or remove it",
}


class WebhookChannel(PerAlertChannel):
    """Posts each alert once when asked to; 2xx is taken, everything else raises DeliveryError. No secret is in it."""

    name = "webhook"
    every_change = True
    gets = "every change, as JSON"

    def __init__(
        self,
        url: Secret,
        secret: Secret | None,
        *,
        tls: ssl.SSLContext,
        proxy: str | None = None,
        secrets: Iterable[Secret] = (),
        timeout_s: float = TIMEOUT_S,
        epoch: int = 0,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._epoch = epoch
        self._url = url
        self._secret = secret
        self._hidden = (url, *([secret] if secret else []), *secrets)
        self._tls = tls
        self._proxy = proxy
        self._timeout_s = timeout_s
        self._clock = clock

    async def send(self, alert: Alert) -> None:
        """Post it; raises DeliveryError, within `timeout_s`."""
        content = encode_alert(replace(alert, epoch=self._epoch), self._hidden)
        headers = {"content-type": "application/json", DELIVERY: alert.id, "X-Hotspare-Format": FORMAT}
        if self._secret:
            headers[SIGNATURE] = sign(self._secret, content, at=self._clock())
        answer = await fetch(
            "POST",
            self._url.reveal(),
            content=content,
            headers=headers,
            timeout_s=self._timeout_s,
            tls=self._tls,
            proxy=self._proxy,
            max_error_bytes=_MOST_ERROR_BYTES,
        )
        if not answer.ok:
            raise refusal_error(answer, now=self._clock())

    async def reach(self) -> str:
        """Whether anything answers there, be it that it takes no HEAD; raises DeliveryError."""
        answer = await fetch("HEAD", self._url.reveal(), timeout_s=self._timeout_s, tls=self._tls, proxy=self._proxy)
        if answer.status is None:
            raise DeliveryError(f"the webhook did not answer: {answer.error}")
        return "something answers there"


def webhook_channels(context: ChannelContext) -> Iterator[AlertChannel]:
    """The webhook, where `alerts.webhook_url` is configured."""
    alerts, proxy = context.settings.alerts, context.settings.network.proxy
    if alerts.webhook_url:
        yield WebhookChannel(
            alerts.webhook_url,
            alerts.webhook_secret,
            tls=context.tls,
            proxy=proxy,
            secrets=context.secrets,
            epoch=context.epoch,
        )


def sign(secret: Secret, content: bytes, *, at: datetime) -> str:
    """`t=1795284000,v1=…`: the HMAC-SHA256, in hex, of the seconds since 1970, a full stop, and the body."""
    seconds = int(at.timestamp())
    signed = f"{seconds}.".encode() + content
    return f"t={seconds},v1={hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()}"


def refusal_error(answer: FetchResult, *, now: datetime) -> DeliveryError:
    """What an answer that is no 2xx means."""
    status = answer.status
    if status is None:
        return DeliveryError(f"the webhook did not answer: {answer.error}")
    excerpt = f": {answer.excerpt}" if answer.excerpt else ""
    if status in _PASSING or status >= 500:
        wait_s = retry_after_s(answer.headers, now=now)
        bounded_s = None if wait_s is None else min(wait_s, _LONGEST_WAIT_S)
        asked = f" and asks to wait {bounded_s:g} s" if bounded_s else ""
        return DeliveryError(f"the webhook answered HTTP {status}{asked}{excerpt}", retry_after_s=bounded_s)
    if 300 <= status < 400:
        advice = "redirects are not followed: write the final address into alerts.webhook_url"
        return DeliveryError(f"the webhook answered HTTP {status}; {advice}", permanent=True)
    advice = _ADVICE.get(status, "check alerts.webhook_url and its receiver")
    text = f"the webhook refused it with HTTP {status} ({advice}){excerpt}"
    return DeliveryError(text, permanent=True, one_message=status in _THIS_ONE)
