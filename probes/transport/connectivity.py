"""Is it us? Neutral endpoints are asked before everybody is blamed at once."""

import asyncio
import logging
import ssl
import time
from collections.abc import Sequence

import httpx

from probes.transport.backend import SocketTimings, TimedBackend
from probes.transport.connection import Transport
from probes.transport.decoding import CAP
from probes.transport.dns import Resolver
from probes.transport.errors import TRANSPORT_EXCEPTIONS, UnusableProxyError
from probes.transport.proxies import Proxies

_log = logging.getLogger(__name__)

#: One for all askings: while the resolver hangs, a name that is asked for again costs no thread more.
_LOOKUPS = Resolver()


async def answered(
    endpoints: Sequence[str], *, timeout_s: float, tls: ssl.SSLContext, proxy: str | None = None
) -> frozenset[str]:
    """The endpoints that gave any HTTP answer, headers at least, within `timeout_s`; all are asked at once.

    Never raises: an endpoint that cannot be asked has not answered. `tls` is `probes.prober.tls_context`'s; without
    `proxy` the environment's proxy variables are honoured.
    """
    proxies = Proxies(proxy)
    answers = await asyncio.gather(*(_answers(endpoint, timeout_s, tls, proxies) for endpoint in endpoints))
    return frozenset(endpoint for endpoint, said in zip(endpoints, answers, strict=True) if said)


async def _answers(endpoint: str, timeout_s: float, tls: ssl.SSLContext, proxies: Proxies) -> bool:
    sockets = TimedBackend(_LOOKUPS, SocketTimings(), limit=CAP, monotonic=time.monotonic)
    try:
        async with asyncio.timeout(timeout_s), Transport(sockets, tls, proxies.to(endpoint)) as transport:
            await transport.handle_async_request(httpx.Request("GET", endpoint, headers={"user-agent": "hotspare"}))
            return True
    except UnusableProxyError as error:
        _log.warning("endpoint_not_asked endpoint=%s: %s", endpoint, error)
        return False
    except TRANSPORT_EXCEPTIONS:
        return False
