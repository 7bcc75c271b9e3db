"""What an exception on the way means: every one of httpx and httpcore has an outcome, any other is a fault of ours."""

import logging
import traceback
from collections.abc import Mapping
from pathlib import Path

import httpcore
import httpx

from probes import causes
from probes.classifier import Classification
from probes.outcome import Outcome
from probes.redaction import clean
from probes.target import Target
from probes.transport.proxies import UnusableProxyError

_log = logging.getLogger(__name__)

#: What is ours is `bad_request`: never held against a provider.
OUTCOMES: Mapping[type[BaseException], Outcome] = {
    httpx.HTTPError: Outcome.BAD_REQUEST,
    httpx.RequestError: Outcome.BAD_REQUEST,
    httpx.TransportError: Outcome.UNREACHABLE,
    httpx.TimeoutException: Outcome.TIMEOUT,
    httpx.ConnectTimeout: Outcome.TIMEOUT,
    httpx.ReadTimeout: Outcome.TIMEOUT,
    httpx.WriteTimeout: Outcome.TIMEOUT,
    httpx.PoolTimeout: Outcome.BAD_REQUEST,
    httpx.NetworkError: Outcome.UNREACHABLE,
    httpx.ConnectError: Outcome.UNREACHABLE,
    httpx.ReadError: Outcome.UNREACHABLE,
    httpx.WriteError: Outcome.UNREACHABLE,
    httpx.CloseError: Outcome.UNREACHABLE,
    httpx.ProxyError: Outcome.UNREACHABLE,
    httpx.UnsupportedProtocol: Outcome.BAD_REQUEST,
    httpx.ProtocolError: Outcome.SERVER_ERROR,
    httpx.LocalProtocolError: Outcome.BAD_REQUEST,
    httpx.RemoteProtocolError: Outcome.SERVER_ERROR,
    httpx.DecodingError: Outcome.SERVER_ERROR,
    httpx.TooManyRedirects: Outcome.BAD_REQUEST,
    httpx.HTTPStatusError: Outcome.BAD_REQUEST,
    httpx.InvalidURL: Outcome.BAD_REQUEST,
    httpx.CookieConflict: Outcome.BAD_REQUEST,
    httpx.StreamError: Outcome.BAD_REQUEST,
    httpx.StreamConsumed: Outcome.BAD_REQUEST,
    httpx.StreamClosed: Outcome.BAD_REQUEST,
    httpx.ResponseNotRead: Outcome.BAD_REQUEST,
    httpx.RequestNotRead: Outcome.BAD_REQUEST,
    httpcore.TimeoutException: Outcome.TIMEOUT,
    httpcore.ConnectTimeout: Outcome.TIMEOUT,
    httpcore.ReadTimeout: Outcome.TIMEOUT,
    httpcore.WriteTimeout: Outcome.TIMEOUT,
    httpcore.PoolTimeout: Outcome.BAD_REQUEST,
    httpcore.NetworkError: Outcome.UNREACHABLE,
    httpcore.ConnectError: Outcome.UNREACHABLE,
    httpcore.ReadError: Outcome.UNREACHABLE,
    httpcore.WriteError: Outcome.UNREACHABLE,
    httpcore.ProxyError: Outcome.UNREACHABLE,
    httpcore.UnsupportedProtocol: Outcome.BAD_REQUEST,
    httpcore.ConnectionNotAvailable: Outcome.BAD_REQUEST,
    httpcore.ProtocolError: Outcome.SERVER_ERROR,
    httpcore.LocalProtocolError: Outcome.BAD_REQUEST,
    httpcore.RemoteProtocolError: Outcome.SERVER_ERROR,
}


def verdict_on(error: Exception, target: Target, place: str = "") -> Classification:
    """What an exception on the way to `place` means; one that is not the transport's is a fault of the probe."""
    lacked = causes.our_machine(error)
    known = next((kind for kind in type(error).__mro__ if kind in OUTCOMES), None)
    outcome = OUTCOMES[known] if known and not lacked else Outcome.BAD_REQUEST
    if outcome is Outcome.BAD_REQUEST:
        return _ours(error, target, lacked)
    if isinstance(error, (httpx.RemoteProtocolError, httpcore.RemoteProtocolError)):
        if "without sending a response" in str(error):
            return Classification(
                outcome=Outcome.UNREACHABLE, detail=f"{place} closed the connection without an answer"
            )
        return Classification(outcome=outcome, detail=f"{place} broke the HTTP protocol: {error}")
    if isinstance(error, (httpx.ProxyError, httpcore.ProxyError)):
        return Classification(outcome=outcome, detail=f"the proxy did not lead to {place}: {error}")
    return Classification(outcome=outcome, detail=causes.sentence(error, place))


def _ours(error: Exception, target: Target, lacked: str | None) -> Classification:
    _log_fault(error, target)
    why = lacked or f"{type(error).__name__}; the log says where"
    if isinstance(error, UnusableProxyError):
        why = str(error)
    return Classification(outcome=Outcome.BAD_REQUEST, detail=f"the probe itself failed: {why}")


def _log_fault(error: Exception, target: Target) -> None:
    """Without a traceback: exceptions about headers quote them."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    said = clean(str(error), target.provider.api_key)
    _log.error("probe_failed target=%s error=%s where=%r said=%r", target.id, type(error).__name__, where, said)
