"""Who cannot be told at the moment, as the service noted it: the read model and the words of page and status."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, or_, select, update

from monitor.formatting import ago, clock
from monitor.storage.columns import from_ms, to_ms
from monitor.storage.database import durable
from monitor.storage.tables import DELIVERIES

_ROWS = DELIVERIES.c
#: The row of a service itself, or of a part of it, is no message.
_STATES: Final = or_(_ROWS.key == _ROWS.sink, _ROWS.key.like(_ROWS.sink + " state %"))
_NAMES: Final = {"slack": "Slack", "webhook": "the webhook", "heartbeat": "the heartbeat's service"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingChannel:
    """One receiver that does not take what it is given."""

    sink: str
    """`slack`, `webhook`, `apprise 1`, `heartbeat`."""
    part: str
    """What of it, such as a channel; empty: all of it."""
    since: datetime
    error: str
    """Why, and what to do; it may quote the other side."""

    def words(self, now: datetime) -> str:
        """All of it in one sentence without its end."""
        if (self.sink, self.part) == ("slack", "buttons"):
            return f"Slack's buttons have not worked since {clock(self.since, now)}: {self.error}"
        if (self.sink, self.part) == ("slack", "lookup"):
            return f"since {clock(self.since, now)} nobody knows whether a message is in Slack already: {self.error}"
        who = _NAMES.get(self.sink, self.sink) + (f" ({self.part})" if self.part else "")
        since = f"{clock(self.since, now)} ({ago(self.since, now)})"
        return f"{who} has not taken what it was sent since {since}: {self.error}"


def read_unheard(connection: Connection) -> tuple[FailingChannel, ...]:
    """Those that fail now, the longest first."""
    failing = select(DELIVERIES).where(_STATES, _ROWS.done_ms.is_(None), _ROWS.error.is_not(None))
    return tuple(
        FailingChannel(
            sink=row.sink,
            part=row.key.removeprefix(row.sink).removeprefix(" state "),
            since=from_ms(row.begun_ms),
            error=row.error,
        )
        for row in connection.execute(failing.order_by(_ROWS.begun_ms, _ROWS.key))
    )


def forget_others(engine: Engine, sinks: Collection[str], at: datetime) -> None:
    """Whoever is not among these is no longer configured, and is missed by nobody. Raises DatabaseError."""
    gone = update(DELIVERIES).where(_STATES, _ROWS.done_ms.is_(None), _ROWS.sink.not_in(list(sinks)))
    with durable(engine).begin() as connection:
        connection.execute(gone.values(done_ms=to_ms(at)))
