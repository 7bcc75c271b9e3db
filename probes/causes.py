"""Why a connection failed, from the exceptions behind the exception, and whether our own machine is to blame."""

import errno
import socket
import ssl

_OUR_MACHINE = {
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this machine",
    errno.ENOMEM: "out of memory",
    errno.ENOBUFS: "out of network buffers",
    errno.EADDRNOTAVAIL: "out of local ports",
    errno.EPERM: "this machine forbids the connection",
}


def our_machine(error: BaseException) -> str | None:
    """What our own machine lacked, in a few words; None when it was not that."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and not isinstance(cause, (ssl.SSLError, socket.gaierror)):
            lacked = _OUR_MACHINE.get(cause.errno or 0)
            if lacked is not None:
                return lacked
    return None


def sentence(error: BaseException, place: str) -> str:
    """How the connection to `place` (host and port) failed, in the words of the first cause that has some."""
    causes = _causes(error)
    for cause in causes:
        told = _told(cause, place)
        if told is not None:
            return told
    return f"the connection to {place} broke: {type(causes[-1]).__name__} {causes[-1]}".rstrip()


def _told(cause: BaseException, place: str) -> str | None:
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
    return None


def _causes(error: BaseException) -> list[BaseException]:
    """The exception, what it came from, and the members of groups, outermost first."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < 20:
        cause = waiting.pop(0)
        if cause is None or cause in found:
            continue
        found.append(cause)
        # Not the cause alone: httpcore cuts it off with `raise … from None`, which leaves the context.
        waiting += [
            *(cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()),
            cause.__cause__,
            cause.__context__,
        ]
    return found
