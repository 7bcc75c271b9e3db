"""Exception -> Classification: each exception of the transport has an outcome; any other is our own fault."""

import errno
import logging
import socket
import ssl
import traceback
from collections.abc import Mapping
from pathlib import Path

import h11

from probes.classifier import Classification
from probes.observation import OWN_FAULT
from probes.outcome import Outcome
from probes.redaction import clean
from probes.target import Target
from probes.transport.http_transport import NoResponseError
from probes.transport.proxies import ProxyError, UnusableProxyError
from probes.transport.stream import ConnectError, ReadError

_log = logging.getLogger(__name__)

#: The outcome of each exception of the transport that is not our own fault.
_OUTCOMES: Mapping[type[Exception], Outcome] = {
    ConnectError: Outcome.UNREACHABLE,
    ReadError: Outcome.UNREACHABLE,
    ProxyError: Outcome.UNREACHABLE,
    NoResponseError: Outcome.UNREACHABLE,
    h11.RemoteProtocolError: Outcome.SERVER_ERROR,
}
#: System errors that mean that this machine ran out of something.
_SHORTAGES = {
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this machine",
    errno.ENOMEM: "out of memory",
    errno.ENOBUFS: "out of network buffers",
    errno.EADDRNOTAVAIL: "out of local ports",
    errno.EPERM: "this machine forbids the connection",
}


def classify_exception(error: Exception, target: Target, place: str = "") -> Classification:
    """The outcome of an exception on the way to `place` (host and port); one that is not transport's is our fault."""
    shortage, outcome = _shortage(error), _OUTCOMES.get(type(error))
    if shortage or outcome is None:
        return _classify_own_fault(error, target, shortage)
    match error:
        case NoResponseError():
            detail = f"{place} closed the connection without an answer"
        case h11.RemoteProtocolError():
            detail = f"{place} broke the HTTP protocol: {error}"
        case ProxyError():
            detail = f"the proxy did not connect to {place}: {error}"
        case _:
            detail = _describe(error, place)
    return Classification(outcome, detail)


def _classify_own_fault(error: Exception, target: Target, shortage: str | None) -> Classification:
    """A `bad_request`. Logs the place of the fault, but no traceback: exceptions about headers quote them."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    text = clean(str(error), target.provider.api_key)
    _log.error("probe_failed target=%s error=%s where=%r said=%r", target.id, type(error).__name__, where, text)
    known = str(error) if isinstance(error, UnusableProxyError) else shortage
    reason = known or f"{type(error).__name__}; the log says where"
    return Classification(Outcome.BAD_REQUEST, f"{OWN_FAULT} failed: {reason}")


def _shortage(error: BaseException) -> str | None:
    """What this machine ran out of, in a few words; None for any other cause."""
    system_errors = (cause for cause in _causes(error) if isinstance(cause, OSError))
    own = (cause for cause in system_errors if not isinstance(cause, (ssl.SSLError, socket.gaierror)))
    return next((_SHORTAGES[cause.errno] for cause in own if cause.errno in _SHORTAGES), None)


def _describe(error: BaseException, place: str) -> str:
    """How the connection to `place` failed, by the first cause that is known."""
    causes = _causes(error)
    for cause in causes:
        match cause:
            case ssl.SSLCertVerificationError():
                return f"the certificate of {place} does not verify: {cause.verify_message}"
            case ssl.SSLError():
                return f"TLS with {place} failed: {cause.reason or type(cause).__name__}"
            case socket.gaierror():
                return f"the name of {place} does not resolve: {cause.strerror}"
            case ConnectionRefusedError():
                return f"{place} refused the connection"
            case ConnectionResetError():
                return f"{place} reset the connection"
    return f"the connection to {place} broke: {type(causes[-1]).__name__} {causes[-1]}".rstrip()


def _causes(error: BaseException) -> list[BaseException]:
    """The exception, its causes and contexts, and the members of exception groups; outermost first, at most 20."""
    causes: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(causes) < 20:
        cause = waiting.pop(0)
        if cause is None or cause in causes:
            continue
        causes.append(cause)
        waiting += [
            *(cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()),
            cause.__cause__,
            cause.__context__,
        ]
    return causes
