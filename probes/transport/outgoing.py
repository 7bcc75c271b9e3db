"""One request to an address of people's own, such as a webhook's: bounded in time and size, and no redirects."""

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from probes.redaction import one_line
from probes.transport.errors import UnusableProxyError
from probes.transport.proxies import Proxies

#: Of an answer no more is read than may help a person: the first words of an error.
_MOST_BYTES = 2_000
_LONGEST_WORDS = 160
_HEADERS = {"user-agent": "hotspare", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """What came back; without a status nothing did."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    words: str = ""
    """How the answer begins, on one line; it is the other side's, and hostile."""
    why: str = ""
    """Why nothing came back, in a few words without the address."""

    @property
    def taken(self) -> bool:
        """Whether the other side said yes."""
        return self.status is not None and 200 <= self.status < 300


async def send(
    method: str,
    url: str,
    *,
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout_s: float,
    tls: ssl.SSLContext,
    proxy: str | None = None,
) -> FetchResult:
    """The answer, or why there is none, within `timeout_s` whatever the other side does; raises only CancelledError.

    Redirects are not followed. `tls` is `probes.prober.tls_context`'s; without `proxy` the environment's holds.
    """
    try:
        async with asyncio.timeout(timeout_s):
            request = httpx.Request(method, url, content=content, headers=_HEADERS | dict(headers or {}))
            return await _send(request, tls, Proxies(proxy).to(url))
    except TimeoutError:
        return FetchResult(why=f"no answer within {timeout_s:g} s")
    except UnusableProxyError as error:
        return FetchResult(why=str(error))
    except httpx.ConnectError as error:
        return FetchResult(why=_connect_fault(error))
    except Exception as error:  # noqa: BLE001 - whatever a stranger's server leads to, nobody is to stumble over it
        return FetchResult(why=f"the connection broke ({type(error).__name__})")


async def _send(request: httpx.Request, tls: ssl.SSLContext, proxy: httpx.Proxy | None) -> FetchResult:
    no_timeout = httpx.Timeout(None)  # the deadline around it is the only one that cannot be stretched
    async with httpx.AsyncClient(verify=tls, proxy=proxy, trust_env=False, timeout=no_timeout) as client:
        response = await client.send(request, stream=True)
        try:
            # A yes is a yes, whatever becomes of its body.
            words = "" if response.is_success else await _words(response)
            return FetchResult(status=response.status_code, headers=dict(response.headers), words=words)
        finally:
            await response.aclose()


async def _words(response: httpx.Response) -> str:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= _MOST_BYTES:
            break
    return one_line(bytes(body[:_MOST_BYTES]).decode(errors="replace"), _LONGEST_WORDS)


def _connect_fault(error: httpx.ConnectError) -> str:
    """What the system says where it says something; never the address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, socket.gaierror):
            return f"its name cannot be resolved ({cause.strerror})"
        if isinstance(cause, OSError) and cause.errno:
            # Not `strerror`, in which asyncio names the address.
            return f"it could not be reached ({os.strerror(cause.errno)})"
        cause = cause.__cause__ or cause.__context__
    return "it could not be reached"
