"""The tables of several machines on one PostgreSQL: who leads, what was published, what other machines have probed.

One machine, and SQLite, leave them empty. Their instants are the database's time, which all machines share.
"""

from typing import Final

from sqlmodel import SQLModel

from monitor.storage.table_columns import KeyedTable, counter_column, integer_column, text_column


class LeaseRow(KeyedTable, table=True):
    """What one process at a time may do: lead (`leader`), or probe from a region (`region/eu`)."""

    __tablename__ = "leases"

    name: str = text_column(key=True)
    holder: str = text_column()
    """Who took it last, for people and for its own comparison: its name is as that of no other process."""
    epoch: int = integer_column()
    """Grows by one each time that it is taken; never goes back."""
    until_ms: int = integer_column()
    """When it ends unless it is renewed; a past instant once it is given back."""


class PublishedTableRow(KeyedTable, table=True):
    """The routing table of a region as the leader published it last, for the machines that do not lead."""

    __tablename__ = "published_tables"

    region: str = text_column(key=True)
    """Empty where the configuration has no regions."""
    epoch: int = integer_column()
    generation: int = integer_column()
    at_ms: int = integer_column()
    content: str = text_column()
    """The file."""


class RegionRow(KeyedTable, table=True):
    """How far the probes of a region have been reported, and taken by the leader."""

    __tablename__ = "regions"

    region: str = text_column(key=True)
    sequence: int = counter_column()
    """Of the last report. Whoever reports raises it first, and so locks the row until its commit."""
    taken: int = counter_column()
    """The last report whose observations are stored."""
    reported_ms: int | None = integer_column(null=True)
    """When the last report came; None: there was none."""
    reporter: str | None = text_column(null=True)
    """The machine that made it."""


class ProbeReportRow(KeyedTable, table=True):
    """Observations of a machine that does not lead, until the leader has stored them."""

    __tablename__ = "probe_reports"

    region: str = text_column(key=True)
    sequence: int = integer_column(key=True)
    """Without a gap, in the order of the commits."""
    at_ms: int = integer_column()
    content: str = text_column()
    """The observations as JSON."""


_TABLES = SQLModel.metadata.tables

LEASES: Final = _TABLES["leases"]
PUBLISHED_TABLES: Final = _TABLES["published_tables"]
REGIONS: Final = _TABLES["regions"]
PROBE_REPORTS: Final = _TABLES["probe_reports"]
