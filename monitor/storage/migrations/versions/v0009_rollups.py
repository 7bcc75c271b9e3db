"""Observations are summed up by hour and day; those of before are summed up once."""

import logging
import time
from collections.abc import Iterable, Iterator
from itertools import groupby

import sqlalchemy as sa
from alembic import op

from monitor.storage.column_conversions import from_ms
from monitor.storage.rollup_rows import add_to_rollups
from probes.observation import Observation
from probes.outcome import Outcome

revision = "0009"
down_revision = "0008"

_WHOLE = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
_DAY_MS = 86_400_000
_MANY = 50_000
"""So many are worth a word."""
_LOOKS_AFTER = 1_000
_SAYS_EVERY_S = 2.0

log = logging.getLogger(__name__)


def upgrade() -> None:
    """Add the table, and fill it from the observations that are there, a target's day at a time."""
    op.create_table(
        "rollups",
        sa.Column("target", sa.TEXT(), nullable=False),
        sa.Column("span_s", _WHOLE, nullable=False),
        sa.Column("start_ms", _WHOLE, nullable=False),
        sa.Column("check_", sa.TEXT(), nullable=False),
        sa.Column("region", sa.TEXT(), nullable=False),
        sa.Column("asked", sa.TEXT(), nullable=False),
        sa.Column("failed_here", _WHOLE, nullable=False),
        sa.Column("duration", sa.TEXT(), nullable=False),
        sa.Column("first_token", sa.TEXT(), nullable=False),
        sa.Column("input_tokens", _WHOLE, nullable=False),
        sa.Column("output_tokens", _WHOLE, nullable=False),
        sa.Column("cost_usd", sa.REAL(), nullable=False),
        sa.Column("unpriced", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("target", "span_s", "start_ms", "check_", "region"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    stored = sa.text(
        "SELECT target, started_ms, check_, region, outcome, failed_here, duration_s, first_token_s, input_tokens,"
        " output_tokens, cost_usd FROM observations ORDER BY target, started_ms"
    )
    total = connection.scalar(sa.text("SELECT count(*) FROM observations")) or 0
    with connection.execute(stored, execution_options={"yield_per": 1_000}) as rows:
        for _, alike in groupby(_with_word(rows.mappings(), total), key=_day):
            add_to_rollups(connection, map(_observation, alike))


def _with_word(rows: Iterable[sa.RowMapping], total: int) -> Iterator[sa.RowMapping]:
    """The same rows; of many, it is logged that they are summed up, and how far that is."""
    if total < _MANY:
        yield from rows
        return
    log.info("summing_up: %s observations by hour and day, once; the service starts when it is done", f"{total:,}")
    began_s = said_s = time.monotonic()
    for number, row in enumerate(rows, start=1):
        if number % _LOOKS_AFTER == 0 and time.monotonic() - said_s >= _SAYS_EVERY_S:
            said_s = time.monotonic()
            left_s = (said_s - began_s) / number * (total - number)
            log.info("summing_up: %.0f %%, about %.0f s left", 100 * number / total, left_s)
        yield row
    log.info("summed_up: %s observations in %.0f s", f"{total:,}", time.monotonic() - began_s)


def _day(row: sa.RowMapping) -> tuple[str, int]:
    return row["target"], row["started_ms"] // _DAY_MS


def _observation(row: sa.RowMapping) -> Observation:
    values = dict(row)
    return Observation(
        started_at=from_ms(values.pop("started_ms")),
        check=values.pop("check_"),
        outcome=Outcome(values.pop("outcome")),
        failed_here=bool(values.pop("failed_here")),
        **values,
    )
