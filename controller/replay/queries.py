"""The SQL of a replay: when probes began."""

from datetime import datetime

from sqlalchemy import Connection, select

from monitor.storage.column_conversions import from_ms, storable, to_ms
from monitor.storage.observation_reads import in_slots
from monitor.storage.tables import OBSERVATIONS
from probes.context_check import CONTEXT


def read_starts(connection: Connection, target: str, since: datetime, until: datetime) -> list[datetime]:
    """When the probes of a target began in that time, oldest first; without those beside the schedule that say so."""
    known, started = OBSERVATIONS.c, OBSERVATIONS.c.started_ms
    since_ms, until_ms = to_ms(since), to_ms(until)
    in_time = in_slots(since_ms, until_ms), started.between(since_ms, until_ms)
    query = select(started).where(
        known.target == storable(target), *in_time, known.check_ != CONTEXT, known.afresh.is_(None)
    )
    return [from_ms(at_ms) for at_ms in connection.scalars(query.order_by(started))]
