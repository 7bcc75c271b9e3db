"""The tables of sums by minute, hour and day; as `monitor.storage.tables` has it for the others."""

from typing import Final

from sqlmodel import SQLModel

from monitor.storage.table_columns import (
    KeyedTable,
    StrictTable,
    integer_column,
    real_column,
    text_column,
)


class RollupRow(StrictTable, table=True):
    """The observations of a target, check and region that started in one hour or day (UTC).

    Rows of one hour are written again and again: in the order in which they came, they share few pages.
    """

    __tablename__ = "rollups"

    target: str = text_column(key=True)
    span_s: int = integer_column(key=True)
    """3,600 or 86,400."""
    start_ms: int = integer_column(key=True)
    check: str = text_column(key=True, name="check_")
    region: str = text_column(key=True)
    asked: str = text_column()
    """How many ended how, as a JSON object by outcome; without those that failed here."""
    failed_here: int = integer_column()
    duration: str = text_column()
    first_token: str = text_column()
    """Histograms of how long answers and first tokens took, as JSON (`monitor.history.histogram`)."""
    input_tokens: int = integer_column()
    output_tokens: int = integer_column()
    cost_usd: float = real_column()
    unpriced: int = integer_column()


class TrafficRollupRow(KeyedTable, table=True):
    """Requests of applications to a target, by route and tag, that ended in ten seconds, a minute or an hour (UTC)."""

    __tablename__ = "traffic_rollups"

    target: str = text_column(key=True)
    span_s: int = integer_column(key=True)
    """10, 60 or 3,600."""
    start_ms: int = integer_column(key=True)
    route: str = text_column(key=True)
    tag: str = text_column(key=True)
    asked: str = text_column()
    duration: str = text_column()
    first_token: str = text_column()
    """As of the rollups of probes."""
    input_tokens: int = integer_column()
    output_tokens: int = integer_column()
    cost_usd: float = real_column()
    unpriced: int = integer_column()
    """Requests whose cost is not known."""


class RouteRollupRow(KeyedTable, table=True):
    """Where a route pointed in one hour or one day (UTC), and what its users felt; all times in seconds."""

    __tablename__ = "route_rollups"

    route: str = text_column(key=True)
    span_s: int = integer_column(key=True)
    start_ms: int = integer_column(key=True)
    on_target_s: str = text_column()
    """How long it pointed at each target, as a JSON object."""
    observed_s: float = real_column()
    felt_s: float = real_column()
    without_s: float = real_column()
    flips: int = integer_column()


_TABLES = SQLModel.metadata.tables

ROLLUPS: Final = _TABLES["rollups"]
TRAFFIC_ROLLUPS: Final = _TABLES["traffic_rollups"]
ROUTE_ROLLUPS: Final = _TABLES["route_rollups"]
