"""What a transaction is begun for: both databases heed it where it begins."""

from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import ExceptionContext

_DURABLE: Final = "durable"
_READING: Final = "reading"
_STATEMENTS: Final = "statements"


def durable(engine: Engine) -> Engine:
    """The same database; transactions begun here are on the disk when they end."""
    return engine.execution_options(**{_DURABLE: True})


def reading(engine: Engine) -> Engine:
    """The same database; transactions begun here only read, and wait for no other process that writes."""
    return engine.execution_options(**{_READING: True})


def is_durable(connection: Connection) -> bool:
    """Whether its transactions are to be on the disk when they end."""
    return bool(connection.get_execution_options().get(_DURABLE))


def is_reading(connection: Connection) -> bool:
    """Whether its transactions only read."""
    return bool(connection.get_execution_options().get(_READING))


def statements(engine: Engine) -> Engine:
    """The same database; each statement is a transaction of its own, and waits for no other writer."""
    return engine.execution_options(**{_STATEMENTS: True})


def is_statements(connection: Connection) -> bool:
    """Whether each of its statements is a transaction of its own."""
    return bool(connection.get_execution_options().get(_STATEMENTS))


def give_up_unended(context: ExceptionContext) -> None:
    """Close the connection whose transaction could not be ended: left open, it would be nobody's, and never free."""
    context.is_disconnect |= context.connection is not None and context.statement is None
