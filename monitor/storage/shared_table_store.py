"""The routing tables that the leader has published, for the machines that do not lead."""

from typing import NamedTuple

from sqlalchemy import Engine, select

from monitor.storage.database import reading
from monitor.storage.fleet_tables import PUBLISHED_TABLES
from monitor.storage.upsert import replace_rows


class SharedTable(NamedTuple):
    """A table as it was published."""

    epoch: int
    generation: int
    at_ms: int
    content: str
    """JSON, as in the routing file."""


class SharedTableStore:
    """One table for each region; each method raises DatabaseError. Writing needs an engine of `open_writer`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = reading(engine)

    def save(self, region: str, table: SharedTable) -> None:
        """Put it in place of the region's last one; `region` is empty without regions."""
        row = {"region": region, **table._asdict()}
        with self._engine.begin() as connection:
            replace_rows(connection, PUBLISHED_TABLES, [row])

    def read(self, region: str, *, unlike: SharedTable | None = None) -> SharedTable | None:
        """The region's table; None where there is none, or where it is `unlike`."""
        columns = PUBLISHED_TABLES.c
        query = select(columns.epoch, columns.generation, columns.at_ms, columns.content).where(
            columns.region == region
        )
        if unlike is not None:
            same = (columns.epoch == unlike.epoch, columns.generation == unlike.generation)
            query = query.where(~(same[0] & same[1] & (columns.at_ms == unlike.at_ms)))
        with self._reading.connect() as connection:
            row = connection.execute(query).one_or_none()
        return SharedTable(*row) if row else None
