"""PostgreSQL keeps the observations in a partition for each day (UTC): made ahead, and dropped as a whole."""

from collections.abc import Iterable
from datetime import date
from typing import Final

from sqlalchemy import Connection, text

DAY_MS: Final = 86_400_000
PARTITIONED_BY_TIME: Final = {"postgresql_partition_by": "RANGE (started_ms)"}
"""What the table is made with there; on the table itself it would import that dialect in every process."""
_AHEAD: Final = 3
"""Days that have their partition before they begin."""
_PREFIX: Final = "observations_"
_EPOCH: Final = date(1970, 1, 1).toordinal()
_TODAY: Final = text("SELECT CAST(floor(extract(epoch FROM now()) / 86400) AS bigint)")
_THERE: Final = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass('observations')")
#: A reader that holds the table for long is not waited for, and those behind it do not wait either.
_DROP: Final = """DO $$ BEGIN SET LOCAL lock_timeout = 100; DROP TABLE {name};
 EXCEPTION WHEN lock_not_available THEN NULL; END $$"""


def has_partitions(connection: Connection) -> bool:
    """Whether this database keeps the observations so."""
    return connection.dialect.name == "postgresql"


def add_days(connection: Connection, days: Iterable[int]) -> None:
    """Make the partitions of these days since 1970 where there are none yet; waits for nobody who reads."""
    wanted = {_name(day): day for day in days}
    for name in sorted(wanted.keys() - set(connection.scalars(_THERE))):
        begin_ms = wanted[name] * DAY_MS
        # Created apart and then attached: CREATE TABLE … PARTITION OF would wait for every reader.
        connection.execute(text(f"CREATE TABLE {name} (LIKE observations INCLUDING ALL)"))
        bounds = f"FROM ({begin_ms}) TO ({begin_ms + DAY_MS})"
        connection.execute(text(f"ALTER TABLE observations ATTACH PARTITION {name} FOR VALUES {bounds}"))


def add_days_ahead(connection: Connection) -> None:
    """Make the partitions of today and of the next days."""
    today = connection.scalar(_TODAY) or 0
    add_days(connection, range(today, today + 1 + _AHEAD))


def drop_days(connection: Connection, before_ms: int) -> int:
    """Drop the partitions of the days that were over by then, unless somebody reads them.

    Returns how many that held rows.
    """
    kept_from = _name(before_ms // DAY_MS)
    old = sorted(name for name in connection.scalars(_THERE) if name < kept_from)
    held = [name for name in old if connection.scalar(text(f"SELECT EXISTS (SELECT FROM {name})"))]  # noqa: S608
    for name in old:
        connection.execute(text(_DROP.format(name=name)))
    return len(set(held) - set(connection.scalars(_THERE))) if held else 0


def _name(day: int) -> str:
    """`observations_20261129`, whose order is that of the days."""
    return _PREFIX + date.fromordinal(_EPOCH + day).isoformat().replace("-", "")
