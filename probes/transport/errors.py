"""The exceptions with which a request can fail on the way, ours and those of httpx and httpcore."""

import httpcore
import httpx


class ResponseTooLargeError(Exception):
    """The other side has sent more bytes than the limit allows."""


class UndecodableBodyError(ValueError):
    """The body cannot be decoded; the message says why, in a few words."""


class UnusableProxyError(ValueError):
    """The proxy cannot be used; the message says why, without its password."""


#: Every exception that says "there is no answer" rather than "our code is wrong". A TimeoutError is an OSError;
#: ValueErrors come from addresses and proxies that cannot be used.
TRANSPORT_EXCEPTIONS: tuple[type[BaseException], ...] = (
    OSError,
    ValueError,
    ResponseTooLargeError,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
    httpcore.ProtocolError,
)
