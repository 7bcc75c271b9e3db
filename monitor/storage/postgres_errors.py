"""What PostgreSQL's errors mean: for the person who runs Hotspare, and for the service that writes to it."""

from typing import Final

import psycopg

#: By SQLSTATE or its class, the longer first.
_MEANING: Final = {
    "25006": "is read-only: it may be a standby; name the primary, or add ?target_session_attrs=read-write",
    "28": "refuses this user: check the user and the password in `database`",
    "3D000": "does not exist: create it (`createdb`), or name another `database`",
    "3F000": "has no schema for this user's tables: make the user the database's owner",
    "42501": "may not be used by this user: make the user the database's owner",
    "42P01": "lacks a table: someone else has changed it",
    "53100": "cannot grow: its disk is full",
    "53300": "takes no more connections: raise `max_connections`, or stop what else uses it",
    "53": "is short of resources",
    "55P03": "is locked by another session; stop whatever else writes to it",
    "57014": "takes too long to answer",
    "57P": "is stopped, or is starting",
    "58": "cannot be read or written by its server; see the server's log",
    "XX001": "is damaged; restore a backup",
    "XX002": "is damaged; restore a backup",
}
#: What a server or the network says before there is a SQLSTATE; PostgreSQL gives none where it refuses a connection.
_REFUSALS: Final = (
    (("password authentication failed", "no password supplied", "no pg_hba.conf entry", "authentication"), "28"),
    (("role ", "is not permitted to log in"), "28"),
    (("database ", "does not exist"), "3D000"),
    (("too many ", "remaining connection slots"), "53300"),
    (("starting up", "shutting down", "recovery mode", "not yet accepting"), "57P"),
)
_UNREACHABLE: Final = "cannot be reached: is the server running, and are host and port right?"
#: Asked for by `host=/a/folder`, or by no host at all.
_NO_SOCKET: Final = (
    "cannot be reached: its server's socket is not in that folder; is the server running, and is `host` its"
    " `unix_socket_directories`, or the name of its machine?"
)
#: What says something of the database, and nothing of the statement.
_FAULTS: Final = ("08", "25006", "28", "3D000", "40", "42501", "42P01", "53", "55", "57", "58", "F0", "XX")


def explanation(error: psycopg.Error) -> str:
    """What the error means, as a predicate; the server's words after it."""
    # Not the details, which show the row.
    said = " ".join((error.diag.message_primary or str(error)).split())
    if code := _code(error):
        known = max((each for each in _MEANING if code.startswith(each)), key=len, default="")
        meaning = _MEANING.get(known, "refused a statement")
    else:
        meaning = _unreached(said) if isinstance(error, psycopg.OperationalError) else "refused a statement"
    return f"{meaning} ({said})"


def is_fault(error: psycopg.Error) -> bool:
    """Whether it is a fault of the database, its server or the way there, and not of the statement."""
    code = _code(error)
    return code.startswith(_FAULTS) if code else isinstance(error, psycopg.OperationalError)


def ends_session(error: psycopg.Error) -> bool:
    """Whether the connection is lost, or the server ended it: a COMMIT that was under way may have come about."""
    return not error.sqlstate or error.sqlstate.startswith(("08", "57P"))


def can_still_read(error: psycopg.Error) -> bool:
    """Whether what cannot be written can be read all the same: it is locked, full or read-only."""
    return _code(error).startswith(("25006", "53100", "55"))


def _unreached(message: str) -> str:
    return _NO_SOCKET if 'on socket "' in message and "No such file or directory" in message else _UNREACHABLE


def _code(error: psycopg.Error) -> str:
    """The SQLSTATE, or its class as far as the words tell; empty where the server has not answered."""
    if error.sqlstate:
        return error.sqlstate
    said = str(error)
    if "FATAL" not in said and "password" not in said:
        return ""
    return next((code for words, code in _REFUSALS if any(word in said for word in words)), "28" * ("FATAL" in said))
