"""Is it us? Neutral endpoints are asked before everybody is blamed at once."""

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import httpx

_log = logging.getLogger(__name__)

_TRUSTED_FOR = timedelta(hours=1)


class Sight(StrEnum):
    """Whether our own network lets us judge anybody."""

    ONLINE = "online"
    BLIND = "blind"
    UNTRUSTED = "untrusted"
    """No endpoint has answered within the last hour: they cannot say, the providers alone must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """When each neutral endpoint last answered; a new value with each asking."""

    answered_at: Mapping[str, datetime] = field(default_factory=dict)

    def sight(self, answered: frozenset[str], *, now: datetime) -> Sight:
        """What an asking at `now` means: any answer is online; none is blind while an earlier answer is trusted.

        Ask the value from before the asking, then go on with `after`.
        """
        if answered:
            return Sight.ONLINE
        trusted = any(now - at <= _TRUSTED_FOR for at in self.answered_at.values())
        return Sight.BLIND if trusted else Sight.UNTRUSTED

    def after(self, answered: frozenset[str], *, now: datetime) -> "Endpoints":
        """What is known once `answered` have answered at `now`."""
        return Endpoints(answered_at={**self.answered_at, **dict.fromkeys(answered, now)})


async def answered(
    endpoints: Sequence[str], *, timeout_s: float, tls: ssl.SSLContext, proxy: str | None = None
) -> frozenset[str]:
    """The endpoints that gave any HTTP answer, headers at least, within `timeout_s`; all are asked at once.

    Never raises: an endpoint that cannot be asked has not answered. `tls` is `probes.prober.tls_context`'s.
    """
    answers = await asyncio.gather(*(_answers(endpoint, timeout_s, tls, proxy) for endpoint in endpoints))
    return frozenset(endpoint for endpoint, said in zip(endpoints, answers, strict=True) if said)


async def _answers(endpoint: str, timeout_s: float, tls: ssl.SSLContext, proxy: str | None) -> bool:
    no_timeout = httpx.Timeout(None)  # the deadline below is the only one that cannot be stretched
    try:
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(verify=tls, proxy=proxy, trust_env=proxy is None, timeout=no_timeout) as client,
            client.stream("GET", endpoint, headers={"user-agent": "hotspare"}),
        ):
            return True
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        return False  # TimeoutError, and whatever else the system says, is an OSError
    except ImportError as error:  # a proxy of a kind that needs another package, such as socks5://
        _log.warning("endpoint_not_asked endpoint=%s: %s", endpoint, error)
        return False
