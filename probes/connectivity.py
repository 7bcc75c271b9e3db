"""Is it us? Neutral endpoints are asked before everybody is blamed at once."""

import asyncio
import logging
import ssl
from collections.abc import Sequence

import httpx

_log = logging.getLogger(__name__)


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
